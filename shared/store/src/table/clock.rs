//! The one clock. Nothing else in the workspace asks the machine for the time; clippy refuses it.
//!
//! An environment has two: the wall clock, which somebody may set, and a steady one, which stands still while the
//! environment is frozen between two requests. Neither is enough to say how old a thing is.

use mealticket_domain::Timestamp;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Gives the time: the machine's, or a test's. Clones of a standing clock stand together.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    /// The machine's.
    #[default]
    System,
    /// Unix seconds that somebody set.
    Standing(Arc<AtomicI64>),
    /// The machine's, and the seconds that this file holds.
    Shifted(PathBuf),
}

impl Clock {
    /// The machine's clock. Functions use it in the cloud.
    pub fn system() -> Self {
        Clock(Source::System)
    }

    /// A clock that stands still until it is set. For tests.
    pub fn standing_at(now: Timestamp) -> Self {
        Clock(Source::Standing(Arc::new(AtomicI64::new(now.unix_seconds()))))
    }

    /// The machine's clock, and as many seconds as a file says. For a stack on one machine, whose
    /// processes move together.
    ///
    /// It reads the file each time. A file that is missing, or holds no whole number, shifts nothing.
    pub fn shifted_by(file: PathBuf) -> Self {
        Clock(Source::Shifted(file))
    }

    /// Moves a standing clock, and all its clones. Any other clock ignores it.
    pub fn set(&self, now: Timestamp) {
        if let Source::Standing(seconds) = &self.0 {
            seconds.store(now.unix_seconds(), SeqCst);
        }
    }

    /// Now, to the second. A time outside the years 2000 to 2100 becomes the earliest [`Timestamp`].
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.unix_millis().div_euclid(1_000)).unwrap_or(Timestamp::MIN)
    }

    /// Now, by both clocks.
    pub fn moment(&self) -> Moment {
        Moment { steady: Instant::now(), wall_millis: self.unix_millis() }
    }

    /// How long ago `moment` was, by whichever clock is ahead. So what is remembered is not too old after a freeze, nor
    /// after the wall clock was set back.
    pub fn age(&self, moment: &Moment) -> Duration {
        let by_wall = u64::try_from(self.unix_millis().saturating_sub(moment.wall_millis)).unwrap_or(0);
        moment.steady.elapsed().max(Duration::from_millis(by_wall))
    }

    fn unix_millis(&self) -> i64 {
        match &self.0 {
            Source::System => system_millis(),
            Source::Standing(seconds) => seconds.load(SeqCst).saturating_mul(1_000),
            Source::Shifted(file) => {
                let shift = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<i64>().ok());
                system_millis().saturating_add(shift.unwrap_or(0).saturating_mul(1_000))
            }
        }
    }
}

/// A point in time by both clocks of an environment.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    steady: Instant,
    wall_millis: i64,
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
fn system_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
