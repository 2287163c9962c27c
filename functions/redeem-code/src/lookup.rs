//! `GET /v1/redemptions/{redemption_id}` and `POST /v1/redemptions/search`: for a till that timed out and must know.

use crate::{till::Till, views::RecordView};
use mealticket_api::{ApiError, Code, Request, Response, json, locate::Located, views::ListView};
use mealticket_domain::{Coupon, OrderNo};
use serde::Deserialize;

/// A code and an order. A code never stands in a URL, because servers log URLs, also those that are not ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchRequest {
    code: String,
    order_no: String,
}

/// One redemption by its id, undone or not. Strongly consistent. Refused with `redemption_not_found`: unknown ids and
/// another merchant's are alike.
pub(crate) async fn read_redemption(till: &Till<'_>, id: &str) -> Result<Response, ApiError> {
    let missing = || ApiError::from(Code::RedemptionNotFound);
    let (key, index) = till.deps.stack.ids.redemption(id).map_err(|_| missing())?;
    till.own_campaign(key).await?.ok_or_else(missing)?;
    let coupon = till.deps.members.read_coupon(key).await?.ok_or_else(missing)?;
    Response::ok(&RecordView::new(till, &coupon, index).ok_or_else(missing)?)
}

/// Every redemption of a code on one order, oldest first. An empty list says that there is none now; a write that is
/// under way may still land.
///
/// Refusals, in order: `body_too_large`, `malformed_request`, `other_province`, `code_not_found`. Strongly consistent.
pub(crate) async fn find_redemption(till: &Till<'_>, request: &Request) -> Result<Response, ApiError> {
    let SearchRequest { code, order_no } = json::read(request.body()?)?;
    let order_no: OrderNo = json::parsed("order_no", &order_no)?;
    let Located { key, key_version, .. } = till.locate(&code).await?;
    let coupon = till.deps.members.read_coupon(key).await?.filter(|coupon| coupon.key_version == key_version);
    let coupon = coupon.ok_or_else(|| ApiError::from(Code::CodeNotFound))?;
    Response::ok(&ListView { items: records(till, &coupon, &order_no), next: None })
}

/// The coupon's redemptions on this order.
fn records(till: &Till<'_>, coupon: &Coupon, order_no: &OrderNo) -> Vec<RecordView> {
    let indexed = coupon.redemptions.iter().enumerate();
    let ours = indexed.filter(|(_, redemption)| redemption.order_no == *order_no);
    ours.filter_map(|(index, _)| RecordView::new(till, coupon, index)).collect()
}
