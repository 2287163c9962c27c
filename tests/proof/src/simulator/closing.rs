//! The books of a run. They are folded under faults, by two at once, again and late. They are closed, and closed again.

use super::{
    Run,
    mapping::{ATTEMPTS, Mapping},
};
use mealticket_domain::{
    Coupon, Fingerprint, KeyHash, MerchantId, ProvinceDay, ProvinceMonth, Timestamp,
    books::{CLOSE_AFTER_SECONDS, Cell, Cells, Lapses, Sum, add_cells},
    journal::{Entry, EntryKind, Page},
    statement::{StatementId, due},
};
use mealticket_store::{Tables, ledger::StatementHead, members::ReverseRequest};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::sleep;

const MERCHANT: &str = "mch_luckytea";

fn merchant() -> MerchantId {
    MERCHANT.parse().unwrap()
}

/// What was published about a month.
#[derive(Debug, PartialEq)]
struct Published {
    statement: Option<StatementHead>,
    bills: BTreeMap<ProvinceDay, Vec<Entry>>,
}

impl Run {
    /// Folds as often as it takes. Returns what is wrong when it takes too many tries.
    pub(crate) async fn fold_until_done(&self) -> Option<String> {
        for _ in 0..ATTEMPTS {
            if self.environments.fold(0).await.is_some_and(|worked| !worked.unfinished) {
                return None;
            }
            sleep(Duration::from_secs(1)).await;
        }
        Some("the books were not folded to their end".to_owned())
    }

    /// Sets the clocks to the time at which a month is closed.
    pub(crate) async fn come_to_the_end_of(&self, month: ProvinceMonth) {
        let closing = month.next().first_day().starts_at().plus_seconds(CLOSE_AFTER_SECONDS);
        self.set_clocks(closing);
        sleep(Duration::from_secs(2)).await;
    }

    /// Sets the clocks to the time at which the month of the run is closed.
    pub(crate) async fn come_to_the_end_of_its_month(&self) {
        let now = self.observer.tables().members.clock().now();
        self.come_to_the_end_of(ProvinceMonth::of(now.province_day())).await;
    }

    /// Two fold at once and meet faults. Afterwards one folds what is left.
    async fn fold_in_trouble(&self, broken: &mut Vec<String>) {
        self.network.plan_next(&self.scenario.fold_plan);
        let second = async {
            sleep(Duration::from_millis(self.scenario.seed % 31 * 10)).await;
            if self.scenario.seed.is_multiple_of(2) { self.environments.fold(1).await } else { None }
        };
        tokio::join!(self.environments.fold(0), second);
        self.calm().await;
        broken.extend(self.fold_until_done().await);
    }

    /// Closes two months, with something that comes too late for the first. Returns every promise that is broken.
    pub(crate) async fn close_books(&self, mapping: &mut Mapping) -> Vec<String> {
        let mut broken = Vec::new();
        let tables = self.observer.tables();
        self.fold_in_trouble(&mut broken).await;
        self.agree(mapping, &mut broken).await;
        let month = ProvinceMonth::of(tables.members.clock().now().province_day());
        // What happens now is posted only after the month is closed.
        let late = self.undo_something().await;
        self.come_to_the_end_of(month).await;
        self.fold_in_trouble(&mut broken).await;
        let published = load_published(tables, month).await;
        mapping.deliver().await;
        mapping.deliver_all_again().await;
        self.fold_in_trouble(&mut broken).await;
        let published_now = load_published(tables, month).await;
        if published != published_now {
            broken.push(format!("what was published of {month} is now {published_now:?} and was {published:?}"));
        }
        self.come_to_the_end_of(month.next()).await;
        self.fold_in_trouble(&mut broken).await;
        let next = load_published(tables, month.next()).await;
        let late_lines: usize =
            next.bills.values().flatten().filter(|entry| entry.event.kind == EntryKind::Reversal).count();
        if late && late_lines == 0 {
            broken.push("a reversal that came late is on no bill of the next month".to_owned());
        }
        self.agree(mapping, &mut broken).await;
        self.statements_add_up(mapping, month, [published_now, next], &mut broken).await;
        let rebuilt = rebuild_ledger::rebuild(&tables.narrowed()).await.unwrap();
        if !rebuilt.agrees() || rebuilt.under_way > 0 {
            broken.push(format!("the rebuild says {rebuilt:?}"));
        }
        broken
    }

    /// Undoes a redemption that stands. Returns false when there is none.
    async fn undo_something(&self) -> bool {
        let tables = self.observer.tables();
        for member in (0..self.scenario.members).map(|index| self.scenario.member(index)) {
            for coupon in tables.members.list_coupons_of_campaign(member, self.campaign.no).await.unwrap() {
                let standing = |coupon: &Coupon| coupon.redemptions.iter().position(|spent| spent.reversal.is_none());
                let Some(index) = standing(&coupon) else { continue };
                let request = ReverseRequest {
                    key: KeyHash([77; 16]),
                    fingerprint: Fingerprint([7; 16]),
                    reason: "late".parse().unwrap(),
                    now: tables.members.clock().now(),
                };
                tables.members.reverse(&tables.catalog, coupon.key, index, &request).await.unwrap();
                return matches!(standing(&tables.members.read_coupon(coupon.key).await.unwrap().unwrap()), after if after != Some(index));
            }
        }
        false
    }

    /// Checks that the sheets, the bills and the pages agree, and that every entry balances.
    async fn agree(&self, mapping: &Mapping, broken: &mut Vec<String>) {
        let (tables, pages) = (self.observer.tables(), self.pages(mapping).await);
        let sheets = tables.ledger.read_sheets(&merchant(), first_day(), last_day()).await.unwrap();
        let mut cells = Cells::new();
        sheets.values().for_each(|sheet| add_cells(&mut cells, sheet));
        let mut folded = Cell::default();
        cells.values().for_each(|cell| folded.add(cell));
        let (mut posted, mut lapsing) = (Cell::default(), 0);
        for page in &pages {
            page.entries.iter().for_each(|entry| posted.add(&Cell::of(entry)));
            page.counts.iter().for_each(|(_, count)| {
                posted.claimed += i64::from(count.claimed);
                lapsing += i64::from(count.lapsing);
            });
        }
        let months = (ProvinceMonth::of(first_day()), ProvinceMonth::of(last_day()));
        let lapses: Lapses = tables.ledger.read_lapses(&merchant(), months.0, months.1).await.unwrap();
        if lapses.values().sum::<i64>() != lapsing {
            broken.push(format!("{lapses:?} lapse, and by the pages {lapsing}"));
        }
        if folded != posted {
            broken.push(format!("the sheets say {folded:?} and the pages say {posted:?}"));
        }
        if cells.values().any(|cell| cell.postings.balance() != 0) {
            broken.push("a cell's debits are not its credits".to_owned());
        }
        let mut lines = Vec::new();
        for day in sheets.keys() {
            lines.extend(bill(tables, *day).await);
        }
        let mut entries: Vec<Entry> = pages.into_iter().flat_map(|page| page.entries).collect();
        entries.sort_by_key(|entry| entry.event);
        lines.sort_by_key(|entry| entry.event);
        if lines != entries {
            broken.push(format!("the bills have {lines:?} and the pages {entries:?}"));
        }
    }

    /// Checks that each statement opens with the closing balance of the one before, and that the last closes with all
    /// that is owed.
    async fn statements_add_up(
        &self,
        mapping: &Mapping,
        month: ProvinceMonth,
        months: [Published; 2],
        broken: &mut Vec<String>,
    ) {
        let before = self.observer.tables().ledger.read_statement_before(&merchant(), month).await.unwrap();
        let (mut number, mut owed) = before.map_or((0, 0), |before| (before.statement.no, before.closing));
        for published in &months {
            let of_bills: i64 = published.bills.values().flatten().map(|entry| due(&entry.postings)).sum();
            let Some(head) = &published.statement else {
                if !published.bills.is_empty() || owed != 0 {
                    broken.push(format!("no statement was made of {published:?}"));
                }
                continue;
            };
            number += 1;
            let statement = &head.statement;
            let lines: i64 = statement.lines.values().map(|line| due(&line.postings)).sum();
            if (statement.no, statement.opening, lines, head.closing) != (number, owed, of_bills, owed + of_bills) {
                broken.push(format!("{owed} were owed, the bills say {of_bills}, and the statement is {head:?}"));
            }
            owed = head.closing;
        }
        let all: i64 =
            self.pages(mapping).await.iter().flat_map(|page| &page.entries).map(|entry| due(&entry.postings)).sum();
        if owed != all {
            broken.push(format!("{owed} are owed by the statements and {all} by the pages"));
        }
    }

    async fn pages(&self, mapping: &Mapping) -> Vec<Page> {
        let shard = mapping.shard().parse().unwrap();
        self.observer.tables().ledger.read_journal(&shard, Timestamp::MIN).await.unwrap().pages
    }
}

fn first_day() -> ProvinceDay {
    "2026-01-01".parse().unwrap()
}

fn last_day() -> ProvinceDay {
    "2099-12-31".parse().unwrap()
}

/// Reads a day's bill, three lines at a time.
async fn bill(tables: &Tables, day: ProvinceDay) -> Vec<Entry> {
    let (mut lines, mut from) = (Vec::new(), None);
    loop {
        let found = tables.ledger.read_bill(&merchant(), day, from, 3).await.unwrap();
        lines.extend(found.lines);
        from = found.next;
        if from.is_none() {
            return lines;
        }
    }
}

async fn load_published(tables: &Tables, month: ProvinceMonth) -> Published {
    let statement = tables.ledger.read_statement(&StatementId { merchant: merchant(), month }).await.unwrap();
    let mut bills = BTreeMap::new();
    for day in tables.ledger.read_sheets(&merchant(), month.first_day(), month.last_day()).await.unwrap().into_keys() {
        let lines = bill(tables, day).await;
        if !lines.is_empty() {
            bills.insert(day, lines);
        }
    }
    Published { statement, bills }
}
