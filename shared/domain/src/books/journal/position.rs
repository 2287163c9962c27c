//! The position of a record: its shard of the stream, and its sequence number there.

use super::NAME_BYTES_MAX;
use crate::ids::IdError;
use std::{cmp::Ordering, fmt, str::FromStr};

/// A shard of the stream, as DynamoDB names it: 1 to 128 of `a–z A–Z 0–9 - _ .`. Names are never used again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamShard(String);

impl StreamShard {
    /// The name, as DynamoDB gave it.
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

/// The position of a record in its shard: up to 40 digits (API reference, `StreamRecord`).
///
/// It is compared as a number: `9` comes before `10`. 40 digits are more than 128 bits hold, so it stays
/// text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(String);

impl SequenceNumber {
    /// The digits, as they came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number of digits and the digits, without leading zeros: in this order numbers compare as numbers.
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
