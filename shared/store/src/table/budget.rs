//! What one request may take of the tables, and what it has taken.

use crate::table::meter::{Capacity, Meter};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long all the calls of one request may go on. The last attempt may begin just before and take its own 2 s:
/// 10 + 2 s, and the function's 15 s leave time to answer 503 `same_key`.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A deadline and a meter. Clones share both.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    meter: Arc<Meter>,
    answer_by: Option<Instant>,
}

impl Budget {
    /// A budget without a deadline, for what no request waits for.
    pub fn unlimited() -> Self {
        Budget::default()
    }

    /// The budget of a request that begins now: its calls end within ten seconds.
    pub fn of_one_request() -> Self {
        Budget { meter: Arc::default(), answer_by: Some(Instant::now() + ANSWER_WITHIN) }
    }

    /// What was asked of DynamoDB so far.
    pub fn capacity(&self) -> Capacity {
        self.meter.capacity()
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(crate) fn answer_by(&self) -> Option<Instant> {
        self.answer_by
    }
}
