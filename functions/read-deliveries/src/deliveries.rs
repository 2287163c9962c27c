//! `GET /v1/deliveries`: what was sent to an endpoint of the merchant's own.

use crate::Deps;
use mealticket_api::{ApiError, Code, Request, Response, lists};
use mealticket_domain::webhook::EndpointId;
use mealticket_store::catalog::MerchantRecord;

/// The deliveries to an endpoint of the merchant who asks.
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
    // One of another merchant is as one that is not there.
    deps.catalog.read_endpoint(&merchant.merchant.id, &endpoint).await?.ok_or_else(unknown)?;
    lists::deliveries(&deps.messages, request, &endpoint, None, &filter).await
}
