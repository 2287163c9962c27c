//! Statements of a month whose days are all closed.

use crate::Handles;
use mealticket_domain::{
    MerchantId, ProvinceMonth,
    books::add_cells,
    statement::{LineKey, Statement, StatementId},
    webhook::statement_closed,
};
use mealticket_store::StoreError;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Merchants that one query asks for.
const MERCHANTS: usize = 200;

/// What making a month's statements came to.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// Statements that this run made.
    pub(crate) statements: u64,
    /// Merchants whose books could not be read. The others have theirs.
    pub(crate) unreadable: u64,
    /// Whether time ran out. The next run goes on.
    pub(crate) unfinished: bool,
}

/// Makes the month's statements that are missing, one merchant after the other. Safe to repeat: a
/// merchant that has one keeps it.
pub(crate) async fn make(tables: &Handles, month: ProvinceMonth, cut: u64, until: Instant) -> Result<Made, StoreError> {
    let mut made = Made::default();
    let mut after: Option<MerchantId> = None;
    loop {
        let merchants = tables.ledger.list_booked_merchants(after.as_ref(), MERCHANTS).await?;
        for merchant in &merchants {
            if Instant::now() >= until {
                made.unfinished = true;
                return Ok(made);
            }
            match make_one(tables, StatementId { merchant: merchant.clone(), month }, cut).await {
                Ok(new) => made.statements += u64::from(new),
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(%merchant, %month, %error, "no statement");
                    made.unreadable += 1;
                }
                Err(error) => return Err(error),
            }
        }
        if merchants.len() < MERCHANTS {
            return Ok(made);
        }
        after = merchants.into_iter().next_back();
    }
}

/// Makes a merchant's statement, if it is missing and there is anything to state. True when this call wrote one.
///
/// It adds the month up sheet by sheet, because a large merchant's month does not fit into memory.
async fn make_one(tables: &Handles, id: StatementId, cut: u64) -> Result<bool, StoreError> {
    if let Some(standing) = tables.ledger.read_statement_head(&id).await? {
        // The run that made it may have been cut off before it queued the message. Queued twice it is one message.
        queue_statement_closed(tables, &standing.statement, standing.closing).await?;
        return Ok(false);
    }
    let before = tables.ledger.read_statement_before(&id.merchant, id.month).await?;
    let mut lines: BTreeMap<LineKey, _> = BTreeMap::new();
    let (first, last) = (id.month.first_day(), id.month.last_day());
    tables
        .ledger
        .for_each_sheet(&id.merchant, first, last, |_, cells| add_cells(&mut lines, &Statement::lines_of(&cells)))
        .await?;
    let (no, opening) = before.map_or((1, 0), |before| (before.statement.no + 1, before.closing));
    if lines.is_empty() && opening == 0 {
        return Ok(false);
    }
    let statement = Statement { id, no, opening, lines, closed_at: tables.ledger.clock().now(), cut };
    tables.ledger.put_statement(&statement).await?;
    // The statement that stands, and not the one that this run meant: another run may have been first.
    if let Some(standing) = tables.ledger.read_statement_head(&statement.id).await? {
        queue_statement_closed(tables, &standing.statement, standing.closing).await?;
    }
    Ok(true)
}

/// Queues the message that a statement is closed, for the merchant's endpoints that subscribe to it.
async fn queue_statement_closed(tables: &Handles, statement: &Statement, closing: i64) -> Result<(), StoreError> {
    let message = statement_closed(&statement.id, statement.no, closing, statement.closed_at);
    tables.messages.queue_messages(&tables.catalog, &statement.id.merchant, &[message]).await.map(drop)
}
