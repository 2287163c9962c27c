//! The directory in which a stack on one machine keeps its keys, its clock, its tables and its logs. **One directory
//! belongs to one stack at a time.**

use crate::{Result, StackError, key_file::KeyFile, seed::Seed, workspace};
use mealticket_store::Clock;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, Permissions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// How to reach a stack that runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Running {
    /// The URL at which its functions are invoked.
    pub functions: String,
    /// The file that moves its clock.
    pub clock_file: PathBuf,
    /// The URL of its operators' identity provider.
    pub operators: String,
}

/// The directory of a stack. It holds the keys and, with `--data`, the tables.
pub struct StateDir {
    path: PathBuf,
    /// The lock, while a stack uses the directory.
    lock: Option<File>,
    /// Whether the directory is removed when this value is dropped.
    is_temporary: bool,
}

/// How often a lock is tried, and the pause between two tries. A command that checks whether a stack runs holds the
/// lock for a moment.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

impl StateDir {
    /// Opens the directory for a stack that starts. That stack alone uses it until this value is dropped.
    ///
    /// When another stack uses a directory given with `--data`, it is refused. The first stack on a machine gets the
    /// machine's own directory. Any further stack gets a temporary one, which `tick`, `token` and the like do not find.
    pub fn hold(data: Option<&Path>) -> Result<Self> {
        let mut state = Self::open(data)?;
        state.lock = state.lock()?;
        match data {
            _ if state.lock.is_some() => {
                // A stack that was killed left its record behind.
                state.forget_running();
                Ok(state)
            }
            Some(data) => Err(StackError(format!(
                "a stack runs in {} already; end it, or choose another directory with --data",
                data.display()
            ))),
            None => Self::temporary(),
        }
    }

    /// Makes a directory that is removed when this value is dropped, for a stack that nobody else needs to find.
    pub fn temporary() -> Result<Self> {
        let all = Self::open(None)?.path.join("runs");
        remove_abandoned(&all);
        let mut state = Self::open(Some(&all.join(std::process::id().to_string())))?;
        state.lock = state.lock()?;
        state.is_temporary = true;
        Ok(state)
    }

    /// Opens the directory of a stack that was started before. A directory that no stack has used is refused.
    pub fn existing(data: Option<&Path>) -> Result<Self> {
        match data {
            Some(data) if !data.join(KEYS).is_file() => Err(StackError(format!(
                "{0} is no stack's directory; `cargo stack up --data {0}` makes one",
                data.display()
            ))),
            _ => Self::open(data),
        }
    }

    /// Opens the directory given with `--data`, or the machine's own, and makes it if it does not exist.
    pub fn open(data: Option<&Path>) -> Result<Self> {
        let path = data.map_or_else(workspace::private, Path::to_path_buf);
        let failed = |error: std::io::Error| StackError::caused(path.display(), error);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed)?;
        if data.is_none() {
            // Keys, tokens and codes are in it, so only its owner may read it, whoever made it. A directory of the
            // user's own keeps its rights.
            std::fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(failed)?;
        }
        let path = path.canonicalize().map_err(|error| StackError::caused(path.display(), error))?;
        Ok(StateDir { path, lock: None, is_temporary: false })
    }

    /// Takes the lock. Returns `None` when another stack has it.
    fn lock(&self) -> Result<Option<File>> {
        let path = self.path.join("lock");
        let failed = |error: std::io::Error| StackError::caused(path.display(), error);
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(std::fs::TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
                Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Ok(None)
    }

    /// Whether a stack uses the directory now, also a stack of this process.
    fn is_held(&self) -> bool {
        if self.lock.is_some() {
            return true;
        }
        let file = File::options().read(true).open(self.path.join("lock"));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
    }

    /// Whether the directory is temporary, so that nobody else finds its stack.
    pub fn is_temporary(&self) -> bool {
        self.is_temporary
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the script that a person can run against this stack. Returns the script's path.
    pub fn write_session(&self, script: &str) -> Result<PathBuf> {
        let path = self.path.join("session.sh");
        replace_private(&path, script)?;
        Ok(path)
    }

    /// The file in which the functions find the stack's keys.
    pub fn secrets_file(&self) -> PathBuf {
        self.path.join("secrets.json")
    }

    /// The file that keeps the tables.
    pub fn tables_file(&self) -> PathBuf {
        self.path.join("tables.sqlite")
    }

    /// Writes a file with nothing in it, for a program that insists on a file. Returns its path.
    pub fn empty_file(&self) -> Result<PathBuf> {
        let path = self.path.join("empty.env");
        std::fs::write(&path, "").map_err(|error| StackError::caused(path.display(), error))?;
        Ok(path)
    }

    /// The file that says by how many seconds the stack's clock is moved. It stays when the tables stay.
    pub fn clock_file(&self) -> PathBuf {
        self.path.join("clock")
    }

    /// Records how to reach the stack that runs here, for `tick`, `token` and `sign`.
    pub fn note_running(&self, running: &Running) -> Result<()> {
        replace_private(&self.running_file(), &json(running)?)
    }

    /// The stack that runs here, if there is one.
    pub fn running(&self) -> Option<Running> {
        if !self.is_held() {
            return None;
        }
        serde_json::from_str(&std::fs::read_to_string(self.running_file()).ok()?).ok()
    }

    /// Removes the record of this process's stack, which has ended. Tables in memory are gone then, so their clock goes
    /// too.
    pub fn forget_running(&self) {
        if self.lock.is_some() {
            let _ = std::fs::remove_file(self.running_file());
            if self.is_machines() {
                let _ = std::fs::remove_file(self.clock_file());
            }
        }
    }

    fn is_machines(&self) -> bool {
        workspace::private().canonicalize().is_ok_and(|path| path == self.path)
    }

    /// The clock of this stack: the machine's clock, moved as far as the stack's was.
    pub fn clock(&self) -> Clock {
        Clock::shifted_by(self.clock_file())
    }

    fn running_file(&self) -> PathBuf {
        self.path.join("running.json")
    }

    /// The log file of a process. A temporary stack logs into the machine's own directory, because somebody may want to
    /// read the log later.
    pub fn log_file(&self, process: &str) -> PathBuf {
        let folder = if self.is_temporary { workspace::private() } else { self.path.clone() };
        folder.join(format!("{process}.log"))
    }

    /// The stack's keys. Keys that are there are used. A new data directory takes the machine's own keys, so that
    /// `token` and `sign` work for either directory. Otherwise new keys are made.
    pub fn keys(&self, seed: &Seed) -> Result<KeyFile> {
        let own = self.path.join(KEYS);
        if !own.exists() {
            let keys = if self.is_machines() {
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

impl Drop for StateDir {
    fn drop(&mut self) {
        if self.is_temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// The file with the stack's keys and the keys of the seed's merchants.
const KEYS: &str = "keys.json";

/// Removes the directories of processes that were killed.
fn remove_abandoned(all: &Path) {
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        if pid.is_some_and(|pid| test_kill_process(pid).is_err()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|error| StackError(error.to_string()))
}

/// Writes a file that nobody else may read. It is written whole or not at all; a file that another process wrote
/// meanwhile stays.
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

/// Writes a file that nobody else may read, in place of a file with another text.
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
