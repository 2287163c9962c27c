//! Clients that generators make from `infra/openapi.yaml`, for Python and TypeScript. No type is lost, and each client
//! claims, validates, holds and redeems.

use super::process::Province;
use mealticket_local::workspace;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tokio::process::Command;

const STORE: &str = "sto_luckytea01";
const CAMPAIGN: &str = "cmp_0001";
/// The exit code by which the runner says that its tools cannot be installed here.
const INSTALL_FAILED: i32 = 75;
/// To install, to generate and to check take half a minute on two idle cores.
const RUNNER_SECONDS_MAX: Duration = Duration::from_secs(30 * 60);

fn runner() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/run.py")
}

/// Runs one half of the runner's work, in a directory for the generated files.
async fn run_half(half: &str, work: &Path, more: &[(&str, &str)]) -> Output {
    let mut command = Command::new("python3");
    command.arg(runner()).args(["--only", half]).arg("--work").arg(work);
    command.arg("--tools").arg(workspace::private().join("tools/clients"));
    for (name, value) in more {
        command.args([name, value]);
    }
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    tokio::time::timeout(RUNNER_SECONDS_MAX, output).await.unwrap().unwrap()
}

/// What a program has printed, for the message of a test that fails.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// Signs a person up. Returns the access token.
async fn sign_up(province: &mut Province, phone: &str) -> String {
    let challenge = province.client.post("/v1/otp-challenges", &json!({ "phone": phone })).send().await.unwrap();
    let otp = province.message().await.otp;
    let proof = json!({ "type": "sms_otp", "challenge_id": challenge.text_at("/challenge_id"), "otp": otp });
    let consent = json!({ "terms_version": "1", "privacy_version": "1" });
    let body = json!({ "proof": proof, "channel": "app", "consent": consent });
    let joined = province.client.post("/v1/members", &body).send().await.unwrap();
    assert_eq!(joined.status, 201, "{}", joined.text);
    joined.text_at("/session/access_token").to_owned()
}

#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn generated_clients_lose_no_type_and_claim_validate_and_redeem() {
    let data = std::env::temp_dir().join(format!("mealticket-clients-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    let work = data.join("clients");
    std::fs::create_dir_all(&work).unwrap();

    // First the work that needs no token: a token lives for minutes.
    let contract = workspace::openapi().display().to_string();
    let checked = run_half("check", &work, &[("--openapi", contract.as_str())]).await;
    if checked.status.code() == Some(INSTALL_FAILED) {
        eprintln!("{}: no client was generated", said(&checked));
        std::fs::remove_dir_all(&data).unwrap();
        return;
    }
    assert!(checked.status.success(), "{}", said(&checked));

    let mut province = Province::up(&["--data", &data.join("stack").display().to_string()]).await;
    let python = sign_up(&mut province, "+8613800138003").await;
    let typescript = sign_up(&mut province, "+8613800138004").await;
    let merchant = province.merchant_token("mch_luckytea");
    let api = format!("http://127.0.0.1:{}", province.port());
    let given = [
        ("--api", api.as_str()),
        ("--campaign", CAMPAIGN),
        ("--store", STORE),
        ("--merchant-token", merchant.as_str()),
        ("--python-member-token", python.as_str()),
        ("--typescript-member-token", typescript.as_str()),
    ];
    let ran = run_half("run", &work, &given).await;
    assert!(ran.status.success(), "{}", said(&ran));
    let printed = String::from_utf8(ran.stdout).unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    let [python, typescript] = lines[..] else { panic!("{printed}") };
    for (line, client) in [(python, "python: "), (typescript, "typescript: ")] {
        assert!(line.starts_with(client) && line.contains("redeemed with 500 fen off, and repeated"), "{printed}");
    }
    assert!(province.terminate().await.success());
    std::fs::remove_dir_all(&data).unwrap();
}
