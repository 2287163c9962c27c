//! What merchants and operators see of statements. Amounts are whole fen, and may be below zero.

use mealticket_domain::{
    books::Cell,
    settlement::{Account, Postings},
    statement::{Answer, LineKey, due},
};
use mealticket_store::ledger::{StatementHead, StatementLines};
use serde::Serialize;

/// A statement, as it is listed or read.
#[derive(Serialize)]
pub struct StatementView {
    /// `stm_…`, with the merchant's name and the month.
    statement_id: String,
    merchant_id: String,
    /// The province's month, like `2026-11`.
    month: String,
    /// Its number among the merchant's statements, from 1.
    no: u32,
    /// What was owed to the merchant before it.
    opening_fen: i64,
    /// What is owed to the merchant after it.
    closing_fen: i64,
    closed_at: String,
    /// `closed`, `disputed` or `confirmed`.
    status: &'static str,
    /// When the merchant confirmed or disputed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_at: Option<String>,
    /// What the merchant objects to. A confirmation after a dispute still has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// All its lines together.
    total: AmountsView,
    /// Some of its lines; left out in a list of statements.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    lines: Option<LinesView>,
}

/// Some of a statement's lines, and the cursor of the next ones.
#[derive(Serialize)]
struct LinesView {
    lines: Vec<LineView>,
    next: Option<String>,
}

/// What a campaign came to in a store, in the month.
#[derive(Serialize)]
struct LineView {
    campaign_id: String,
    store_id: String,
    #[serde(flatten)]
    amounts: AmountsView,
}

/// Sums as a merchant sees them: what it is paid, what it bears itself, and what is due to it.
#[derive(Serialize)]
pub struct AmountsView {
    /// Redemptions, those that were undone included.
    redeemed: i64,
    /// Reversals.
    reversed: i64,
    /// The orders' amounts before the discount, less those that were undone.
    order_value_fen: i64,
    /// What was taken off, less what was undone.
    discount_fen: i64,
    /// What the merchant is paid.
    payable_fen: i64,
    /// What the merchant bears itself.
    co_funding_fen: i64,
    /// `payable_fen` less `co_funding_fen`.
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

/// Fen that the merchant is paid, by these postings. Credits of its account are below zero, so the sign is
/// turned.
pub fn payable(postings: &Postings) -> i64 {
    -postings.of(&Account::MerchantPayable)
}

/// Fen that the merchant bears itself, by these postings.
pub fn co_funding(postings: &Postings) -> i64 {
    postings.of(&Account::CoFundingReceivable)
}

impl StatementView {
    /// A statement as it is listed: without lines.
    pub fn listed(head: &StatementHead) -> Self {
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

    /// The same with some of its lines, and where the next ones begin.
    pub fn with_lines(head: &StatementHead, lines: &StatementLines) -> Self {
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
