//! `/v1/daily-bills/{date}…`: a line for each order that is booked on a day, the next morning.

use crate::{
    spreadsheet::{Cell, Spreadsheet, text},
    statements::Reader,
    views::BillLineView,
};
use mealticket_api::{
    ApiError, Code, Request, Response, json,
    views::{
        ListView,
        statement::{co_funding, payable},
    },
};
use mealticket_domain::{
    ProvinceDay,
    books::CLOSE_AFTER_SECONDS,
    journal::{Entry, EntryKind},
    statement::due,
};
use mealticket_store::ledger::BillCursor;

/// Lines of one file. 10 000 of at most 400 bytes are 4 MB, and a function's answer may have 6. Further lines are in
/// the next file, which the `Link` header names.
const LINES_MAX: usize = 10_000;

/// How long after its closing time a day's bill is there at the latest. The books are folded every five minutes.
const FOLD_SECONDS: i64 = 600;

/// A day's bill, some lines at a time. The bill of a closed day never changes, so pages fit together
/// however late they are read.
///
/// Refusals, in order: `malformed_request`, and `bill_not_ready` with `ready_at` for a day that is not closed. A day
/// without orders has an empty bill.
pub(crate) async fn read_bill(reader: &Reader<'_>, request: &Request, date: &str) -> Result<Response, ApiError> {
    request.only_query(&["limit", "cursor"])?;
    let limit = usize::from(request.page_limit()?);
    let (day, from) = asked(request, date)?;
    is_closed(reader, day).await?;
    let found = reader.deps.ledger.read_bill(&reader.merchant.merchant.id, day, from, limit).await?;
    let items = found.lines.iter().map(|entry| BillLineView::new(&reader.deps.stack, entry)).collect();
    Response::ok(&ListView { items, next: found.next.map(|next| next.to_string()) })
}

/// The same as a spreadsheet, with the same refusals.
pub(crate) async fn export_bill(reader: &Reader<'_>, request: &Request, date: &str) -> Result<Response, ApiError> {
    request.only_query(&["cursor"])?;
    let (day, from) = asked(request, date)?;
    is_closed(reader, day).await?;
    let found = reader.deps.ledger.read_bill(&reader.merchant.merchant.id, day, from, LINES_MAX).await?;
    let next = found.next.map(|next| format!("/v1/daily-bills/{day}/csv?cursor={next}"));
    let name = from.map_or_else(|| format!("bill-{day}.csv"), |from| format!("bill-{day}-{from}.csv"));
    Response::csv(spreadsheet(reader, &found.lines)?, &name, next.as_deref())
}

/// The day, and where the page begins.
fn asked(request: &Request, date: &str) -> Result<(ProvinceDay, Option<BillCursor>), ApiError> {
    Ok((json::parsed("date", date)?, json::parsed_if("cursor", request.query("cursor"))?))
}

/// Refuses a day that is not closed: its bill may still grow.
async fn is_closed(reader: &Reader<'_>, day: ProvinceDay) -> Result<(), ApiError> {
    if reader.deps.ledger.read_closed_day().await?.is_some_and(|closed| closed >= day) {
        return Ok(());
    }
    let now = reader.deps.now();
    let ready_at = day.plus_days(1).starts_at().plus_seconds(CLOSE_AFTER_SECONDS + FOLD_SECONDS);
    let ready_at = ready_at.max(now.plus_seconds(FOLD_SECONDS));
    Err(ApiError::from(Code::BillNotReady).at("ready_at", ready_at).retry_at(ready_at, now))
}

/// The lines as CSV, with amounts in yuan and the names of stores as the catalog has them now.
fn spreadsheet(reader: &Reader<'_>, lines: &[Entry]) -> Result<String, ApiError> {
    let mut file = Spreadsheet::new();
    file.texts(&[
        "类型",
        "核销编号",
        "商户订单号",
        "时间",
        "门店编号",
        "门店名称",
        "活动编号",
        "领取渠道",
        "订单金额（元）",
        "优惠金额（元）",
        "应付商户（元）",
        "商户承担（元）",
        "应结（元）",
    ])?;
    for entry in lines {
        let sums = mealticket_domain::books::Cell::of(entry);
        file.row([
            text(match entry.event.kind {
                EntryKind::Redemption => "核销",
                EntryKind::Reversal => "撤销",
                EntryKind::Adjustment => "调整",
            }),
            text(reader.deps.stack.ids.redemption_id(entry.event.coupon, usize::from(entry.event.index))),
            text(entry.order_no.as_str()),
            text(entry.at.province_clock()),
            text(entry.store.as_str()),
            text(reader.store_name(&entry.store)),
            text(entry.event.coupon.campaign.to_string()),
            text(entry.channel.as_ref().map_or("", |channel| channel.as_str())),
            Cell::Amount(sums.order_value),
            Cell::Amount(sums.discount),
            Cell::Amount(payable(&entry.postings)),
            Cell::Amount(co_funding(&entry.postings)),
            Cell::Amount(due(&entry.postings)),
        ])?;
    }
    file.finish()
}
