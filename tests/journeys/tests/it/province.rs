//! A whole province over HTTP: the real binaries under cargo-lambda, behind the gateway. Only `cargo stack test` runs
//! these tests, because cargo builds no other package's binaries for a test.

mod clients;
mod consoles;
pub(crate) mod process;
mod quickstart;

use crate::attempt::routes;
use mealticket_domain::stock::{FENCE_SECONDS, LEASE_SECONDS};
use mealticket_local::{
    client::{Call, Reply},
    engine::Engine,
    environment::{Local, local_config},
    key_file::KeyFile,
    stack::{Message, client},
    template::Template,
    workspace,
};
use mealticket_store::{Clock, Tables};
use process::{Program, Province, run, stack};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::io::{AsyncBufReadExt, BufReader};

const TEA: &str = "mch_luckytea";

#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn the_demo_tells_its_whole_story() {
    let output = run(stack().args(["demo", "--no-build"])).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("23. ") && printed.ends_with("Every step was as it should be.\n"), "{printed}");
    assert!(!printed.contains("WRONG"), "{printed}");
}

#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn the_demo_tells_the_story_of_webhooks() {
    let mut command = stack();
    // A company's proxy, which does not reach this machine's ports.
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, "http://127.0.0.1:9");
    }
    let output = run(command.args(["demo", "--no-build", "--story", "webhooks"])).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("19. ") && printed.ends_with("Every step was as it should be.\n"), "{printed}");
}

#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn every_route_of_openapi_refuses_a_stranger_and_the_gateway_knows_no_other() {
    let province = Province::up(&[]).await;
    let text = std::fs::read_to_string(workspace::openapi()).unwrap();
    // The text before `paths` is the document's own, and the text after them is about our messages.
    let text = text.split_once("\npaths:\n").unwrap().1.split_once("\nwebhooks:\n").unwrap().0;
    let open = ["POST /v1/otp-challenges", "POST /v1/members", "POST /v1/sessions"];
    let mut swept = 0;
    let mut path = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("  /") {
            path = format!("/{}", name.trim_end_matches(':'));
        }
        let method = line.trim().trim_end_matches(':');
        if !["get", "post", "delete", "put", "patch"].contains(&method) || !line.starts_with("    ") || path.is_empty()
        {
            continue;
        }
        let filled = path.replace(['{', '}'], "");
        let call = province.client.call(method.to_uppercase().parse().unwrap(), &filled).body("{}");
        for call in [call.clone(), call.clone().bearer("nonsense"), call.key("0123456789abcdef").bearer("a.b.c")] {
            let reply = call.send().await.unwrap();
            let expected = if open.contains(&format!("{} {path}", method.to_uppercase()).as_str()) { 400 } else { 401 };
            assert_eq!(reply.status, expected, "{method} {path}: {}", reply.text);
            assert_eq!(reply.headers["content-type"], "application/problem+json");
        }
        swept += 1;
    }
    assert_eq!(swept, routes().len());
    for (method, path) in
        [("GET", "/"), ("GET", "/v1"), ("PUT", "/v1/wallet"), ("POST", "/v1/wallet/"), ("GET", "/v2/wallet")]
    {
        let reply = province.client.call(method.parse().unwrap(), path).send().await.unwrap();
        assert_eq!((reply.status, reply.json), (404, json!({ "message": "Not Found" })), "{method} {path}");
    }
    let huge = province.client.post("/v1/sessions", &json!({ "x": "x".repeat(11 << 20) })).send().await;
    assert!(huge.is_err() || huge.is_ok_and(|reply| reply.status == 413));
}

fn redemption(province: &Province, code: &str, till: u64) -> Call {
    province.clone_for_till().redemption(code, till)
}

/// Sends all requests at once, with at most 64 in flight. Returns the replies in order.
async fn at_once(calls: Vec<Call>) -> Vec<Reply> {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(64));
    let mut tasks = Vec::new();
    for call in calls {
        let places = places.clone();
        tasks.push(tokio::spawn(async move {
            let _place = places.acquire().await.unwrap();
            call.send().await.unwrap()
        }));
    }
    let mut replies = Vec::new();
    for task in tasks {
        replies.push(task.await.unwrap());
    }
    replies
}

fn count(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|reply| reply.status == status).count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn races_over_http_have_one_winner_each() {
    let province = Province::up(&[]).await;
    let claim = |member: u64, campaign: &str, key: &str| {
        province
            .client
            .post(&format!("/v1/campaigns/{campaign}/claims"), &json!({}))
            .bearer(&province.member_token(member))
            .key(key)
    };

    let coupon = claim(1, "cmp_0001", "first-claim-of-one-1").send().await.unwrap();
    let code = coupon.text_at("/code").to_owned();
    let replies = at_once((0..64).map(|till| redemption(&province, &code, till)).collect()).await;
    assert_eq!((count(&replies, 201), count(&replies, 409)), (1, 63));

    // Campaign 6 has a hundred units.
    let members = 1_000..1_500;
    let replies = at_once(members.map(|member| claim(member, "cmp_0006", "a-flash-sale-key-1")).collect()).await;
    // The last units may still be settling when the next member asks.
    let refused = count(&replies, 410) + count(&replies, 409);
    assert_eq!((count(&replies, 201), refused), (100, 400));

    let replies = at_once((0..16).map(|_| claim(2, "cmp_0001", "the-same-claim-16-times")).collect()).await;
    let texts: BTreeSet<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!((count(&replies, 201), texts.len()), (16, 1), "{texts:?}");
    let code = replies[0].text_at("/code").to_owned();
    let replies = at_once((0..16).map(|_| redemption(&province, &code, 7)).collect()).await;
    let texts: BTreeSet<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!((count(&replies, 201), texts.len()), (16, 1), "{texts:?}");
}

fn claim(province: &Province, member: u64) -> Call {
    let call = province.client.post("/v1/campaigns/cmp_0001/claims", &json!({}));
    call.bearer(&province.member_token(member)).key("one-key-for-each-member")
}

/// A member, the response to its claim, and the response to the redemption of its coupon if there was one.
type Acknowledged = (u64, Reply, Option<Reply>);

/// Claims and redeems one after the other, until there is no answer.
async fn claim_and_redeem(
    calls: Vec<(u64, Call)>,
    till: process::Till,
    redeemed_count: Arc<AtomicUsize>,
) -> Vec<Acknowledged> {
    let mut acknowledged = Vec::new();
    for (member, call) in calls {
        let Some(claimed) = call.send().await.ok().filter(|reply| reply.status == 201) else { break };
        let redeemed = till.redemption(claimed.text_at("/code"), member).send().await.ok();
        let redeemed = redeemed.filter(|reply| reply.status == 201);
        redeemed_count.fetch_add(usize::from(redeemed.is_some()), SeqCst);
        acknowledged.push((member, claimed, redeemed));
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn killing_the_whole_stack_loses_nothing_that_was_acknowledged() {
    let data = std::env::temp_dir().join(format!("mealticket-kill-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    let data_text = data.display().to_string();
    let mut acknowledged: Vec<Acknowledged> = Vec::new();
    for round in 0..2u64 {
        let mut province = Province::up(&["--data", &data_text]).await;
        let redeemed_count = Arc::new(AtomicUsize::new(0));
        let members = (0..8).map(|task| (0..50).map(move |n| round * 1_000 + task * 100 + n));
        let tasks: Vec<_> = members
            .map(|members| {
                let calls: Vec<(u64, Call)> = members.map(|member| (member, claim(&province, member))).collect();
                tokio::spawn(claim_and_redeem(calls, province.clone_for_till(), redeemed_count.clone()))
            })
            .collect();
        // In the middle of the work: some coupons are redeemed, and eight requests are under way.
        while redeemed_count.load(SeqCst) < 10 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        province.kill().await;
        for task in tasks {
            acknowledged.extend(task.await.unwrap());
        }
        assert_eq!(process::living(&data_text).await, Vec::<String>::new(), "no process outlives the stack");
    }
    let province = Province::up(&["--data", &data_text]).await;
    let redemptions = acknowledged.iter().filter(|(_, _, redeemed)| redeemed.is_some()).count();
    assert!((20..400).contains(&redemptions), "the stack was not killed in the middle: {redemptions}");
    for (member, claimed, redeemed) in &acknowledged {
        let again = claim(&province, *member).send().await.unwrap();
        assert_eq!((again.status, again.is_replayed(), &again.text), (201, true, &claimed.text));
        if let Some(redeemed) = redeemed {
            let call = province.clone_for_till().redemption(claimed.text_at("/code"), *member);
            let again = call.send().await.unwrap();
            assert_eq!((again.status, again.is_replayed(), &again.text), (201, true, &redeemed.text));
        }
    }
    // A quarter of an hour later the sweep has settled what the killed processes had leased, by the journal and the
    // stream.
    let later = Clock::system().now().plus_seconds(LEASE_SECONDS + FENCE_SECONDS + 60).to_string();
    let ticked = run(stack().args(["tick", "--data", &data_text, "--at", &later])).await;
    let printed = String::from_utf8_lossy(&ticked.stdout).into_owned();
    let swept = printed.lines().find_map(|line| line.strip_prefix("sweep-stock ")).unwrap_or_default();
    let swept: Value = serde_json::from_str(swept).unwrap_or_default();
    assert!(
        swept["leases"].as_u64().is_some_and(|leases| leases > 0) && swept["disputed"] == 0,
        "{printed} {ticked:?}"
    );
    // The books and the coupons agree, whatever was under way when the processes were killed.
    let rebuilt = run(stack().args(["rebuild-ledger", "--data", &data_text])).await;
    let printed = String::from_utf8_lossy(&rebuilt.stdout).into_owned();
    assert!(rebuilt.status.success() && printed.contains("agree"), "{printed} {rebuilt:?}");
    let back = run(stack().args(["tick", "--data", &data_text, "--at", "2026-01-01T00:00:00Z"])).await;
    assert!(String::from_utf8_lossy(&back.stderr).contains("does not go back"), "{back:?}");
    let mut province = province;
    assert!(province.terminate().await.success());
    let issued = coupons_left_behind(&data.join("tables.sqlite"));
    assert!(issued >= acknowledged.len() as u64);
    assert_eq!(stock_left_behind(&data.join("tables.sqlite")).await, (100_000 - issued, 0), "the books are even");
    std::fs::remove_dir_all(&data).unwrap();
}

/// Counts the coupons in tables that nobody serves any more.
fn coupons_left_behind(file: &std::path::Path) -> u64 {
    let database = dynoxide::Database::new(file.to_str().unwrap()).unwrap();
    let mut from = Value::Null;
    let mut coupons = 0;
    loop {
        let mut request = json!({ "TableName": "mealticket-local-members" });
        if !from.is_null() {
            request["ExclusiveStartKey"] = from;
        }
        let page = serde_json::to_value(database.scan(serde_json::from_value(request).unwrap()).unwrap()).unwrap();
        let items = page["Items"].as_array().unwrap();
        coupons += items.iter().filter(|item| item["sk"]["S"].as_str().unwrap().starts_with("COUPON#0000001#")).count();
        from = page["LastEvaluatedKey"].clone();
        if from.is_null() {
            return coupons as u64;
        }
    }
}

/// Counts the units left of campaign 1, and the units still leased, in tables that nobody serves any more.
async fn stock_left_behind(file: &std::path::Path) -> (u64, u64) {
    let template = Template::read(&workspace::template()).unwrap();
    let engine = Engine::start(0, Some(file), &template.tables().unwrap()).await.unwrap();
    let config = local_config(
        &template.functions().unwrap(),
        &Local { secrets: file, strict: true, operators: "http://127.0.0.1", tables: "http://127.0.0.1" },
    )
    .unwrap();
    let tables = Tables::new(client(&engine.url()), config.tables, Clock::system());
    let campaign = 1u32.try_into().unwrap();
    (tables.stock.count_remaining(campaign).await.unwrap().unwrap(), tables.stock.count_leased(campaign).await.unwrap())
}

#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn a_stack_that_ends_has_returned_what_it_leased_and_did_not_spend() {
    let data = std::env::temp_dir().join(format!("mealticket-end-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    let data_text = data.display().to_string();
    let mut province = Province::up(&["--data", &data_text]).await;
    // Many claims at once make the leases larger than what is spent of them.
    let claims: Vec<_> = (0..60).map(|member| claim(&province, 20_000 + member)).collect();
    let claims: Vec<_> =
        claims.into_iter().map(|call| tokio::spawn(async move { call.send().await.unwrap() })).collect();
    for claimed in claims {
        assert_eq!(claimed.await.unwrap().status, 201);
    }
    assert!(province.terminate().await.success());
    let tables = data.join("tables.sqlite");
    assert_eq!(stock_left_behind(&tables).await, (100_000 - 60, 0));
    std::fs::remove_dir_all(&data).unwrap();
}

#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn the_stack_ends_on_a_signal_prints_codes_and_keeps_its_logs_clean() {
    let data = std::env::temp_dir().join(format!("mealticket-up-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    let data_text = data.display().to_string();
    let mut province = Province::up(&["--data", &data_text, "--strict"]).await;
    let challenge = province.client.post("/v1/otp-challenges", &json!({ "phone": "+8613712345678" }));
    let sent = challenge.send().await.unwrap();
    assert_eq!(sent.status, 201, "{}", sent.text);
    let Message { phone, otp } = province.message().await;
    assert_eq!(phone, "+8613712345678");
    let proof = json!({ "type": "sms_otp", "challenge_id": sent.text_at("/challenge_id"), "otp": otp });
    let consent = json!({ "terms_version": "1", "privacy_version": "1" });
    let body = json!({ "proof": proof, "channel": "app", "consent": consent });
    let joined = province.client.post("/v1/members", &body).send().await.unwrap();
    assert_eq!((joined.status, joined.text_at("/member/phone_masked")), (201, "137****5678"));
    let limited = challenge.send().await.unwrap();
    assert_eq!((limited.status, limited.text_at("/code")), (429, "too_many_messages"));
    let wait: u64 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");

    let claim = province.client.post("/v1/campaigns/cmp_0001/claims", &json!({}));
    let token = joined.text_at("/session/access_token").to_owned();
    let coupon = claim.bearer(&token).key("an-idempotency-key").send().await.unwrap();
    let code = coupon.text_at("/code").to_owned();
    assert_eq!(redemption(&province, &code, 1).send().await.unwrap().status, 201);
    assert!(province.terminate().await.success());
    assert_eq!(process::living(&data_text).await, Vec::<String>::new());
    assert_eq!(stock_left_behind(&data.join("tables.sqlite")).await, (99_999, 0), "leases are returned in good order");

    let logs: String = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    assert!(logs.contains("\"code\":\"too_many_messages\""), "the functions log their requests: {logs}");
    for secret in ["13712345678", &otp, &code, &code.replace('-', ""), &token, "an-idempotency-key", "the-key-of-till"]
    {
        assert!(!logs.contains(secret), "{secret} is in a log");
    }
    std::fs::remove_dir_all(&data).unwrap();
}

#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn token_and_sign_are_what_an_outside_program_needs() {
    let data = std::env::temp_dir().join(format!("mealticket-token-{}", std::process::id()));
    let data_text = data.display().to_string();
    let province = Province::up(&["--data", &data_text]).await;
    let printed = run(stack().args(["token", "--merchant", TEA, "--data", &data_text])).await;
    let token = String::from_utf8(printed.stdout).unwrap();
    let body = json!({ "code": "44", "store_id": "sto_luckytea01", "order": { "order_no": "1", "amount_fen": 1 } });
    let reply = province.client.post("/v1/validations", &body).bearer(token.trim()).send().await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text);

    let file = std::env::temp_dir().join(format!("mealticket-sign-{}.json", std::process::id()));
    let event = json!({ "type": "shift.closed", "timestamp": "2026-11-22T04:00:00Z", "data": {} }).to_string();
    std::fs::write(&file, &event).unwrap();
    let printed = run(stack().args(["sign", "--merchant", TEA, "--data", &data_text]).arg(&file)).await;
    let mut call = province.client.call("POST".parse().unwrap(), &format!("/v1/merchants/{TEA}/callbacks")).body(event);
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(printed.lines().count(), 3, "{printed}");
    for line in printed.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        call = call.header(name, value);
    }
    assert_eq!(call.send().await.unwrap().status, 202);
    std::fs::remove_file(file).unwrap();

    for (arguments, says) in [
        (vec!["token", "--merchant", "mch_nobody"], "no merchant mch_nobody"),
        (vec!["sign", "--merchant", TEA, "/no/such/file"], "/no/such/file"),
        (vec!["up", "--no-build", "--port", province.port()], "is not free"),
    ] {
        let output = run(stack().args(&arguments)).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(says), "{arguments:?}: {error}");
        assert_eq!(error.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{error}");
    }
    std::fs::remove_dir_all(&data).unwrap();
}

/// A directory belongs to one stack at a time, and keeps the stack's clock with its tables. A mistyped directory is not
/// made.
#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn a_directory_is_one_stacks_and_keeps_its_clock() {
    let data = std::env::temp_dir().join(format!("mealticket-own-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    let data_text = data.display().to_string();
    let refused = async |arguments: &[&str], says: &str| {
        let output = run(stack().args(arguments)).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(says), "{arguments:?}: {error}");
    };
    for command in [
        &["tick"][..],
        &["rebuild-ledger"],
        &["token", "--merchant", TEA],
        &["share-code", "--partner", "ptn_teahouse"],
        &["sign", "--merchant", TEA, "Cargo.toml"],
    ] {
        refused(&[command, &["--data", &data_text]].concat(), "is no stack's directory").await;
    }
    assert!(!data.exists(), "a typing error makes no directory");

    let mut province = Province::up(&["--data", &data_text]).await;
    refused(&["up", "--no-build", "--port", "0", "--data", &data_text], "a stack runs in").await;
    let later = Clock::system().now().plus_seconds(86_400);
    let tick = run(stack().args(["tick", "--data", &data_text, "--at", &later.to_string()])).await;
    assert!(tick.status.success(), "the refused one has not made it unfindable: {tick:?}");
    // A demo runs beside the stack, and its own clock goes on for a month.
    let runs = workspace::private().join("runs");
    let mut demo = stack().args(["demo", "--no-build"]).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let demos = runs.join(demo.id().unwrap().to_string());
    assert!(demo.wait().await.unwrap().success());
    assert!(!demos.exists(), "{}", demos.display());
    assert!(province.now().seconds_since(later) < 3_600, "the demo has moved another's clock");

    assert!(province.terminate().await.success());
    refused(&["tick", "--data", &data_text], "no stack runs here").await;
    let mut province = Province::up(&["--data", &data_text]).await;
    assert!(province.now().seconds_since(later) >= 0, "time has gone back");
    province.kill().await;
    refused(&["tick", "--data", &data_text], "no stack runs here").await;
    std::fs::remove_dir_all(&data).unwrap();
}

/// Ctrl-C comes while the demo starts, or while it runs its story.
#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn a_demo_that_is_interrupted_leaves_nothing_behind() {
    for wait_for_answers in [false, true] {
        let mut command = stack();
        let mut demo = command.args(["demo", "--no-build"]).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let own = workspace::private().join("runs").join(demo.id().unwrap().to_string());
        while !own.join("secrets.json").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if wait_for_answers {
            let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
            lines.next_line().await.unwrap();
        }
        process::signal(&demo, "INT").await;
        assert!(!demo.wait().await.unwrap().success());
        assert!(!own.exists(), "{}", own.display());
        assert_eq!(process::living(&own.display().to_string()).await, Vec::<String>::new());
    }
}

/// A command `cargo stack …` as a document writes it.
fn as_written(line: &str) -> tokio::process::Command {
    let mut command = stack();
    command.args(line.strip_prefix("cargo stack ").unwrap().split(' '));
    command
}

/// Runs the three commands of events/README.md, with free ports. Then sends every filled sample through `cargo stack invoke` to
/// `cargo stack watch`; both are plain cargo-lambda.
#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn plain_cargo_lambda_serves_every_sample() {
    let page = std::fs::read_to_string(workspace::root().join("events/README.md")).unwrap();
    let block = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let commands: Vec<&str> = block.lines().filter(|line| line.starts_with("cargo")).collect();
    let [tables, watch, invoke] = commands[..] else { panic!("{commands:?}") };
    let tables = Program::start(as_written(tables).args(["--port", "0"]), "tokens are good").await;
    let port = process::free_port().to_string();
    let watch = {
        let mut command = as_written(watch);
        command.args(["--ignore-changes", "-P", &port]);
        Program::start_listening(command, &port).await
    };
    let invoked = run(as_written(invoke).args(["--invoke-port", &port])).await;
    let reply: Value = serde_json::from_slice(&invoked.stdout).unwrap();
    assert_eq!(reply["statusCode"], 201, "{invoke}: {invoked:?}");
    let unknown = run(stack().args(["invoke", "redeem-code", "no-such-sample"])).await;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("`cargo stack tables` fills the samples"), "{unknown:?}");
    let (mut invoked, mut as_named) = (0, 0);
    for file in mealticket_local::samples::files().unwrap() {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let function = file.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let output = run(stack().args(["invoke", &function, &name, "--invoke-port", &port])).await;
        assert!(output.status.success(), "{function}/{name}: {}", String::from_utf8_lossy(&output.stderr));
        let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(reply["errorType"].is_null(), "{function}/{name}: {reply}");
        if !mealticket_local::samples::is_http(&file) {
            continue;
        }
        let status = reply["statusCode"].to_string();
        assert!(!status.starts_with('5'), "{function}/{name}: {reply}");
        assert!(function != "accept-merchant-callback" || status != "409", "{name} has another sample's id: {reply}");
        invoked += 1;
        as_named += usize::from(status == name[..3]);
    }
    // The tables remember what earlier samples did, so a few samples get another response here. `events.rs` gives each
    // sample a world of its own and holds it to its name.
    assert!(invoked > 100 && as_named * 5 >= invoked * 4, "{as_named} of {invoked}");
    watch.interrupt().await;
    tables.interrupt().await;
}

#[test]
fn keys_are_written_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let data = std::env::temp_dir().join(format!("mealticket-keys-{}", std::process::id()));
    let seed = mealticket_local::seed::Seed::read(&workspace::seed()).unwrap();
    let state = mealticket_local::state::StateDir::open(Some(&data)).unwrap();
    let keys: KeyFile = state.keys(&seed).unwrap();
    assert_eq!(keys.merchants.len(), 5);
    for name in ["keys.json", "secrets.json"] {
        assert_eq!(std::fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    mealticket_local::state::StateDir::open(None).unwrap();
    assert_eq!(std::fs::metadata(workspace::private()).unwrap().permissions().mode() & 0o777, 0o700);
    let again = state.keys(&seed).unwrap();
    assert_eq!(again.merchants[TEA].pkcs8, keys.merchants[TEA].pkcs8);
    std::fs::remove_dir_all(&data).unwrap();
}
