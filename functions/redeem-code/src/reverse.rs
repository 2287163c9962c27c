//! `POST /v1/redemptions/{redemption_id}/reversals`: the till undoes a redemption.

use crate::{till::Till, views::ReversalView};
use mealticket_api::{ApiError, Code, Request, Response, Success, json, refusals};
use mealticket_domain::{Fingerprint, Reason};
use mealticket_store::members::{ReverseOutcome, ReverseRequest};
use serde::Deserialize;

/// Why a redemption is undone: 1 to 45 bytes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReverseRedemptionRequest {
    reason: String,
}

/// Undoes a redemption of this merchant, once. The unit of use is back, and may be spent again.
///
/// Refusals, in order: `body_too_large`, `malformed_request`, `idempotency_key_missing`, `redemption_not_found`,
/// `idempotency_key_reused`, `already_reversed` by another request, `reversal_window_closed`.
///
/// When it answers 201, the reversal is durable. A repeat with the same key gets the same bytes. After
/// 503 the same key finds out.
pub(crate) async fn reverse_redemption(till: &Till<'_>, request: &Request, id: &str) -> Result<Response, ApiError> {
    let raw: ReverseRedemptionRequest = json::read(request.body()?)?;
    let reason: Reason = json::parsed("reason", &raw.reason)?;
    let request_key = request.idempotency_key()?.hash(till.principal(), "reverse");
    let (key, index) = till.deps.stack.ids.redemption(id).map_err(|_| ApiError::from(Code::RedemptionNotFound))?;
    if till.own_campaign(key).await?.is_none() {
        return Err(Code::RedemptionNotFound.into());
    }

    let fingerprint = Fingerprint::of(&[Some(id), Some(reason.as_str())]);
    let asked = ReverseRequest { key: request_key, fingerprint, reason, now: till.now };
    match till.deps.members.reverse(&till.deps.catalog, key, index, &asked).await? {
        ReverseOutcome::Reversed(coupon) => ReversalView::answer(till, &coupon, index, Success::First),
        ReverseOutcome::Replayed(coupon) => ReversalView::answer(till, &coupon, index, Success::Replayed),
        ReverseOutcome::KeyReused => Err(Code::IdempotencyKeyReused.into()),
        ReverseOutcome::Refused(refusal) => Err(refusals::reverse(refusal)),
    }
}
