//! `GET /v1/coupons…`: the member's own coupons, each with its code.

use crate::Reader;
use mealticket_api::{
    ApiError, Code, Request, Response, json,
    views::{CouponView, ListView},
};
use mealticket_domain::{Coupon, CouponKey, coupon::CouponStatus};

/// A member's coupons in the order of their campaigns, a page at a time. Eventually consistent.
///
/// With `status`, a page may hold fewer than `limit` items, or none, and still have a next one: the filter
/// applies to what was read. Refused with `malformed_request`: a parameter out of its bounds, or a cursor that is
/// not of this member's list.
pub(crate) async fn list_coupons(reader: &Reader<'_>, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["limit", "cursor", "status"])?;
    let limit = request.page_limit()?;
    let status: Option<CouponStatus> = json::parsed_if("status", request.query("status"))?;
    let from = request.query("cursor").map(|cursor| own_coupon(reader, cursor)).transpose();
    let from = from.map_err(|_| ApiError::malformed("cursor"))?;
    let page = reader.deps.members.list_coupons(reader.principal.member, from, limit).await?;
    let mut items = Vec::new();
    for coupon in &page.coupons {
        if status.is_none_or(|status| coupon.status(reader.now) == status) {
            items.push(view(reader, coupon).await?);
        }
    }
    Response::ok(&ListView { items, next: page.next.map(|key| reader.deps.stack.ids.coupon_id(key)) })
}

/// One coupon of the member's own, as it stands. Refused with `coupon_not_found`: ids that are unknown, malformed or
/// another member's are alike.
pub(crate) async fn read_coupon(reader: &Reader<'_>, id: &str) -> Result<Response, ApiError> {
    let key = own_coupon(reader, id)?;
    let coupon = reader.deps.members.read_coupon(key).await?;
    let coupon = coupon.ok_or_else(|| ApiError::from(Code::CouponNotFound))?;
    Response::ok(&view(reader, &coupon).await?)
}

/// The key of a coupon's id, when the coupon is this member's.
fn own_coupon(reader: &Reader<'_>, id: &str) -> Result<CouponKey, ApiError> {
    let key = reader.deps.stack.ids.coupon(id).ok();
    key.filter(|key| key.member == reader.principal.member).ok_or_else(|| Code::CouponNotFound.into())
}

/// A coupon under the terms that the member was shown.
pub(crate) async fn view(reader: &Reader<'_>, coupon: &Coupon) -> Result<CouponView, ApiError> {
    let terms = reader.deps.catalog.read_terms(coupon.key.campaign, coupon.terms_version).await?;
    Ok(CouponView::new(&reader.deps.stack, coupon, &terms, reader.now))
}
