//! What can go wrong between us and the tables.

use std::error::Error;

/// A call that has no outcome. Failed conditions are outcomes and never come this way.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Throttled, timed out or unreachable until patience ran out. The same request may be sent again.
    #[error("the table did not answer")]
    Unavailable {
        /// Whether the write may have happened.
        applied: WasApplied,
        /// What the last attempt said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// What we read is not what we write.
    #[error("{item} has no sound {attribute}")]
    Corrupt {
        /// Which kind of item.
        item: &'static str,
        /// Which attribute of it.
        attribute: &'static str,
    },
    /// The table refused the call itself: a bug or a missing permission.
    #[error("the table refused the call")]
    Unexpected {
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What is known of a write that got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WasApplied {
    /// Every attempt was refused before it was done.
    No,
    /// At least one attempt may have been done, now or later.
    Unknown,
}

impl StoreError {
    /// Others came first too often; nothing was done.
    pub(crate) fn busy() -> Self {
        StoreError::Unavailable { applied: WasApplied::No, source: "others were faster each time".into() }
    }

    /// Whether the same request may succeed when it is sent again.
    pub fn is_retryable(&self) -> bool {
        match self {
            StoreError::Unavailable { .. } => true,
            StoreError::Corrupt { .. } | StoreError::Unexpected { .. } => false,
        }
    }

    /// Whether the write certainly did not happen and will not.
    pub(crate) fn is_certainly_not_applied(&self) -> bool {
        match self {
            StoreError::Unavailable { applied, .. } => *applied == WasApplied::No,
            StoreError::Corrupt { .. } => false,
            StoreError::Unexpected { .. } => true,
        }
    }
}
