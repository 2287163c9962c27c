//! Lists that merchants and operators ask for alike, each within its own bounds.
//!
//! The caller has checked who asks. It passes the merchant when the list is to be that merchant's alone.

use crate::{
    json,
    problem::ApiError,
    request::Request,
    response::Response,
    views::{
        ListView,
        delivery::{DeliveryView, delivery_id, read_delivery_id},
        statement::StatementView,
    },
};
use mealticket_domain::{MerchantId, ProvinceMonth, statement::StatementId, webhook::EndpointId};
use mealticket_store::{
    Ledger, Messages,
    messages::{DeliveryFilter, Letter},
};

/// A merchant's statements, the newest first; the one of `month` alone when it is given.
///
/// 400 for a `limit` outside 1 to 100, or a `cursor` that is no month.
pub async fn statements(
    ledger: &Ledger,
    merchant: &MerchantId,
    month: Option<ProvinceMonth>,
    request: &Request,
) -> Result<Response, ApiError> {
    let limit = usize::from(request.page_limit()?);
    let before: Option<ProvinceMonth> = json::parsed_if("cursor", request.query("cursor"))?;
    if let Some(month) = month {
        let head = ledger.read_statement_head(&StatementId { merchant: merchant.clone(), month }).await?;
        return Response::ok(&ListView { items: head.iter().map(StatementView::listed).collect(), next: None });
    }
    let heads = ledger.list_statements(merchant, before, limit).await?;
    let next = heads.last().filter(|_| heads.len() == limit).map(|last| last.statement.id.month.to_string());
    Response::ok(&ListView { items: heads.iter().map(StatementView::listed).collect(), next })
}

/// The deliveries that a request asks for, by `outcome`, `type`, `since` and `until`. 400 names the parameter
/// that is malformed.
pub fn delivery_filter(request: &Request) -> Result<DeliveryFilter, ApiError> {
    Ok(DeliveryFilter {
        outcome: json::parsed_if("outcome", request.query("outcome"))?,
        kind: json::parsed_if("type", request.query("type"))?,
        since: json::parsed_if("since", request.query("since"))?,
        until: json::parsed_if("until", request.query("until"))?,
    })
}

/// An endpoint's deliveries, newest first; those of one merchant when it is given.
///
/// A page may hold fewer than `limit` and still have a `next`: the merchant's own are picked out after the
/// read.
pub async fn deliveries(
    messages: &Messages,
    request: &Request,
    endpoint: &EndpointId,
    merchant: Option<&MerchantId>,
    filter: &DeliveryFilter,
) -> Result<Response, ApiError> {
    let limit = usize::from(request.page_limit()?);
    let after = delivery_cursor(request.query("cursor"))?.map(|(_, message)| message);
    let (mut found, next) = messages.list_deliveries(endpoint, filter, after.as_ref(), limit).await?;
    found.retain(|delivery| merchant.is_none_or(|merchant| *merchant == delivery.merchant));
    let next = next.map(|message| delivery_id(endpoint, &message));
    Response::ok(&ListView { items: found.iter().map(DeliveryView::new).collect(), next })
}

/// The delivery after which a list goes on, from its id. 400 when the text is no delivery's id.
pub fn delivery_cursor(text: Option<&str>) -> Result<Option<Letter>, ApiError> {
    text.map(read_delivery_id).transpose().map_err(|_| ApiError::malformed("cursor"))
}
