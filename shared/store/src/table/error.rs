//! What can go wrong between us and the tables.

use std::error::Error;

/// A call that has no outcome. Failed conditions are outcomes and never come this way.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The table was throttled, timed out or unreachable until patience ran out, or other writers were first each time.
    /// The caller may send the same request again. The edge answers 503.
    #[error("the table did not answer")]
    Unavailable {
        /// Whether the write may have happened. `No` for a read whose attempts were all throttled.
        applied: WasApplied,
        /// What the last attempt reported. It goes to the log, never to a client.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// What we read is not what we write. A repeat does not help; somebody must mend the item. The edge answers 500.
    #[error("{item} has no sound {attribute}")]
    Corrupt {
        /// Which kind of item, in words: "coupon", "journal page".
        item: &'static str,
        /// Its attribute that is missing or unsound.
        attribute: &'static str,
    },
    /// The table refused the call itself, and no attempt may have been applied: a bug, or a missing
    /// permission. The edge answers 500.
    #[error("the table refused the call")]
    Unexpected {
        /// What the table reported. It goes to the log, never to a client.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What is known of a write that got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WasApplied {
    /// The table refused every attempt before it did anything.
    No,
    /// The table may have done at least one attempt, or may do it later.
    Unknown,
}

impl StoreError {
    /// Other writers were first too often. Nothing was done.
    pub(crate) fn busy() -> Self {
        StoreError::Unavailable { applied: WasApplied::No, source: "others were faster each time".into() }
    }

    /// Whether the same request may succeed when it is sent again. True for `Unavailable` alone.
    pub fn is_retryable(&self) -> bool {
        match self {
            StoreError::Unavailable { .. } => true,
            StoreError::Corrupt { .. } | StoreError::Unexpected { .. } => false,
        }
    }

    /// Whether the write certainly did not happen and will not. `Corrupt` is no proof: it can be the
    /// item that our write left.
    pub(crate) fn is_certainly_not_applied(&self) -> bool {
        match self {
            StoreError::Unavailable { applied, .. } => *applied == WasApplied::No,
            StoreError::Corrupt { .. } => false,
            StoreError::Unexpected { .. } => true,
        }
    }
}
