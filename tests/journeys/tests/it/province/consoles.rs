//! The consoles in the documents, run as they stand: what is printed is what the document shows. `…` stands for any text; a line of it
//! alone stands for any number of lines.

use super::{
    process::{Province, stack},
    quickstart::{desk, shell},
};
use mealticket_local::workspace;
use std::{fs, path::PathBuf, process::Stdio};

/// A command of a console, and what is printed then.
struct Example {
    command: String,
    shown: Vec<String>,
}

/// The examples of a document, in order.
fn examples(document: &str) -> Vec<Example> {
    let text = fs::read_to_string(workspace::root().join(document)).unwrap();
    let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut examples: Vec<Example> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("$ ") {
            Some(command) => examples.push(Example { command: command.to_owned(), shown: Vec::new() }),
            None => examples.last_mut().unwrap().shown.push(line.to_owned()),
        }
    }
    examples
}

/// Whether a line fits one that has `…` for any text.
fn line_fits(shown: &str, printed: &str) -> bool {
    let mut pieces = shown.split('…');
    let first = pieces.next().unwrap();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, between)) = pieces.split_last() else { return rest.is_empty() };
    for piece in between {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// Whether lines fit those of a document.
fn fits(shown: &[String], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((any, rest)) if any.trim() == "…" => (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..])),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| line_fits(line, first) && fits(rest, others))
        }
    }
}

#[track_caller]
fn check(example: &Example, printed: &str) {
    let lines: Vec<&str> = printed.lines().collect();
    assert!(fits(&example.shown, &lines), "{} prints otherwise:\n{printed}", example.command);
}

#[test]
fn a_line_of_dots_stands_for_any_lines_and_dots_in_a_line_for_any_text() {
    let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(fits(&shown("a\n…\nz …"), &["a", "b", "c", "z 1"]));
    assert!(fits(&shown("a\n…\nz"), &["a", "z"]));
    assert!(!fits(&shown("a\n…\nz"), &["a", "b"]));
    assert!(!fits(&shown("a"), &["a", "b"]));
    assert!(
        line_fits("… passed, 0 failed", "442 passed, 0 failed")
            && !line_fits("… passed, 0 failed", "1 passed, 2 failed")
    );
    assert!(
        line_fits("{\"a\":…,\"z\":1}", "{\"a\":2,\"z\":1}") && !line_fits("{\"a\":…,\"z\":1}", "{\"a\":2,\"z\":1,")
    );
}

/// Documents with a console; those of other documents would be run by nobody.
#[test]
fn every_document_with_a_console_is_run() {
    let has_console = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "md")
            && fs::read_to_string(workspace::root().join(path)).unwrap().contains("```console")
    };
    let mut documents: Vec<PathBuf> = crate::documents::files().into_iter().filter(has_console).collect();
    documents.sort();
    assert_eq!(documents, ["README.md", "docs/LOCAL-STACK.md"].map(PathBuf::from));
}

#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn the_readmes_two_commands_print_what_it_shows() {
    let examples = examples("README.md");
    let [demo, test] = &examples[..] else { panic!("{} examples", examples.len()) };
    assert_eq!((demo.command.as_str(), test.command.as_str()), ("cargo stack demo", "cargo stack test"));
    // Of the tests one: all of them are what runs this one.
    let one = ["test", "--", "a_path_fits_its_template_part_by_part"];
    for (example, arguments) in [(demo, &["demo"][..]), (test, &one)] {
        let output = stack().args(arguments).stderr(Stdio::inherit()).output().await.unwrap();
        assert!(output.status.success(), "{}", example.command);
        check(example, &String::from_utf8(output.stdout).unwrap());
    }
}

#[tokio::test]
#[ignore = "needs the functions' binaries: run `cargo stack test`"]
async fn the_commands_beside_a_running_stack_print_what_their_page_shows() {
    let data = std::env::temp_dir().join(format!("mealticket-consoles-{}", std::process::id()));
    let _ = fs::remove_dir_all(&data);
    let mut province = Province::up(&["--data", &data.display().to_string()]).await;
    let desk = desk(&data);
    fs::write(desk.join("report.json"), "{}").unwrap();
    let examples = examples("docs/LOCAL-STACK.md");
    assert!(examples.len() >= 7, "{}", examples.len());
    for example in &examples {
        let output = shell(&desk, &example.command).stderr(Stdio::inherit()).output().await.unwrap();
        assert!(output.status.success(), "{}", example.command);
        check(example, &String::from_utf8(output.stdout).unwrap());
    }
    assert!(province.terminate().await.success());
    fs::remove_dir_all(&data).unwrap();
}
