//! Coupons (券): their codes, and what a till does with them.
//!
//! `redemption` holds the rule that the whole product stands on. `hold` reserves a coupon for an order.
//! `code` makes and reads codes, and `presentation` says when a report may redeem without one.

pub mod code;
pub mod coupon;
pub mod hold;
mod locator;
pub mod presentation;
pub mod redemption;
