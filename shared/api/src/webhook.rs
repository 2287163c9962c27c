//! Standard Webhooks: signatures `v1` (HMAC-SHA256) and `v1a` (Ed25519) verified, `v1` signed.
//!
//! Reports of merchants are verified here. Messages to their endpoints are signed here.
//!
//! It is written here because the crate `standardwebhooks` 1.0.1 accepts an empty secret and panics on an
//! extreme time stamp. The signature is checked before anything of the body is read.

mod key;

pub use key::{SecretError, SenderKey, WebhookSecret};

use mealticket_domain::{Timestamp, limits::CLOCK_SKEW_SECONDS_MAX};

/// The header with the id of a report or message.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the Unix time of sending, in seconds.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with one or more signatures, a space between them: `v1,…` or `v1a,…`.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// How far the time stamp may be from now, in seconds, on either side: five minutes, the specification's own
/// tolerance.
pub const TOLERANCE_SECONDS: i64 = CLOCK_SKEW_SECONDS_MAX;
/// Bytes of an id, at the most.
pub const ID_BYTES_MAX: usize = 64;
/// Signatures in one header, at the most: two secrets during a rotation, with room to spare. More are
/// refused.
pub const SIGNATURES_MAX: usize = 8;
/// Bytes of a secret (specification: 24 to 64).
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Keys of one sender that count at the same time: the old and the new one during a rotation.
pub const ACTIVE_KEYS_MAX: usize = 2;

/// One variant per way for a report to be wrong. For tests and the log: a sender gets the same 401 for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A header is missing.
    #[error("a header is missing")]
    MissingHeader,
    /// Not 1 to 64 of `A–Z a–z 0–9 _ -`. A dot would make the signed text ambiguous.
    #[error("the id is malformed")]
    Id,
    /// Not a plain decimal number.
    #[error("the time stamp is malformed")]
    Timestamp,
    /// More than five minutes ago.
    #[error("the time stamp is too old")]
    TooOld,
    /// More than five minutes ahead.
    #[error("the time stamp is in the future")]
    TooNew,
    /// More than eight signatures.
    #[error("there are too many signatures")]
    TooManySignatures,
    /// No signature is right: another key made it, or the body was changed.
    #[error("no signature matches")]
    NoMatch,
}

/// A report's headers as they came; `None` for one that is missing.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    /// `webhook-id`: the same for every attempt at one report.
    pub id: Option<&'a str>,
    /// `webhook-timestamp`: Unix seconds, in decimal.
    pub timestamp: Option<&'a str>,
    /// `webhook-signature`: signatures, a space between them.
    pub signature: Option<&'a str>,
}

/// Verifies that a report was signed with one of `keys` within the tolerance of `now`, and returns its id.
///
/// The signed text is `id.timestamp.body`, byte for byte. The errors come in the order of [`WebhookError`].
/// Whether the id was seen before is for the caller to find out.
pub fn verify<'a>(
    headers: Headers<'a>,
    body: &[u8],
    keys: &[SenderKey],
    now: Timestamp,
) -> Result<&'a str, WebhookError> {
    let (Some(id), Some(timestamp), Some(signatures)) = (headers.id, headers.timestamp, headers.signature) else {
        return Err(WebhookError::MissingHeader);
    };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !(1..=ID_BYTES_MAX).contains(&id.len()) || !id.bytes().all(known) {
        return Err(WebhookError::Id);
    }
    let sent_at = plain_number(timestamp).ok_or(WebhookError::Timestamp)?;
    match now.unix_seconds() - sent_at {
        age if age > TOLERANCE_SECONDS => return Err(WebhookError::TooOld),
        age if age < -TOLERANCE_SECONDS => return Err(WebhookError::TooNew),
        _ => {}
    }
    let signatures: Vec<&str> = signatures.split(' ').collect();
    if signatures.len() > SIGNATURES_MAX {
        return Err(WebhookError::TooManySignatures);
    }
    let message = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let matches = |signature: &str| keys.iter().any(|key| key.verifies(&message, signature));
    if signatures.into_iter().any(matches) { Ok(id) } else { Err(WebhookError::NoMatch) }
}

/// The number of one to eleven digits that do not begin with zero: no sign, no space, no overflow.
fn plain_number(text: &str) -> Option<i64> {
    let plain = (1..=11).contains(&text.len()) && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
