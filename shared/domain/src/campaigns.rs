//! What is given out: campaigns, and the terms that their coupons carry.

pub mod benefit;
pub mod campaign;
pub mod hours;
pub mod terms;
pub mod validity;
