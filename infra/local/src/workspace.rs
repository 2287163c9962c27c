//! The paths of files in the repository.

use std::path::{Path, PathBuf};

/// The root of the workspace from which this program was built.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The path of `infra/template.yaml`.
pub fn template() -> PathBuf {
    root().join("infra/template.yaml")
}

/// The path of `infra/openapi.yaml`.
pub fn openapi() -> PathBuf {
    root().join("infra/openapi.yaml")
}

/// The path of the seed province, `infra/seed/guangdong.yaml`.
pub fn seed() -> PathBuf {
    root().join("infra/seed/guangdong.yaml")
}

/// The git-ignored directory of this machine, with keys, logs and tools.
pub fn private() -> PathBuf {
    root().join(".stack")
}

/// Holds a part of a document equal to what a test measured. With `UPDATE_DOCS` set, writes it instead. The part is
/// between `<!-- name: … -->` and `<!-- end of name -->`.
#[expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "for tests, which ask whether they should rewrite a document"
)]
pub fn check_document(path: &str, name: &str, measured: &str) {
    let path = root().join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parts = text.split_once(&format!("<!-- {name}: ")).and_then(|(before, rest)| {
        let (label, rest) = rest.split_once(" -->\n")?;
        let (documented, after) = rest.split_once(&format!("<!-- end of {name} -->"))?;
        Some((before, label, documented, after))
    });
    let Some((before, label, documented, after)) = parts else {
        panic!("{} has no part {name}", path.display());
    };
    if std::env::var("UPDATE_DOCS").is_ok() {
        let text = format!("{before}<!-- {name}: {label} -->\n{measured}<!-- end of {name} -->{after}");
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    } else {
        assert_eq!(documented, measured, "{} says otherwise; see UPDATE_DOCS in the test", path.display());
    }
}
