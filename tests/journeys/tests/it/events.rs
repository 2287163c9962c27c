//! Every sample of `events/` gives the result that its name says.

use crate::attempt::invoke;
use crate::books::post_all;
use mealticket_api::Deps;
use mealticket_domain::stock::{FENCE_SECONDS, LEASE_SECONDS};
use mealticket_local::{
    samples::{Samples, files, is_http},
    template::Template,
    workspace,
};
use mealticket_store::Tables;
use mealticket_support::{Faults, ScriptedCourier, Seen, World, world::streams};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// The status and the code that a sample's name promises. `409-code_held.json` is a refusal 409 with the code
/// `code_held`; `201-claims-a-coupon.json` is a success 201.
fn expected(file: &Path) -> (u16, Option<String>) {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let (status, what) = name.split_once('-').unwrap();
    let status: u16 = status.parse().unwrap();
    let code = what.split("--").next().unwrap().to_owned();
    (status, (status >= 400).then_some(code))
}

fn function(file: &Path) -> String {
    file.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

/// What a function's role in the template allows: operation and table.
fn allowed(template: &Template, function: &str) -> BTreeSet<Seen> {
    let seen = |(table, actions): (String, BTreeSet<String>)| {
        let table = format!("mealticket-local-{table}");
        actions.into_iter().map(move |operation| Seen { operation, table: table.clone() })
    };
    template.grants(function).unwrap().into_iter().flat_map(seen).collect()
}

/// What Lambda needs to poll a stream in a function's name (Lambda developer guide, "Process DynamoDB records").
fn what_lambda_asks_of_the_stream() -> impl Iterator<Item = Seen> {
    let operations = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];
    operations
        .into_iter()
        .map(|operation| Seen { operation: operation.to_owned(), table: "mealticket-local-members".to_owned() })
}

/// Hands an event to a function that nobody calls over HTTP. Returns its reply.
async fn trigger(deps: &Deps<Tables>, url: &str, function: &str, event: Value) -> Value {
    let tables = &deps.tables;
    match function {
        "post-ledger" => {
            let batch = serde_json::from_value(event).unwrap();
            serde_json::to_value(post_ledger::handle(&tables.narrowed(), batch).await.unwrap()).unwrap()
        }
        "rebuild-ledger" => serde_json::to_value(rebuild_ledger::rebuild(&tables.narrowed()).await.unwrap()).unwrap(),
        "fold-books" => serde_json::to_value(fold_books::work(&tables.narrowed()).await.unwrap()).unwrap(),
        "sweep-stock" => serde_json::to_value(
            sweep_stock::sweep(&tables.narrowed(), &tables.members.stream(streams(url))).await.unwrap(),
        )
        .unwrap(),
        "queue-webhooks" => {
            let batch = serde_json::from_value(event).unwrap();
            serde_json::to_value(queue_webhooks::handle(&deps.narrowed(), batch).await.unwrap()).unwrap()
        }
        "deliver-webhooks" => {
            let courier = Arc::new(ScriptedCourier::answering(500));
            let shift = serde_json::from_value(event).unwrap();
            serde_json::to_value(deliver_webhooks::work(&deps.narrowed(), &courier, shift).await.unwrap()).unwrap()
        }
        other => panic!("no function {other}"),
    }
}

/// Least privilege, held on both sides. A role allows everything that its function asks of the tables, and nothing that
/// no sample asks.
#[tokio::test]
async fn the_samples_ask_of_the_tables_exactly_what_the_roles_allow() {
    let template = Template::read(&workspace::template()).unwrap();
    let mut asked: BTreeMap<String, BTreeSet<Seen>> = BTreeMap::new();
    for file in files().unwrap() {
        let world = World::new().await;
        let samples = Samples::prepare(&world.deps, &world.keys).await.unwrap();
        let faults = Faults::before(&world.engine.url()).await;
        let deps = Deps { tables: world.tables_at(&faults.url), ..world.deps.clone() };
        let event = samples.render(&file).unwrap();
        if is_http(&file) {
            invoke(&deps, &function(&file), &event).await;
        } else {
            world.pass_seconds(LEASE_SECONDS + FENCE_SECONDS);
            if ["fold-books", "rebuild-ledger"].contains(&function(&file).as_str()) {
                post_all(&world).await;
                if let Some(time) = event["time"].as_str() {
                    world.clock().set(time.parse().unwrap());
                }
            }
            let mut event = event;
            if function(&file) == "queue-webhooks" {
                event["Records"].as_array_mut().unwrap().extend(crate::webhooks::early::undone_too_early(&world).await);
            }
            if function(&file) == "deliver-webhooks" {
                crate::webhooks::queue_all(&world).await;
            }
            trigger(&deps, &faults.url, &function(&file), event).await;
        }
        asked.entry(function(&file)).or_default().extend(faults.seen());
    }
    for (function, mut asked) in asked {
        if template.mappings().unwrap().iter().any(|mapping| mapping.function == function) {
            asked.extend(what_lambda_asks_of_the_stream());
        }
        assert_eq!(asked, allowed(&template, &function), "{function}");
    }
}

#[tokio::test]
async fn every_sample_gives_the_result_in_its_name() {
    let files: Vec<_> = files().unwrap().into_iter().filter(|file| is_http(file)).collect();
    let mut functions = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in &files {
        let world = World::new().await;
        let samples = Samples::prepare(&world.deps, &world.keys).await.unwrap();
        let event = samples.render(file).unwrap();
        let reply = invoke(&world.deps, &function(file), &event).await;
        functions.insert(function(file));
        let (status, code) = expected(file);
        if reply.status != status || code.is_some_and(|code| code != reply.code()) {
            wrong.push(format!("{}: {} {}", file.display(), reply.status, reply.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(functions.len(), 10);
    assert!(files.len() >= 40, "{}", files.len());
}

#[tokio::test]
async fn a_sample_taken_as_it_stands_is_answered_and_never_with_a_5xx() {
    let world = World::new().await;
    for file in files().unwrap().into_iter().filter(|file| is_http(file)) {
        let text = std::fs::read_to_string(&file).unwrap();
        let reply = invoke(&world.deps, &function(&file), &serde_json::from_str(&text).unwrap()).await;
        assert!(reply.status < 500, "{}: {} {}", file.display(), reply.status, reply.text);
    }
}

#[tokio::test]
async fn a_sample_of_the_stream_is_posted_once_however_often_it_comes() {
    let files = files().unwrap().into_iter().filter(|file| function(file) == "post-ledger");
    let mut pages = 0;
    for file in files {
        let world = World::new().await;
        let event: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let shard = event["shardId"].as_str().unwrap().parse().unwrap();
        for _ in 0..2 {
            let reply = trigger(&world.deps, &world.engine.url(), "post-ledger", event.clone()).await;
            assert_eq!(reply, serde_json::json!({ "state": {}, "batchItemFailures": [] }), "{}", file.display());
        }
        let mark = world.another_environment().ledger.read_mark(&shard).await.unwrap();
        let expected = (!event["Records"].as_array().unwrap().is_empty()).then_some(1);
        assert_eq!(mark.map(|mark| mark.page), expected, "{}", file.display());
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        for page in world.tables().ledger.read_journal(&shard, mealticket_domain::Timestamp::MIN).await.unwrap().pages {
            pages += 1;
            assert_eq!(page.aside.is_empty(), !name.starts_with("sets-aside"), "{name}: {:?}", page.aside);
        }
    }
    assert_eq!(pages, 2);
}

/// A function declares the tables that it reaches, and its role allows those tables and no others. The stream of a
/// table has no handle.
#[test]
fn the_handles_of_a_function_are_the_tables_of_its_role() {
    let template = Template::read(&workspace::template()).unwrap();
    macro_rules! handles {
        ($($name:literal: $function:ident),+ $(,)?) => {
            [$(($name, <$function::Handles as mealticket_store::Handles>::TABLES)),+]
        };
    }
    let declared = handles! {
        "sign-up-member": sign_up_member,
        "issue-coupon": issue_coupon,
        "read-wallet": read_wallet,
        "redeem-code": redeem_code,
        "accept-merchant-callback": accept_merchant_callback,
        "read-statements": read_statements,
        "read-deliveries": read_deliveries,
        "read-books": read_books,
        "manage-webhooks": manage_webhooks,
        "decide-discrepancies": decide_discrepancies,
        "post-ledger": post_ledger,
        "queue-webhooks": queue_webhooks,
        "sweep-stock": sweep_stock,
        "fold-books": fold_books,
        "deliver-webhooks": deliver_webhooks,
        "rebuild-ledger": rebuild_ledger,
    };
    let named: BTreeSet<String> = declared.iter().map(|(name, _)| (*name).to_owned()).collect();
    let all: BTreeSet<String> = template.functions().unwrap().into_iter().map(|function| function.name).collect();
    assert_eq!(named, all);
    for (name, tables) in declared {
        let of_items = |action: &String| action.ends_with("Item") || action == "Query" || action == "Scan";
        let grants = template.grants(name).unwrap().into_iter();
        let granted: BTreeSet<String> =
            grants.filter(|(_, actions)| actions.iter().any(of_items)).map(|(table, _)| table).collect();
        assert_eq!(tables.iter().map(|table| (*table).to_owned()).collect::<BTreeSet<_>>(), granted, "{name}");
    }
}
