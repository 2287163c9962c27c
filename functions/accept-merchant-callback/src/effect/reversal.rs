//! `coupon.reversed`: a redemption that the merchant has undone at its own side.

use super::{Broken, broken};
use crate::event::ReversedReport;
use mealticket_api::{ApiError, Code, Deps, locate::own_campaign, refusals};
use mealticket_domain::{Fingerprint, KeyHash, ReverseRefusal};
use mealticket_store::{
    merchants::MerchantRecord,
    reverse::{ReverseOutcome, ReverseRequest},
};

/// Undoes the redemption, once. One that is undone already, whichever way, is confirmed. The inner result is the report's; the
/// outer one is ours.
pub(super) async fn reverse(
    deps: &Deps,
    merchant: &MerchantRecord,
    report: &ReversedReport,
) -> Result<Result<(), Broken>, ApiError> {
    let own = &merchant.merchant.id;
    if report.merchant_id.as_deref().is_some_and(|claimed| claimed != own.as_str()) {
        return Ok(Err(broken("other_merchant")));
    }
    let Ok(reason) = report.reason.parse() else { return Ok(Err(broken(Code::MalformedRequest.as_str()))) };
    let missing = Code::RedemptionNotFound.as_str();
    let Ok((place, index)) = deps.stack.ids.redemption(&report.redemption_id) else { return Ok(Err(broken(missing))) };
    if own_campaign(deps, own, place).await?.is_none() {
        return Ok(Err(broken(missing)));
    }
    let request = ReverseRequest {
        key: KeyHash::of_reversal(index),
        // What is reported again may be told in other words: it is the same reversal.
        fingerprint: Fingerprint::of(&[Some(&report.redemption_id)]),
        reason,
        now: deps.now(),
    };
    let refused = match deps.store.reverse(place, index, &request).await? {
        ReverseOutcome::Reversed(_) | ReverseOutcome::Replayed(_) => return Ok(Ok(())),
        ReverseOutcome::Refused(ReverseRefusal::AlreadyReversed) => return Ok(Ok(())),
        ReverseOutcome::Refused(refusal) => refusals::reverse(refusal).code().as_str(),
        ReverseOutcome::KeyReused => Code::IdempotencyKeyReused.as_str(),
    };
    Ok(Err(Broken { reason: refused, place: Some(place) }))
}
