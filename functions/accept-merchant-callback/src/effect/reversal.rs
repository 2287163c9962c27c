//! `coupon.reversed`: a redemption that the merchant has undone in its own system.

use super::{Broken, Effect, Named, Webhook, broken, locate, record};
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

/// Undoes the redemption, once. A redemption that is undone already, by whatever request, is confirmed.
///
/// A redemption that is not there yet is waited for: the report is a discrepancy until `queue-webhooks` sees the
/// redemption and undoes it. Safe to repeat.
pub(super) async fn reverse(deps: &Deps, webhook: &Webhook<'_>, report: &ReversedReport) -> Result<Effect, ApiError> {
    let Webhook { merchant, id: webhook_id, .. } = *webhook;
    let own = &merchant.merchant.id;
    if report.merchant_id.as_deref().is_some_and(|claimed| claimed != own.as_str()) {
        return Ok(Effect::Broken(broken("other_merchant")));
    }
    let Ok(reason) = report.reason.parse::<Reason>() else {
        return Ok(Effect::Broken(broken(Code::MalformedRequest.as_str())));
    };
    let (key, undone) = match named(deps, merchant, report).await? {
        Named::Coupon(named) => named,
        Named::Nothing(reason) => return Ok(Effect::Broken(broken(reason))),
    };
    let missing = Broken { reason: Code::RedemptionNotFound.as_str(), key: Some(key) };
    let Some(coupon) = deps.members.read_coupon(key).await? else {
        return Ok(Effect::Broken(missing));
    };
    match undone.find(&coupon) {
        Found::Index(index) => {
            let undone = undo(deps, key, index, reason).await?;
            if matches!(undone, Effect::Done) {
                // Another delivery may have found nothing.
                deps.messages.settle_discrepancy(own, webhook_id, deps.now()).await?;
            }
            return Ok(undone);
        }
        Found::Ambiguous => return Ok(Effect::Broken(Broken { reason: "ambiguous_order", key: Some(key) })),
        Found::NotYet => {}
    }
    // First the discrepancy that operators see, then the entry that waits, then another read. A redemption that comes
    // meanwhile sees the entry, or is seen by the read.
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
        && matches!(undo(deps, key, index, reason).await?, Effect::Done)
    {
        deps.messages.settle_discrepancy(own, webhook_id, deps.now()).await?;
    }
    Ok(Effect::Done)
}

/// Whether the redemption that a report names is undone.
pub(super) async fn is_undone(deps: &Deps, webhook: &Webhook<'_>, report: &ReversedReport) -> Result<bool, ApiError> {
    let Named::Coupon((key, undone)) = named(deps, webhook.merchant, report).await? else { return Ok(false) };
    let Some(coupon) = deps.members.read_coupon(key).await? else { return Ok(false) };
    let Found::Index(index) = undone.find(&coupon) else { return Ok(false) };
    Ok(coupon.redemptions.get(index).is_some_and(|spent| spent.reversal.is_some()))
}

/// The coupon and the redemption that a report names: by the redemption's id, or by the coupon and the order. What is
/// another merchant's is not found.
async fn named(
    deps: &Deps,
    merchant: &MerchantRecord,
    report: &ReversedReport,
) -> Result<Named<(CouponKey, Undone)>, ApiError> {
    if let Some(id) = &report.redemption_id {
        let missing = Named::Nothing(Code::RedemptionNotFound.as_str());
        let Ok((key, index)) = deps.stack.ids.redemption(id) else { return Ok(missing) };
        let is_own = own_campaign(&deps.catalog, &merchant.merchant.id, key).await?.is_some();
        return Ok(if is_own && index < REDEMPTIONS_MAX {
            Named::Coupon((key, Undone::Index(index)))
        } else {
            missing
        });
    }
    let Some(order_no) = report.order_no.as_deref().and_then(|order_no| order_no.parse().ok()) else {
        return Ok(Named::Nothing(Code::MalformedRequest.as_str()));
    };
    let located = locate(deps, merchant, (report.code.as_deref(), report.coupon_id.as_deref())).await?;
    Ok(match located {
        Named::Coupon(located) => Named::Coupon((located.key, Undone::Order(order_no))),
        Named::Nothing(reason) => Named::Nothing(reason),
    })
}

/// Undoes redemption `index`, as a till would. The key is the redemption, so two reports of it are one reversal.
async fn undo(deps: &Deps, key: CouponKey, index: usize, reason: Reason) -> Result<Effect, ApiError> {
    let id = deps.stack.ids.redemption_id(key, index);
    let request = ReverseRequest::reported(&id, index, reason, deps.now());
    let refused = match deps.members.reverse(&deps.catalog, key, index, &request).await? {
        ReverseOutcome::Reversed(_) | ReverseOutcome::Replayed(_) => return Ok(Effect::Done),
        ReverseOutcome::Refused(ReverseRefusal::AlreadyReversed) => return Ok(Effect::Done),
        ReverseOutcome::Refused(refusal) => refusals::reverse(refusal).code().as_str(),
        ReverseOutcome::KeyReused => Code::IdempotencyKeyReused.as_str(),
    };
    Ok(Effect::Broken(Broken { reason: refused, key: Some(key) }))
}
