//! What an execution environment remembers of items that change a few times a day.

use super::clock::{Clock, Moment};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Every environment sees a change of the catalog within this time. `docs/ARCHITECTURE.md` promises it.
pub(crate) const FRESH_FOR: Duration = Duration::from_secs(30);
/// Entries of one kind that an environment keeps. A province has hundreds of campaigns of about
/// 2 KB; 4 096 are 8 MB of 256.
const ENTRIES_MAX: usize = 4_096;

/// Values that grow old, by whichever clock is ahead: an environment that was frozen for an hour has nothing fresh. A value
/// of the catalog is fresh for between half and the whole of [`FRESH_FOR`]. The jitter keeps environments that started
/// together from asking together.
///
/// Only what exists is kept. A stranger who asks for unknown keys cannot fill the memory.
pub(crate) struct Aging<K, V>(Mutex<HashMap<K, Remembered<V>>>);

struct Remembered<V> {
    since: Moment,
    fresh_for: Duration,
    value: V,
}

impl<K, V> Default for Aging<K, V> {
    fn default() -> Self {
        Aging(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Aging<K, V> {
    /// The value, while it is fresh.
    pub(crate) fn fresh(&self, key: &K, clock: &Clock) -> Option<V> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.get(key).filter(|known| clock.age(&known.since) < known.fresh_for)?;
        Some(known.value.clone())
    }

    /// Keeps a value that was asked for at `since`, until it is `fresh_for` old. When [`ENTRIES_MAX`] entries are there,
    /// all of them are dropped first.
    pub(crate) fn keep(&self, key: K, value: V, since: Moment, fresh_for: Duration) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(key, Remembered { since, fresh_for, value });
    }
}

/// Between 15 and 30 seconds, at random.
pub(crate) fn jittered() -> Duration {
    FRESH_FOR.mul_f64(0.5 + fastrand::f64() / 2.0)
}
