//! The one clock.

use mealticket_domain::Timestamp;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
};

/// Tells the time: the machine's, or a test's.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Standing(Arc<AtomicI64>),
    Shifted(PathBuf),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Clock(Source::System)
    }

    /// A clock that stands still until it is set.
    pub fn standing_at(now: Timestamp) -> Self {
        Clock(Source::Standing(Arc::new(AtomicI64::new(now.unix_seconds()))))
    }

    /// The machine's clock and as many seconds as a file says, asked each time: for a stack on one machine, whose processes
    /// move together. A file that is not there, or says nothing sensible, shifts nothing.
    pub fn shifted_by(file: PathBuf) -> Self {
        Clock(Source::Shifted(file))
    }

    /// Moves a standing clock; no other can be moved.
    pub fn set(&self, now: Timestamp) {
        if let Source::Standing(seconds) = &self.0 {
            seconds.store(now.unix_seconds(), SeqCst);
        }
    }

    /// Now, to the second.
    pub fn now(&self) -> Timestamp {
        let seconds = match &self.0 {
            Source::System => system_seconds(),
            Source::Standing(seconds) => seconds.load(SeqCst),
            Source::Shifted(file) => {
                let shift = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<i64>().ok());
                system_seconds().saturating_add(shift.unwrap_or(0))
            }
        };
        Timestamp::from_unix_seconds(seconds).unwrap_or(Timestamp::MIN)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
fn system_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
