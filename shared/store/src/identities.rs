//! `identities`: which member a phone is, one-time codes, quotas of messages, and sessions.

mod challenges;
pub(crate) mod keys;
mod phones;
mod quotas;
mod sessions;

pub use challenges::{Challenge, Guess};
pub use keys::QuotaScope;
pub use phones::{Newcomer, SignedUp};
pub use quotas::{Quota, Quotum};
pub use sessions::Presented;
