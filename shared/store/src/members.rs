//! `members`: a member's profile and coupons, in one partition.
//!
//! A coupon changes state in one file for each transition: `claim`, `hold`, `redeem`, `reverse`.
//! Each is one guarded write.

mod claim;
mod clauses;
mod coupons;
mod hold;
pub(crate) mod item;
pub(crate) mod keys;
pub(crate) mod profile;
mod redeem;
mod reverse;
mod scan;
pub(crate) mod stream;
mod tail;

pub use claim::ClaimOutcome;
pub use coupons::CouponPage;
pub use hold::HoldOutcome;
pub use item::item_bytes;
pub use profile::Profile;
pub use redeem::RedeemOutcome;
pub use reverse::{ReverseOutcome, ReverseRequest};
pub use scan::{ScanCursor, ScannedCoupons};
pub use stream::{Became, content, coupon_of, redeemed_in};
pub use tail::{ShardOfStream, Stream, StreamError, Tailed};
