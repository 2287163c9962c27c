//! Implementations by others: the package that the specification's authors publish for Python, and the samples that
//! merchants copy.

use base64::{Engine, engine::general_purpose::STANDARD};
use mealticket_api::webhook::{Headers, SenderKey, WebhookSecret, verify};
use mealticket_domain::Timestamp;
use mealticket_local::workspace;
use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

/// The peer's package, pinned. Look at newer versions when you change this.
const PEER: &str = "standardwebhooks==1.1.0";
/// Random messages, each signed and verified in both directions.
const MESSAGES: usize = 10_000;

/// Signs and verifies each line with the package. A line is secret, id, time stamp, body and our signature.
const SCRIPT: &str = r#"
import base64, sys
from datetime import datetime, timezone
from standardwebhooks.webhooks import Webhook
for line in sys.stdin:
    secret, id, timestamp, body, ours = line.rstrip("\n").split("\t")
    body = base64.b64decode(body).decode()
    webhook = Webhook(secret)
    theirs = webhook.sign(id, datetime.fromtimestamp(int(timestamp), timezone.utc), body)
    try:
        webhook.verify(body, {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": ours})
        print(theirs, "verified", sep="\t")
    except Exception as error:
        print(theirs, error, sep="\t")
"#;

struct Message {
    secret: String,
    id: String,
    timestamp: i64,
    body: String,
}

fn messages() -> Vec<Message> {
    const ID: &[u8] = b"ABCXYZabcxyz0189_-";
    let mut random = fastrand::Rng::with_seed(7);
    // The peer uses the machine's clock and no other.
    let now = mealticket_store::Clock::system().now().unix_seconds();
    let mut message = || {
        let bytes: Vec<u8> = (0..random.usize(24..=64)).map(|_| random.u8(..)).collect();
        let id = (0..random.usize(1..=64)).map(|_| char::from(ID[random.usize(..ID.len())])).collect();
        let text: String = (0..random.usize(..200)).map(|_| random.char(..)).collect();
        let body = serde_json::json!({ "type": "coupon.redeemed", "data": text }).to_string();
        let timestamp = now + random.i64(-200..200);
        Message { secret: format!("whsec_{}", STANDARD.encode(bytes)), id, timestamp, body }
    };
    (0..MESSAGES).map(|_| message()).collect()
}

/// A private Python with the peer in it.
fn python() -> PathBuf {
    let venv = workspace::private().join("tools/webhooks");
    let python = venv.join("bin/python3");
    let has_it = |python: &PathBuf| {
        let probe =
            Command::new(python).args(["-c", "import standardwebhooks.webhooks"]).stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    };
    if !has_it(&python) {
        assert!(Command::new("python3").args(["-m", "venv"]).arg(&venv).status().unwrap().success());
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", PEER];
        assert!(Command::new(&python).args(install).status().unwrap().success(), "{PEER} cannot be installed");
    }
    python
}

/// What a program prints for these lines.
fn answers(program: &mut Command, lines: &str) -> Vec<String> {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, lines) = (child.stdin.take().unwrap(), lines.to_owned());
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn ten_thousand_random_messages_agree_with_the_python_package_in_both_directions() {
    let messages = messages();
    let lines: String = messages
        .iter()
        .map(|message| {
            let secret = WebhookSecret::read(&message.secret).unwrap();
            let ours = secret.sign(&message.id, message.timestamp, message.body.as_bytes());
            let Message { secret, id, timestamp, body } = message;
            format!("{secret}\t{id}\t{timestamp}\t{}\t{ours}\n", STANDARD.encode(body))
        })
        .collect();
    let answers = answers(Command::new(python()).args(["-c", SCRIPT]), &lines);
    assert_eq!(answers.len(), MESSAGES);
    for (message, answer) in messages.iter().zip(&answers) {
        let (theirs, verdict) = answer.split_once('\t').unwrap();
        assert_eq!(verdict, "verified", "{}", message.id);
        let timestamp = message.timestamp.to_string();
        let headers = Headers { id: Some(&message.id), timestamp: Some(&timestamp), signature: Some(theirs) };
        let now = Timestamp::from_unix_seconds(message.timestamp).unwrap();
        let keys = [SenderKey::read(&message.secret).unwrap()];
        assert_eq!(verify(headers, message.body.as_bytes(), &keys, now), Ok(&*message.id));
    }
}

/// Messages for the samples, and whether each is good. Some are good, some have one thing wrong, and some are not
/// signed.
fn sample_lines() -> Vec<(String, bool)> {
    const NOW: i64 = 1_795_320_000;
    let secret = format!("whsec_{}", STANDARD.encode([7; 32]));
    let other = format!("whsec_{}", STANDARD.encode([8; 32]));
    let body = r#"{"type":"coupon.redeemed","data":{"order_no":"单号-1"}}"#;
    let sign = |secret: &str, id: &str, at: i64, body: &str| {
        WebhookSecret::read(secret).unwrap().sign(id, at, body.as_bytes())
    };
    let good = sign(&secret, "msg_1", NOW, body);
    let line = |secrets: &str, id: &str, timestamp: &str, signature: &str, body: &str| {
        format!("{secrets}\t{NOW}\t{id}\t{timestamp}\t{signature}\t{}", STANDARD.encode(body))
    };
    let now = NOW.to_string();
    let at = |seconds: i64| {
        let signature = sign(&secret, "msg_1", NOW + seconds, body);
        line(&secret, "msg_1", &(NOW + seconds).to_string(), &signature, body)
    };
    let both = format!("{} {good}", sign(&other, "msg_1", NOW, body));
    let nine = [good.as_str(); 9].join(" ");
    let dotted = sign(&secret, "msg.1", NOW, body);
    vec![
        (line(&secret, "msg_1", &now, &good, body), true),
        (line(&format!("{other},{secret}"), "msg_1", &now, &good, body), true),
        (line(&secret, "msg_1", &now, &both, body), true),
        (line(&secret, "msg_1", &now, &sign(&secret, "msg_1", NOW, ""), ""), true),
        (at(-300), true),
        (at(300), true),
        (at(-301), false),
        (at(301), false),
        (line(&other, "msg_1", &now, &good, body), false),
        (line(&secret, "msg_2", &now, &good, body), false),
        (line(&secret, "msg_1", &(NOW + 1).to_string(), &good, body), false),
        (line(&secret, "msg_1", &now, &good, &format!("{body} ")), false),
        (line(&secret, "msg_1", &now, &good.replace("v1,", "v2,"), body), false),
        (line(&secret, "msg_1", &now, &nine, body), false),
        (line(&secret, "msg.1", &now, &dotted, body), false),
        (line(&secret, "msg_1", "1e9", &good, body), false),
        (line(&secret, "msg_1", &now, "", body), false),
        (line("whsec_", "msg_1", &now, &good, body), false),
    ]
}

#[test]
fn the_samples_that_merchants_copy_verify_what_is_good_and_refuse_what_is_not() {
    let lines = sample_lines();
    let input: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    let folder = workspace::root().join("docs/webhooks");
    let mut tried = Vec::new();
    for (program, arguments) in [
        ("python3", vec!["verify.py"]),
        ("node", vec!["verify.mjs"]),
        ("java", vec!["Verify.java"]),
        ("go", vec!["run", "verify.go"]),
    ] {
        // Python is always there. The others are tried where they are installed.
        let is_there = Command::new(program).arg(if program == "go" { "version" } else { "--version" }).output();
        if !is_there.is_ok_and(|output| output.status.success()) {
            continue;
        }
        let answers = answers(Command::new(program).args(arguments).current_dir(&folder), &input);
        let expected: Vec<&str> = lines.iter().map(|(_, good)| if *good { "ok" } else { "refused" }).collect();
        assert_eq!(answers, expected, "{program}");
        tried.push(program);
    }
    assert!(tried.contains(&"python3"), "{tried:?}");
}
