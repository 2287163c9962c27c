//! Where a record is: its shard of the stream, and its place in it.

use super::NAME_BYTES_MAX;
use crate::ids::IdError;
use std::{cmp::Ordering, fmt, str::FromStr};

/// A shard of the stream, as DynamoDB names it. Names are never used again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamShard(String);

impl StreamShard {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamShard {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let sized = (1..=NAME_BYTES_MAX).contains(&text.len());
        if clean && sized { Ok(StreamShard(text.to_owned())) } else { Err(IdError) }
    }
}

impl fmt::Display for StreamShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of a record in its shard: up to 40 digits (API reference, `StreamRecord`), compared as a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(String);

impl SequenceNumber {
    /// The digits, as they came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn rank(&self) -> (usize, &str) {
        let digits = self.0.trim_start_matches('0');
        (digits.len(), digits)
    }
}

impl FromStr for SequenceNumber {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(SequenceNumber(text.to_owned())) } else { Err(IdError) }
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| self.0.cmp(&other.0))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
