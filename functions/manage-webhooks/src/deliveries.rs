//! `/v1/admin/deliveries…`: what was sent and what was given up, and sending it again.

use crate::Deps;
use mealticket_api::{
    ApiError, Code, Request, Response,
    auth::operator::Operator,
    json, lists,
    views::{
        ListView,
        delivery::{DeliveryView, delivery_id, read_delivery_id},
    },
};
use mealticket_domain::{MerchantId, webhook::EndpointId};
use mealticket_store::messages::{Delivery, DeliveryFilter, Letter, Outcome};
use serde::{Deserialize, Serialize};

/// Attempts of one delivery, however often it is sent again: its item stays within 10 KB.
const ATTEMPTS_OF_DELIVERY_MAX: u8 = 100;
/// Dead letters that one request sends again.
const REPLAYED_AT_ONCE: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayDeadLettersRequest {
    endpoint_id: String,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct ReplayedView {
    delivery_id: String,
}

#[derive(Serialize)]
struct AllReplayedView {
    queued: usize,
    /// The `cursor` with which the same request goes on; null after the last.
    next: Option<String>,
}

/// An endpoint's deliveries, newest first; without an endpoint, dead letters: everybody's or a merchant's.
pub(crate) async fn list(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["endpoint_id", "merchant_id", "outcome", "type", "since", "until", "limit", "cursor"])?;
    let endpoint: Option<EndpointId> = json::parsed_if("endpoint_id", request.query("endpoint_id"))?;
    let merchant: Option<MerchantId> = json::parsed_if("merchant_id", request.query("merchant_id"))?;
    let filter = lists::delivery_filter(request)?;
    match endpoint {
        Some(endpoint) => lists::deliveries(&deps.messages, request, &endpoint, merchant.as_ref(), &filter).await,
        None if filter.outcome.is_none_or(|outcome| outcome == Outcome::Dead) => {
            dead_letters(deps, request, merchant.as_ref(), &filter).await
        }
        None => Err(ApiError::malformed("endpoint_id")),
    }
}

/// A page of letters has so many at the most: what passes no filter leaves it shorter.
async fn dead_letters(
    deps: &Deps,
    request: &Request,
    merchant: Option<&MerchantId>,
    filter: &DeliveryFilter,
) -> Result<Response, ApiError> {
    let limit = usize::from(request.page_limit()?);
    let after = lists::delivery_cursor(request.query("cursor"))?;
    let (letters, next) = deps.messages.list_dead_letters(None, after.as_ref(), limit).await?;
    let mut dead = dead(deps, letters).await?;
    dead.retain(|letter| merchant.is_none_or(|merchant| *merchant == letter.merchant) && filter.passes(letter));
    Response::ok(&ListView { items: dead.iter().map(DeliveryView::new).collect(), next: next.map(named) })
}

fn named((endpoint, message): Letter) -> String {
    delivery_id(&endpoint, &message)
}

/// The deliveries that these letters are of. One that was sent again meanwhile is no dead letter any more.
async fn dead(deps: &Deps, letters: Vec<Letter>) -> Result<Vec<Delivery>, ApiError> {
    let mut found = Vec::with_capacity(letters.len());
    for (endpoint, message) in letters {
        found.extend(deps.messages.read_delivery(&endpoint, &message).await?);
    }
    found.retain(|delivery| delivery.outcome == Outcome::Dead);
    Ok(found)
}

/// Has a delivery sent again, whatever it has come to, and its schedule begin anew. Asked twice before it is sent, it is sent once.
pub(crate) async fn replay(
    deps: &Deps,
    request: &Request,
    operator: &Operator,
    id: &str,
) -> Result<Response, ApiError> {
    json::read_empty(request.body()?)?;
    let unknown = || ApiError::from(Code::DeliveryNotFound);
    let (endpoint, message) = read_delivery_id(id).map_err(|_| unknown())?;
    let delivery = deps.messages.read_delivery(&endpoint, &message).await?.ok_or_else(unknown)?;
    if delivery.made() >= ATTEMPTS_OF_DELIVERY_MAX {
        return Err(Code::ReplayLimit.into());
    }
    deps.messages.replay(&delivery, deps.now()).await?;
    tracing::info!(delivery = id, by = operator.subject, "sent again");
    Response::accepted(&ReplayedView { delivery_id: id.to_owned() })
}

/// Has an endpoint's dead letters sent again, a hundred at a time.
pub(crate) async fn replay_dead_letters(
    deps: &Deps,
    request: &Request,
    operator: &Operator,
) -> Result<Response, ApiError> {
    let asked: ReplayDeadLettersRequest = json::read(request.body()?)?;
    let endpoint: EndpointId = json::parsed("endpoint_id", &asked.endpoint_id)?;
    let after = lists::delivery_cursor(asked.cursor.as_deref())?;
    let (letters, next) = deps.messages.list_dead_letters(Some(&endpoint), after.as_ref(), REPLAYED_AT_ONCE).await?;
    let mut queued = 0;
    for delivery in dead(deps, letters).await? {
        if delivery.made() < ATTEMPTS_OF_DELIVERY_MAX {
            deps.messages.replay(&delivery, deps.now()).await?;
            queued += 1;
        }
    }
    tracing::info!(%endpoint, queued, by = operator.subject, "dead letters sent again");
    Response::accepted(&AllReplayedView { queued, next: next.map(named) })
}
