//! 通知管理: operators register, rotate and switch endpoints, and look after messages that did not arrive.
//!
//! Nothing here sends anything. A message that is to be sent again goes into the due index, where
//! `deliver-webhooks` finds it.

#![warn(clippy::wildcard_enum_match_arm)]

mod deliveries;
mod endpoints;
mod views;

use endpoints::Switch;
use mealticket_api::{ApiError, Request, Response, Route, Who, auth::operator::Role};

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { catalog: Catalog, messages: Messages }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// What an operator can ask about endpoints and deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A merchant's endpoints.
    ListEndpoints,
    /// Endpoints of all merchants that fail or are off.
    ListEndpointsInTrouble,
    /// A new endpoint for a merchant.
    AddEndpoint,
    /// A new secret for an endpoint.
    RotateEndpoint,
    /// Messages go to the endpoint again.
    EnableEndpoint,
    /// No message goes to the endpoint any more.
    DisableEndpoint,
    /// Messages that were sent, or could not be.
    ListDeliveries,
    /// One message is to be sent again.
    ReplayDelivery,
    /// All dead letters of an endpoint are to be sent again.
    ReplayDeadLetters,
}

/// The roles that may see endpoints and deliveries.
const READERS: Who = Who::of_province(&[Role::ProvinceAdmin, Role::Auditor]);
/// The role that may change them, and have messages sent again.
const KEEPERS: Who = Who::of_province(&[Role::ProvinceAdmin]);

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[
    Route::new("GET /v1/admin/endpoints", Ask::ListEndpointsInTrouble, READERS),
    Route::new("GET /v1/admin/merchants/{merchant_id}/endpoints", Ask::ListEndpoints, READERS),
    Route::new("POST /v1/admin/merchants/{merchant_id}/endpoints", Ask::AddEndpoint, KEEPERS),
    Route::new("POST /v1/admin/merchants/{merchant_id}/endpoints/{endpoint_id}/rotate", Ask::RotateEndpoint, KEEPERS),
    Route::new("POST /v1/admin/merchants/{merchant_id}/endpoints/{endpoint_id}/enable", Ask::EnableEndpoint, KEEPERS),
    Route::new("POST /v1/admin/merchants/{merchant_id}/endpoints/{endpoint_id}/disable", Ask::DisableEndpoint, KEEPERS),
    Route::new("GET /v1/admin/deliveries", Ask::ListDeliveries, READERS),
    Route::new("POST /v1/admin/deliveries/replay", Ask::ReplayDeadLetters, KEEPERS),
    Route::new("POST /v1/admin/deliveries/{delivery_id}/replay", Ask::ReplayDelivery, KEEPERS),
];

/// Answers one request of an operator's page.
///
/// Every route refuses in this order: `unauthenticated`, `forbidden`, then the body or the
/// parameters, then what it names.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let asked = request.route(ROUTES)?;
    let operator = deps.operator(&request, asked.route.who).await?;
    let (merchant, endpoint) = (asked.path_text("merchant_id"), asked.path_text("endpoint_id"));
    match asked.route.ask {
        Ask::ListEndpointsInTrouble => endpoints::list_in_trouble(&deps, &request).await,
        Ask::ListEndpoints => endpoints::list(&deps, &request, merchant).await,
        Ask::AddEndpoint => endpoints::add(&deps, &request, &operator, merchant).await,
        Ask::RotateEndpoint => endpoints::rotate(&deps, &request, &operator, (merchant, endpoint)).await,
        Ask::EnableEndpoint => endpoints::switch(&deps, &request, &operator, (merchant, endpoint), Switch::On).await,
        Ask::DisableEndpoint => endpoints::switch(&deps, &request, &operator, (merchant, endpoint), Switch::Off).await,
        Ask::ListDeliveries => deliveries::list(&deps, &request).await,
        Ask::ReplayDelivery => deliveries::replay(&deps, &request, &operator, asked.path_text("delivery_id")).await,
        Ask::ReplayDeadLetters => deliveries::replay_dead_letters(&deps, &request, &operator).await,
    }
}
