//! How endpoints fare. It is written only when it changes, and not with every message.

use crate::Deps;
use mealticket_domain::{
    MerchantId,
    webhook::{Endpoint, OffReason, SwitchedOff, Verdict},
};
use mealticket_store::StoreError;

/// Notes in the catalog when an endpoint begins to fail and when it works again. An endpoint that is gone, or has
/// failed for five days, is switched off.
///
/// Operators find the endpoint listed as long as it fails or is off. It returns true when something was noted. Safe to
/// repeat. The list is written before the catalog, so no endpoint in trouble is unlisted.
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
