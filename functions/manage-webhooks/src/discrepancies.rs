//! `/v1/admin/discrepancies…`: reports that broke a rule, what both sides say, and what the operator decides.
//!
//! An accepted report does not change its coupon: the coupon's rules stand. It posts what the merchant would have been owed, by the
//! settlement terms of the coupon, as an adjustment; what was posted for the same order before is taken off.

use crate::views::{DiscrepancyView, discrepancy_id, read_discrepancy_id};
use mealticket_api::{ApiError, Code, Deps, Request, Response, auth::operator::Operator, json, views::ListView};
use mealticket_domain::{
    Coupon, CouponStatus, Fen, MerchantId,
    journal::{Entry, EntryKind, EventId},
    terms::sha256,
};
use mealticket_store::{
    StoreError,
    messages::{CODE_REQUIRED, Decided, Decision, Discrepancy},
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
    let (by, at) = (operator.subject.clone(), deps.now());
    let adjustment = match accepted && !found.decision.as_ref().is_some_and(|decision| decision.accepted) {
        true => {
            let worked_out = adjustment(deps, &merchant, &found).await?;
            Some(Box::new(worked_out.ok_or_else(|| ApiError::from(Code::DiscrepancyNotAcceptable))?))
        }
        false => None,
    };
    let decision = Decision { accepted, by, at, adjustment, is_posted: false };
    let decision = match deps.store.decide_discrepancy(&merchant, &webhook_id, &decision).await? {
        Decided::Stands(decision) => decision,
        Decided::Otherwise => return Err(Code::DiscrepancyDecided.into()),
        Decided::NotFound => return Err(unknown()),
    };
    if let Some(entry) = &decision.adjustment {
        // What was worked out when it was decided, under the order's name: asked again it is the same, and no order is adjusted twice.
        deps.store.post_adjustment(&adjusted(entry), entry).await?;
        deps.store.discrepancy_is_posted(&merchant, &webhook_id, deps.now()).await?;
    }
    tracing::info!(discrepancy = id, by = operator.subject, accepted, "decided");
    let Decision { at, by, .. } = decision;
    Response::ok(&DecidedView { discrepancy_id: id, accepted, decided_at: at.to_string(), decided_by: by })
}

/// The name of an order's adjustment in the journal: of its coupon and its number.
fn adjusted(entry: &Entry) -> String {
    let key = entry.event.coupon;
    let place = format!("{}/{}/{}", key.member.get(), key.campaign, key.ordinal.get());
    let hash = sha256(format!("{place}/{}", entry.order_no).as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn coupon(deps: &Deps, found: &Discrepancy) -> Result<Option<Coupon>, StoreError> {
    let place = found.coupon_id.as_deref().and_then(|id| deps.stack.ids.coupon(id).ok());
    match place {
        Some(place) => deps.store.coupon(place).await,
        None => Ok(None),
    }
}

/// What accepting posts; none when the report does not say enough, or is of less than was posted already. A report that did not show that
/// the code was presented says too little for anybody to pay by: the merchant was sent the coupon's id.
async fn adjustment(deps: &Deps, merchant: &MerchantId, found: &Discrepancy) -> Result<Option<Entry>, ApiError> {
    if found.reason == CODE_REQUIRED {
        return Ok(None);
    }
    let order_no = found.order_no.as_deref().and_then(|order_no| order_no.parse().ok());
    let (Some(coupon), Some(order_no), Some(store), Some(amount)) =
        (coupon(deps, found).await?, order_no, found.store_id.clone(), found.amount)
    else {
        return Ok(None);
    };
    let terms = deps.store.terms(coupon.key.campaign, coupon.terms_version).await?;
    let settlement = deps.store.settlement_terms(coupon.key.campaign, coupon.settlement_version).await?;
    let Some(settlement) = settlement else { return Ok(None) };
    // What stands of the same order is paid already; one that was undone is owed nothing.
    let paid = coupon.redemptions.iter().rposition(|spent| spent.order_no == order_no);
    if paid.and_then(|index| coupon.redemptions.get(index)).is_some_and(|spent| spent.reversal.is_some()) {
        return Ok(None);
    }
    // While the coupon can still be redeemed, the order may be: then both would be paid.
    let usable = [CouponStatus::Pending, CouponStatus::Active, CouponStatus::Held];
    if paid.is_none() && usable.contains(&coupon.status(deps.now())) {
        return Ok(None);
    }
    let (paid_amount, paid_discount) = paid
        .and_then(|index| coupon.redemptions.get(index))
        .map_or((Fen::ZERO, Fen::ZERO), |spent| (spent.amount, spent.discount));
    let left = |all: Fen, paid: Fen| all.get().checked_sub(paid.get()).and_then(|left| Fen::try_from(left).ok());
    let discount = terms.benefit.discount(amount);
    let (Some(amount), Some(owed)) = (left(amount, paid_amount), left(discount, paid_discount)) else {
        return Ok(None);
    };
    let of_partner = coupon.is_of_partner();
    let mut postings = settlement.postings(discount, of_partner);
    if paid.is_some() {
        postings.post(&settlement.postings(paid_discount, of_partner).reversed());
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
        share: coupon.share.clone(),
        settlement_version: coupon.settlement_version,
        postings,
    }))
}
