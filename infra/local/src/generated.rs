//! Parts of files that are generated from the template, which is the one truth. They are the routes of plain
//! cargo-lambda in `Cargo.toml`, and the tables of `functions/README.md`. `cargo stack generate` writes them, and tests
//! hold them equal.

use crate::{
    Result, StackError,
    template::{FunctionSpec, Template},
    workspace,
};
use std::{fmt::Write as _, fs, path::Path};

/// A generated part of a file: the text before it, the text after it, and the text that it should have.
pub struct Part {
    /// The file's path, from the root of the workspace.
    pub file: &'static str,
    begins_after: &'static str,
    ends_before: &'static str,
    /// The text that follows from the template.
    pub text: String,
}

/// Who calls a function, in the order of `functions/README.md`: the value of `CalledBy` in the template, and the
/// heading.
const CALLERS: [(&str, &str); 7] = [
    ("member", "A member's app"),
    ("till", "A merchant's till"),
    ("merchant", "A merchant's server"),
    ("operator", "An operator's page"),
    ("stream", "The stream of `members`"),
    ("clock", "A schedule"),
    ("hand", "A person, by hand"),
];

/// Words for the actions on a table, in the order in which they are listed.
const WORDS: [(&str, &str); 6] = [
    ("GetItem", "reads"),
    ("Query", "queries"),
    ("Scan", "scans"),
    ("PutItem", "writes"),
    ("UpdateItem", "updates"),
    ("DeleteItem", "deletes from"),
];

/// Every generated part, with the text that follows from this template.
pub fn parts(template: &Template) -> Result<Vec<Part>> {
    Ok(vec![
        Part {
            file: "Cargo.toml",
            begins_after: "[workspace.metadata.lambda.watch.router]\n",
            ends_before: "\n[workspace.lints.rust]",
            text: router(template)?,
        },
        Part {
            file: "functions/README.md",
            begins_after: "<!-- functions: written by `cargo stack generate` from infra/template.yaml -->\n",
            ends_before: "<!-- end of functions -->",
            text: functions(template)?,
        },
    ])
}

impl Part {
    /// The text that the file has there now.
    pub fn standing(&self) -> Result<String> {
        let (_, standing, _) = self.split()?;
        Ok(standing)
    }

    /// Writes the part if the file has another text there. Returns true when it was written.
    pub fn write(&self) -> Result<bool> {
        let (before, standing, after) = self.split()?;
        if standing == self.text {
            return Ok(false);
        }
        let text = format!("{before}{}{after}", self.text);
        fs::write(self.path(), text).map_err(|error| StackError::caused(self.file, error))?;
        Ok(true)
    }

    fn path(&self) -> std::path::PathBuf {
        workspace::root().join(Path::new(self.file))
    }

    fn split(&self) -> Result<(String, String, String)> {
        let text = fs::read_to_string(self.path()).map_err(|error| StackError::caused(self.file, error))?;
        let found = text.split_once(self.begins_after).and_then(|(before, rest)| {
            let (standing, after) = rest.split_once(self.ends_before)?;
            Some((
                format!("{before}{}", self.begins_after),
                standing.to_owned(),
                format!("{}{after}", self.ends_before),
            ))
        });
        found.ok_or_else(|| StackError(format!("{} has no part that begins after {:?}", self.file, self.begins_after)))
    }
}

/// The router of plain cargo-lambda: for each path, its methods and their functions.
fn router(template: &Template) -> Result<String> {
    let mut paths: Vec<(String, Vec<String>)> = Vec::new();
    for route in template.routes()? {
        let (method, path) = route.key.split_once(' ').unwrap_or(("", &route.key));
        let entry = format!("{{ method = \"{method}\", function = \"{}\" }}", route.function);
        match paths.iter_mut().find(|(known, _)| known == path) {
            Some((_, entries)) => entries.push(entry),
            None => paths.push((path.to_owned(), vec![entry])),
        }
    }
    paths.sort();
    let line = |(path, entries): &(String, Vec<String>)| format!("\"{path}\" = [{}]\n", entries.join(", "));
    Ok(paths.iter().map(line).collect())
}

/// The tables of functions, one for each kind of caller.
fn functions(template: &Template) -> Result<String> {
    let all = template.functions()?;
    if let Some(stray) = all.iter().find(|function| CALLERS.iter().all(|(by, _)| *by != function.called_by)) {
        return Err(StackError(format!("{} has no CalledBy that is known", stray.name)));
    }
    let mut text = String::new();
    for (by, heading) in CALLERS {
        let _ = write!(text, "\n### {heading}\n\n| Function | Asked by | Does | Tables |\n|---|---|---|---|\n");
        for function in all.iter().filter(|function| function.called_by == by) {
            let FunctionSpec { name, description, .. } = function;
            let does = description.trim_end_matches('.');
            let _ =
                writeln!(text, "| `{name}` | {} | {does} | {} |", asked_by(template, name)?, rights(template, name)?);
        }
    }
    text.push('\n');
    Ok(text)
}

/// The paths of a function's routes without `/v1`, or what triggers it.
fn asked_by(template: &Template, function: &str) -> Result<String> {
    let mut paths: Vec<String> = Vec::new();
    for route in template.routes()?.into_iter().filter(|route| route.function == function) {
        let path = route.key.split_once(' ').map_or("", |(_, path)| path).trim_start_matches("/v1");
        let path = format!("`{path}`");
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    if !paths.is_empty() {
        return Ok(paths.join(", "));
    }
    if let Some(mapping) = template.mappings()?.into_iter().find(|mapping| mapping.function == function) {
        return Ok(format!("batches of at most {} records", mapping.batch_size));
    }
    let schedule = template.schedules()?.into_iter().find(|schedule| schedule.function == function);
    Ok(schedule.map_or_else(
        || "`cargo stack rebuild-ledger`".to_owned(),
        |schedule| match schedule.every.as_secs() / 60 {
            1 => "every minute".to_owned(),
            minutes => format!("every {minutes} minutes"),
        },
    ))
}

/// What the role of a function allows, in words.
fn rights(template: &Template, function: &str) -> Result<String> {
    let mut rights = Vec::new();
    for (table, actions) in template.grants(function)? {
        let words: Vec<&str> =
            WORDS.iter().filter(|(action, _)| actions.contains(*action)).map(|(_, word)| *word).collect();
        match words.split_last() {
            Some((last, [])) => rights.push(format!("{last} `{table}`")),
            Some((last, others)) => rights.push(format!("{} and {last} `{table}`", others.join(", "))),
            None => {}
        }
        if actions.contains("GetRecords") {
            rights.push(format!("reads the stream of `{table}`"));
        }
    }
    Ok(rights.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_generated_is_what_the_template_says() {
        let template = Template::read(&workspace::template()).unwrap();
        for part in parts(&template).unwrap() {
            assert_eq!(part.standing().unwrap(), part.text, "{}: run `cargo stack generate`", part.file);
        }
    }
}
