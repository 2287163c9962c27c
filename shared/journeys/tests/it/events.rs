//! Every sample of `events/` gives the result that its name says.

use crate::attempt::invoke;
use mealticket_api::Deps;
use mealticket_local::{
    samples::{Samples, files},
    template::Template,
    workspace,
};
use mealticket_testing::{Faults, Seen, World};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// `409-code_held--why.json` is a refusal 409 with the code `code_held`; `201-claims.json` a success 201.
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
    let resources = template.document()["Resources"].as_object().unwrap();
    let is_function = |resource: &&Value| resource["Metadata"]["BuildProperties"]["Binary"] == function;
    let resource = resources.values().find(is_function).unwrap();
    let role = resource["Properties"]["Role"]["Fn::GetAtt"].as_str().unwrap().strip_suffix(".Arn").unwrap();
    let mut allowed = BTreeSet::new();
    for policy in resources[role]["Properties"]["Policies"].as_array().unwrap() {
        for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
            let actions = statement["Action"].as_array().cloned().unwrap_or_else(|| vec![statement["Action"].clone()]);
            let operations = actions.iter().filter_map(|action| action.as_str().unwrap().strip_prefix("dynamodb:"));
            for operation in operations {
                let table = statement["Resource"]["Fn::GetAtt"].as_str().unwrap().strip_suffix("Table.Arn").unwrap();
                let table = format!("mealticket-local-{}", table.to_lowercase());
                allowed.insert(Seen { operation: operation.to_owned(), table });
            }
        }
    }
    allowed
}

/// Least privilege, held on both sides: nothing that a function asks is forbidden, and nothing that it may is never asked.
#[tokio::test]
async fn the_samples_ask_of_the_tables_exactly_what_the_roles_allow() {
    let template = Template::read(&workspace::template()).unwrap();
    let mut asked: BTreeMap<String, BTreeSet<Seen>> = BTreeMap::new();
    for file in files().unwrap() {
        let world = World::new().await;
        let samples = Samples::prepare(&world.deps, &world.keys).await.unwrap();
        let faults = Faults::before(&world.engine.url()).await;
        let deps = Deps { store: world.store_at(&faults.url), ..world.deps.clone() };
        invoke(&deps, &function(&file), &samples.render(&file).unwrap()).await;
        asked.entry(function(&file)).or_default().extend(faults.seen());
    }
    for (function, asked) in asked {
        assert_eq!(asked, allowed(&template, &function), "{function}");
    }
}

#[tokio::test]
async fn every_sample_gives_the_result_in_its_name() {
    let files = files().unwrap();
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
    assert_eq!(functions.len(), 5);
    assert!(files.len() >= 40, "{}", files.len());
}

#[tokio::test]
async fn a_sample_taken_as_it_stands_is_answered_and_never_with_a_5xx() {
    let world = World::new().await;
    for file in files().unwrap() {
        let text = std::fs::read_to_string(&file).unwrap();
        let reply = invoke(&world.deps, &function(&file), &serde_json::from_str(&text).unwrap()).await;
        assert!(reply.status < 500, "{}: {} {}", file.display(), reply.status, reply.text);
    }
}
