//! `messages`: reports received and the discrepancies among them; messages on their way, and what became of them.
//!
//! Every write here is safe to repeat. A crash leaves an entry too many and never one too few.

mod deliveries;
mod discrepancies;
mod due;
pub(crate) mod keys;
mod queue;
mod receipts;
mod trouble;
mod waiting;

pub use deliveries::{Attempt, Delivery, DeliveryFilter, DeliveryPage, Letter, Outcome};
pub use discrepancies::{Decided, Decision, Discrepancy};
pub use due::{DUE_MESSAGES_MAX, Due, DueKey, Worker, shard_of};
pub use receipts::{RECEIPT_SECONDS, Receipt, Received};
pub use waiting::Waiting;
