//! What one request may take of the tables, and what it has taken.

use crate::table::meter::{Capacity, Meter};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long all the calls of one request may go on. The last attempt may begin just before the end and take its own
/// 2 s. That makes 10 + 2 s of the function's 15 s, which leaves time to answer 503 `same_key`.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A deadline and a meter. Clones share both, so the calls of one request count together and end together.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    meter: Arc<Meter>,
    answer_by: Option<Instant>,
}

impl Budget {
    /// A budget without a deadline, for work that no request waits for: streams, schedules, and leases
    /// that are returned later.
    pub fn unlimited() -> Self {
        Budget::default()
    }

    /// The budget of a request that begins now. Its calls stop asking after [`ANSWER_WITHIN`], and return
    /// `StoreError::Unavailable`.
    pub fn of_one_request() -> Self {
        Budget { meter: Arc::default(), answer_by: Some(Instant::now() + ANSWER_WITHIN) }
    }

    /// What was asked of DynamoDB within this budget so far.
    pub fn capacity(&self) -> Capacity {
        self.meter.capacity()
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The deadline of the request; `None` when no request waits.
    pub(crate) fn answer_by(&self) -> Option<Instant> {
        self.answer_by
    }
}
