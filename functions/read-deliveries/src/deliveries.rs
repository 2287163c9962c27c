//! `GET /v1/deliveries`: what was sent to an endpoint of the merchant's own.

use crate::Deps;
use mealticket_api::{ApiError, Code, Request, Response, lists};
use mealticket_domain::webhook::EndpointId;
use mealticket_store::catalog::MerchantRecord;

/// The deliveries to an endpoint of the merchant who asks, newest first, a page at a time. Eventually consistent.
///
/// Refusals, in order: `malformed_request`, and `endpoint_not_found` for an endpoint that is another merchant's or
/// none. A page may be shorter than `limit`, or empty, and not be the last.
pub(crate) async fn list_deliveries(
    deps: &Deps,
    request: &Request,
    merchant: &MerchantRecord,
) -> Result<Response, ApiError> {
    request.only_query(&["endpoint_id", "outcome", "type", "since", "until", "limit", "cursor"])?;
    let endpoint = request.query("endpoint_id").ok_or_else(|| ApiError::malformed("endpoint_id"))?;
    let filter = lists::delivery_filter(request)?;
    let unknown = || ApiError::from(Code::EndpointNotFound);
    let endpoint: EndpointId = endpoint.parse().map_err(|_| unknown())?;
    // An endpoint of another merchant gets the answer of one that is not there.
    deps.catalog.read_endpoint(&merchant.merchant.id, &endpoint).await?.ok_or_else(unknown)?;
    lists::deliveries(&deps.messages, request, &endpoint, None, &filter).await
}
