//! A daily bill as merchants see it on the wire.

use mealticket_api::{
    deps::Stack,
    views::statement::{co_funding, payable},
};
use mealticket_domain::{books::Cell, journal::Entry, statement::due};
use serde::Serialize;

/// A line of a daily bill. Amounts are whole fen; those of a reversal are below zero.
#[derive(Serialize)]
pub(crate) struct BillLineView {
    redemption_id: String,
    kind: &'static str,
    at: String,
    store_id: String,
    order_no: String,
    campaign_id: String,
    channel: Option<String>,
    amount_fen: i64,
    discount_fen: i64,
    payable_fen: i64,
    co_funding_fen: i64,
    due_fen: i64,
}

impl BillLineView {
    pub(crate) fn new(stack: &Stack, entry: &Entry) -> Self {
        let cell = Cell::of(entry);
        BillLineView {
            redemption_id: stack.ids.redemption_id(entry.event.coupon, usize::from(entry.event.index)),
            kind: entry.event.kind.as_str(),
            at: entry.at.to_string(),
            store_id: entry.store.to_string(),
            order_no: entry.order_no.to_string(),
            campaign_id: entry.event.coupon.campaign.to_string(),
            channel: entry.channel.as_ref().map(ToString::to_string),
            amount_fen: cell.order_value,
            discount_fen: cell.discount,
            payable_fen: payable(&entry.postings),
            co_funding_fen: co_funding(&entry.postings),
            due_fen: due(&entry.postings),
        }
    }
}
