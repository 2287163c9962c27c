//! `GET /v1/admin/metrics`: what a campaign came to, by day, store and channel (O1).

use crate::Deps;
use mealticket_api::{ApiError, Code, Request, Response, json, views::ListView};
use mealticket_domain::{
    Campaign, CampaignNo, ProvinceDay, ProvinceMonth,
    books::{Cell, CellKey, Cells, Sum},
    settlement::{Account, Postings},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Days that one answer covers: a month. A longer request goes on with `next`, also when a month had nothing.
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

/// Rows by day, then store and channel. The cursor is a day and how many of its rows were shown.
///
/// Without `from` and `to` it covers the last seven days. Refusals after those of the role, in order:
/// `malformed_request`, `campaign_not_found`. Days that are not closed may still grow.
pub(crate) async fn read_metrics(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&["campaign_id", "from", "to", "limit", "cursor"])?;
    let campaign = request.query("campaign_id").ok_or_else(|| ApiError::malformed("campaign_id"))?;
    let today = deps.now().province_day();
    let to: ProvinceDay = json::parsed_if("to", request.query("to"))?.unwrap_or(today);
    let from: ProvinceDay = json::parsed_if("from", request.query("from"))?.unwrap_or(to.plus_days(-6));
    let limit = usize::from(request.page_limit()?);
    let begins = cursor(request)?;
    if begins.is_some_and(|(day, _)| day < from || day > to) {
        return Err(ApiError::malformed("cursor"));
    }
    let (day, shown) = begins.unwrap_or((from, 0));
    let last = to.min(day.plus_days(DAYS_MAX - 1));
    let missing = || ApiError::from(Code::CampaignNotFound);
    let no: CampaignNo = campaign.parse().map_err(|_| missing())?;
    let campaign = deps.catalog.read_campaign(no).await?.ok_or_else(missing)?;
    if from > to {
        return Response::ok(&ListView { items: Vec::<MetricView>::new(), next: None });
    }
    let rows = rows(deps, &campaign, day, last, today).await?;
    let mut items = Vec::new();
    for (on, rows) in &rows {
        let skipped = if *on == day { shown } else { 0 };
        for (number, (key, row)) in rows.iter().enumerate().skip(skipped) {
            if items.len() == limit {
                return Response::ok(&ListView { items, next: Some(format!("{on}.{number}")) });
            }
            items.push(view(key, row, *on));
        }
    }
    let next = (last < to).then(|| format!("{}.0", last.plus_days(1)));
    Response::ok(&ListView { items, next })
}

/// What one row shows.
#[derive(Default)]
struct Row {
    cell: Cell,
    expired: i64,
}

/// A campaign's rows by day. A coupon that lapses on a day counts as expired when the day is over, and not before.
async fn rows(
    deps: &Deps,
    campaign: &Campaign,
    from: ProvinceDay,
    to: ProvinceDay,
    today: ProvinceDay,
) -> Result<BTreeMap<ProvinceDay, BTreeMap<CellKey, Row>>, ApiError> {
    let mut rows: BTreeMap<ProvinceDay, BTreeMap<CellKey, Row>> = BTreeMap::new();
    let mut take = |day: ProvinceDay, cells: Cells| {
        for (key, cell) in cells.into_iter().filter(|(key, _)| key.campaign == campaign.no) {
            rows.entry(day).or_default().entry(key).or_default().cell.add(&cell);
        }
    };
    deps.ledger.for_each_sheet(&campaign.merchant_id, from, to, &mut take).await?;
    let (first, last) = (ProvinceMonth::of(from), ProvinceMonth::of(to));
    for (key, coupons) in deps.ledger.read_lapses(&campaign.merchant_id, first, last).await? {
        let is_shown = key.campaign == campaign.no && (from..=to).contains(&key.day) && key.day < today;
        if is_shown && coupons != 0 {
            let of = CellKey { campaign: key.campaign, store: None, channel: key.channel };
            rows.entry(key.day).or_default().entry(of).or_default().expired += coupons;
        }
    }
    Ok(rows)
}

/// The day and the row at which a page begins.
fn cursor(request: &Request) -> Result<Option<(ProvinceDay, usize)>, ApiError> {
    let Some(text) = request.query("cursor") else { return Ok(None) };
    let read = || {
        let (day, shown) = text.split_once('.')?;
        Some((day.parse().ok()?, shown.parse().ok()?))
    };
    read().map(Some).ok_or_else(|| ApiError::malformed("cursor"))
}

/// What the operator bears in fen: its budgets, and what the shares leave over.
fn cost(postings: &Postings) -> i64 {
    let is_operators =
        |account: &Account| matches!(account, Account::ProvinceSubsidy | Account::CitySubsidy(_) | Account::Rounding);
    postings.amounts().filter(|(account, _)| is_operators(account)).map(|(_, fen)| fen).sum()
}

fn view(key: &CellKey, row: &Row, day: ProvinceDay) -> MetricView {
    let cell = &row.cell;
    MetricView {
        campaign_id: key.campaign.to_string(),
        day: day.to_string(),
        store_id: key.store.as_ref().map(ToString::to_string),
        channel: key.channel.as_ref().map(ToString::to_string),
        claimed: cell.claimed,
        redeemed: cell.redeemed,
        reversed: cell.reversed,
        expired: row.expired,
        order_value_fen: cell.order_value,
        discount_fen: cell.discount,
        cost_fen: cost(&cell.postings),
    }
}
