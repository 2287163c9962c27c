//! 核销: a merchant's till validates a code, holds it for an order, redeems it, undoes a redemption, and asks what became of one.
//!
//! A code says where its coupon is, so redeeming is one write and no read. The rule itself is
//! [`mealticket_domain::redemption`]; the write that makes it true is [`mealticket_store::redeem`].

mod hold;
mod lookup;
mod redeem;
mod reverse;
mod till;
mod validate;
mod views;

use mealticket_api::{ApiError, Deps, Request, Response, Route};

/// What a till can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Would it work? Nothing changes.
    Validate,
    /// Keep it for an order.
    Hold,
    /// Keep it no longer.
    Release,
    /// Redeem one unit of use.
    Redeem,
    /// What became of a code's redemption on this order?
    FindRedemption,
    /// What is this redemption?
    ReadRedemption,
    /// Undo it.
    Reverse,
}

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[
    ("POST /v1/validations", Ask::Validate),
    ("POST /v1/holds", Ask::Hold),
    ("DELETE /v1/holds/{hold_id}", Ask::Release),
    ("POST /v1/redemptions", Ask::Redeem),
    ("POST /v1/redemptions/search", Ask::FindRedemption),
    ("GET /v1/redemptions/{redemption_id}", Ask::ReadRedemption),
    ("POST /v1/redemptions/{redemption_id}/reversals", Ask::Reverse),
];

/// Answers one request of a merchant's server.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let (ask, _, parameters) = request.route(ROUTES)?;
    let merchant = deps.merchant(&request).await?;
    let till = till::Till { deps: &deps, merchant: &merchant, now: deps.now() };
    let id = parameters.first().copied().unwrap_or_default();
    match ask {
        Ask::Validate => validate::validate_code(&till, &request).await,
        Ask::Hold => hold::hold_code(&till, &request).await,
        Ask::Release => hold::release_hold(&till, id).await,
        Ask::Redeem => redeem::redeem_code(&till, &request).await,
        Ask::FindRedemption => lookup::find_redemption(&till, &request).await,
        Ask::ReadRedemption => lookup::read_redemption(&till, id).await,
        Ask::Reverse => reverse::reverse_redemption(&till, &request, id).await,
    }
}
