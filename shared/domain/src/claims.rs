//! Claims (领取): who may have a coupon, and whether there is a unit for it.
//!
//! `claim` decides on the member's limits and the campaign's rule. `eligibility` is that rule. `stock` hands
//! out the units. `share` says who earns a commission.

pub mod claim;
pub mod eligibility;
pub mod share;
pub mod stock;
