//! `GET /v1/redemptions…`: for a till that timed out and must know.

use crate::{till::Till, views::RecordView};
use mealticket_api::{ApiError, Code, Request, Response, json, locate::Located, views::ListView};
use mealticket_domain::{Coupon, OrderNo};

/// One redemption by its id.
pub(crate) async fn read_redemption(till: &Till<'_>, id: &str) -> Result<Response, ApiError> {
    let missing = || ApiError::from(Code::RedemptionNotFound);
    let (place, index) = till.deps.stack.ids.redemption(id).map_err(|_| missing())?;
    till.own_campaign(place).await?.ok_or_else(missing)?;
    let coupon = till.deps.store.coupon(place).await?.ok_or_else(missing)?;
    Response::ok(&RecordView::new(till, &coupon, index).ok_or_else(missing)?)
}

/// Every redemption of a code on one order, oldest first.
pub(crate) async fn find_redemption(till: &Till<'_>, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["code", "order_no"])?;
    let typed = request.query("code").ok_or_else(|| ApiError::malformed("code"))?;
    let order_no = request.query("order_no").ok_or_else(|| ApiError::malformed("order_no"))?;
    let order_no: OrderNo = json::parsed("order_no", order_no)?;
    let Located { place, key_version, .. } = till.locate(typed).await?;
    let coupon = till.deps.store.coupon(place).await?.filter(|coupon| coupon.key_version == key_version);
    let coupon = coupon.ok_or_else(|| ApiError::from(Code::CodeNotFound))?;
    Response::ok(&ListView { items: records(till, &coupon, &order_no), next: None })
}

fn records(till: &Till<'_>, coupon: &Coupon, order_no: &OrderNo) -> Vec<RecordView> {
    let indexed = coupon.redemptions.iter().enumerate();
    let ours = indexed.filter(|(_, redemption)| redemption.order_no == *order_no);
    ours.filter_map(|(index, _)| RecordView::new(till, coupon, index)).collect()
}
