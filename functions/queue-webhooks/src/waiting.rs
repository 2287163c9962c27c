//! Reversals that were reported early, and whose redemption has come by.

use mealticket_api::Deps;
use mealticket_domain::{Fingerprint, KeyHash};
use mealticket_store::{
    StoreError,
    reverse::{ReverseOutcome, ReverseRequest},
    waiting::{Waiting, redeemed_in},
};
use serde_json::Value;

/// Undoes what waited for these records. Nothing is asked when none of them is a redemption.
pub(crate) async fn undo(deps: &Deps, records: &[Value]) -> Result<(), StoreError> {
    let redeemed = redeemed_in(records);
    if redeemed.is_empty() {
        return Ok(());
    }
    for waiting in deps.store.waiting().await? {
        if redeemed.contains(&waiting.place) {
            undo_one(deps, &waiting).await?;
        }
    }
    Ok(())
}

async fn undo_one(deps: &Deps, waiting: &Waiting) -> Result<(), StoreError> {
    let coupon = deps.store.coupon(waiting.place).await?;
    let Some(index) = coupon.and_then(|coupon| waiting.undone.index(&coupon)) else { return Ok(()) };
    let request = ReverseRequest {
        key: KeyHash::of_reversal(index),
        fingerprint: Fingerprint::of(&[Some(&deps.stack.ids.redemption_id(waiting.place, index))]),
        reason: waiting.reason.clone(),
        now: deps.now(),
    };
    match deps.store.reverse(waiting.place, index, &request).await? {
        ReverseOutcome::Reversed(_) | ReverseOutcome::Replayed(_) => {
            deps.store.settle_discrepancy(&waiting.merchant, &waiting.webhook_id, deps.now()).await?;
        }
        // It stays a discrepancy, for the operator to look at.
        other => tracing::warn!(merchant = %waiting.merchant, outcome = ?other, "an early reversal does not stand"),
    }
    deps.store.end_waiting(waiting).await
}
