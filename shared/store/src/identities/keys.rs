//! Every key of `identities`. The only file with a prefix of them.

use crate::table::key::{Key, hex};

/// The partition of a phone: its keyed hash, in hexadecimal. The number itself is in no key.
fn phone_partition(phone_hash: &[u8; 32]) -> String {
    format!("PHONE#{}", hex(phone_hash))
}

/// Which member a phone is. It alone decides.
pub(crate) fn phone_index(phone_hash: &[u8; 32]) -> Key {
    Key::new(phone_partition(phone_hash), "MEMBER")
}

/// What the operator knows of a number before anybody signs up with it.
pub(crate) fn phone_attributes(phone_hash: &[u8; 32]) -> Key {
    Key::new(phone_partition(phone_hash), "ATTRIBUTES")
}

/// The challenges of a phone that failed since somebody last signed in with it.
pub(crate) fn failed_challenges(phone_hash: &[u8; 32]) -> Key {
    Key::new(phone_partition(phone_hash), "FAILED")
}

/// A one-time code, under its random id.
pub(crate) fn challenge(challenge_id: &str) -> Key {
    Key::new(format!("OTP#{challenge_id}"), "CHALLENGE")
}

/// A session family, under its 16 bytes in hexadecimal.
pub(crate) fn session_family(family_id: &[u8; 16]) -> Key {
    Key::new(format!("SESSION#{}", hex(family_id)), "FAMILY")
}

/// Whose messages are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaScope {
    /// A phone's, found by the keyed hash of its number.
    Phone,
    /// A source address's, found by its keyed hash.
    Source,
    /// The whole stack's, in shards that are counted apart. The hash is the shard's number.
    Stack,
}

/// A counter of messages sent: of a phone, a source address, or a shard of the stack's budget.
pub(crate) fn send_quota(scope: QuotaScope, hash: &[u8; 32]) -> Key {
    let scope = match scope {
        QuotaScope::Phone => "PHONE",
        QuotaScope::Source => "SOURCE",
        QuotaScope::Stack => "STACK",
    };
    Key::new(format!("SENDS#{scope}#{}", hex(hash)), "QUOTA")
}
