//! The books as operators see them on the wire.

use mealticket_api::deps::Stack;
use mealticket_domain::{Share, journal::Entry};
use mealticket_store::ledger::ListedAside;
use serde::Serialize;
use std::collections::BTreeMap;

/// An entry of the journal. Amounts are whole fen.
#[derive(Serialize)]
pub(crate) struct EntryView {
    redemption_id: String,
    coupon_id: String,
    kind: &'static str,
    at: String,
    merchant_id: String,
    store_id: String,
    order_no: String,
    channel: Option<String>,
    /// The text that came with the claim, when it was no verified share code.
    share_code: Option<String>,
    /// The partner to whom the commission is owed.
    partner_id: Option<String>,
    amount_fen: u64,
    discount_fen: u64,
    settlement_version: u32,
    /// Fen by account: debits above zero, credits below.
    postings: BTreeMap<String, i64>,
}

impl EntryView {
    pub(crate) fn new(stack: &Stack, entry: &Entry) -> Self {
        let key = entry.event.coupon;
        EntryView {
            redemption_id: stack.ids.redemption_id(key, usize::from(entry.event.index)),
            coupon_id: stack.ids.coupon_id(key),
            kind: entry.event.kind.as_str(),
            at: entry.at.to_string(),
            merchant_id: entry.merchant.to_string(),
            store_id: entry.store.to_string(),
            order_no: entry.order_no.to_string(),
            channel: entry.channel.as_ref().map(ToString::to_string),
            share_code: entry.share.as_ref().and_then(Share::unverified).map(ToString::to_string),
            partner_id: entry.share.as_ref().and_then(Share::partner).map(ToString::to_string),
            amount_fen: entry.amount.get(),
            discount_fen: entry.discount.get(),
            settlement_version: entry.settlement_version,
            postings: entry.postings.amounts().map(|(account, fen)| (account.to_string(), fen)).collect(),
        }
    }
}

/// A record that was set aside, posted or not. The record itself is not shown.
#[derive(Serialize)]
pub(crate) struct SetAsideView {
    event_id: String,
    shard: String,
    page: u64,
    reason: String,
    written_at: String,
    posted_at: Option<String>,
    posted_by: Option<String>,
}

impl SetAsideView {
    pub(crate) fn new(listed: &ListedAside) -> Self {
        SetAsideView {
            event_id: listed.id.clone(),
            shard: listed.shard.to_string(),
            page: listed.page,
            reason: listed.reason.clone(),
            written_at: listed.at.to_string(),
            posted_at: listed.posted.as_ref().map(|(at, _)| at.to_string()),
            posted_by: listed.posted.as_ref().map(|(_, by)| by.clone()),
        }
    }
}
