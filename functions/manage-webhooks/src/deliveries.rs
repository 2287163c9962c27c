//! `/v1/admin/deliveries…`: messages that were sent or given up, and sending them again.

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

/// From this many attempts on, a delivery cannot be sent again. So its item stays within 10 KB.
const ATTEMPTS_OF_DELIVERY_MAX: u8 = 100;
/// Dead letters that one request sends again.
const REPLAYED_AT_ONCE: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayDeadLettersRequest {
    endpoint_id: String,
    cursor: Option<String>,
}

/// The delivery that is to be sent again.
#[derive(Serialize)]
struct ReplayedView {
    delivery_id: String,
}

/// How many deliveries are to be sent again.
#[derive(Serialize)]
struct AllReplayedView {
    queued: usize,
    /// The `cursor` with which the same request goes on; null after the last.
    next: Option<String>,
}

/// An endpoint's deliveries, newest first. Without an endpoint, dead letters: of all merchants, or of one.
///
/// Refused with `malformed_request`: a parameter that is unknown or out of its bounds, or no `endpoint_id` beside
/// another `outcome` than `dead`.
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

/// A page of dead letters. It reads at most `limit` letters; those that the filter excludes leave the page shorter.
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

/// The id of a letter's delivery.
fn named((endpoint, message): Letter) -> String {
    delivery_id(&endpoint, &message)
}

/// The deliveries that these letters are of. A delivery that was sent again meanwhile is no dead letter any more.
async fn dead(deps: &Deps, letters: Vec<Letter>) -> Result<Vec<Delivery>, ApiError> {
    let mut found = Vec::with_capacity(letters.len());
    for (endpoint, message) in letters {
        found.extend(deps.messages.read_delivery(&endpoint, &message).await?);
    }
    found.retain(|delivery| delivery.outcome == Outcome::Dead);
    Ok(found)
}

/// Has a delivery sent again, whatever it has come to, and its schedule begin anew.
///
/// Refusals after those of the role, in order: a body that is not `{}`, `delivery_not_found`, `replay_limit`. When it
/// answers 202, the due entry is durable. If it is asked twice before the message is sent, the message is sent once.
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

/// Has an endpoint's dead letters sent again, a hundred at a time. The answer says how many, and the
/// cursor of the next hundred.
///
/// Refused with `malformed_request`: a body that is not the JSON that is expected. A delivery with a hundred attempts
/// is skipped. Safe to repeat: if it is asked twice before the messages are sent, each is sent once.
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
