//! `/v1/admin/discrepancies…`: reports that broke a rule, what both sides say, and what the operator decides.
//!
//! The rule of what a merchant is owed for an accepted report is [`mealticket_domain::discrepancy`].

use crate::{
    Deps,
    views::{DiscrepancyView, discrepancy_id, read_discrepancy_id},
};
use mealticket_api::{ApiError, Code, Request, Response, auth::operator::Operator, json, views::ListView};
use mealticket_domain::{
    Coupon, MerchantId,
    discrepancy::{ClaimedUnder, Owed, Reported, adjustment_name},
    journal::Entry,
};
use mealticket_store::{
    StoreError,
    messages::{Decided, Decision, Discrepancy},
};
use serde::Serialize;

/// A decision that stands: the first one, whoever asked for it again.
#[derive(Serialize)]
struct DecidedView<'a> {
    discrepancy_id: &'a str,
    accepted: bool,
    decided_at: String,
    decided_by: String,
}

/// A merchant's discrepancies, decided or not, a page at a time, each with what we have of its coupon.
///
/// Refused with `malformed_request`: no `merchant_id`, or a parameter out of its bounds. The list is
/// eventually consistent; the coupons beside it are as they stand. Cost: ½ R for each 4 KB of the page, and
/// 1 R for each coupon that is known.
pub(crate) async fn list_discrepancies(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["merchant_id", "limit", "cursor"])?;
    let merchant = request.query("merchant_id").ok_or_else(|| ApiError::malformed("merchant_id"))?;
    let merchant: MerchantId = json::parsed("merchant_id", merchant)?;
    let limit = usize::from(request.page_limit()?);
    let after = request.query("cursor").map(read_discrepancy_id).transpose();
    let after = after.map_err(|_| ApiError::malformed("cursor"))?.map(|(_, webhook_id)| webhook_id);
    let (found, next) = deps.messages.list_discrepancies(&merchant, after.as_deref(), limit).await?;
    let mut items = Vec::with_capacity(found.len());
    for discrepancy in &found {
        let coupon = load_coupon(deps, discrepancy).await?;
        items.push(DiscrepancyView::new(deps, &merchant, discrepancy, coupon.as_ref()));
    }
    let next = next.map(|webhook_id| discrepancy_id(&merchant, &webhook_id));
    Response::ok(&ListView { items, next })
}

/// A discrepancy that an operator decides about, as it was read.
struct Named {
    merchant: MerchantId,
    webhook_id: String,
    found: Discrepancy,
}

/// Decides that the merchant gets its money.
///
/// Refusals after those of the role, in order: a body that is not `{}`, `discrepancy_not_found`,
/// `discrepancy_not_acceptable` when nothing can be paid, `discrepancy_decided` when it was rejected before.
///
/// When it answers 200, the decision and its adjustment are durable. The same request again gets the same answer, and
/// posts nothing twice; it finishes what a crash cut off.
pub(crate) async fn accept_discrepancy(
    deps: &Deps,
    request: &Request,
    operator: &Operator,
    id: &str,
) -> Result<Response, ApiError> {
    json::read_empty(request.body()?)?;
    let named = load_discrepancy(deps, id).await?;
    let was_accepted = named.found.decision.as_ref().is_some_and(|decision| decision.accepted);
    // One that is accepted already has its adjustment. An adjustment that is worked out now would be of another time.
    let adjustment = if was_accepted { None } else { Some(load_owed(deps, &named, id).await?) };
    decide(deps, operator, id, named, Decision::accept(&operator.subject, deps.now(), adjustment)).await
}

/// Decides that the merchant does not get its money.
///
/// Refusals after those of the role, in order: a body that is not `{}`, `discrepancy_not_found`,
/// `discrepancy_decided` when it was accepted before. When it answers 200, the decision is durable. The same request
/// again gets the same answer.
pub(crate) async fn reject_discrepancy(
    deps: &Deps,
    request: &Request,
    operator: &Operator,
    id: &str,
) -> Result<Response, ApiError> {
    json::read_empty(request.body()?)?;
    let named = load_discrepancy(deps, id).await?;
    decide(deps, operator, id, named, Decision::reject(&operator.subject, deps.now())).await
}

/// The discrepancy of an id, or `discrepancy_not_found`. An id that is no id names nothing.
async fn load_discrepancy(deps: &Deps, id: &str) -> Result<Named, ApiError> {
    let unknown = || ApiError::from(Code::DiscrepancyNotFound);
    let (merchant, webhook_id) = read_discrepancy_id(id).map_err(|_| unknown())?;
    let found = deps.messages.read_discrepancy(&merchant, &webhook_id).await?.ok_or_else(unknown)?;
    Ok(Named { merchant, webhook_id, found })
}

/// Writes the decision down, once, and posts what it owes.
async fn decide(
    deps: &Deps,
    operator: &Operator,
    id: &str,
    Named { merchant, webhook_id, .. }: Named,
    decision: Decision,
) -> Result<Response, ApiError> {
    let accepted = decision.accepted;
    let Decision { at, by, adjustment, .. } =
        match deps.messages.decide_discrepancy(&merchant, &webhook_id, &decision).await? {
            Decided::Stands(decision) => decision,
            Decided::Otherwise => return Err(Code::DiscrepancyDecided.into()),
            Decided::NotFound => return Err(Code::DiscrepancyNotFound.into()),
        };
    if let Some(entry) = &adjustment {
        // The standing decision's adjustment, under the order's name. A repeat posts the same one, and no
        // order is adjusted twice.
        deps.ledger.post_adjustment(&adjustment_name(entry), entry).await?;
        deps.messages.note_discrepancy_posted(&merchant, &webhook_id, deps.now()).await?;
    }
    tracing::info!(discrepancy = id, by = operator.subject, accepted, "decided");
    Response::ok(&DecidedView { discrepancy_id: id, accepted, decided_at: at.to_string(), decided_by: by })
}

/// The coupon that a discrepancy names, as it stands; `None` when it names none.
async fn load_coupon(deps: &Deps, found: &Discrepancy) -> Result<Option<Coupon>, StoreError> {
    match found.coupon_id.as_deref().and_then(|id| deps.stack.ids.coupon(id).ok()) {
        Some(key) => deps.members.read_coupon(key).await,
        None => Ok(None),
    }
}

/// The entry that accepting posts, or `discrepancy_not_acceptable` when nothing is owed. The reason is logged.
async fn load_owed(deps: &Deps, named: &Named, id: &str) -> Result<Entry, ApiError> {
    let found = &named.found;
    let reported = Reported {
        merchant: named.merchant.clone(),
        reason: found.reason.clone(),
        order_no: found.order_no.as_deref().and_then(|order_no| order_no.parse().ok()),
        store: found.store_id.clone(),
        amount: found.amount,
    };
    let coupon = load_coupon(deps, found).await?;
    let (mut terms, mut settlement) = (None, None);
    if let Some(coupon) = &coupon {
        terms = Some(deps.catalog.read_terms(coupon.key.campaign, coupon.terms_version).await?);
        settlement = deps.catalog.read_settlement_terms(coupon.key.campaign, coupon.settlement_version).await?;
    }
    let claimed_under =
        terms.as_deref().zip(settlement.as_deref()).map(|(terms, settlement)| ClaimedUnder { terms, settlement });
    match reported.owed(coupon.as_ref(), claimed_under, deps.now()) {
        Owed::Entry(entry) => Ok(*entry),
        Owed::Nothing(why) => {
            tracing::info!(discrepancy = id, ?why, "nothing is owed");
            Err(Code::DiscrepancyNotAcceptable.into())
        }
    }
}
