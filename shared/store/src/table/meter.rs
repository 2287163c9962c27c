//! What a request costs, counted from `ReturnConsumedCapacity`.

use aws_sdk_dynamodb::types::ConsumedCapacity;
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Counts requests and capacity units. Units come in halves, so the meter keeps tenths, which are exact.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    requests: AtomicU64,
    read_tenths: AtomicU64,
    write_tenths: AtomicU64,
}

/// A reading of a meter. A refused condition consumes a write unit that DynamoDB does not report. It counts as one
/// request here, and as one unit in `docs/DATA-MODEL.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capacity {
    /// Calls sent, repeats after a lost answer included.
    pub requests: u64,
    /// Read capacity units, in tenths. An eventually consistent read of 4 KB is 5.
    pub read_tenths: u64,
    /// Write capacity units, in tenths. A write of 1 KB is 10.
    pub write_tenths: u64,
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = |tenths: u64| format!("{}.{}", tenths / 10, tenths % 10);
        write!(f, "{} requests, {} read, {} written", self.requests, units(self.read_tenths), units(self.write_tenths))
    }
}

impl Meter {
    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_read(&self, consumed: Option<&ConsumedCapacity>) {
        self.read_tenths.fetch_add(tenths(consumed), Relaxed);
    }

    pub(crate) fn count_write(&self, consumed: Option<&ConsumedCapacity>) {
        self.write_tenths.fetch_add(tenths(consumed), Relaxed);
    }

    pub(crate) fn capacity(&self) -> Capacity {
        Capacity {
            requests: self.requests.load(Relaxed),
            read_tenths: self.read_tenths.load(Relaxed),
            write_tenths: self.write_tenths.load(Relaxed),
        }
    }
}

fn tenths(consumed: Option<&ConsumedCapacity>) -> u64 {
    consumed.and_then(|c| c.capacity_units).map_or(0, |units| (units * 10.0).round() as u64)
}
