//! Messages to merchants' systems (C3): what is sent, where, and how often it is tried.
//!
//! **Every event of a subscription is delivered at least once, under an id that stays the same, or it is
//! listed as a dead letter.** What a message says follows from what was written. An endpoint's answer decides
//! what is tried next.
//!
//! `report` and `discrepancy` are about the other way: what merchants' systems send us.

mod address;
mod answer;
pub mod discrepancy;
mod endpoint;
mod message;
pub mod report;

pub use address::is_public;
pub use answer::{ATTEMPTS_MAX, Answer, Failure, RETRY_AFTER_SECONDS_MAX, Verdict, next_attempt_at};
pub use endpoint::{
    DUE_SHARDS, Endpoint, EndpointId, EndpointNetwork, EndpointSecret, EndpointUrl, FAILING_SECONDS_MAX, OffReason,
    ROTATION_SECONDS, SwitchedOff, UrlError, endpoint_id,
};
pub use message::{MESSAGE_ID_BYTES, Message, MessageId, MessageKind, fnv1a, messages_between, statement_closed};

#[cfg(test)]
mod tests;
