//! What a merchant's report of a reversal names: a redemption by its id, or by the order it was for.

use crate::{coupon::Coupon, text::OrderNo};

/// Which of a coupon's redemptions is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// The one of this number, from 0.
    Index(usize),
    /// The one for this order.
    Order(OrderNo),
}

/// What a coupon has of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The redemption of this number, undone already or not.
    Index(usize),
    /// None yet.
    NotYet,
    /// More than one for the order, of which nobody can tell which is meant.
    Ambiguous,
}

impl Undone {
    /// Looks for it on a coupon.
    pub fn find(&self, coupon: &Coupon) -> Found {
        match self {
            Undone::Index(index) if *index < coupon.redemptions.len() => Found::Index(*index),
            Undone::Index(_) => Found::NotYet,
            Undone::Order(order_no) => {
                let mut of_order =
                    coupon.redemptions.iter().enumerate().filter(|(_, spent)| spent.order_no == *order_no);
                match (of_order.next(), of_order.next()) {
                    (None, _) => Found::NotYet,
                    (Some((index, _)), None) => Found::Index(index),
                    _ => Found::Ambiguous,
                }
            }
        }
    }
}
