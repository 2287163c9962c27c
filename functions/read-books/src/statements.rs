//! `GET /v1/admin/statements`: any merchant's statements, or every merchant's of a month.

use crate::Deps;
use mealticket_api::{
    ApiError, Request, Response, json, lists,
    views::{ListView, statement::StatementView},
};
use mealticket_domain::{MerchantId, ProvinceMonth, statement::StatementId};

/// A merchant's statements, newest first, or every merchant's of a month, in the order of merchants. A page of a month
/// may be shorter than `limit` and not be the last: a merchant without a statement leaves a gap.
///
/// Refused with `malformed_request`: neither `merchant_id` nor `month`, or a parameter out of its bounds.
pub(crate) async fn list_statements(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["merchant_id", "month", "limit", "cursor"])?;
    let month: Option<ProvinceMonth> = json::parsed_if("month", request.query("month"))?;
    if let Some(merchant) = json::parsed_if::<MerchantId>("merchant_id", request.query("merchant_id"))? {
        return lists::statements(&deps.ledger, &merchant, month, request).await;
    }
    let month = month.ok_or_else(|| ApiError::malformed("month"))?;
    let limit = usize::from(request.page_limit()?);
    let after: Option<MerchantId> = json::parsed_if("cursor", request.query("cursor"))?;
    let merchants = deps.ledger.list_booked_merchants(after.as_ref(), limit).await?;
    let next = merchants.last().filter(|_| merchants.len() == limit).map(ToString::to_string);
    let mut items = Vec::new();
    for merchant in merchants {
        let head = deps.ledger.read_statement_head(&StatementId { merchant, month }).await?;
        items.extend(head.as_ref().map(StatementView::listed));
    }
    Response::ok(&ListView { items, next })
}
