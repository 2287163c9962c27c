//! How endpoints fare: noted when it changes, and not with every message.

use crate::Deps;
use mealticket_domain::{
    MerchantId,
    webhook::{Endpoint, OffReason, SwitchedOff, Verdict},
};
use mealticket_store::StoreError;

/// Notes in the catalog when an endpoint begins to fail and when it works again, and switches it off when it is gone or has
/// failed for too long; operators find it listed while it is so. True when something was noted.
pub(crate) async fn note(
    deps: &Deps,
    merchant: &MerchantId,
    endpoint: &Endpoint,
    verdict: Verdict,
) -> Result<bool, StoreError> {
    let (tables, now, id) = (&deps.tables, deps.now(), &endpoint.id);
    match verdict {
        Verdict::Delivered if endpoint.failing_since.is_none() => return Ok(false),
        Verdict::Delivered => {
            tables.catalog.note_endpoint_works(merchant, id).await?;
            tables.messages.unlist_in_trouble(id, now).await?;
        }
        Verdict::Again { .. } if !endpoint.has_failed_too_long(now) => {
            if endpoint.failing_since.is_some() {
                return Ok(false);
            }
            tables.messages.list_in_trouble(merchant, id, now).await?;
            tables.catalog.note_endpoint_fails(merchant, id, now).await?;
        }
        Verdict::Gone | Verdict::Again { .. } => {
            let reason = if verdict == Verdict::Gone { OffReason::Gone } else { OffReason::Failing };
            let off = SwitchedOff { at: now, reason };
            tables.messages.list_in_trouble(merchant, id, now).await?;
            if tables.catalog.switch_off(merchant, id, endpoint.version, off).await? {
                tracing::error!(%merchant, endpoint = %id, reason = reason.as_str(), "endpoint switched off");
            }
        }
    }
    Ok(true)
}
