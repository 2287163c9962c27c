//! 看通知: merchants see what was sent to their own endpoints. Nothing is changed here.

#![warn(clippy::wildcard_enum_match_arm)]

mod deliveries;

use mealticket_api::{ApiError, Request, Response, Route, Who};

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { catalog: Catalog, messages: Messages }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// What a merchant can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// What was sent to an endpoint of its own.
    ListDeliveries,
}

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[Route::new("GET /v1/deliveries", Ask::ListDeliveries, Who::Merchant)];

/// Answers one request of a merchant's server. It refuses with `unauthenticated` before anything else.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let asked = request.route(ROUTES)?;
    let merchant = deps.merchant(&request).await?;
    match asked.route.ask {
        Ask::ListDeliveries => deliveries::list_deliveries(&deps, &request, &merchant).await,
    }
}
