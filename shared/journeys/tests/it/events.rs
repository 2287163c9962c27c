//! Every sample of `events/` gives the result that its name says.

use crate::attempt::invoke;
use mealticket_local::samples::{Samples, files};
use mealticket_testing::World;
use std::{collections::BTreeSet, path::Path};

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
