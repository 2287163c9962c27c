//! `POST /v1/validations`: what a redemption would come to. Nothing changes.

use crate::{
    redeem::asked,
    till::{Presented, Till},
};
use mealticket_api::{ApiError, Code, Request, Response, locate::Located, refusals};
use mealticket_domain::{Benefit, Coupon, KeyHash, RedeemDecision, Redemption, presentation::Presentation};
use serde::Serialize;
use serde_json::json;

/// A redemption that would succeed now. `proof` shows later that the code was presented for this order.
#[derive(Serialize)]
struct ValidView {
    valid: bool,
    coupon_id: String,
    benefit: Benefit,
    discount_fen: u64,
    payable_fen: u64,
    proof: String,
}

/// What redeeming would come to. It answers 200 either way: a refusal is the answer to the question,
/// not a failure to answer it.
///
/// Refused itself: `body_too_large` and `malformed_request`. It promises nothing: another till may
/// redeem right after. Cost: 1 R.
pub(crate) async fn validate_code(till: &Till<'_>, request: &Request) -> Result<Response, ApiError> {
    let presented = Presented::read(request.body()?)?;
    match would_redeem(till, presented).await {
        Ok(view) => Response::ok(&view),
        Err(error) if error.code().status().is_server_error() => Err(error),
        Err(refusal) => {
            let refusal = refusal.document(request.language(), request.request_id());
            Response::ok(&json!({ "valid": false, "refusal": refusal }))
        }
    }
}

/// What a redemption would come to: the view, or its refusal.
async fn would_redeem(till: &Till<'_>, presented: Presented) -> Result<ValidView, ApiError> {
    let store = till.store(&presented.store)?;
    let Located { key, key_version, campaign: _ } = till.locate(&presented.typed).await?;
    // A validation has no idempotency key; this one belongs to nobody.
    let asked = asked(till, presented, store, key, KeyHash([0; 16]));
    match till.deps.members.would_redeem(&till.deps.catalog, key, key_version, &asked).await? {
        Some((coupon, RedeemDecision::Redeem(redemption))) => view(till, &coupon, &redemption).await,
        // The merchant's own system has reported this order. A till that asks for it makes that redemption its own.
        Some((coupon, RedeemDecision::Adopt { index })) => match coupon.redemptions.get(index) {
            Some(redemption) => view(till, &coupon, redemption).await,
            None => Err(ApiError::internal("a redemption is not there")),
        },
        Some((_, RedeemDecision::Refused(refusal))) => Err(refusals::redeem(&refusal, till.now)),
        Some((_, RedeemDecision::Replay { .. } | RedeemDecision::KeyReused)) => {
            Err(ApiError::internal("a validation met its own key"))
        }
        None => Err(Code::CodeNotFound.into()),
    }
}

/// The answer for a redemption that would succeed, under the terms that the coupon carries.
async fn view(till: &Till<'_>, coupon: &Coupon, redemption: &Redemption) -> Result<ValidView, ApiError> {
    let terms = till.deps.catalog.read_terms(coupon.key.campaign, coupon.terms_version).await?;
    let shown = Presentation { key_version: coupon.key_version, at: till.now, held_until: None };
    let proof = till.proof(coupon.key, &redemption.order_no, &shown);
    Ok(ValidView {
        valid: true,
        coupon_id: till.deps.stack.ids.coupon_id(coupon.key),
        benefit: terms.benefit.clone(),
        discount_fen: redemption.discount.get(),
        payable_fen: redemption.amount.less(redemption.discount).get(),
        proof,
    })
}
