//! What a merchant's report of a reversal names: a redemption by its id, or by the order it was for.

use crate::{coupon::Coupon, text::OrderNo};

/// Which of a coupon's redemptions is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// The one of this number, from 0.
    Index(usize),
    /// The newest one for this order.
    Order(OrderNo),
}

impl Undone {
    /// Its number, if the coupon has it by now.
    pub fn index(&self, coupon: &Coupon) -> Option<usize> {
        match self {
            Undone::Index(index) => (*index < coupon.redemptions.len()).then_some(*index),
            Undone::Order(order_no) => coupon.redemptions.iter().rposition(|spent| spent.order_no == *order_no),
        }
    }
}
