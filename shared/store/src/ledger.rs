//! `ledger`: the journal's pages, and what is made of them: folds, sheets, bills, statements.
//!
//! Published pages, bills and statements never change. They are put where nothing is.

mod asides;
mod bills;
mod counts;
pub(crate) mod entries;
mod folds;
mod journal;
pub(crate) mod keys;
mod packing;
mod pages;
mod sheets;
mod statements;

pub use asides::{ListedAside, PostedAside};
pub use bills::{BillCursor, BillLines};
pub(crate) use journal::Marks;
pub use journal::{Journal, Mark, NotPosted};
pub use statements::{StatementHead, StatementLines};
