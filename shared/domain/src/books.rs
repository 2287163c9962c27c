//! The books (账): the journal, the sheets that it is folded into, and the statements that are made of them.
//!
//! The table's stream brings each redemption into the journal, as an entry. A fold adds the journal's pages
//! to a merchant's sheet of the day. A month of closed sheets is a statement. `rebuild` makes the same from
//! the coupons alone, and compares.

pub mod journal;
pub mod rebuild;
pub mod settlement;
mod sheets;
pub mod statement;

pub use sheets::{
    Addition, Additions, CLOSE_AFTER_SECONDS, Cell, CellKey, Cells, Fold, LapseKey, Lapses, LapsesKey, Part,
    SHEET_CELLS_MAX, SheetKey, Sum, add_cells, additions, booked_on, day_to_close,
};
