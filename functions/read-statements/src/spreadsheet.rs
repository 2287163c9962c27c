//! CSV that a spreadsheet opens as it is meant.
//!
//! It is UTF-8 with a mark that says so, and its rows end as RFC 4180 wants. Texts stay what they are, and no
//! cell is taken for a formula.

use mealticket_api::ApiError;

/// A file that is being written.
pub(crate) struct Spreadsheet(csv::Writer<Vec<u8>>);

/// A cell.
pub(crate) enum Cell {
    /// A text, whatever it resembles.
    Text(String),
    /// An amount in fen, shown in yuan.
    Amount(i64),
    /// A number of things.
    Count(i64),
}

/// A text that came from outside, or may have.
pub(crate) fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

impl Spreadsheet {
    pub(crate) fn new() -> Self {
        let writer = csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        Spreadsheet(writer)
    }

    /// Writes a row. Rows may have different numbers of cells.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) -> Result<(), ApiError> {
        let written = cells.into_iter().map(|cell| match cell {
            Cell::Text(text) => as_text(&text),
            Cell::Amount(fen) => yuan(fen),
            Cell::Count(count) => count.to_string(),
        });
        self.0.write_record(written).map_err(|_| ApiError::internal("a row could not be written"))
    }

    /// A row of texts.
    pub(crate) fn texts(&mut self, cells: &[&str]) -> Result<(), ApiError> {
        self.row(cells.iter().map(|cell| text(*cell)))
    }

    /// The file, with the mark by which Excel knows UTF-8.
    pub(crate) fn finish(self) -> Result<String, ApiError> {
        let failed = || ApiError::internal("a file could not be written");
        let bytes = self.0.into_inner().map_err(|_| failed())?;
        Ok(format!("\u{feff}{}", String::from_utf8(bytes).map_err(|_| failed())?))
    }
}

/// A text that stays one.
///
/// What begins with a digit could be taken for a number, which would lose its zeros and its last digits, or for a day.
/// A leading tab makes it a text. A leading apostrophe ends a formula before it begins (OWASP, "CSV injection").
fn as_text(cell: &str) -> String {
    if cell.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return format!("\t{cell}");
    }
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        return format!("'{cell}");
    }
    cell.to_owned()
}

/// Yuan with two decimals.
fn yuan(fen: i64) -> String {
    let (sign, fen) = (if fen < 0 { "-" } else { "" }, fen.unsigned_abs());
    format!("{sign}{}.{:02}", fen / 100, fen % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_numbers_and_days_that_are_texts_stay_texts() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("+86", "'+86"),
            ("-2+3", "'-2+3"),
            ("-12.34", "'-12.34"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\n=1", "'\n=1"),
            ("＝1+1", "'＝1+1"),
            ("20261124123456789012", "\t20261124123456789012"),
            ("0012", "\t0012"),
            ("4872E105", "\t4872E105"),
            ("2026-11", "\t2026-11"),
            ("3/4", "\t3/4"),
            (".5", "\t.5"),
            ("", ""),
            ("A-1", "A-1"),
            ("遇见茶", "遇见茶"),
        ] {
            assert_eq!(as_text(cell), written);
        }
    }

    #[test]
    fn a_file_begins_with_its_mark_and_quotes_what_it_must() {
        let mut file = Spreadsheet::new();
        file.texts(&["门店", "a\"b", "c,d", "e\nf"]).unwrap();
        file.row([text("one"), Cell::Amount(-5), Cell::Count(3)]).unwrap();
        assert_eq!(file.finish().unwrap(), "\u{feff}门店,\"a\"\"b\",\"c,d\",\"e\nf\"\r\none,-0.05,3\r\n");
    }

    #[test]
    fn yuan_has_two_decimals_and_its_sign() {
        for (fen, text) in
            [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (123_456, "1234.56"), (i64::MIN, "-92233720368547758.08")]
        {
            assert_eq!(yuan(fen), text);
        }
    }
}
