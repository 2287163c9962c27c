//! Reversals that were reported early, and whose redemption has come by on the stream.

use crate::Deps;
use mealticket_domain::{ReverseRefusal, report::Found};
use mealticket_store::{
    StoreError,
    members::{ReverseOutcome, ReverseRequest, redeemed_in},
    messages::Waiting,
};
use serde_json::Value;

/// Undoes what waited for these records. It asks nothing when none of them is a redemption. Safe to repeat.
pub(crate) async fn undo(deps: &Deps, records: &[Value]) -> Result<(), StoreError> {
    for key in redeemed_in(records) {
        for waiting in deps.messages.list_waiting(key).await? {
            match undo_one(deps, &waiting).await {
                // A coupon that cannot be read must not hold up the others.
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(%error, "an early reversal is left as it is")
                }
                done => done?,
            }
        }
    }
    Ok(())
}

/// Undoes one redemption, as `accept-merchant-callback` would have done. The reversal then waits no longer, and
/// its discrepancy is settled.
async fn undo_one(deps: &Deps, waiting: &Waiting) -> Result<(), StoreError> {
    let Some(coupon) = deps.members.read_coupon(waiting.key).await? else { return Ok(()) };
    let index = match waiting.undone.find(&coupon) {
        Found::NotYet => return Ok(()),
        Found::Ambiguous => return deps.messages.end_waiting(waiting).await,
        Found::Index(index) => index,
    };
    // The merchant reported the reversal when its report came, and cannot have undone it before it redeemed.
    let redeemed_at = coupon.redemptions.get(index).map_or(waiting.received_at, |spent| spent.at);
    let id = deps.stack.ids.redemption_id(waiting.key, index);
    let at = waiting.received_at.max(redeemed_at);
    let request = ReverseRequest::reported(&id, index, waiting.reason.clone(), at);
    match deps.members.reverse(&deps.catalog, waiting.key, index, &request).await? {
        ReverseOutcome::Reversed(_)
        | ReverseOutcome::Replayed(_)
        | ReverseOutcome::Refused(ReverseRefusal::AlreadyReversed) => {
            deps.messages.settle_discrepancy(&waiting.merchant, &waiting.webhook_id, deps.now()).await?;
        }
        // It stays a discrepancy, for operators to look at.
        other @ (ReverseOutcome::KeyReused
        | ReverseOutcome::Refused(ReverseRefusal::NotFound | ReverseRefusal::WindowClosed)) => {
            tracing::warn!(merchant = %waiting.merchant, outcome = ?other, "an early reversal does not stand")
        }
    }
    deps.messages.end_waiting(waiting).await
}
