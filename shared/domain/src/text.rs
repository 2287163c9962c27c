//! Text that comes from outside, bounded and clean before anything else sees it.
//!
//! Each kind of text is a type of its own. `FromStr` checks what a client sent. `from_table` takes what a
//! table holds as it is, because it was checked when it was written.

use crate::limits::{
    CASHIER_BYTES_MAX, CHANNEL_BYTES_MAX, DISPUTE_REASON_BYTES_MAX, FREE_TEXT_CHARS_MAX, ORDER_NO_BYTES_MAX,
    REASON_BYTES_MAX, SHARE_CODE_BYTES_MAX,
};
use std::{fmt, str::FromStr};

/// One variant per way for a text to be wrong. The message states the rule and never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// No character, or nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// More bytes in UTF-8 than this. A Chinese character has three.
    #[error("must have at most {0} bytes in UTF-8")]
    TooLong(usize),
    /// More characters than this, counted as Unicode scalar values.
    #[error("must have at most {0} characters")]
    TooManyCharacters(usize),
    /// A character that does not belong there: a control character, a change of direction, or one outside the
    /// alphabet.
    #[error("holds a character that is not allowed")]
    Character,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The text as the client sent it: nothing is trimmed or normalised.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A text as a table has it. It was checked when it was written, maybe under an older, wider limit.
            pub fn from_table(text: &str) -> Self {
                $name(text.to_owned())
            }
        }

        impl FromStr for $name {
            type Err = TextError;
            /// Checks a text from outside.
            fn from_str(text: &str) -> Result<Self, TextError> {
                let check: fn(&str) -> Result<(), TextError> = $check;
                check(text).map(|()| $name(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// A merchant's order number: 1 to 64 visible ASCII characters. It names a redemption within its coupon.
    OrderNo, |text| visible_ascii(text, ORDER_NO_BYTES_MAX)
}

text! {
    /// Who stood at the till: free text of 1 to 48 bytes (16 Chinese characters), without control characters.
    Cashier, |text| free_text(text, CASHIER_BYTES_MAX)
}

text! {
    /// Why something was undone: free text of 1 to 45 bytes (15 Chinese characters), without control characters.
    Reason, |text| free_text(text, REASON_BYTES_MAX)
}

text! {
    /// What a merchant objects to in a statement: free text of 1 to 64 characters and at most 96 bytes,
    /// without control characters.
    DisputeReason, |text| free_text(text, DISPUTE_REASON_BYTES_MAX)
}

text! {
    /// Where a member came from, like `app` or `hall_wechat`: 1 to 32 of `a–z 0–9 _ -`.
    Channel, |text| {
        visible_ascii(text, CHANNEL_BYTES_MAX)?;
        let clean = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        if clean { Ok(()) } else { Err(TextError::Character) }
    }
}

text! {
    /// The code of a link that brought the member here: 1 to 32 visible ASCII characters.
    ///
    /// Being well formed says nothing of its worth. Only a code that the stack has signed names a partner.
    ShareCode, |text| visible_ascii(text, SHARE_CODE_BYTES_MAX)
}

/// Checks for 1 to `bytes_max` visible ASCII characters.
pub fn visible_ascii(text: &str, bytes_max: usize) -> Result<(), TextError> {
    match text.len() {
        0 => Err(TextError::Empty),
        n if n > bytes_max => Err(TextError::TooLong(bytes_max)),
        _ if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(()),
        _ => Err(TextError::Character),
    }
}

/// Checks for a text that people read.
///
/// It has a character that is not white space, at most `bytes_max` bytes and at most 64 characters. It has no
/// control characters and no changes of direction.
fn free_text(text: &str, bytes_max: usize) -> Result<(), TextError> {
    match text.chars().count() {
        0 => Err(TextError::Empty),
        _ if text.len() > bytes_max => Err(TextError::TooLong(bytes_max)),
        n if n > FREE_TEXT_CHARS_MAX => Err(TextError::TooManyCharacters(FREE_TEXT_CHARS_MAX)),
        _ if text.chars().any(|c| c.is_control() || is_bidi_control(c)) => Err(TextError::Character),
        _ if text.trim().is_empty() => Err(TextError::Empty),
        _ => Ok(()),
    }
}

/// Characters that make a line read differently from what it says.
///
/// They are the explicit directional formatting characters of Unicode Standard Annex 9. With one of them a
/// cashier's name could hide or reverse what stands beside it.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_on_both_sides_and_free_of_control_characters() {
        assert_eq!("".parse::<OrderNo>(), Err(TextError::Empty));
        assert!("9".repeat(64).parse::<OrderNo>().is_ok());
        assert_eq!("9".repeat(65).parse::<OrderNo>(), Err(TextError::TooLong(64)));
        assert_eq!("a b".parse::<OrderNo>(), Err(TextError::Character));
        assert_eq!("单号".parse::<OrderNo>(), Err(TextError::Character));
        assert!("王".repeat(16).parse::<Cashier>().is_ok());
        assert_eq!("王".repeat(17).parse::<Cashier>(), Err(TextError::TooLong(48)));
        assert_eq!("😀".repeat(13).parse::<Cashier>(), Err(TextError::TooLong(48)));
        assert!("错".repeat(15).parse::<Reason>().is_ok());
        assert_eq!("错".repeat(16).parse::<Reason>(), Err(TextError::TooLong(45)));
        assert!("r".repeat(45).parse::<Reason>().is_ok());
        assert_eq!("r".repeat(46).parse::<Reason>(), Err(TextError::TooLong(45)));
        assert!("错".repeat(32).parse::<DisputeReason>().is_ok());
        assert_eq!("错".repeat(33).parse::<DisputeReason>(), Err(TextError::TooLong(96)));
        assert_eq!("r".repeat(65).parse::<DisputeReason>(), Err(TextError::TooManyCharacters(64)));
        assert_eq!("a\u{0}".parse::<Cashier>(), Err(TextError::Character));
        assert_eq!(" \u{3000}".parse::<Reason>(), Err(TextError::Empty));
        assert_eq!("a\u{202e}b".parse::<Cashier>(), Err(TextError::Character));
        assert_eq!("\u{85}".parse::<Reason>(), Err(TextError::Character));
        assert!("app-2_x".parse::<Channel>().is_ok());
        assert_eq!("App".parse::<Channel>(), Err(TextError::Character));
    }
}
