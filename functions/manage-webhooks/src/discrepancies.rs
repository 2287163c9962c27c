//! `/v1/admin/discrepancies…`: reports that broke a rule, what both sides say, and what the operator decides.
//!
//! An accepted report does not change its coupon: the coupon's rules stand. It posts what the merchant would have been owed, by the
//! settlement terms of the coupon, as an adjustment; what was posted for the same order before is taken off.

use crate::views::{DiscrepancyView, discrepancy_id, read_discrepancy_id};
use mealticket_api::{ApiError, Code, Deps, Request, Response, auth::operator::Operator, json, views::ListView};
use mealticket_domain::{
    Coupon, Fen, MerchantId,
    journal::{Entry, EntryKind, EventId},
};
use mealticket_store::{
    StoreError,
    messages::{Decided, Decision, Discrepancy},
};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecideRequest {}

#[derive(Serialize)]
struct DecidedView<'a> {
    discrepancy_id: &'a str,
    accepted: bool,
    decided_at: String,
    decided_by: String,
}

/// A merchant's discrepancies, decided or not, each with what we have of the coupon.
pub(crate) async fn list(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["merchant_id", "limit", "cursor"])?;
    let merchant = request.query("merchant_id").ok_or_else(|| ApiError::malformed("merchant_id"))?;
    let merchant: MerchantId = json::parsed("merchant_id", merchant)?;
    let limit = usize::from(request.page_limit()?);
    let after = request.query("cursor").map(read_discrepancy_id).transpose();
    let after = after.map_err(|_| ApiError::malformed("cursor"))?.map(|(_, webhook_id)| webhook_id);
    let (found, next) = deps.store.discrepancies(&merchant, after.as_deref(), limit).await?;
    let mut items = Vec::with_capacity(found.len());
    for discrepancy in &found {
        let coupon = coupon(deps, discrepancy).await?;
        items.push(DiscrepancyView::new(deps, &merchant, discrepancy, coupon.as_ref()));
    }
    let next = next.map(|webhook_id| discrepancy_id(&merchant, &webhook_id));
    Response::ok(&ListView { items, next })
}

/// The merchant gets its money, or does not. The same again is the same answer, and posts nothing twice.
pub(crate) async fn decide(
    deps: &Deps,
    request: &Request,
    operator: &Operator,
    id: &str,
    accepted: bool,
) -> Result<Response, ApiError> {
    let DecideRequest {} = json::read(request.body()?)?;
    let unknown = || ApiError::from(Code::DiscrepancyNotFound);
    let (merchant, webhook_id) = read_discrepancy_id(id).map_err(|_| unknown())?;
    let found = deps.store.discrepancy(&merchant, &webhook_id).await?.ok_or_else(unknown)?;
    let adjustment = adjustment(deps, &merchant, &found).await?;
    if accepted && adjustment.is_none() && !found.decision.is_some_and(|decision| decision.accepted) {
        return Err(Code::DiscrepancyNotAcceptable.into());
    }
    let decision = Decision { accepted, by: operator.subject.clone(), at: deps.now() };
    let decision = match deps.store.decide_discrepancy(&merchant, &webhook_id, &decision).await? {
        Decided::Stands(decision) => decision,
        Decided::Otherwise => return Err(Code::DiscrepancyDecided.into()),
        Decided::NotFound => return Err(unknown()),
    };
    if let Some(adjustment) = adjustment.filter(|_| accepted) {
        // At the time of the decision, which stands: asked again it is the same entry.
        let entry = Entry { at: decision.at, ..adjustment };
        deps.store.post_adjustment(&format!("{merchant}-{webhook_id}"), &entry).await?;
    }
    tracing::info!(discrepancy = id, by = operator.subject, accepted, "decided");
    let Decision { at, by, .. } = decision;
    Response::ok(&DecidedView { discrepancy_id: id, accepted, decided_at: at.to_string(), decided_by: by })
}

async fn coupon(deps: &Deps, found: &Discrepancy) -> Result<Option<Coupon>, StoreError> {
    let place = found.coupon_id.as_deref().and_then(|id| deps.stack.ids.coupon(id).ok());
    match place {
        Some(place) => deps.store.coupon(place).await,
        None => Ok(None),
    }
}

/// What accepting posts; none when the report does not say enough, or is of less than was posted already.
async fn adjustment(deps: &Deps, merchant: &MerchantId, found: &Discrepancy) -> Result<Option<Entry>, ApiError> {
    let order_no = found.order_no.as_deref().and_then(|order_no| order_no.parse().ok());
    let (Some(coupon), Some(order_no), Some(store), Some(amount)) =
        (coupon(deps, found).await?, order_no, found.store_id.clone(), found.amount)
    else {
        return Ok(None);
    };
    let terms = deps.store.terms(coupon.key.campaign, coupon.terms_version).await?;
    let settlement = deps.store.settlement_terms(coupon.key.campaign, coupon.settlement_version).await?;
    let Some(settlement) = settlement else { return Ok(None) };
    // What stands of the same order is paid already.
    let paid = coupon.redemptions.iter().position(|spent| spent.order_no == order_no && spent.reversal.is_none());
    let (paid_amount, paid_discount) = paid
        .and_then(|index| coupon.redemptions.get(index))
        .map_or((Fen::ZERO, Fen::ZERO), |spent| (spent.amount, spent.discount));
    let left = |all: Fen, paid: Fen| all.get().checked_sub(paid.get()).and_then(|left| Fen::try_from(left).ok());
    let discount = terms.benefit.discount(amount);
    let (Some(amount), Some(owed)) = (left(amount, paid_amount), left(discount, paid_discount)) else {
        return Ok(None);
    };
    let shared = coupon.share_code.is_some();
    let mut postings = settlement.postings(discount, shared);
    if paid.is_some() {
        postings.post(&settlement.postings(paid_discount, shared).reversed());
    }
    let index = u8::try_from(paid.unwrap_or(coupon.redemptions.len())).unwrap_or(u8::MAX);
    Ok(Some(Entry {
        event: EventId { coupon: coupon.key, index, kind: EntryKind::Adjustment },
        at: deps.now(),
        merchant: merchant.clone(),
        store,
        order_no,
        amount,
        discount: owed,
        channel: coupon.channel.clone(),
        share_code: coupon.share_code.clone(),
        settlement_version: coupon.settlement_version,
        postings,
    }))
}
