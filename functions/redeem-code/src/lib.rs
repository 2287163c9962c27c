//! 核销: a merchant's till validates a code, holds it for an order, redeems it, undoes a redemption, and
//! asks what became of one.
//!
//! A code names its coupon, so redeeming is one write and no read. The rule is [`mealticket_domain::redemption`]. The
//! write that makes it true is [`mealticket_store::Members::redeem`].

#![warn(clippy::wildcard_enum_match_arm)]

mod hold;
mod lookup;
mod redeem;
mod reverse;
mod till;
mod validate;
mod views;

use mealticket_api::{ApiError, Request, Response, Route, Who};

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { members: Members, catalog: Catalog }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// What a till can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Would a redemption succeed? Nothing changes.
    Validate,
    /// Keep the coupon for an order.
    Hold,
    /// Keep it no longer.
    Release,
    /// Redeem one unit of use.
    Redeem,
    /// What became of a code's redemption on this order?
    FindRedemption,
    /// What is this redemption?
    ReadRedemption,
    /// Undo a redemption.
    Reverse,
}

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[
    Route::new("POST /v1/validations", Ask::Validate, Who::Merchant),
    Route::new("POST /v1/holds", Ask::Hold, Who::Merchant),
    Route::new("DELETE /v1/holds/{hold_id}", Ask::Release, Who::Merchant),
    Route::new("POST /v1/redemptions", Ask::Redeem, Who::Merchant),
    Route::new("POST /v1/redemptions/search", Ask::FindRedemption, Who::Merchant),
    Route::new("GET /v1/redemptions/{redemption_id}", Ask::ReadRedemption, Who::Merchant),
    Route::new("POST /v1/redemptions/{redemption_id}/reversals", Ask::Reverse, Who::Merchant),
];

/// Answers one request of a merchant's server. Every route refuses with `unauthenticated` before anything else.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let asked = request.route(ROUTES)?;
    let merchant = deps.merchant(&request).await?;
    let till = till::Till { deps: &deps, merchant: &merchant, now: deps.now() };
    let (hold, redemption) = (asked.path_text("hold_id"), asked.path_text("redemption_id"));
    match asked.route.ask {
        Ask::Validate => validate::validate_code(&till, &request).await,
        Ask::Hold => hold::hold_code(&till, &request).await,
        Ask::Release => hold::release_hold(&till, hold).await,
        Ask::Redeem => redeem::redeem_code(&till, &request).await,
        Ask::FindRedemption => lookup::find_redemption(&till, &request).await,
        Ask::ReadRedemption => lookup::read_redemption(&till, redemption).await,
        Ask::Reverse => reverse::reverse_redemption(&till, &request, redemption).await,
    }
}
