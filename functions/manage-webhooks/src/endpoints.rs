//! `/v1/admin/merchants/{merchant_id}/endpoints…`: where a merchant's messages go, and the secrets that sign them.

use crate::{
    Deps,
    views::{EndpointInTroubleView, EndpointView, NewSecretView},
};
use mealticket_api::{
    ApiError, Code, Request, Response, auth::operator::Operator, json, random, vault::Sealed, views::ListView,
    webhook::WebhookSecret,
};
use mealticket_domain::{
    MerchantId,
    webhook::{Endpoint, EndpointId, EndpointSecret, EndpointUrl, MessageKind, OffReason, SwitchedOff, endpoint_id},
};
use mealticket_store::AttributePath;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Endpoints of one merchant. Each gets its own messages, and the catalog's query reads them all.
const ENDPOINTS_MAX: usize = 8;

/// Gives up after eight lost races: other requests change this endpoint.
const LOOKS_MAX: usize = 8;

/// A new endpoint. `name` is the merchant's name for it, from which its id follows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddEndpointRequest {
    name: String,
    url: String,
    events: Vec<String>,
}

/// The version of the endpoint that the operator saw.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateEndpointRequest {
    #[serde(deserialize_with = "json::whole")]
    version: u32,
}

/// How an endpoint is switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    /// Messages go to it.
    On,
    /// What becomes due for it is a dead letter.
    Off,
}

/// A merchant's endpoints, in the order of their ids, as they stand.
///
/// Refusals after those of the role, in order: `malformed_request` for any parameter, `merchant_not_found`.
pub(crate) async fn list(deps: &Deps, request: &Request, merchant: &str) -> Result<Response, ApiError> {
    request.only_query(&[])?;
    let merchant = known(deps, merchant).await?;
    let endpoints = deps.catalog.list_endpoints(&merchant).await?;
    Response::ok(&ListView { items: endpoints.iter().map(EndpointView::new).collect(), next: None })
}

/// Endpoints of all merchants that fail or are off, a page at a time. A page may be shorter than
/// `limit` and not be the last.
pub(crate) async fn list_in_trouble(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["limit", "cursor"])?;
    let limit = usize::from(request.page_limit()?);
    let after: Option<EndpointId> = json::parsed_if("cursor", request.query("cursor"))?;
    let (found, next) = deps.messages.list_endpoints_in_trouble(&deps.catalog, after.as_ref(), limit).await?;
    let items = found.iter().map(|(merchant, endpoint)| EndpointInTroubleView::new(merchant, endpoint)).collect();
    Response::ok(&ListView { items, next: next.map(|id| id.to_string()) })
}

/// Registers an endpoint under the merchant's name for it, and shows its secret.
///
/// Refusals after those of the role, in order: `malformed_request`, `merchant_not_found`, `endpoint_limit`, and
/// `endpoint_exists` when the name is that of an endpoint with another address or other events.
///
/// When it answers 201, the endpoint is durable. The same request again gets the same endpoint. The first answer alone
/// shows the secret, so an operator who lost that answer rotates the secret. Two requests at once for different names
/// can pass the limit of eight.
pub(crate) async fn add(
    deps: &Deps,
    request: &Request,
    operator: &Operator,
    merchant: &str,
) -> Result<Response, ApiError> {
    let asked: AddEndpointRequest = json::read_with_list(request.body()?, "events")?;
    let url = EndpointUrl::read(&asked.url, deps.stack.config.endpoint_network)
        .map_err(|error| ApiError::malformed("url").because(error.to_string()))?;
    let kinds = asked.events.iter().map(|kind| json::parsed::<MessageKind>("events", kind));
    let subscribed: BTreeSet<MessageKind> = kinds.collect::<Result<_, _>>()?;
    if subscribed.is_empty() {
        return Err(ApiError::malformed("events"));
    }
    if format!("end_{}", asked.name).parse::<EndpointId>().is_err() {
        return Err(ApiError::malformed("name"));
    }
    let merchant = known(deps, merchant).await?;
    let id = endpoint_id(&merchant, &asked.name).ok_or_else(|| ApiError::malformed("name"))?;
    let others = deps.catalog.list_endpoints(&merchant).await?;
    if others.len() >= ENDPOINTS_MAX && others.iter().all(|other| other.id != id) {
        return Err(ApiError::from(Code::EndpointLimit));
    }
    let own_secret = new_secret(deps, &merchant, &id)?;
    let secret = EndpointSecret { sealed: own_secret.clone(), since_version: 1, until: None };
    let endpoint = Endpoint {
        id,
        url: url.to_string(),
        subscribed,
        version: 1,
        secrets: vec![secret],
        off: None,
        failing_since: None,
    };
    let standing = deps.catalog.add_endpoint(&merchant, &endpoint).await?;
    let is_same = |other: &Endpoint| (&other.url, &other.subscribed) == (&endpoint.url, &endpoint.subscribed);
    let endpoint = match standing {
        None => endpoint.clone(),
        Some(standing) if is_same(&standing) => standing,
        Some(_) => return Err(Code::EndpointExists.into()),
    };
    tracing::info!(%merchant, endpoint = %endpoint.id, by = operator.subject, "endpoint registered");
    Response::created(&answer(deps, &merchant, &endpoint, &own_secret)?)
}

/// Gives an endpoint a new secret, and shows it. The secret before it signs for 24 hours more.
///
/// Refusals after those of the role, in order: `malformed_request`, `merchant_not_found`, `endpoint_not_found`, and
/// `endpoint_changed` when `version` is not the endpoint's. The same request again, for the same version, changes
/// nothing and does not show the secret again.
pub(crate) async fn rotate(
    deps: &Deps,
    request: &Request,
    operator: &Operator,
    (merchant, id): (&str, &str),
) -> Result<Response, ApiError> {
    let RotateEndpointRequest { version } = json::read(request.body()?)?;
    let (merchant, mut endpoint) = found(deps, merchant, id).await?;
    let is_done = |endpoint: &Endpoint| {
        endpoint.newest().is_some_and(|newest| Some(newest.since_version) == version.checked_add(1))
    };
    let own_secret = new_secret(deps, &merchant, &endpoint.id)?;
    if !is_done(&endpoint) {
        if endpoint.version != version {
            return Err(Code::EndpointChanged.into());
        }
        let rotated = endpoint.rotated(own_secret.clone(), deps.now());
        match deps.catalog.change_endpoint(&merchant, version, &rotated).await? {
            // A repeated write finds its own work. So does another request that came at the same time.
            Some(standing) if is_done(&standing) => endpoint = standing,
            Some(_) => return Err(Code::EndpointChanged.into()),
            None => endpoint = rotated,
        }
        tracing::info!(%merchant, endpoint = id, by = operator.subject, "endpoint's secret rotated");
    }
    Response::ok(&answer(deps, &merchant, &endpoint, &own_secret)?)
}

/// Switches an endpoint on or off. When it is so already, nothing changes.
///
/// Refusals after those of the role, in order: a body that is not `{}`, `merchant_not_found`, `endpoint_not_found`;
/// and 503 after eight lost races. When it answers 200, the change is durable. Safe to repeat. A failure that was
/// noted ends with the switch.
pub(crate) async fn switch(
    deps: &Deps,
    request: &Request,
    operator: &Operator,
    (merchant, id): (&str, &str),
    to: Switch,
) -> Result<Response, ApiError> {
    json::read_empty(request.body()?)?;
    let on = to == Switch::On;
    let (merchant, mut endpoint) = found(deps, merchant, id).await?;
    for _ in 0..LOOKS_MAX {
        if endpoint.off.is_none() == on {
            if on && endpoint.failing_since.is_none() {
                deps.messages.unlist_in_trouble(&endpoint.id, deps.now()).await?;
            }
            return Response::ok(&EndpointView::new(&endpoint));
        }
        let off = (!on).then(|| SwitchedOff { at: deps.now(), reason: OffReason::Operator });
        let seen = endpoint.version;
        if !on {
            deps.messages.list_in_trouble(&merchant, &endpoint.id, deps.now()).await?;
        }
        let switched = Endpoint { off, failing_since: None, version: seen.saturating_add(1), ..endpoint };
        let standing = deps.catalog.change_endpoint(&merchant, seen, &switched).await?;
        tracing::info!(%merchant, endpoint = id, by = operator.subject, on, "endpoint switched");
        // Another request changed it, or it is our own write that stands. Either way the endpoint is judged again.
        endpoint = standing.unwrap_or(switched);
    }
    Err(Code::TemporarilyUnavailable.into())
}

/// The merchant of an id, or `merchant_not_found`.
async fn known(deps: &Deps, merchant: &str) -> Result<MerchantId, ApiError> {
    let unknown = || ApiError::from(Code::MerchantNotFound);
    let id: MerchantId = merchant.parse().map_err(|_| unknown())?;
    let record = deps.catalog.read_merchant(&id).await?.ok_or_else(unknown)?;
    Ok(record.merchant.id.clone())
}

/// The endpoint of an id, as it stands, or `endpoint_not_found`.
async fn found(deps: &Deps, merchant: &str, id: &str) -> Result<(MerchantId, Endpoint), ApiError> {
    let merchant = known(deps, merchant).await?;
    let unknown = || ApiError::from(Code::EndpointNotFound);
    let id: EndpointId = id.parse().map_err(|_| unknown())?;
    let endpoint = deps.catalog.read_endpoint(&merchant, &id).await?.ok_or_else(unknown)?;
    Ok((merchant, endpoint))
}

/// A new random secret, sealed for this endpoint.
fn new_secret(deps: &Deps, merchant: &MerchantId, id: &EndpointId) -> Result<Vec<u8>, ApiError> {
    let text = WebhookSecret::text_of(&random::bytes()?);
    deps.stack.vault.seal(Sealed::EndpointSecret, &AttributePath::endpoint_secret(merchant, id), text.as_bytes())
}

/// An endpoint, with its newest secret when this request has made it. Nobody is shown it again.
fn answer(
    deps: &Deps,
    merchant: &MerchantId,
    endpoint: &Endpoint,
    own_secret: &[u8],
) -> Result<NewSecretView, ApiError> {
    let is_own = endpoint.newest().is_some_and(|newest| newest.sealed == own_secret);
    let path = AttributePath::endpoint_secret(merchant, &endpoint.id);
    let open = || {
        let plain = deps.stack.vault.open(Sealed::EndpointSecret, &path, own_secret)?;
        String::from_utf8(plain).ok()
    };
    let secret = is_own.then(|| open().ok_or_else(|| ApiError::internal("an endpoint's secret does not open")));
    Ok(NewSecretView { endpoint: EndpointView::new(endpoint), secret: secret.transpose()? })
}
