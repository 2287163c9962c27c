//! What documents say shows a thing, exists.

use mealticket_local::workspace;
use std::{collections::BTreeSet, fs, path::Path};

/// The names of all functions in Rust files below a folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let after = text.split("fn ").skip(1);
            names.extend(
                after.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()),
            );
        }
    }
}

/// A test's name is a sentence: five words or more.
fn is_test(text: &str) -> bool {
    text.matches('_').count() >= 4 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_test_that_the_security_model_names_exists() {
    let root = workspace::root();
    let mut known = BTreeSet::new();
    for folder in ["shared", "functions", "infra/local"] {
        functions(&root.join(folder), &mut known);
    }
    let text = fs::read_to_string(root.join("docs/SECURITY-MODEL.md")).unwrap();
    let quoted = text.split('`').skip(1).step_by(2);
    let named: BTreeSet<&str> =
        quoted.map(|text| text.rsplit(": ").next().unwrap_or(text)).filter(|text| is_test(text)).collect();
    assert!(named.len() > 60, "{}", named.len());
    let missing: Vec<&&str> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
