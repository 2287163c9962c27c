//! Coupons (券): their codes, and what a till does with them.

pub mod code;
pub mod coupon;
pub mod hold;
mod locator;
pub mod presentation;
pub mod redemption;
