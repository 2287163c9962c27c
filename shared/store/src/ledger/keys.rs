//! Every key of `ledger`. The only file with a prefix of them.

use crate::table::key::Key;
use mealticket_domain::{MerchantId, ProvinceDay, ProvinceMonth, journal::StreamShard, statement::StatementId};

const SHARD: &str = "SHARD#";

/// All pages of a shard, in the order in which they were posted.
pub(crate) fn journal_partition(shard: &StreamShard) -> String {
    format!("{SHARD}{shard}")
}

/// Twelve digits, so that text order is number order: a page a millisecond for thirty years.
pub(crate) fn journal_page(shard: &StreamShard, page: u64) -> Key {
    Key::new(journal_partition(shard), format!("{page:012}"))
}

/// The page that a sort key names, if it names one.
pub(crate) fn read_journal_page(sk: &str) -> Option<u64> {
    sk.parse().ok()
}

/// The shards that were posted to, by day: one partition, a write a day for each shard and environment.
pub(crate) const ACTIVE_SHARDS: &str = "SHARDS";

/// That a shard was posted to on a day, by the clock of whoever posted.
pub(crate) fn active_shard(day: ProvinceDay, shard: &StreamShard) -> Key {
    Key::new(ACTIVE_SHARDS, format!("{}{shard}", active_shards_of(day)))
}

/// A day's notes: the day in ten characters, so that text order is day order.
pub(crate) fn active_shards_of(day: ProvinceDay) -> String {
    format!("{day}#")
}

/// The shard of a note, if it names one.
pub(crate) fn read_active_shard(sk: &str) -> Option<StreamShard> {
    sk.split_once('#')?.1.parse().ok()
}

/// How far a shard is in the sheets.
pub(crate) fn folded_mark(shard: &StreamShard) -> Key {
    Key::new(format!("FOLDED#{shard}"), "MARK")
}

/// All folds, in one partition, in their order.
pub(crate) const FOLDS: &str = "FOLDS";

/// Twelve digits, as a page.
pub(crate) fn fold(no: u64) -> Key {
    Key::new(FOLDS, format!("{no:012}"))
}

/// All sheets of a merchant, day after day.
pub(crate) fn sheets(merchant: &MerchantId) -> String {
    format!("SHEETS#{merchant}")
}

/// A part of a sheet: the day in ten characters, so that text order is day order.
pub(crate) fn sheet_part(merchant: &MerchantId, day: ProvinceDay, part: u16) -> Key {
    Key::new(sheets(merchant), format!("{day}#{part:03}"))
}

/// After all parts of a day: no digit is greater than a tilde.
pub(crate) fn sheets_end(day: ProvinceDay) -> String {
    format!("{day}#~")
}

/// All lapses of a merchant, month after month.
pub(crate) fn lapses(merchant: &MerchantId) -> String {
    format!("LAPSES#{merchant}")
}

/// A part of a month's lapses.
pub(crate) fn lapses_part(merchant: &MerchantId, month: ProvinceMonth, part: u16) -> Key {
    Key::new(lapses(merchant), format!("{month}#{part:03}"))
}

/// After all parts of a month.
pub(crate) fn lapses_end(month: ProvinceMonth) -> String {
    format!("{month}#~")
}

/// The merchants that have sheets.
pub(crate) const BOOKED: &str = "BOOKED";

/// That a merchant has sheets.
pub(crate) fn booked(merchant: &MerchantId) -> Key {
    Key::new(BOOKED, merchant.as_str())
}

/// The day of a part's sort key, if it names one.
pub(crate) fn read_sheet_day(sk: &str) -> Option<ProvinceDay> {
    sk.split_once('#')?.0.parse().ok()
}

/// A merchant's bill of a day: what all folds added to it.
pub(crate) fn bill(merchant: &MerchantId, day: ProvinceDay) -> String {
    format!("BILL#{merchant}#{day}")
}

/// What one fold added to a bill, or a chunk of it. In text order as in the order of folds.
pub(crate) fn bill_part(merchant: &MerchantId, day: ProvinceDay, fold: u64, chunk: usize) -> Key {
    Key::new(bill(merchant, day), format!("{fold:012}#{chunk:03}"))
}

/// The fold and the chunk of a bill's sort key, if it names them.
pub(crate) fn read_bill_part(sk: &str) -> Option<(u64, usize)> {
    let (fold, chunk) = sk.split_once('#')?;
    Some((fold.parse().ok()?, chunk.parse().ok()?))
}

/// The records that were set aside, of all shards.
pub(crate) const SET_ASIDE: &str = "SET_ASIDE";

/// A record that was set aside, by its event's id, or by its position in the journal when it has none.
pub(crate) fn set_aside(id: &str) -> Key {
    Key::new(SET_ASIDE, id)
}

/// The months whose days are all closed.
pub(crate) const CLOSED_MONTHS: &str = "CLOSED_MONTHS";

pub(crate) fn closed_month(month: ProvinceMonth) -> Key {
    Key::new(CLOSED_MONTHS, month.to_string())
}

/// All statements of a merchant, by month.
pub(crate) fn statements(merchant: &MerchantId) -> String {
    format!("STATEMENTS#{merchant}")
}

pub(crate) fn statement(id: &StatementId) -> Key {
    Key::new(statements(&id.merchant), id.month.to_string())
}

/// The merchant's answer to a statement. It stands apart, because the statement never changes.
pub(crate) fn statement_answer(id: &StatementId) -> Key {
    Key::new(format!("ANSWERS#{}", id.merchant), id.month.to_string())
}

/// The lines of a statement.
pub(crate) fn statement_lines(id: &StatementId) -> String {
    format!("LINES#{}#{}", id.merchant, id.month)
}

pub(crate) fn statement_chunk(id: &StatementId, chunk: usize) -> Key {
    Key::new(statement_lines(id), format!("{chunk:03}"))
}
