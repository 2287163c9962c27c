//! 记账汇总、出结算单: the journal's pages become sheets, days are closed, and of closed months statements are made.
//!
//! The rule is [`mealticket_domain::books`]: numbered folds, each written down before it touches anything, so that a run that
//! is cut off goes on where it was, and two runs at once do what one does.

#![warn(clippy::wildcard_enum_match_arm)]

mod fold;
mod statements;

use fold::{fold, plan};
use mealticket_domain::{ProvinceMonth, journal::Page};
use mealticket_store::StoreError;
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { catalog: Catalog, ledger: Ledger, messages: Messages }
}

/// How long one run goes on, of the function's 300 s: nothing that begins in it takes a minute.
const WORK_FOR: Duration = Duration::from_secs(240);

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Worked {
    /// Folds that are done.
    pub folds: u64,
    /// Pages in them.
    pub pages: u64,
    /// Entries in them.
    pub entries: u64,
    /// Records that were put aside in them.
    pub set_aside: u64,
    /// The day that is closed by now.
    pub closed: Option<String>,
    /// Statements that were made.
    pub statements: u64,
    /// Merchants whose books cannot be read, and who therefore have no statement.
    pub unreadable: u64,
    /// Whether something is left for the next run.
    pub unfinished: bool,
}

/// Folds what there is, closes what is over, and makes the statements of closed months.
pub async fn work(tables: &Handles) -> Result<Worked, StoreError> {
    let until = Instant::now() + WORK_FOR;
    let mut worked = Worked::default();
    loop {
        let newest = tables.ledger.read_newest_fold().await?;
        worked.closed = newest.as_ref().and_then(|fold| fold.closed_by_now()).map(|day| day.to_string());
        if Instant::now() >= until {
            worked.unfinished = true;
            break;
        }
        let (next, pages) = match newest {
            // Somebody was cut off, or is at it: it is done once, whoever does it.
            Some(open) if !open.is_done => (open, None),
            done => match plan(tables, done.as_ref()).await? {
                Some((next, pages)) if tables.ledger.begin_fold(&next).await? => (next, Some(pages)),
                Some(_) => continue,
                None => break,
            },
        };
        let pages = match pages {
            Some(pages) => pages,
            None => fold::pages_of(tables, &next).await?,
        };
        fold(tables, &next, &pages).await?;
        worked.folds += 1;
        worked.count(pages.iter().map(|(_, page)| page));
    }
    worked.make_statements(tables, until).await?;
    tracing::info!(
        folds = worked.folds,
        pages = worked.pages,
        entries = worked.entries,
        statements = worked.statements,
        "folded"
    );
    Ok(worked)
}

impl Worked {
    fn count<'a>(&mut self, pages: impl Iterator<Item = &'a Page>) {
        for page in pages {
            self.pages += 1;
            self.entries += page.entries.len() as u64;
            self.set_aside += page.aside.len() as u64;
        }
    }

    async fn make_statements(&mut self, tables: &Handles, until: Instant) -> Result<(), StoreError> {
        let due: Vec<(ProvinceMonth, u64)> = tables.ledger.list_months_due().await?;
        for (month, cut) in due {
            let made = statements::make(tables, month, cut, until).await?;
            self.statements += made.statements;
            self.unreadable += made.unreadable;
            if made.unfinished {
                self.unfinished = true;
                return Ok(());
            }
            // A month of which a statement is missing stays due, and is told each time.
            if made.unreadable == 0 {
                tables.ledger.note_month_done(month, cut).await?;
            }
        }
        Ok(())
    }
}
