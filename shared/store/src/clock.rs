//! The one clock.

use mealticket_domain::Timestamp;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::SeqCst},
};

/// Tells the time: the machine's, or a test's.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Clock(None)
    }

    /// A clock that stands still until it is set.
    pub fn standing_at(now: Timestamp) -> Self {
        Clock(Some(Arc::new(AtomicI64::new(now.unix_seconds()))))
    }

    /// Moves a standing clock; the machine's clock cannot be moved.
    pub fn set(&self, now: Timestamp) {
        if let Some(seconds) = &self.0 {
            seconds.store(now.unix_seconds(), SeqCst);
        }
    }

    /// Now, to the second.
    pub fn now(&self) -> Timestamp {
        let seconds = match &self.0 {
            Some(seconds) => seconds.load(SeqCst),
            None => system_seconds(),
        };
        Timestamp::from_unix_seconds(seconds).unwrap_or(Timestamp::MIN)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
fn system_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
