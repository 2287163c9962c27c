//! Tests and marks that a document names exist.

use mealticket_local::workspace;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Collects the names of all functions in the Rust files below a folder.
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

/// Whether a text is the name of a test. Such a name is a sentence of five words or more.
fn is_test(text: &str) -> bool {
    text.matches('_').count() >= 4 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The names of tests that a document quotes.
fn tests_named(text: &str) -> BTreeSet<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.map(|text| text.rsplit(": ").next().unwrap_or(text)).filter(|text| is_test(text)).collect()
}

#[test]
fn every_test_that_a_document_names_exists() {
    let root = workspace::root();
    let mut known = BTreeSet::new();
    for folder in ["shared", "functions", "tests", "infra/local"] {
        functions(&root.join(folder), &mut known);
    }
    for (document, tests_min) in [("docs/SECURITY-MODEL.md", 60), ("docs/FEATURES.md", 40)] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let named = tests_named(&text);
        assert!(named.len() > tests_min, "{document}: {}", named.len());
        let missing: Vec<&&str> = named.iter().filter(|name| !known.contains(**name)).collect();
        assert!(missing.is_empty(), "{document}: {missing:#?}");
    }
}

/// The marks in a text, such as `(S2)` or `(O1, S1)`.
fn marks(text: &str) -> BTreeSet<&str> {
    let is_mark = |word: &&str| {
        let digits = word.strip_prefix(['M', 'B', 'I', 'R', 'C', 'S', 'E', 'G', 'O', 'P']);
        digits.is_some_and(|digits| (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let bracketed = text.split('(').skip(1).filter_map(|rest| rest.split_once(')')).map(|(inside, _)| inside);
    bracketed
        .filter(|inside| inside.split(", ").all(|word| is_mark(&word)))
        .flat_map(|inside| inside.split(", "))
        .collect()
}

#[test]
fn every_mark_of_a_feature_has_a_row_that_says_its_state() {
    let root = workspace::root();
    let features = fs::read_to_string(root.join("docs/FEATURES.md")).unwrap();
    let rows: Vec<Vec<&str>> = features
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Id"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for row in &rows {
        let [id, _, state, shown] = row[..] else { panic!("{row:?}") };
        assert!(["●", "◐", "○"].contains(&state), "{id}");
        assert!(state == "○" || !tests_named(shown).is_empty() || shown.contains("cargo stack"), "nothing shows {id}");
        assert!(state != "◐" || shown.contains("Open: "), "what is open of {id}");
    }
    let known: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(known.len(), rows.len(), "an id stands twice");
    let mut files = Vec::new();
    for folder in ["shared", "functions", "tests", "infra", "docs"] {
        texts(&root.join(folder), &mut files);
    }
    let mut marked = 0;
    for (path, text) in &files {
        for mark in marks(text) {
            assert!(known.contains(mark), "{}: ({mark})", path.display());
            marked += 1;
        }
    }
    assert!(marked > 20, "{marked}");
}

fn texts(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            texts(&path, files);
        } else if path.extension().is_some_and(|extension| ["rs", "md", "yaml"].iter().any(|known| extension == *known))
        {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
}
