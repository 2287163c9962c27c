//! What makes a repeated request the same request.
//!
//! A client names its request by an idempotency key. The item that the request changes remembers two hashes:
//! one of the key in its scope, and one of the payload. The same key with the same payload gets the first
//! answer again. The same key with another payload is refused.

use crate::limits::{IDEMPOTENCY_KEY_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MIN};
use crate::text::OrderNo;
use sha2::{Digest, Sha256};
use std::str::FromStr;

/// The client's `Idempotency-Key`: 16 to 255 visible ASCII characters. It is never logged or stored, only
/// hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// One variant per way for a key to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyKeyError {
    /// Shorter than 16 or longer than 255 bytes.
    #[error("an idempotency key has 16 to 255 characters")]
    Length,
    /// A space, a control character or anything beyond ASCII.
    #[error("an idempotency key holds visible ASCII characters only")]
    Character,
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;
    fn from_str(text: &str) -> Result<Self, IdempotencyKeyError> {
        if !(IDEMPOTENCY_KEY_BYTES_MIN..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len()) {
            return Err(IdempotencyKeyError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(IdempotencyKeyError::Character);
        }
        Ok(IdempotencyKey(text.to_owned()))
    }
}

impl IdempotencyKey {
    /// The key within its scope: who asks, and for what operation.
    ///
    /// The coupon or campaign that is addressed completes the scope. The hash is compared only inside that
    /// item, so the item need not be part of it.
    pub fn hash(&self, principal: &str, operation: &str) -> KeyHash {
        KeyHash(hash16(&[principal, operation, &self.0]))
    }
}

/// 16 bytes that stand for (principal, operation, idempotency key). Items hold this instead of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 16]);

impl KeyHash {
    /// The business key of a redemption: the merchant's order, on this coupon.
    ///
    /// A report from the merchant's system has no other key. It must find the redemption that came in by API.
    pub fn of_order(order_no: &OrderNo) -> Self {
        KeyHash(hash16(&["order", order_no.as_str()]))
    }

    /// The business key of a reversal that a merchant reports: which of the coupon's redemptions it undoes.
    pub fn of_reversal(index: usize) -> Self {
        KeyHash(hash16(&["reversal", &index.to_string()]))
    }
}

/// 16 bytes that stand for a request's payload. Two requests with one fingerprint ask the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// The fingerprint of a payload given as its fields, in a fixed order.
    ///
    /// An absent field differs from an empty one, and from one that holds a dash:
    ///
    /// ```text
    /// Fingerprint::of(&[None]) != Fingerprint::of(&[Some("")])
    /// ```
    pub fn of(fields: &[Option<&str>]) -> Self {
        let marked: Vec<String> =
            fields.iter().map(|field| field.map_or_else(|| "-".to_owned(), |text| format!("+{text}"))).collect();
        let parts: Vec<&str> = marked.iter().map(String::as_str).collect();
        Fingerprint(hash16(&parts))
    }
}

/// SHA-256 over length-prefixed parts, cut to 128 bits.
///
/// The lengths make `["ab", "c"]` and `["a", "bc"]` different inputs. Two different lists never share one.
fn hash16(parts: &[&str]) -> [u8; 16] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part.as_bytes());
    }
    let mut short = [0; 16];
    for (to, from) in short.iter_mut().zip(sha.finalize()) {
        *to = from;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_16_to_255_visible_characters() {
        let check = |text: String| text.parse::<IdempotencyKey>().map(drop);
        assert_eq!(check("k".repeat(15)), Err(IdempotencyKeyError::Length));
        assert_eq!(check("k".repeat(16)), Ok(()));
        assert_eq!(check("k".repeat(255)), Ok(()));
        assert_eq!(check("k".repeat(256)), Err(IdempotencyKeyError::Length));
        for bad in [" ", "\t", "\u{7f}", "é"] {
            assert_eq!(check(format!("{}{bad}", "k".repeat(16))), Err(IdempotencyKeyError::Character));
        }
    }

    #[test]
    fn the_scope_is_part_of_the_hash_and_parts_do_not_run_together() {
        let key: IdempotencyKey = "0123456789abcdef".parse().unwrap();
        assert_eq!(key.hash("mem", "claim"), key.hash("mem", "claim"));
        assert_ne!(key.hash("mem", "claim"), key.hash("mem", "redeem"));
        assert_ne!(key.hash("ab", "c"), key.hash("a", "bc"));
        assert_ne!(Fingerprint::of(&[None, Some("a")]), Fingerprint::of(&[Some("a"), None]));
        assert_ne!(Fingerprint::of(&[None]), Fingerprint::of(&[Some("")]));
        assert_ne!(Fingerprint::of(&[None]), Fingerprint::of(&[Some("-")]));
    }
}
