//! CSV that a spreadsheet opens as it is meant: UTF-8 that says so, rows that end as RFC 4180 wants, long numbers that keep
//! their digits, and no cell that is taken for a formula.

use mealticket_api::ApiError;

/// Digits from which a spreadsheet would round a number: it keeps fifteen, and shows twelve.
const DIGITS_KEPT: usize = 11;

/// A file being written.
pub(crate) struct Spreadsheet(csv::Writer<Vec<u8>>);

impl Spreadsheet {
    pub(crate) fn new() -> Self {
        let writer = csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        Spreadsheet(writer)
    }

    /// A row of texts that came from outside, or may have.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) -> Result<(), ApiError> {
        let cells = cells.into_iter().map(|cell| as_text(cell.as_ref()));
        self.0.write_record(cells).map_err(|_| ApiError::internal("a row could not be written"))
    }

    /// The file, with the mark by which Excel knows UTF-8.
    pub(crate) fn finish(self) -> Result<String, ApiError> {
        let failed = || ApiError::internal("a file could not be written");
        let bytes = self.0.into_inner().map_err(|_| failed())?;
        Ok(format!("\u{feff}{}", String::from_utf8(bytes).map_err(|_| failed())?))
    }
}

/// A cell that stays what it is. A leading tab makes digits a text; a leading apostrophe ends a formula before it begins
/// (OWASP, "CSV injection"). An amount of ours is neither: it may begin with a minus, and only then with digits.
fn as_text(cell: &str) -> String {
    let digits = cell.chars().filter(char::is_ascii_digit).count();
    let is_number = !cell.is_empty() && digits == cell.len();
    let is_amount = cell.strip_prefix('-').unwrap_or(cell).split_once('.').is_some_and(|(yuan, fen)| {
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        all_digits(yuan) && all_digits(fen) && fen.len() == 2
    });
    if is_amount {
        return cell.to_owned();
    }
    // Leading zeros are lost like trailing digits.
    if is_number && (digits > DIGITS_KEPT || (digits > 1 && cell.starts_with('0'))) {
        return format!("\t{cell}");
    }
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) {
        return format!("'{cell}");
    }
    cell.to_owned()
}

/// Yuan with two decimals.
pub(crate) fn yuan(fen: i64) -> String {
    let (sign, fen) = (if fen < 0 { "-" } else { "" }, fen.unsigned_abs());
    format!("{sign}{}.{:02}", fen / 100, fen % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_texts_long_numbers_keep_their_digits_and_amounts_are_numbers() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("+86", "'+86"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("＝1+1", "'＝1+1"),
            ("20261124123456789012", "\t20261124123456789012"),
            ("0012", "\t0012"),
            ("12345678901", "12345678901"),
            ("123456789012", "\t123456789012"),
            ("0", "0"),
            ("-12.34", "-12.34"),
            ("12.34", "12.34"),
            ("-12.34+1", "'-12.34+1"),
            ("", ""),
            ("遇见茶", "遇见茶"),
        ] {
            assert_eq!(as_text(cell), written);
        }
    }

    #[test]
    fn a_file_begins_with_its_mark_and_quotes_what_it_must() {
        let mut file = Spreadsheet::new();
        file.row(["门店", "a\"b", "c,d", "e\nf"]).unwrap();
        file.row(["one"]).unwrap();
        assert_eq!(file.finish().unwrap(), "\u{feff}门店,\"a\"\"b\",\"c,d\",\"e\nf\"\r\none\r\n");
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
