//! The journal (日记账): what the changes of coupons come to (S2). **Every change is counted once, however often
//! it is reported.**
//!
//! Each change of a coupon comes on the table's stream, shard by shard, at least once. A shard's records are
//! posted as **pages** that follow each other without a gap. A page says up to which record it goes, so a
//! record that comes again is dropped.
//!
//! A record that cannot be read does not hold up the others. It is set aside inside the page, as it came.

mod count;
mod entry;
mod event;
mod page;
mod position;
mod record;
mod tally;

pub use count::{Count, CountKey, Counts};
pub use entry::{Entry, EntryKind, EventId};
pub use event::{Change, CouponEvent, PastRewritten, events_between};
pub use page::{PAGE_BYTES_MAX, Page};
pub use position::{SequenceNumber, StreamShard};
pub use record::{ASIDE_BYTES_MAX, Content, Record, SetAside};
pub use tally::{Tally, Uses};

/// Bytes of a shard's name: DynamoDB's have 65, and a position in a page adds at most 30.
const NAME_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests;
