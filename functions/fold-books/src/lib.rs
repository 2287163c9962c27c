//! 记账汇总、出结算单: the journal's pages become sheets, days are closed, and closed months get statements.
//!
//! The rule is [`mealticket_domain::books`]. Folds are numbered, and each is written down before it touches anything. A
//! run that is cut off goes on where it was. Two runs at once do what one does.

#![warn(clippy::wildcard_enum_match_arm)]

mod fold;
mod statements;

use fold::{fold, plan};
use mealticket_domain::journal::Page;
use mealticket_store::StoreError;
use serde::Serialize;
use statements::Behind;
use std::time::Duration;
use tokio::time::Instant;

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { catalog: Catalog, ledger: Ledger, messages: Messages }
}

/// How long one run goes on, of the function's 300 s. Nothing that begins in it takes a minute.
const WORK_FOR: Duration = Duration::from_secs(240);

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Worked {
    /// Folds that this run finished, those that another run began included.
    pub folds: u64,
    /// Pages in them.
    pub pages: u64,
    /// Entries in them.
    pub entries: u64,
    /// Records in them that were set aside.
    pub set_aside: u64,
    /// The newest day that is closed now.
    pub closed: Option<String>,
    /// Statements that this run made.
    pub statements: u64,
    /// Merchants whose books of a month that is due cannot be read. They get no statement of it, and none of later months.
    pub unreadable: u64,
    /// Whether something is left for the next run.
    pub unfinished: bool,
}

/// Folds what there is, closes the days that are over, and makes the statements of closed months.
///
/// Safe to repeat, and safe beside itself: pages, sheets and statements count once, whichever run is first. What it
/// returns is durable. A run that is out of time leaves the rest to the next.
///
/// Errors: a `StoreError` ends the run; what was written stays, and the next run goes on. `Corrupt` pages or
/// sheets need an operator.
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
            // Another run was cut off, or is at work. The fold counts once, whichever run finishes it.
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
        closed = worked.closed,
        unfinished = worked.unfinished,
        "folded"
    );
    Ok(worked)
}

impl Worked {
    /// Counts the pages of a fold that is done.
    fn count<'a>(&mut self, pages: impl Iterator<Item = &'a Page>) {
        for page in pages {
            self.pages += 1;
            self.entries += page.entries.len() as u64;
            self.set_aside += page.aside.len() as u64;
        }
    }

    /// Makes the statements of every month that is due, the oldest month first, until the time is over.
    ///
    /// A month that lacks a statement stays due, and so do the months after it. Each run logs which statement is missing.
    async fn make_statements(&mut self, tables: &Handles, until: Instant) -> Result<(), StoreError> {
        let mut behind = Behind::new();
        for due in tables.ledger.list_months_due().await? {
            let made = statements::make(tables, due, &mut behind, until).await?;
            self.statements += made.statements;
            self.unreadable = behind.len() as u64;
            if made.unfinished {
                self.unfinished = true;
                return Ok(());
            }
            if behind.is_empty() {
                let (month, cut) = due;
                tables.ledger.note_month_done(month, cut).await?;
            }
        }
        Ok(())
    }
}
