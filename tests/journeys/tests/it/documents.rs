//! Tests and marks that a document names exist.

use mealticket_local::workspace;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The files of the repository, by their paths from its root. What commands make there is left out.
pub(crate) fn files() -> Vec<PathBuf> {
    let root = workspace::root();
    let top = fs::read_dir(&root).unwrap().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = top.filter(|path| path.is_file()).collect();
    for folder in ["shared", "functions", "tests", "infra", "docs", "events", ".cargo", ".ci", ".github"] {
        collect(&root.join(folder), &mut files);
    }
    files.iter().map(|path| path.strip_prefix(&root).unwrap().to_owned()).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if !path.is_dir() {
            files.push(path);
        } else if !path.ends_with("node_modules") {
            collect(&path, files);
        }
    }
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(workspace::root().join(path)).unwrap()
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    path.extension().is_some_and(|extension| known.iter().any(|known| extension == *known))
}

/// The names of all functions in the Rust files.
fn functions() -> BTreeSet<String> {
    let texts = files().into_iter().filter(|path| has_extension(path, &["rs"])).map(read);
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    texts.flat_map(|text| text.split("fn ").skip(1).map(name).collect::<Vec<_>>()).collect()
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
    let known = functions();
    for (document, tests_min) in [("docs/SECURITY-MODEL.md", 60), ("docs/FEATURES.md", 40)] {
        let text = read(document);
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
    let features = read("docs/FEATURES.md");
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
    let mut marked = 0;
    for path in files().iter().filter(|path| has_extension(path, &["rs", "md", "yaml"])) {
        for mark in marks(&read(path)) {
            assert!(known.contains(mark), "{}: ({mark})", path.display());
            marked += 1;
        }
    }
    assert!(marked > 20, "{marked}");
}

/// The paths in backticks that name a file, such as `docs/ERRORS.md`. Those below `.stack/` are made by a command.
fn files_named(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|text| {
        let extension =
            text.rsplit_once('.').filter(|(name, _)| !name.is_empty()).map_or("", |(_, extension)| extension);
        let is_path = text.chars().all(|c| c.is_ascii_alphanumeric() || "./_-".contains(c));
        let known = ["rs", "md", "yaml", "toml", "json", "py", "sh", "ts"];
        is_path && known.contains(&extension) && !text.starts_with(".stack/")
    })
}

/// The targets of the links of a line, without their anchors. Links to other sites, and within the page, are left out.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap_or(target))
}

/// A comment may name a file by the end of its path; a link must lead there.
#[test]
fn every_file_that_a_document_or_a_comment_names_exists() {
    let files = files();
    let known: Vec<&str> = files.iter().filter_map(|path| path.to_str()).collect();
    let exists = |name: &str| {
        known.iter().any(|path| path.strip_suffix(name).is_some_and(|head| head.is_empty() || head.ends_with('/')))
    };
    let (mut named, mut missing) = (0, Vec::new());
    for path in &files {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        // The record of what was broken names the files of its own commit.
        if !["md", "rs", "yaml", "toml", "py"].contains(&extension) || path.ends_with("docs/MUTATIONS.md") {
            continue;
        }
        for line in read(path).lines().map(str::trim_start) {
            let is_prose = match extension {
                "md" => true,
                "rs" => line.starts_with("//"),
                _ => line.starts_with('#'),
            };
            let files = files_named(line).filter(|_| is_prose);
            missing
                .extend(files.inspect(|_| named += 1).filter(|name| !exists(name)).map(|name| (path, name.to_owned())));
            let leads = |target: &&str| {
                path.parent().is_some_and(|folder| workspace::root().join(folder).join(target).exists())
            };
            let links = links(line).filter(|_| extension == "md");
            missing.extend(
                links.inspect(|_| named += 1).filter(|target| !leads(target)).map(|target| (path, target.to_owned())),
            );
        }
    }
    assert!(named > 200, "{named}");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The tools that a document gives with their versions, as `name==version` of pip's and `name@version` of npm's.
fn pinned(text: &str) -> BTreeSet<(&str, &str)> {
    let words = text.split_whitespace();
    let pairs = words.filter_map(|word| {
        word.split_once("==").or_else(|| word.rsplit_once('@').filter(|(name, _)| !name.is_empty()))
    });
    pairs.filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit())).collect()
}

/// The page for whoever generates a client names the versions of the generators that the test runs.
#[test]
fn the_generators_of_clients_that_a_document_names_are_those_that_are_tested() {
    let (page, pip) = (read("infra/README.md"), read("tests/journeys/clients/requirements.txt"));
    let npm: serde_json::Value = serde_json::from_str(&read("tests/journeys/clients/package.json")).unwrap();
    let section = page.split("## Generating a client").nth(1).unwrap().split("\n## ").next().unwrap();
    let named = pinned(section);
    assert_eq!(named.len(), 4, "{named:?}");
    for (name, version) in named {
        let is_tested = pinned(&pip).contains(&(name, version)) || npm["dependencies"][name] == *version;
        assert!(is_tested, "{name} {version}");
    }
}
