//! `GET /v1/admin/metrics`: what a campaign came to, by day, store and channel (O1).

use mealticket_api::{ApiError, Code, Deps, Request, Response, json, views::ListView};
use mealticket_domain::{
    CampaignNo, ProvinceDay,
    books::{Cell, CellKey},
    settlement::{Account, Postings},
};
use serde::Serialize;

/// Days of one question: a month.
const DAYS_MAX: i64 = 31;

/// A day of a campaign in a store through a channel. Claims and expiries have no store.
#[derive(Serialize)]
struct MetricView {
    campaign_id: String,
    day: String,
    store_id: Option<String>,
    channel: Option<String>,
    claimed: i64,
    redeemed: i64,
    reversed: i64,
    expired: i64,
    order_value_fen: i64,
    discount_fen: i64,
    cost_fen: i64,
}

/// Rows by day, then store and channel. A cursor is a day and how many of its rows were shown.
pub(crate) async fn read_metrics(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["campaign_id", "from", "to", "limit", "cursor"])?;
    let campaign = request.query("campaign_id").ok_or_else(|| ApiError::malformed("campaign_id"))?;
    let today = deps.now().province_day();
    let to: ProvinceDay = json::parsed_if("to", request.query("to"))?.unwrap_or(today);
    let from: ProvinceDay = json::parsed_if("from", request.query("from"))?.unwrap_or(to.plus_days(-6));
    if from > to || to.number() - from.number() >= DAYS_MAX {
        return Err(ApiError::malformed("from").because(format!("from is at most {DAYS_MAX} days before to")));
    }
    let limit = usize::from(request.page_limit()?);
    let (day, shown) = cursor(request)?.unwrap_or((from, 0));
    if day < from || day > to {
        return Err(ApiError::malformed("cursor"));
    }
    let missing = || ApiError::from(Code::CampaignNotFound);
    let no: CampaignNo = campaign.parse().map_err(|_| missing())?;
    let campaign = deps.store.campaign(no).await?.ok_or_else(missing)?;
    let sheets = deps.store.sheets(&campaign.merchant_id, day, to).await?;
    let mut items = Vec::new();
    for (on, cells) in &sheets {
        let skipped = if *on == day { shown } else { 0 };
        let rows = cells.iter().filter(|(key, cell)| key.campaign == no && is_shown(cell, *on, today));
        for (number, (key, cell)) in rows.enumerate().skip(skipped) {
            if items.len() == limit {
                return Response::ok(&ListView { items, next: Some(format!("{on}.{number}")) });
            }
            items.push(view(key, cell, *on, today));
        }
    }
    Response::ok(&ListView { items, next: None })
}

fn cursor(request: &Request) -> Result<Option<(ProvinceDay, usize)>, ApiError> {
    let Some(text) = request.query("cursor") else { return Ok(None) };
    let read = || {
        let (day, shown) = text.split_once('.')?;
        Some((day.parse().ok()?, shown.parse().ok()?))
    };
    read().map(Some).ok_or_else(|| ApiError::malformed("cursor"))
}

/// What lapses on a day has expired when the day is over, and is nobody's business before.
fn expired(cell: &Cell, day: ProvinceDay, today: ProvinceDay) -> i64 {
    if day < today { cell.lapsing } else { 0 }
}

fn is_shown(cell: &Cell, day: ProvinceDay, today: ProvinceDay) -> bool {
    cell.claimed != 0 || cell.redeemed != 0 || cell.reversed != 0 || expired(cell, day, today) != 0
}

/// What the operator bears: its budgets, and what the shares leave over.
fn cost(postings: &Postings) -> i64 {
    let is_operators =
        |account: &Account| matches!(account, Account::ProvinceSubsidy | Account::CitySubsidy(_) | Account::Rounding);
    postings.amounts().filter(|(account, _)| is_operators(account)).map(|(_, fen)| fen).sum()
}

fn view(key: &CellKey, cell: &Cell, day: ProvinceDay, today: ProvinceDay) -> MetricView {
    MetricView {
        campaign_id: key.campaign.to_string(),
        day: day.to_string(),
        store_id: key.store.as_ref().map(ToString::to_string),
        channel: key.channel.as_ref().map(ToString::to_string),
        claimed: cell.claimed,
        redeemed: cell.redeemed,
        reversed: cell.reversed,
        expired: expired(cell, day, today),
        order_value_fen: cell.order_value,
        discount_fen: cell.discount,
        cost_fen: cost(&cell.postings),
    }
}
