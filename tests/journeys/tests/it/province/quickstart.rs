//! The quickstart for merchants' developers, run as it stands in `docs/WEBHOOKS.md`.

use super::process::{Province, stack};
use mealticket_domain::Timestamp;
use mealticket_local::{key_file::MerchantSecrets, workspace};
use serde_json::Value;
use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

fn section() -> String {
    let text = std::fs::read_to_string(workspace::root().join("docs/WEBHOOKS.md")).unwrap();
    let section = text.split("## Try it in ten minutes\n").nth(1).unwrap();
    section.split("\n## ").next().unwrap().to_owned()
}

/// The blocks of shell lines of a section, in order.
fn blocks(section: &str) -> Vec<&str> {
    section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// A directory in which the lines run: the documents are there, and `cargo stack` is the stack that is built, with this `--data`.
pub(super) fn desk(data: &Path) -> PathBuf {
    let desk = data.join("desk");
    std::fs::create_dir_all(desk.join("bin")).unwrap();
    symlink(workspace::root().join("docs"), desk.join("docs")).unwrap();
    let program = stack().as_std().get_program().to_owned();
    let cargo = desk.join("bin/cargo");
    let (program, data) = (Path::new(&program).display(), data.display());
    let text = format!(
        "#!/bin/sh\nshift\ncase \"$*\" in *--data*) exec {program} \"$@\";; esac\nexec {program} \"$@\" --data {data}\n"
    );
    std::fs::write(&cargo, text).unwrap();
    std::fs::set_permissions(&cargo, PermissionsExt::from_mode(0o755)).unwrap();
    desk
}

pub(super) fn shell(desk: &Path, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-euc").arg(format!("PATH={}:$PATH\n{script}", desk.join("bin").display()));
    command.current_dir(desk).env("PYTHONDONTWRITEBYTECODE", "1");
    // The shell has a process group of its own, so that everything it started ends with it.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).process_group(0);
    command
}

/// Ends a shell and everything that it started when the test ends, however it ends.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::process::Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0)]).status();
    }
}

fn lines(child: &mut Child) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(child.stdout.take().unwrap()).lines()
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    tokio::time::timeout(Duration::from_secs(120), lines.next_line()).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn the_quickstart_for_merchants_runs_as_it_stands() {
    if Command::new("curl").arg("--version").output().await.is_err() {
        eprintln!("there is no curl here: the quickstart for merchants was not run");
        return;
    }
    let data = std::env::temp_dir().join(format!("mealticket-quickstart-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    let mut province = Province::up(&["--data", &data.display().to_string()]).await;
    let desk = desk(&data);
    let section = section();
    let blocks = blocks(&section);
    let [up, register, session, report] = blocks[..] else { panic!("{} blocks", blocks.len()) };
    assert_eq!(up, "cargo stack up\n");
    let own = data.join("session.sh");
    let api = format!("http://127.0.0.1:{}", province.port());
    let receiver_port = super::process::free_port().to_string();
    let here = |block: &str| {
        let block = block.replace("http://127.0.0.1:8780", &api).replace("9000", &receiver_port);
        block.replace(".stack/session.sh", &own.display().to_string())
    };

    let mut receiver = shell(&desk, &here(register)).spawn().unwrap();
    let _receivers = Group(receiver.id().unwrap());
    let mut received = lines(&mut receiver);
    assert!(next(&mut received).await.starts_with("listening on"));

    let script = here(session);
    let mut session = shell(&desk, &script).spawn().unwrap();
    let mut input = session.stdin.take().unwrap();
    let otp = province.message().await.otp;
    input.write_all(format!("{otp}\n").as_bytes()).await.unwrap();
    drop(input);
    let printed = session.wait_with_output().await.unwrap();
    let printed = (printed.status.success(), String::from_utf8(printed.stdout).unwrap());
    let wallet: Value =
        serde_json::from_str(printed.1.lines().last().unwrap()).unwrap_or_else(|_| panic!("{}", printed.1));
    assert!(printed.0 && printed.1.contains("\"discount_fen\":500"), "{}", printed.1);
    let code = wallet["coupons"][0]["code"].as_str().unwrap_or_else(|| panic!("{}", printed.1)).to_owned();
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let line = next(&mut received).await;
        let message: Value = serde_json::from_str(line.split_once(' ').unwrap().1).unwrap_or_else(|_| panic!("{line}"));
        kinds.push(message["type"].as_str().unwrap().to_owned());
    }
    kinds.sort();
    assert_eq!(kinds, ["coupon.issued", "coupon.issued", "coupon.redeemed"]);

    let reported = shell(&desk, &here(report)).env("CODE", code).output().await.unwrap();
    let said = String::from_utf8_lossy(&reported.stdout).into_owned();
    assert_eq!(said, r#"{"received":true}"#, "{reported:?}");
    let line = next(&mut received).await;
    assert!(line.contains("coupon.redeemed") && line.contains("OFFLINE-7"), "{line}");
    assert!(province.terminate().await.success());
    std::fs::remove_dir_all(&data).unwrap();
}

#[test]
fn the_test_vector_for_merchants_is_ours() {
    let section = section();
    let cell = |name: &str| {
        let row = section.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap();
        row.split('`').nth_back(1).unwrap().to_owned()
    };
    let merchant = MerchantSecrets { webhook_secret: cell("secret"), ..MerchantSecrets::generate().unwrap() };
    let at = Timestamp::from_unix_seconds(cell("`webhook-timestamp`").parse().unwrap()).unwrap();
    let headers = merchant.sign(&cell("`webhook-id`"), at, cell("body").as_bytes()).unwrap();
    assert_eq!(headers[2], ("webhook-signature", cell("`webhook-signature`")));
}
