//! Where things are in the repository.

use std::path::{Path, PathBuf};

/// The root of the workspace that this program was built from.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// `infra/template.yaml`.
pub fn template() -> PathBuf {
    root().join("infra/template.yaml")
}

/// `infra/openapi.yaml`.
pub fn openapi() -> PathBuf {
    root().join("infra/openapi.yaml")
}

/// The seed province.
pub fn seed() -> PathBuf {
    root().join("infra/seed/guangdong.yaml")
}

/// Keys, logs and tools of this machine: git-ignored.
pub fn private() -> PathBuf {
    root().join(".stack")
}
