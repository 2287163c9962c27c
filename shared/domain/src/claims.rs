//! Claims (领取): who may have a coupon, and whether there is a unit for it.

pub mod claim;
pub mod eligibility;
pub mod share;
pub mod stock;
