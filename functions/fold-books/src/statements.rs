//! Statements of a month whose days are all closed.

use mealticket_domain::{
    MerchantId, ProvinceMonth,
    books::{Cells, add_cells},
    statement::{Statement, StatementId},
};
use mealticket_store::{Store, StoreError};
use std::collections::BTreeSet;
use tokio::time::Instant;

/// Makes the statements that are missing; counts them in `made`. `false` when time ran out: the next run goes on.
pub(crate) async fn make(
    store: &Store,
    month: ProvinceMonth,
    cut: u64,
    until: Instant,
    made: &mut u64,
) -> Result<bool, StoreError> {
    let campaigns = store.campaigns().await?;
    let merchants: BTreeSet<MerchantId> = campaigns.iter().map(|campaign| campaign.merchant_id.clone()).collect();
    for merchant in merchants {
        if Instant::now() >= until {
            return Ok(false);
        }
        *made += u64::from(make_one(store, StatementId { merchant, month }, cut).await?);
    }
    Ok(true)
}

/// Makes a merchant's statement, if it is missing and there is anything to state.
async fn make_one(store: &Store, id: StatementId, cut: u64) -> Result<bool, StoreError> {
    if store.statement_head(&id).await?.is_some() {
        return Ok(false);
    }
    let before = store.statement_before(&id.merchant, id.month).await?;
    let mut cells = Cells::new();
    let days = store.sheets(&id.merchant, id.month.first_day(), id.month.last_day()).await?;
    days.values().for_each(|day| add_cells(&mut cells, day));
    let (no, opening) = before.map_or((1, 0), |before| (before.statement.no + 1, before.closing));
    let lines = Statement::lines_of(&cells);
    if lines.is_empty() && opening == 0 {
        return Ok(false);
    }
    store.put_statement(&Statement { id, no, opening, lines, closed_at: store.clock().now(), cut }).await?;
    Ok(true)
}
