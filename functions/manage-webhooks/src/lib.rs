//! 通知管理: operators register, rotate and switch endpoints, and look after what did not arrive; merchants see their own; finance decides about reports that broke a rule.
//!
//! Nothing here sends anything. What is to be sent again is put into the due index, and `deliver-webhooks` finds it there.

mod deliveries;
mod discrepancies;
mod endpoints;
mod views;

use mealticket_api::{ApiError, Deps, Request, Response, Route, auth::operator::Role};

/// What can be asked about webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A merchant's endpoints.
    ListEndpoints,
    /// Everybody's endpoints that fail or are off.
    ListEndpointsInTrouble,
    /// A new one.
    AddEndpoint,
    /// A new secret for one.
    RotateEndpoint,
    /// It is told again.
    EnableEndpoint,
    /// It is told nothing any more.
    DisableEndpoint,
    /// What was sent, or could not be.
    ListDeliveries,
    /// Once more, please.
    ReplayDelivery,
    /// All of an endpoint's dead letters once more.
    ReplayDeadLetters,
    /// What was sent to an endpoint of one's own.
    ListOwnDeliveries,
    /// Reports that broke a rule.
    ListDiscrepancies,
    /// The merchant gets its money all the same.
    AcceptDiscrepancy,
    /// It does not.
    RejectDiscrepancy,
}

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[
    ("GET /v1/admin/endpoints", Ask::ListEndpointsInTrouble),
    ("GET /v1/admin/merchants/{merchant_id}/endpoints", Ask::ListEndpoints),
    ("POST /v1/admin/merchants/{merchant_id}/endpoints", Ask::AddEndpoint),
    ("POST /v1/admin/merchants/{merchant_id}/endpoints/{endpoint_id}/rotate", Ask::RotateEndpoint),
    ("POST /v1/admin/merchants/{merchant_id}/endpoints/{endpoint_id}/enable", Ask::EnableEndpoint),
    ("POST /v1/admin/merchants/{merchant_id}/endpoints/{endpoint_id}/disable", Ask::DisableEndpoint),
    ("GET /v1/admin/deliveries", Ask::ListDeliveries),
    ("POST /v1/admin/deliveries/replay", Ask::ReplayDeadLetters),
    ("POST /v1/admin/deliveries/{delivery_id}/replay", Ask::ReplayDelivery),
    ("GET /v1/deliveries", Ask::ListOwnDeliveries),
    ("GET /v1/admin/discrepancies", Ask::ListDiscrepancies),
    ("POST /v1/admin/discrepancies/{discrepancy_id}/accept", Ask::AcceptDiscrepancy),
    ("POST /v1/admin/discrepancies/{discrepancy_id}/reject", Ask::RejectDiscrepancy),
];

/// Who may see endpoints and deliveries.
const READERS: &[Role] = &[Role::ProvinceAdmin, Role::Auditor];
/// Who may change them, and have something sent again.
const KEEPERS: &[Role] = &[Role::ProvinceAdmin];
/// Who may see what does not add up.
const BOOK_READERS: &[Role] = &[Role::Finance, Role::Auditor];
/// Who may decide about it: it moves money.
const BOOK_KEEPERS: &[Role] = &[Role::Finance];

/// Answers one request of an operator's page or of a merchant's server.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let (ask, _, parameters) = request.route(ROUTES)?;
    let parameter = |at: usize| parameters.get(at).copied().unwrap_or_default();
    if ask == Ask::ListOwnDeliveries {
        let merchant = deps.merchant(&request).await?;
        return deliveries::list_own(&deps, &request, &merchant).await;
    }
    let roles = match ask {
        Ask::ListEndpoints | Ask::ListEndpointsInTrouble | Ask::ListDeliveries => READERS,
        Ask::ListDiscrepancies => BOOK_READERS,
        Ask::AcceptDiscrepancy | Ask::RejectDiscrepancy => BOOK_KEEPERS,
        _ => KEEPERS,
    };
    let operator = deps.operator(&request, roles).await?;
    match ask {
        Ask::ListDeliveries | Ask::ListOwnDeliveries => deliveries::list(&deps, &request).await,
        Ask::ReplayDelivery => deliveries::replay(&deps, &request, &operator, parameter(0)).await,
        Ask::ReplayDeadLetters => deliveries::replay_dead_letters(&deps, &request, &operator).await,
        Ask::ListDiscrepancies => discrepancies::list(&deps, &request).await,
        Ask::AcceptDiscrepancy => discrepancies::decide(&deps, &request, &operator, parameter(0), true).await,
        Ask::RejectDiscrepancy => discrepancies::decide(&deps, &request, &operator, parameter(0), false).await,
        Ask::ListEndpointsInTrouble => endpoints::list_in_trouble(&deps, &request).await,
        Ask::ListEndpoints => endpoints::list(&deps, &request, parameter(0)).await,
        Ask::AddEndpoint => endpoints::add(&deps, &request, &operator, parameter(0)).await,
        Ask::RotateEndpoint => endpoints::rotate(&deps, &request, &operator, parameter(0), parameter(1)).await,
        Ask::EnableEndpoint | Ask::DisableEndpoint => {
            let on = ask == Ask::EnableEndpoint;
            endpoints::switch(&deps, &request, &operator, (parameter(0), parameter(1)), on).await
        }
    }
}
