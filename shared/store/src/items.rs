//! One file per kind of item: item ⇄ domain.

pub(crate) mod coupon;
