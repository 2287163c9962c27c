//! `POST /v1/holds` and `DELETE /v1/holds/{hold_id}`: the coupon is kept for an order while it is being paid.

use crate::{
    redeem::asked,
    till::{Presented, Till},
    views::HoldView,
};
use mealticket_api::{ApiError, Code, Request, Response, Success, locate::Located, refusals};
use mealticket_domain::{Fingerprint, HoldRequest};
use mealticket_store::members::HoldOutcome;

/// Holds a code for an order, for 1 to 3 600 seconds. The same order gets the same hold again, under any key.
///
/// Refusals: those of a redemption in their order, without `hold_lapsed`. When it answers 201, the hold is durable, and
/// no other order can use the coupon until its deadline. A repeat with the same key gets the same bytes, as long as the
/// hold is the coupon's newest.
pub(crate) async fn hold_code(till: &Till<'_>, request: &Request) -> Result<Response, ApiError> {
    let (presented, seconds) = Presented::read_hold(request.body()?)?;
    let request_key = request.idempotency_key()?.hash(till.principal(), "hold");
    let store = till.store(&presented.store)?;
    let Located { key, key_version, campaign: _ } = till.locate(&presented.typed).await?;

    let mut redemption = asked(till, presented, store, key, request_key);
    redemption.fingerprint = Fingerprint::of(&[
        Some(store.store_id.as_str()),
        Some(redemption.order.order_no.as_str()),
        Some(&redemption.order.amount.get().to_string()),
        Some(&seconds.to_string()),
    ]);
    let order_no = redemption.order.order_no.clone();
    match till.deps.members.hold(&till.deps.catalog, key, key_version, &HoldRequest { redemption, seconds }).await? {
        HoldOutcome::Held(coupon) => HoldView::answer(till, &coupon, key_version, &order_no, Success::First),
        HoldOutcome::Replayed(coupon) => HoldView::answer(till, &coupon, key_version, &order_no, Success::Replayed),
        HoldOutcome::KeyReused => Err(Code::IdempotencyKeyReused.into()),
        HoldOutcome::Refused(refusal) => Err(refusals::redeem(&refusal, till.now)),
        HoldOutcome::NotFound => Err(Code::CodeNotFound.into()),
    }
}

/// Gives a held coupon free before the deadline.
///
/// Refused with `hold_not_found`: no such hold of this merchant, or a later one of another order stands. When it
/// answers 204, the hold has ended. A repeat gets the same answer.
pub(crate) async fn release_hold(till: &Till<'_>, id: &str) -> Result<Response, ApiError> {
    let missing = || ApiError::from(Code::HoldNotFound);
    let (key, tag) = till.deps.stack.ids.hold(id).map_err(|_| missing())?;
    till.own_campaign(key).await?.ok_or_else(missing)?;
    if till.deps.members.release(key, tag, till.now).await? { Ok(Response::no_content()) } else { Err(missing()) }
}
