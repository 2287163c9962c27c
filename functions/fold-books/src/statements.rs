//! Statements of a month whose days are all closed.

use crate::Handles;
use mealticket_domain::{
    MerchantId, ProvinceMonth,
    books::add_cells,
    statement::{LineKey, Statement, StatementId},
    webhook::statement_closed,
};
use mealticket_store::{StoreError, ledger::StatementHead};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// Merchants that one query asks for.
const MERCHANTS: usize = 200;

/// What making a month's statements came to.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// Statements that this run made.
    pub(crate) statements: u64,
    /// Whether time ran out. The next run goes on.
    pub(crate) unfinished: bool,
}

/// Merchants without a statement of a month, because their books cannot be read. They get none of a later month: without
/// the earlier closing its opening would be wrong.
pub(crate) type Behind = BTreeSet<MerchantId>;

/// Makes the month's statements that are missing, one merchant after the other. Safe to repeat: a
/// merchant that has one keeps it.
///
/// The caller makes earlier months first. Merchants in `behind` are passed over, and those whose books cannot be read are
/// added to it.
pub(crate) async fn make(
    tables: &Handles,
    (month, cut): (ProvinceMonth, u64),
    behind: &mut Behind,
    until: Instant,
) -> Result<Made, StoreError> {
    let mut made = Made::default();
    let mut after: Option<MerchantId> = None;
    loop {
        let merchants = tables.ledger.list_booked_merchants(after.as_ref(), MERCHANTS).await?;
        for merchant in &merchants {
            if behind.contains(merchant) {
                continue;
            }
            if Instant::now() >= until {
                made.unfinished = true;
                return Ok(made);
            }
            match make_one(tables, StatementId { merchant: merchant.clone(), month }, cut).await {
                Ok(new) => made.statements += u64::from(new),
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(%merchant, %month, %error, "no statement");
                    behind.insert(merchant.clone());
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
        announce(tables, &standing).await?;
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
        announce(tables, &standing).await?;
    }
    Ok(true)
}

/// Queues the message that a statement is closed, for the merchant's endpoints that subscribe to it. Once: a run that was
/// cut off before it wrote that down queues it again, under the same name.
async fn announce(tables: &Handles, standing: &StatementHead) -> Result<(), StoreError> {
    if standing.is_announced {
        return Ok(());
    }
    let statement = &standing.statement;
    let message = statement_closed(&statement.id, statement.no, standing.closing, statement.closed_at);
    tables.messages.queue_messages(&tables.catalog, &statement.id.merchant, &[message]).await?;
    tables.ledger.note_statement_announced(&statement.id).await
}
