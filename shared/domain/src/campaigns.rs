//! What is given out: campaigns (批次), and the terms (条款) that their coupons carry.
//!
//! A campaign says who may claim, until when and how many. Its terms say what a coupon is worth and where,
//! when and on which orders it may be used. The terms of a coupon are those it was claimed under, whatever
//! follows.

pub mod benefit;
pub mod campaign;
pub mod hours;
pub mod terms;
pub mod validity;
