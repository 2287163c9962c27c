//! What an endpoint's answer means, and when a message is tried again.

use crate::timestamp::Timestamp;
use std::str::FromStr;

/// Attempts before a message becomes a dead letter: the first, and nine more.
pub const ATTEMPTS_MAX: u8 = 10;

/// Seconds from one attempt to the next: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
///
/// Together they are 75 h 35 min 5 s (Standard Webhooks 1.0.0, "Delivery attempts and retries").
const DELAYS_SECONDS: [i64; ATTEMPTS_MAX as usize - 1] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// A delay is up to a tenth longer, so that messages that failed together are not tried together.
const JITTER_PERMILLE: i64 = 100;

/// The longest wait that an endpoint may ask for with `Retry-After`: 24 hours.
pub const RETRY_AFTER_SECONDS_MAX: i64 = 86_400;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The endpoint answered.
    Status {
        /// Its HTTP status.
        status: u16,
        /// The seconds of its `Retry-After`, if it had one.
        retry_after: Option<i64>,
    },
    /// There was no answer.
    Failed(Failure),
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The endpoint's name has no address.
    Unresolved,
    /// The endpoint's name has an address that is not on the public internet.
    AddressRefused,
    /// No connection, or one that is not secure.
    NotConnected,
    /// No answer within the time.
    TimedOut,
    /// The answer broke off, or was no HTTP.
    Broken,
    /// It was not sent: there is no secret to sign it with.
    Unsigned,
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The message is delivered: it is not sent to this endpoint again.
    Delivered,
    /// The message is tried again, until its attempts are used up.
    Again {
        /// Whether the endpoint is overloaded and should be asked less.
        slow_down: bool,
        /// Seconds to wait at the least, 0 to [`RETRY_AFTER_SECONDS_MAX`], if the endpoint asked for that.
        after: Option<i64>,
    },
    /// The endpoint answered 410 and wants nothing any more: it is switched off.
    Gone,
}

impl Answer {
    /// What follows. 2xx alone is success. 410 ends the subscription. Everything else is tried again.
    ///
    /// A redirect is not followed, so it is a failure like others. 429, 502, 504 and a timeout slow the
    /// endpoint down.
    pub fn verdict(&self) -> Verdict {
        match *self {
            Answer::Status { status: 200..=299, .. } => Verdict::Delivered,
            Answer::Status { status: 410, .. } => Verdict::Gone,
            Answer::Status { status, retry_after } => Verdict::Again {
                slow_down: matches!(status, 429 | 502 | 504),
                after: retry_after.map(|seconds| seconds.clamp(0, RETRY_AFTER_SECONDS_MAX)),
            },
            Answer::Failed(Failure::TimedOut) => Verdict::Again { slow_down: true, after: None },
            Answer::Failed(_) => Verdict::Again { slow_down: false, after: None },
        }
    }
}

/// When the attempt after the `made`-th is due; `None` when that was the last.
///
/// It is the delay of the table, up to a tenth longer by `chance`, which may be any number. It is never
/// before `after` seconds from now.
pub fn next_attempt_at(made: u8, now: Timestamp, after: Option<i64>, chance: u64) -> Option<Timestamp> {
    let delay = *DELAYS_SECONDS.get(usize::from(made.checked_sub(1)?))?;
    let spread = delay * JITTER_PERMILLE / 1_000;
    let jitter = i64::try_from(chance % (u64::try_from(spread).unwrap_or(0) + 1)).unwrap_or(0);
    Some(now.plus_seconds((delay + jitter).max(after.unwrap_or(0))))
}

impl Failure {
    const ALL: [Failure; 6] = [
        Failure::Unresolved,
        Failure::AddressRefused,
        Failure::NotConnected,
        Failure::TimedOut,
        Failure::Broken,
        Failure::Unsigned,
    ];

    /// The name in the table and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Failure::Unresolved => "unresolved",
            Failure::AddressRefused => "address_refused",
            Failure::NotConnected => "not_connected",
            Failure::TimedOut => "timed_out",
            Failure::Broken => "broken",
            Failure::Unsigned => "unsigned",
        }
    }
}

impl FromStr for Failure {
    type Err = crate::ids::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Failure::ALL.into_iter().find(|known| known.as_str() == text).ok_or(crate::ids::IdError)
    }
}
