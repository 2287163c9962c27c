//! `coupon.reversed`: a redemption that the merchant has undone at its own side.

use super::{Broken, Webhook, broken, locate, record};
use crate::{
    Deps,
    event::{REVERSED, ReversedReport},
};
use mealticket_api::{ApiError, Code, locate::own_campaign, refusals};
use mealticket_domain::{
    CouponKey, Reason, ReverseRefusal,
    limits::REDEMPTIONS_MAX,
    report::{Found, Undone},
};
use mealticket_store::{
    catalog::MerchantRecord,
    members::{ReverseOutcome, ReverseRequest},
    messages::Waiting,
};

/// Undoes the redemption, once. One that is undone already, whichever way, is confirmed. One that is not there yet is waited for:
/// it is a discrepancy until it comes. The inner result is the report's; the outer one is ours.
pub(super) async fn reverse(
    deps: &Deps,
    webhook: &Webhook<'_>,
    report: &ReversedReport,
) -> Result<Result<(), Broken>, ApiError> {
    let Webhook { merchant, id: webhook_id, .. } = *webhook;
    let own = &merchant.merchant.id;
    if report.merchant_id.as_deref().is_some_and(|claimed| claimed != own.as_str()) {
        return Ok(Err(broken("other_merchant")));
    }
    let Ok(reason) = report.reason.parse::<Reason>() else {
        return Ok(Err(broken(Code::MalformedRequest.as_str())));
    };
    let (key, undone) = match named(deps, merchant, report).await? {
        Ok(named) => named,
        Err(reason) => return Ok(Err(broken(reason))),
    };
    let missing = Broken { reason: Code::RedemptionNotFound.as_str(), key: Some(key) };
    let Some(coupon) = deps.members.read_coupon(key).await? else { return Ok(Err(missing)) };
    match undone.find(&coupon) {
        Found::Index(index) => {
            let undone = undo(deps, key, index, reason).await?;
            if undone.is_ok() {
                // Another delivery may have found nothing.
                deps.messages.settle_discrepancy(own, webhook_id, deps.now()).await?;
            }
            return Ok(undone);
        }
        Found::Ambiguous => return Ok(Err(Broken { reason: "ambiguous_order", key: Some(key) })),
        Found::NotYet => {}
    }
    // First what the operator sees, then what waits, then another look: whoever redeems meanwhile sees it, or is seen.
    record(deps, webhook, REVERSED, &missing, None).await?;
    let waiting = Waiting {
        merchant: own.clone(),
        webhook_id: webhook_id.to_owned(),
        key,
        undone,
        reason: reason.clone(),
        received_at: deps.now(),
    };
    deps.messages.put_waiting(&waiting).await?;
    let coupon = deps.members.read_coupon(key).await?;
    if let Some(Found::Index(index)) = coupon.map(|coupon| waiting.undone.find(&coupon))
        && undo(deps, key, index, reason).await?.is_ok()
    {
        deps.messages.settle_discrepancy(own, webhook_id, deps.now()).await?;
    }
    Ok(Ok(()))
}

/// Whether the redemption that a report names is undone.
pub(super) async fn is_undone(deps: &Deps, webhook: &Webhook<'_>, report: &ReversedReport) -> Result<bool, ApiError> {
    let Ok((key, undone)) = named(deps, webhook.merchant, report).await? else { return Ok(false) };
    let Some(coupon) = deps.members.read_coupon(key).await? else { return Ok(false) };
    let Found::Index(index) = undone.find(&coupon) else { return Ok(false) };
    Ok(coupon.redemptions.get(index).is_some_and(|spent| spent.reversal.is_some()))
}

/// The coupon and the redemption that a report names: by the redemption's id, or by the coupon and the order.
async fn named(
    deps: &Deps,
    merchant: &MerchantRecord,
    report: &ReversedReport,
) -> Result<Result<(CouponKey, Undone), &'static str>, ApiError> {
    if let Some(id) = &report.redemption_id {
        let missing = Code::RedemptionNotFound.as_str();
        let Ok((key, index)) = deps.stack.ids.redemption(id) else { return Ok(Err(missing)) };
        let is_own = own_campaign(&deps.catalog, &merchant.merchant.id, key).await?.is_some();
        return Ok(if is_own && index < REDEMPTIONS_MAX { Ok((key, Undone::Index(index))) } else { Err(missing) });
    }
    let Some(order_no) = report.order_no.as_deref().and_then(|order_no| order_no.parse().ok()) else {
        return Ok(Err(Code::MalformedRequest.as_str()));
    };
    let located = locate(deps, merchant, (report.code.as_deref(), report.coupon_id.as_deref())).await?;
    Ok(located.map(|located| (located.key, Undone::Order(order_no))))
}

async fn undo(deps: &Deps, key: CouponKey, index: usize, reason: Reason) -> Result<Result<(), Broken>, ApiError> {
    let id = deps.stack.ids.redemption_id(key, index);
    let request = ReverseRequest::reported(&id, index, reason, deps.now());
    let refused = match deps.members.reverse(&deps.catalog, key, index, &request).await? {
        ReverseOutcome::Reversed(_) | ReverseOutcome::Replayed(_) => return Ok(Ok(())),
        ReverseOutcome::Refused(ReverseRefusal::AlreadyReversed) => return Ok(Ok(())),
        ReverseOutcome::Refused(refusal) => refusals::reverse(refusal).code().as_str(),
        ReverseOutcome::KeyReused => Code::IdempotencyKeyReused.as_str(),
    };
    Ok(Err(Broken { reason: refused, key: Some(key) }))
}
