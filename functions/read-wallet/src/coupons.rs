//! `GET /v1/coupons…`.

use crate::Reader;
use mealticket_api::{
    ApiError, Code, Request, Response, json,
    views::{CouponView, ListView},
};
use mealticket_domain::{Coupon, CouponKey, coupon::CouponStatus};

/// A member's coupons in the order of their campaigns, a page at a time. With `status`, a page may hold fewer than `limit`
/// items, or none, and still have a next one: the filter is applied to what was read.
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

/// One coupon of the member's own; anyone else's is not found.
pub(crate) async fn read_coupon(reader: &Reader<'_>, id: &str) -> Result<Response, ApiError> {
    let key = own_coupon(reader, id)?;
    let coupon = reader.deps.members.read_coupon(key).await?;
    let coupon = coupon.ok_or_else(|| ApiError::from(Code::CouponNotFound))?;
    Response::ok(&view(reader, &coupon).await?)
}

fn own_coupon(reader: &Reader<'_>, id: &str) -> Result<CouponKey, ApiError> {
    let key = reader.deps.stack.ids.coupon(id).ok();
    key.filter(|key| key.member == reader.principal.member).ok_or_else(|| Code::CouponNotFound.into())
}

pub(crate) async fn view(reader: &Reader<'_>, coupon: &Coupon) -> Result<CouponView, ApiError> {
    let terms = reader.deps.catalog.read_terms(coupon.key.campaign, coupon.terms_version).await?;
    Ok(CouponView::new(&reader.deps.stack, coupon, &terms, reader.now))
}
