//! `GET /v1/campaigns…`: the campaigns that members may see. What is shown is at most 30 seconds old.

use crate::Reader;
use mealticket_api::{
    ApiError, Code, Request, Response, json,
    views::{CampaignView, ListView},
};
use mealticket_domain::{Campaign, CampaignNo};

/// The public campaigns by number, a page at a time. `next` is the last campaign shown.
///
/// Refused with `malformed_request`: a parameter that is unknown or out of its bounds.
pub(crate) async fn list_campaigns(reader: &Reader<'_>, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["limit", "cursor"])?;
    let limit = usize::from(request.page_limit()?);
    let after: Option<CampaignNo> = json::parsed_if("cursor", request.query("cursor"))?;
    let all = reader.deps.catalog.list_campaigns().await?;
    let public = all.iter().filter(|campaign| campaign.state.is_public());
    let mut rest = public.filter(|campaign| after.is_none_or(|after| campaign.no > after));
    let mut items = Vec::new();
    let mut last = None;
    for campaign in rest.by_ref().take(limit) {
        items.push(view(reader, campaign).await?);
        last = Some(campaign.no.to_string());
    }
    let next = last.filter(|_| rest.next().is_some());
    Response::ok(&ListView { items, next })
}

/// One public campaign. Refused with `campaign_not_found`: one that is not public gets the answer
/// of one that is not there.
pub(crate) async fn read_campaign(reader: &Reader<'_>, no: CampaignNo) -> Result<Response, ApiError> {
    let missing = || ApiError::from(Code::CampaignNotFound);
    let campaign = reader.deps.catalog.read_campaign(no).await?;
    let campaign = campaign.filter(|campaign| campaign.state.is_public()).ok_or_else(missing)?;
    Response::ok(&view(reader, &campaign).await?)
}

/// A campaign with the units left. That number is a hint, not a promise.
pub(crate) async fn view(reader: &Reader<'_>, campaign: &Campaign) -> Result<CampaignView, ApiError> {
    let remaining = reader.deps.stock.hint_remaining(campaign.no).await?;
    Ok(CampaignView::new(campaign, remaining))
}
