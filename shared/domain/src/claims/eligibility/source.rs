//! A rule's text: its clauses, and the line and column of an error in it.

use super::RuleError;
use cel::ParseErrors;

/// A clause and where it begins.
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    offset: usize,
}

/// What is wrong within a clause: a byte offset or a line and column, and the reason.
pub(super) struct ClauseError {
    pub(super) at: At,
    pub(super) reason: String,
}

/// Where within a clause an error is.
pub(super) enum At {
    /// A byte offset, from 0.
    Byte(usize),
    /// A line and a column in characters, both from 1.
    LineColumn(usize, usize),
}

impl From<ParseErrors> for ClauseError {
    fn from(errors: ParseErrors) -> Self {
        let first = errors.errors.into_iter().next();
        let (line, column, message) =
            first.map_or((1, 1, String::new()), |error| (error.pos.0, error.pos.1, error.msg));
        if message.contains("Recursion limit") {
            return ClauseError { at: At::Byte(0), reason: "too deeply nested".into() };
        }
        let part = message.split(" expecting ").next().unwrap_or_default();
        let reason = part.strip_prefix("Syntax error: ").unwrap_or(part).replace("<EOF>", "the end");
        let from_one = |n: isize| usize::try_from(n).unwrap_or(1).max(1);
        ClauseError { at: At::LineColumn(from_one(line), from_one(column)), reason }
    }
}

/// The error of a clause as one of the whole rule: its line and column are counted from the rule's beginning.
pub(super) fn place(rule: &str, piece: &Piece<'_>, error: ClauseError) -> RuleError {
    let (line, column) = match error.at {
        At::Byte(byte) => line_column(rule, piece.offset + byte),
        At::LineColumn(line, column) => {
            let (first_line, first_column) = line_column(rule, piece.offset);
            (first_line + line - 1, if line == 1 { first_column + column - 1 } else { column })
        }
    };
    RuleError { line, column, reason: error.reason }
}

/// The line and the column, from 1, of a byte of a text.
fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, last_line.chars().count() + 1)
}

/// The parts of a rule that `&&` joins outside parentheses and strings.
///
/// When `||` or `?` stands there too, the whole is one clause, because they bind more loosely. Escapes and
/// comments are refused: without them a quote always begins or ends a string.
pub(super) fn clauses(rule: &str) -> Result<Vec<Piece<'_>>, RuleError> {
    let mut scan = Scan::default();
    let mut cuts = vec![0];
    let mut loose = false;
    let bytes = rule.as_bytes();
    for (at, byte) in rule.bytes().enumerate() {
        let pair = bytes.get(at..at + 2);
        let refuse = |reason: &str| {
            let (line, column) = line_column(rule, at);
            Err(RuleError { line, column, reason: reason.to_owned() })
        };
        match byte {
            b'\\' => return refuse("no escapes: write the characters themselves"),
            _ if !scan.is_code() => {}
            _ if pair == Some(b"//") => return refuse("no comments"),
            b'&' if scan.depth == 0 && pair == Some(b"&&") => cuts.push(at),
            b'|' | b'?' if scan.depth == 0 => loose = true,
            _ => {}
        }
        scan.step(byte);
    }
    if loose {
        cuts.truncate(1);
    }
    let ends = cuts.iter().skip(1).copied().chain([rule.len()]);
    Ok(cuts.iter().zip(ends).filter_map(|(from, to)| piece(rule, *from, to)).collect())
}

/// The clause between two bytes, without its `&&` and the white space around it.
fn piece(rule: &str, from: usize, to: usize) -> Option<Piece<'_>> {
    let whole = rule.get(from..to)?;
    let inner = if from == 0 { whole } else { whole.strip_prefix("&&")? };
    let text = inner.trim();
    let offset = to - inner.trim_start().len();
    Some(Piece { text, offset })
}

/// What the scanner is in, after each byte: how many brackets, and which quotes.
#[derive(Default)]
struct Scan {
    depth: usize,
    quote: Option<u8>,
}

impl Scan {
    fn is_code(&self) -> bool {
        self.quote.is_none()
    }

    fn step(&mut self, byte: u8) {
        match (self.quote, byte) {
            (Some(quote), _) if quote == byte => self.quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => self.quote = Some(byte),
            (None, b'(' | b'[' | b'{') => self.depth += 1,
            (None, b')' | b']' | b'}') => self.depth = self.depth.saturating_sub(1),
            (None, _) => {}
        }
    }
}
