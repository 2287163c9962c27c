//! Where a stack on one machine keeps its keys, its tables and its logs.

use crate::{Result, StackError, key_file::KeyFile, seed::Seed, workspace};
use mealticket_store::Clock;
use serde::{Deserialize, Serialize};
use std::{
    fs::Permissions,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// How to reach a stack that runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Running {
    /// Where its functions are invoked.
    pub functions: String,
    /// The file that moves its clock.
    pub clock_file: PathBuf,
    /// Where its operators' identity provider is.
    pub operators: String,
}

/// The directory of a stack: its keys and, with `--data`, its tables.
pub struct StateDir(PathBuf);

impl StateDir {
    /// The directory given with `--data`, or the machine's own. It is made when it is not there.
    pub fn open(data: Option<&Path>) -> Result<Self> {
        let path = data.map_or_else(workspace::private, Path::to_path_buf);
        let failed = |error: std::io::Error| StackError::caused(path.display(), error);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed)?;
        if data.is_none() {
            // For its owner alone, whoever made it: keys, tokens and codes are in it. A directory of the user's own is left.
            std::fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(failed)?;
        }
        let path = path.canonicalize().map_err(|error| StackError::caused(path.display(), error))?;
        Ok(StateDir(path))
    }

    /// Where the functions find the stack's keys.
    pub fn secrets_file(&self) -> PathBuf {
        self.0.join("secrets.json")
    }

    /// Where the tables are kept.
    pub fn tables_file(&self) -> PathBuf {
        self.0.join("tables.sqlite")
    }

    /// A file with nothing in it, for a program that insists on one.
    pub fn empty_file(&self) -> Result<PathBuf> {
        let path = self.0.join("empty.env");
        std::fs::write(&path, "").map_err(|error| StackError::caused(path.display(), error))?;
        Ok(path)
    }

    /// The file that moves the clock of this process's stack: one for each stack, so that none moves another's.
    pub fn clock_file(&self) -> PathBuf {
        self.0.join(format!("clock-{}", std::process::id()))
    }

    /// Writes down how to reach the stack that runs here, for `tick`, `token` and `sign`.
    pub fn note_running(&self, running: &Running) -> Result<()> {
        replace_private(&self.running_file(), &json(running)?)
    }

    /// The stack that was started here last, if it did not end in good order.
    pub fn running(&self) -> Option<Running> {
        serde_json::from_str(&std::fs::read_to_string(self.running_file()).ok()?).ok()
    }

    /// Forgets a stack that has ended, and its clock; another that was started here meanwhile is left.
    pub fn forget_running(&self) {
        let own = self.clock_file();
        if self.running().is_some_and(|running| running.clock_file == own) {
            let _ = std::fs::remove_file(self.running_file());
        }
        let _ = std::fs::remove_file(own);
    }

    /// The clock of the stack that runs here; the machine's when none does.
    pub fn clock(&self) -> Clock {
        self.running().map_or_else(Clock::system, |running| Clock::shifted_by(running.clock_file))
    }

    fn running_file(&self) -> PathBuf {
        self.0.join("running.json")
    }

    /// Where what the functions log goes.
    pub fn log_file(&self, process: &str) -> PathBuf {
        self.0.join(format!("{process}.log"))
    }

    /// The keys: those that are there; else, in a new data directory, the machine's own, so that `token` and `sign` work
    /// whichever directory a stack uses; else new ones.
    pub fn keys(&self, seed: &Seed) -> Result<KeyFile> {
        let own = self.0.join("keys.json");
        if !own.exists() {
            let machines = workspace::private();
            let is_machines = machines.canonicalize().is_ok_and(|path| path == self.0);
            let keys = if is_machines {
                KeyFile::generate(&seed.merchant_ids())?
            } else {
                StateDir::open(None)?.keys(seed)?
            };
            write_private(&own, &json(&keys)?)?;
        }
        let text = std::fs::read_to_string(&own).map_err(|error| StackError::caused(own.display(), error))?;
        let (mut keys, is_completed) = KeyFile::read(&text)
            .map_err(|_| StackError(format!("{} is not a key file; move it away to get new keys", own.display())))?;
        if keys.add_missing(&seed.merchant_ids())? || is_completed {
            replace_private(&own, &json(&keys)?)?;
        }
        replace_private(&self.secrets_file(), &json(&keys.stack)?)?;
        Ok(keys)
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|error| StackError(error.to_string()))
}

/// Writes a file that nobody else may read, all of it or nothing; a file that another process wrote meanwhile stands.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let draft = draft(path, text)?;
    let linked = std::fs::hard_link(&draft, path);
    let _ = std::fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(StackError::caused(path.display(), error))
        }
        _ => Ok(()),
    }
}

/// The same, in the place of a file that says something else.
fn replace_private(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|known| known == text) {
        return Ok(());
    }
    let draft = draft(path, text)?;
    std::fs::rename(&draft, path).map_err(|error| StackError::caused(path.display(), error))
}

fn draft(path: &Path, text: &str) -> Result<PathBuf> {
    let failed = |error: std::io::Error| StackError::caused(path.display(), error);
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let _ = std::fs::remove_file(&draft);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(draft)
}
