//! `/v1/admin/journal…`: entries with their postings, and the records that could not be read.

use crate::{
    Deps,
    views::{EntryView, SetAsideView},
};
use mealticket_api::{ApiError, Code, Request, Response, auth::operator::Operator, json, views::ListView};
use mealticket_domain::{MerchantId, ProvinceDay, journal::SetAside};
use mealticket_store::ledger::{BillCursor, PostedAside};
use serde::Serialize;
use serde_json::Value;

/// A record that is in the journal now.
#[derive(Serialize)]
struct PostedView<'a> {
    event_id: &'a str,
    posted: bool,
}

/// A merchant's entries that are booked on a day, in the order in which they were folded. Entries that are
/// folded later come after.
///
/// Refused with `malformed_request`: no `merchant_id` or no `date`, or a parameter out of its bounds. A merchant
/// without entries has an empty list.
pub(crate) async fn read_journal(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["merchant_id", "date", "limit", "cursor"])?;
    let required = |name| request.query(name).ok_or_else(|| ApiError::malformed(name));
    let merchant: MerchantId = json::parsed("merchant_id", required("merchant_id")?)?;
    let day: ProvinceDay = json::parsed("date", required("date")?)?;
    let limit = usize::from(request.page_limit()?);
    let from: Option<BillCursor> = json::parsed_if("cursor", request.query("cursor"))?;
    let found = deps.ledger.read_bill(&merchant, day, from, limit).await?;
    let items = found.lines.iter().map(|entry| EntryView::new(&deps.stack, entry)).collect();
    Response::ok(&ListView { items, next: found.next.map(|next| next.to_string()) })
}

/// The records that were set aside, posted or not, a page at a time, in the order of their ids. Eventually consistent.
///
/// Refused with `malformed_request`: a parameter that is unknown or out of its bounds.
pub(crate) async fn list_set_asides(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["limit", "cursor"])?;
    let limit = usize::from(request.page_limit()?);
    let after = request.query("cursor");
    if after.is_some_and(|id| id.is_empty() || SetAside::own_shard(id).is_none()) {
        return Err(ApiError::malformed("cursor"));
    }
    let listed = deps.ledger.list_set_asides(after, limit).await?;
    let next = listed.last().filter(|_| listed.len() == limit).map(|last| last.id.clone());
    Response::ok(&ListView { items: listed.iter().map(SetAsideView::new).collect(), next })
}

/// Posts a record that was set aside, when it can be read now, and queues its messages.
///
/// Refusals after those of the role, in order: a body that is not `{}`, `record_not_found`,
/// `record_unreadable` with the reason.
///
/// When it answers 200, the record is in the journal, once, and its messages are queued. The same request again gets
/// the same answer and has no second effect; it finishes what a crash cut off.
pub(crate) async fn post_set_aside(
    deps: &Deps,
    request: &Request,
    operator: &Operator,
    id: &str,
) -> Result<Response, ApiError> {
    json::read_empty(request.body()?)?;
    match deps.ledger.post_aside(&deps.catalog, id, &operator.subject, deps.now()).await? {
        PostedAside::Posted(record) => {
            queue_its_messages(deps, &record).await?;
            Response::ok(&PostedView { event_id: id, posted: true })
        }
        PostedAside::NotFound => Err(Code::RecordNotFound.into()),
        PostedAside::StillUnreadable(reason) => Err(ApiError::from(Code::RecordUnreadable).because(reason)),
    }
}

/// Queues the messages that the record gives rise to, for the merchant's endpoints. Nothing could
/// when the record came by.
async fn queue_its_messages(deps: &Deps, record: &Value) -> Result<(), ApiError> {
    if let Some((merchant, messages)) = deps.catalog.read_messages(record, &deps.stack.ids).await? {
        deps.messages.queue_messages(&deps.catalog, &merchant, &messages).await?;
    }
    Ok(())
}
