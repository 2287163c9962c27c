//! What the books look like on the wire.

use mealticket_api::deps::Stack;
use mealticket_domain::{
    Share,
    books::Cell,
    journal::Entry,
    settlement::{Account, Postings},
    statement::{Answer, LineKey, due},
};
use mealticket_store::{
    books::ListedAside,
    statements::{StatementHead, StatementLines},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A statement.
#[derive(Serialize)]
pub(crate) struct StatementView {
    statement_id: String,
    merchant_id: String,
    month: String,
    no: u32,
    opening_fen: i64,
    closing_fen: i64,
    closed_at: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    total: AmountsView,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    lines: Option<LinesView>,
}

/// Some of a statement's lines.
#[derive(Serialize)]
struct LinesView {
    lines: Vec<LineView>,
    next: Option<String>,
}

/// What a campaign came to in a store.
#[derive(Serialize)]
struct LineView {
    campaign_id: String,
    store_id: String,
    #[serde(flatten)]
    amounts: AmountsView,
}

/// Sums as a merchant sees them: what it is paid, what it bears itself, and what is due to it.
#[derive(Serialize)]
pub(crate) struct AmountsView {
    redeemed: i64,
    reversed: i64,
    order_value_fen: i64,
    discount_fen: i64,
    payable_fen: i64,
    co_funding_fen: i64,
    due_fen: i64,
}

impl AmountsView {
    fn new(cell: &Cell) -> Self {
        AmountsView {
            redeemed: cell.redeemed,
            reversed: cell.reversed,
            order_value_fen: cell.order_value,
            discount_fen: cell.discount,
            payable_fen: payable(&cell.postings),
            co_funding_fen: co_funding(&cell.postings),
            due_fen: due(&cell.postings),
        }
    }
}

/// Fen that the merchant is paid.
pub(crate) fn payable(postings: &Postings) -> i64 {
    -postings.of(&Account::MerchantPayable)
}

/// Fen that the merchant bears itself.
pub(crate) fn co_funding(postings: &Postings) -> i64 {
    postings.of(&Account::CoFundingReceivable)
}

impl StatementView {
    /// A statement as it is listed.
    pub(crate) fn listed(head: &StatementHead) -> Self {
        let (status, answered_at, dispute) = match &head.answer {
            None => ("closed", None, None),
            Some(Answer::Confirmed { at, after }) => ("confirmed", Some(*at), after.as_ref()),
            Some(Answer::Disputed(dispute)) => ("disputed", Some(dispute.at), Some(dispute)),
        };
        let statement = &head.statement;
        StatementView {
            statement_id: statement.id.to_string(),
            merchant_id: statement.id.merchant.to_string(),
            month: statement.id.month.to_string(),
            no: statement.no,
            opening_fen: statement.opening,
            closing_fen: head.closing,
            closed_at: statement.closed_at.to_string(),
            status,
            answered_at: answered_at.map(|at| at.to_string()),
            reason: dispute.map(|dispute| dispute.reason.to_string()),
            total: AmountsView::new(&head.total),
            lines: None,
        }
    }

    /// The same with some of its lines.
    pub(crate) fn with_lines(head: &StatementHead, lines: &StatementLines) -> Self {
        let line = |(key, cell): (&LineKey, &Cell)| LineView {
            campaign_id: key.campaign.to_string(),
            store_id: key.store.to_string(),
            amounts: AmountsView::new(cell),
        };
        StatementView {
            lines: Some(LinesView {
                lines: lines.lines.iter().map(line).collect(),
                next: lines.next.map(|part| part.to_string()),
            }),
            ..StatementView::listed(head)
        }
    }
}

/// A line of a daily bill.
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

/// An entry of the journal.
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
    /// The text that came with the claim, when it was nobody's share code.
    share_code: Option<String>,
    /// Whom the commission is owed to.
    partner_id: Option<String>,
    amount_fen: u64,
    discount_fen: u64,
    settlement_version: u32,
    /// Debits above zero, credits below.
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

/// A record that was put aside.
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
