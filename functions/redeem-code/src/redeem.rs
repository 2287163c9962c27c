//! `POST /v1/redemptions`: the till spends one unit of use.

use crate::{
    till::{Presented, Till},
    views::RedemptionView,
};
use mealticket_api::{ApiError, Code, Request, Response, Success, locate::Located, refusals};
use mealticket_domain::{CouponKey, Fingerprint, KeyHash, RedeemRequest, Store, coupon::RedemptionSource};
use mealticket_store::members::RedeemOutcome;

/// Redeems one unit of use, exactly once for each idempotency key.
///
/// Refusals, in order: `body_too_large`, `malformed_request`, `idempotency_key_missing`, `store_not_found`,
/// `other_province`, `code_not_found`, `idempotency_key_reused`, then the rule's: `code_deactivated`, `code_expired`,
/// `not_yet_valid`, `code_already_redeemed`, `redemption_limit`, `code_held`, `hold_lapsed`, `outside_hours`,
/// `store_not_in_scope`, `minimum_spend_not_met`.
///
/// When it answers 201, the redemption is durable. A repeat gets the same bytes, marked as a replay. So does the first
/// request for an order that the merchant has reported. After 503 the same key finds out what happened.
pub(crate) async fn redeem_code(till: &Till<'_>, request: &Request) -> Result<Response, ApiError> {
    let presented = Presented::read(request.body()?)?;
    let request_key = request.idempotency_key()?.hash(till.principal(), "redeem");
    let store = till.store(&presented.store)?;
    let Located { key, key_version, campaign } = till.locate(&presented.typed).await?;

    let asked = asked(till, presented, store, key, request_key);
    match till.deps.members.redeem(&till.deps.catalog, &campaign, key, key_version, &asked).await? {
        RedeemOutcome::Redeemed(coupon, index) => RedemptionView::answer(till, &coupon, index, Success::First),
        RedeemOutcome::Replayed(coupon, index) => RedemptionView::answer(till, &coupon, index, Success::Replayed),
        RedeemOutcome::KeyReused => Err(Code::IdempotencyKeyReused.into()),
        RedeemOutcome::Refused(refusal, _) => Err(refusals::redeem(&refusal, till.now)),
        RedeemOutcome::NotFound => Err(Code::CodeNotFound.into()),
    }
}

/// The redemption that the till asks for, with the fingerprint of all that it asked.
pub(crate) fn asked(
    till: &Till<'_>,
    presented: Presented,
    store: &Store,
    key: CouponKey,
    request_key: KeyHash,
) -> RedeemRequest {
    let fingerprint = Fingerprint::of(&[
        Some(store.store_id.as_str()),
        Some(presented.order.order_no.as_str()),
        Some(&presented.order.amount.get().to_string()),
        presented.hold_id.as_ref().map(|hold| hold.as_str()),
        presented.cashier.as_ref().map(|cashier| cashier.as_str()),
    ]);
    RedeemRequest {
        key: request_key,
        fingerprint,
        source: RedemptionSource::Api,
        at: till.now,
        store_id: store.store_id.clone(),
        city: store.city.clone(),
        order: presented.order,
        hold: presented.hold_id.map(|hold| till.named(&hold, key)),
        cashier: presented.cashier,
    }
}
