//! Money in integer fen: 100 fen are one yuan. No amount is ever a floating-point number.

use crate::limits::AMOUNT_FEN_MAX;
use serde::{Deserialize, Serialize};

/// An amount of 0 to 10¹² fen, which is 10 billion yuan.
///
/// It is never negative: the field that holds it says which way the money goes. In JSON it is a whole number,
/// and a larger one is refused when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Fen(u64);

/// The amount is above [`AMOUNT_FEN_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount is at most {AMOUNT_FEN_MAX} fen")]
pub struct FenError;

impl Fen {
    /// No money: what a data entitlement takes off, and the minimum spend of terms that have none.
    pub const ZERO: Fen = Fen(0);

    /// The number of fen, at most [`AMOUNT_FEN_MAX`].
    pub const fn get(self) -> u64 {
        self.0
    }

    /// What remains after `other` is taken off; zero when `other` is larger.
    pub const fn less(self, other: Fen) -> Fen {
        Fen(self.0.saturating_sub(other.0))
    }
}

/// Accepts 0 to [`AMOUNT_FEN_MAX`], both included. A larger amount is a [`FenError`].
impl TryFrom<u64> for Fen {
    type Error = FenError;
    fn try_from(fen: u64) -> Result<Self, FenError> {
        if fen <= AMOUNT_FEN_MAX { Ok(Fen(fen)) } else { Err(FenError) }
    }
}

impl From<Fen> for u64 {
    fn from(fen: Fen) -> u64 {
        fen.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_bounded_on_both_sides_of_the_limit() {
        assert_eq!(Fen::try_from(AMOUNT_FEN_MAX).map(Fen::get), Ok(AMOUNT_FEN_MAX));
        assert_eq!(Fen::try_from(AMOUNT_FEN_MAX + 1), Err(FenError));
    }
}
