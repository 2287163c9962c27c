//! `GET /v1/daily-bills/{date}/csv`: a line for each order that is booked on a day, the next morning.

use crate::{
    spreadsheet::{Spreadsheet, yuan},
    statements::Reader,
    views::{co_funding, payable},
};
use mealticket_api::{ApiError, Code, Request, Response, json};
use mealticket_domain::{ProvinceDay, books::CLOSE_AFTER_SECONDS, journal::Entry, statement::due};

/// Lines of one file: 20 000 × about 200 bytes are 4 MB, and a function's answer may have 6. What is more is in the next
/// part, which the `Link` header names.
const LINES_MAX: usize = 20_000;

/// When the bill of a day that is over will be there at the latest: the books are folded every five minutes.
const FOLD_SECONDS: i64 = 600;

/// A day's bill; the bill of a day that is closed never changes.
pub(crate) async fn export_bill(reader: &Reader<'_>, request: &Request, date: &str) -> Result<Response, ApiError> {
    request.only_query(&["part"])?;
    let day: ProvinceDay = json::parsed("date", date)?;
    let part = part(request)?;
    let (store, now) = (&reader.deps.store, reader.deps.now());
    if store.closed_day().await?.is_none_or(|closed| closed < day) {
        let ready_at = day.plus_days(1).starts_at().plus_seconds(CLOSE_AFTER_SECONDS + FOLD_SECONDS);
        let ready_at = ready_at.max(now.plus_seconds(FOLD_SECONDS));
        return Err(ApiError::from(Code::BillNotReady).at("ready_at", ready_at).retry_at(ready_at, now));
    }
    let lines = store.bill(&reader.merchant.merchant.id, day).await?;
    let first = (part - 1).saturating_mul(LINES_MAX);
    if part > 1 && first >= lines.len() {
        return Err(ApiError::malformed("part"));
    }
    let shown: Vec<&Entry> = lines.iter().skip(first).take(LINES_MAX).collect();
    let next = (first + shown.len() < lines.len()).then(|| format!("/v1/daily-bills/{day}/csv?part={}", part + 1));
    let name = if part == 1 { format!("bill-{day}.csv") } else { format!("bill-{day}-{part}.csv") };
    Response::csv(spreadsheet(reader, &shown)?, &name, next.as_deref())
}

/// Which part: 1 when none is named.
fn part(request: &Request) -> Result<usize, ApiError> {
    let Some(text) = request.query("part") else { return Ok(1) };
    let part = text.parse().ok().filter(|part| *part >= 1 && text.bytes().all(|byte| byte.is_ascii_digit()));
    part.ok_or_else(|| ApiError::malformed("part"))
}

fn spreadsheet(reader: &Reader<'_>, lines: &[&Entry]) -> Result<String, ApiError> {
    let mut file = Spreadsheet::new();
    file.row([
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
        let (kind, sign) = if entry.event.is_reversal { ("撤销", -1) } else { ("核销", 1) };
        let fen = |fen: u64| yuan(sign * i64::try_from(fen).unwrap_or(i64::MAX));
        file.row([
            kind,
            &reader.deps.stack.ids.redemption_id(entry.event.coupon, usize::from(entry.event.index)),
            entry.order_no.as_str(),
            &entry.at.province_clock(),
            entry.store.as_str(),
            reader.store_name(&entry.store),
            &entry.event.coupon.campaign.to_string(),
            entry.channel.as_ref().map_or("", |channel| channel.as_str()),
            &fen(entry.amount.get()),
            &fen(entry.discount.get()),
            &yuan(payable(&entry.postings)),
            &yuan(co_funding(&entry.postings)),
            &yuan(due(&entry.postings)),
        ])?;
    }
    file.finish()
}
