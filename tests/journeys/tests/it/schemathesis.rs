//! Checks a running province against the contract, with schemathesis, a program that knows only the contract. It makes
//! good and bad requests of every route, follows the contract's links, and holds every response to the contract.

use crate::province::process::{Province, run, stack};
use mealticket_domain::ProvinceMonth;
use mealticket_local::workspace;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tokio::process::Command;

const PACKAGE: &str = "schemathesis==4.32.5";
/// The program takes a minute on two idle cores.
const PROGRAM_SECONDS_MAX: std::time::Duration = std::time::Duration::from_secs(15 * 60);
/// Members who claim one coupon each.
const CLAIMANTS: u64 = 400;

/// Installs the program in a private Python. Returns `None` when its package cannot be installed here.
async fn program() -> Option<PathBuf> {
    let venv = workspace::private().join("tools/schemathesis");
    let program = venv.join("bin/schemathesis");
    let version = Command::new(&program).arg("--version").output().await;
    let is_there = version.is_ok_and(|output| {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.trim().ends_with(PACKAGE.rsplit('=').next().unwrap())
    });
    if is_there {
        return Some(program);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status().await;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", PACKAGE];
    let installed = Command::new(venv.join("bin/python3")).args(install).status().await;
    (made.is_ok_and(|made| made.success()) && installed.is_ok_and(|installed| installed.success())).then_some(program)
}

/// Tokens of a member who has signed up, and of others who only claim.
async fn members(province: &mut Province) -> Vec<String> {
    let phone = serde_json::json!({ "phone": "+8613800138000" });
    let challenge = province.client.post("/v1/otp-challenges", &phone).send().await.unwrap();
    let otp = province.message().await.otp;
    let proof =
        serde_json::json!({ "type": "sms_otp", "challenge_id": challenge.text_at("/challenge_id"), "otp": otp });
    let consent = serde_json::json!({ "terms_version": "1", "privacy_version": "1" });
    let body = serde_json::json!({ "proof": proof, "channel": "app", "consent": consent });
    let joined = province.client.post("/v1/members", &body).send().await.unwrap();
    let token = joined.text_at("/session/access_token").to_owned();
    std::iter::once(token).chain((0..CLAIMANTS).map(|number| province.member_token(30_000 + number))).collect()
}

/// Makes last month's business, so that there is a statement. A coupon is redeemed, and then the clock is moved on
/// until the books are closed. Returns the code, which was redeemed on order `T-1`.
async fn closed_month(province: &Province, data: &str) -> String {
    let claim = province.client.post("/v1/campaigns/cmp_0001/claims", &serde_json::json!({}));
    let claimed = claim.bearer(&province.member_token(29_999)).key("a-claim-of-last-month").send().await.unwrap();
    let till = province.clone_for_till();
    assert_eq!(till.redemption(claimed.text_at("/code"), 1).send().await.unwrap().status, 201);
    // The stream is posted within seconds, and folded when the schedule runs.
    let mut is_folded = false;
    for _ in 0..300 {
        let ticked = run(stack().args(["tick", "--data", data])).await;
        is_folded = String::from_utf8_lossy(&ticked.stdout).contains("\"entries\":1");
        if is_folded {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert!(is_folded, "the redemption is not in the books after a minute");
    let next_month = ProvinceMonth::of(province.now().province_day()).next();
    let at = next_month.first_day().plus_days(1).starts_at().to_string();
    run(stack().args(["tick", "--data", data, "--at", &at])).await;
    let listed = province.client.get("/v1/statements").bearer(&province.merchant_token("mch_luckytea"));
    let listed = listed.send().await.unwrap();
    assert!(!listed.text_at("/items/0/statement_id").is_empty(), "{}", listed.text);
    claimed.text_at("/code").to_owned()
}

#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn schemathesis_finds_nothing_on_any_route_with_tokens_of_each_kind() {
    let Some(program) = program().await else {
        eprintln!("{PACKAGE} cannot be installed here: the contract was not tried against a running province");
        return;
    };
    let data = std::env::temp_dir().join(format!("mealticket-contract-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    let data_text = data.display().to_string();
    let mut province = Province::up(&["--data", &data_text]).await;
    let redeemed = closed_month(&province, &data_text).await;
    let (tokens, answered) = (data.join("member-tokens"), data.join("answered.json"));
    std::fs::write(&tokens, members(&mut province).await.join("\n")).unwrap();

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schemathesis");
    let api = format!("http://127.0.0.1:{}", province.port());
    let mut command = Command::new(program);
    command
        .arg("--config-file")
        .arg(folder.join("schemathesis.toml"))
        .arg("run")
        .arg(workspace::openapi())
        .args(["--url", &api, "--max-examples", "10", "--seed", "1", "--continue-on-failure", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing,stateful"])
        .current_dir(&data)
        .env("PYTHONPATH", &folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("STACK", stack().as_std().get_program())
        .env("STACK_DATA", &data)
        .env("MEMBER_TOKENS", &tokens)
        .env("REDEEMED_CODE", redeemed)
        .env("REDEEMED_ORDER", "T-1")
        .env("ANSWERED", &answered);
    let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    let output =
        tokio::time::timeout(PROGRAM_SECONDS_MAX, output).await.expect("schemathesis goes on for ever").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");

    // A clean result is worth nothing when only refusals were seen.
    let answered: BTreeMap<String, Value> = serde_json::from_slice(&std::fs::read(&answered).unwrap()).unwrap();
    for reached in [
        "claim_coupon 201",
        "validate_code 200",
        "hold_code 201",
        "read_wallet 200",
        "release_hold 204",
        "redeem_code 201",
        "read_redemption 200",
        "reverse_redemption 201",
        "find_redemptions 200",
        "read_statement 200",
        "export_statement 200",
        "read_journal 200",
        "list_discrepancies 200",
        "accept_merchant_callback 202",
        "read_metrics 200",
        "rotate_endpoint 200",
    ] {
        assert!(answered.contains_key(reached), "never reached: {reached}; {answered:?}");
    }
    assert!(province.terminate().await.success());
    let _ = std::fs::remove_dir_all(&data);
}
