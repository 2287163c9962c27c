//! What a merchant's report of a reversal names: a redemption by its id, or by the order it was for.
//!
//! A report may come before the redemption that it undoes. So "not yet" is an answer of its own here.

use crate::{coupon::Coupon, text::OrderNo};

/// Which of a coupon's redemptions a report undoes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// The one of this number, from 0.
    Index(usize),
    /// The one for this order of the merchant's.
    Order(OrderNo),
}

/// What a coupon has of the redemption that a report names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The redemption of this number, undone already or not.
    Index(usize),
    /// No such redemption, so far.
    NotYet,
    /// More than one for the order: nobody can say which is meant.
    Ambiguous,
}

impl Undone {
    /// Looks for the redemption on a coupon. It changes nothing.
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
