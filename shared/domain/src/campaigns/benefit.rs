//! What a coupon is worth (B1).
//!
//! **The rounding rule.** A discount is a whole number of fen. A percentage of an amount is rounded *up* to
//! the next fen: in the member's favour, by less than one fen. Then the cap applies. A discount never exceeds
//! the amount itself.

use crate::{
    limits::{AMOUNT_FEN_MAX, ITEM_CHARS_MAX, USES_MAX},
    money::Fen,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// A kind of benefit with its figures. Each kind says what it takes off an order.
///
/// ```text
/// { "kind": "percent_off", "percent_off": 12, "cap_fen": 1000 }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Benefit {
    /// 立减: a fixed amount, at most the order's.
    AmountOff {
        /// What is taken off, above zero.
        amount_off_fen: Fen,
    },
    /// 折扣: a share of the order, at most the cap.
    PercentOff {
        /// The share taken off. `"8.8折"` is read as 12 %.
        percent_off: Percent,
        /// The most that is taken off, above zero.
        cap_fen: Fen,
    },
    /// 兑换: an item for nothing, up to its value.
    Exchange {
        /// What the member gets, for people: 1 to 64 characters.
        item: String,
        /// Its value: what it takes off an order that contains it. Above zero.
        value_fen: Fen,
    },
    /// 计次: several uses, each of the same amount.
    MultiUse {
        /// What one use gives, for people: 1 to 64 characters.
        item: String,
        /// Units of use of one coupon, 1 to 32.
        uses: u8,
        /// What one use takes off. Above zero.
        value_fen: Fen,
    },
    /// 定向免流, content: a right that its provider grants when the coupon is redeemed.
    ///
    /// It takes nothing off an order.
    DataEntitlement {
        /// What is granted, for people: 1 to 64 characters.
        item: String,
        /// How much data, when it is data. Never zero.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        megabytes: Option<u32>,
    },
}

impl Benefit {
    /// What the benefit takes off an order of `amount`: exact, and at most `amount`. See the rounding rule
    /// above.
    ///
    /// 12 % off 9 999 fen is 1 199.88, so 1 200 fen.
    pub fn discount(&self, amount: Fen) -> Fen {
        match self {
            Benefit::AmountOff { amount_off_fen } => amount.min(*amount_off_fen),
            Benefit::Exchange { value_fen, .. } | Benefit::MultiUse { value_fen, .. } => amount.min(*value_fen),
            Benefit::DataEntitlement { .. } => Fen::ZERO,
            Benefit::PercentOff { percent_off, cap_fen } => percent_off.of_rounded_up(amount).min(*cap_fen).min(amount),
        }
    }

    /// The name on the wire: the `kind` of the JSON.
    pub const fn kind(&self) -> &'static str {
        match self {
            Benefit::AmountOff { .. } => "amount_off",
            Benefit::PercentOff { .. } => "percent_off",
            Benefit::Exchange { .. } => "exchange",
            Benefit::MultiUse { .. } => "multi_use",
            Benefit::DataEntitlement { .. } => "data_entitlement",
        }
    }

    /// Units of use of one coupon: 1, but for a multi-use benefit.
    pub const fn uses(&self) -> u8 {
        match self {
            Benefit::MultiUse { uses, .. } => *uses,
            Benefit::AmountOff { .. }
            | Benefit::PercentOff { .. }
            | Benefit::Exchange { .. }
            | Benefit::DataEntitlement { .. } => 1,
        }
    }

    /// Whether the benefit can ever give anything, and its item has a name of fitting length.
    ///
    /// One that cannot is a mistake in the catalog, and [`Terms::check`](crate::terms::Terms::check) refuses
    /// it.
    pub fn is_worth_something(&self) -> bool {
        let named = |item: &str| (1..=ITEM_CHARS_MAX).contains(&item.chars().count());
        match self {
            Benefit::Exchange { item, value_fen } => named(item) && *value_fen > Fen::ZERO,
            Benefit::MultiUse { item, uses, value_fen } => {
                named(item) && (1..=USES_MAX).contains(uses) && *value_fen > Fen::ZERO
            }
            Benefit::DataEntitlement { item, megabytes } => named(item) && *megabytes != Some(0),
            Benefit::AmountOff { amount_off_fen } => *amount_off_fen > Fen::ZERO,
            Benefit::PercentOff { cap_fen, .. } => *cap_fen > Fen::ZERO,
        }
    }
}

/// A percentage in hundredths of a percent, 0.01 % to 100 %. So two decimals are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u16);

/// The text is not a percentage of at most two decimals above 0 and up to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a percentage is above 0, at most 100, and has at most two decimals; 折 likewise, below 10, with at most three"
)]
pub struct PercentError;

/// Hundredths of a percent in a whole; also thousandths of a 折 in ten of them.
const WHOLE: u64 = 10_000;

impl Percent {
    /// Hundredths of a percent, 1 to 10 000.
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// The discount of a text in 折: `8.8折` is 88 % to pay, so 12 % off.
    ///
    /// Up to three decimals of a 折 are exact. `10折`, which takes nothing off, is refused.
    pub fn from_zhe(text: &str) -> Result<Self, PercentError> {
        let to_pay = decimal(text.strip_suffix('折').ok_or(PercentError)?, 3).ok_or(PercentError)?;
        WHOLE.checked_sub(to_pay).and_then(Percent::from_hundredths).ok_or(PercentError)
    }

    /// A percentage of 1 to 10 000 hundredths; `None` outside.
    fn from_hundredths(hundredths: u64) -> Option<Self> {
        u16::try_from(hundredths).ok().filter(|h| (1..=10_000).contains(h)).map(Percent)
    }

    /// ⌈amount × percentage⌉. No overflow: 10¹² × 10⁴ = 10¹⁶ < 2⁶³.
    fn of_rounded_up(self, amount: Fen) -> Fen {
        const { assert!(AMOUNT_FEN_MAX.checked_mul(WHOLE).is_some()) }
        let product = amount.get().saturating_mul(u64::from(self.0));
        Fen::try_from(product.div_ceil(WHOLE)).unwrap_or(amount)
    }
}

/// A decimal as a whole number of its smallest unit: `"12.5"` with `places = 2` is 1250.
///
/// `None` for a sign, an exponent, more than three digits before the point, or more than `places` after it.
fn decimal(text: &str, places: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let dot_without_digits = text.contains('.') && fraction.is_empty();
    if whole.is_empty() || whole.len() > 3 || !digits(whole) || !digits(fraction) || dot_without_digits {
        return None;
    }
    let missing = places.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    format!("{whole}{fraction}").parse::<u64>().ok()?.checked_mul(10u64.pow(missing))
}

/// Reads a decimal of at most two places, like `12.5`, without a percent sign.
impl FromStr for Percent {
    type Err = PercentError;
    fn from_str(text: &str) -> Result<Self, PercentError> {
        decimal(text, 2).and_then(Percent::from_hundredths).ok_or(PercentError)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}"),
        }
    }
}

/// A JSON number: `12` or `12.5`.
///
/// The shortest decimal of the nearest double is the number itself. Two decimals are far inside a double's
/// fifteen digits.
impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(100) {
            serializer.serialize_u16(self.0 / 100)
        } else {
            serializer.serialize_f64(f64::from(self.0) / 100.0)
        }
    }
}

/// A number or its text; `"8.8折"` as well.
impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(serde_json::Number),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        if text.ends_with('折') { Percent::from_zhe(&text) } else { text.parse() }.map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fen(n: u64) -> Fen {
        Fen::try_from(n).unwrap()
    }

    #[test]
    fn a_zhe_is_exact_to_its_last_decimal() {
        for (text, hundredths) in
            [("8.8折", 1200), ("9折", 1000), ("8.85折", 1150), ("8.885折", 1115), ("0折", 10_000), ("9.999折", 1)]
        {
            assert_eq!(Percent::from_zhe(text).map(Percent::hundredths), Ok(hundredths), "{text}");
        }
        for text in ["10折", "10.1折", "8.8", "折", ".折", "8.折", "8.8888折", "-1折", "八折", "1e0折"] {
            assert_eq!(Percent::from_zhe(text), Err(PercentError), "{text}");
        }
    }

    #[test]
    fn a_percentage_has_at_most_two_decimals() {
        for (text, shown) in
            [("12", "12"), ("12.5", "12.5"), ("12.50", "12.5"), ("0.01", "0.01"), ("100", "100"), ("12.05", "12.05")]
        {
            assert_eq!(text.parse::<Percent>().unwrap().to_string(), shown);
        }
        for text in ["0", "100.01", "12.555", "", "-1", "1e1", "1000", "１２"] {
            assert_eq!(text.parse::<Percent>(), Err(PercentError), "{text}");
        }
    }

    #[test]
    fn a_percentage_rounds_up_to_the_fen_in_the_members_favour() {
        let off = |percent: &str, cap| Benefit::PercentOff { percent_off: percent.parse().unwrap(), cap_fen: fen(cap) };
        assert_eq!(off("12", 10_000).discount(fen(9_999)), fen(1_200)); // 1199.88
        assert_eq!(off("12", 10_000).discount(fen(10_000)), fen(1_200));
        assert_eq!(off("0.01", 10_000).discount(fen(1)), fen(1)); // 0.0001
        assert_eq!(off("50", 300).discount(fen(10_000)), fen(300));
        assert_eq!(off("100", 300).discount(fen(200)), fen(200));
    }

    #[test]
    fn an_amount_off_never_exceeds_the_order() {
        let benefit = Benefit::AmountOff { amount_off_fen: fen(500) };
        assert_eq!(benefit.discount(fen(499)), fen(499));
        assert_eq!(benefit.discount(fen(501)), fen(500));
    }

    proptest! {
        #[test]
        fn a_percentage_is_exact_to_less_than_one_fen(amount in 0..=AMOUNT_FEN_MAX, hundredths in 1..=10_000u64) {
            let percent = Percent::from_hundredths(hundredths).unwrap();
            let discount = Benefit::PercentOff { percent_off: percent, cap_fen: fen(AMOUNT_FEN_MAX) }.discount(fen(amount));
            let exact = u128::from(amount) * u128::from(hundredths);
            let given = u128::from(discount.get()) * u128::from(WHOLE);
            prop_assert!(given >= exact && given - exact < u128::from(WHOLE));
            prop_assert!(discount <= fen(amount));
        }

        #[test]
        fn a_percentage_survives_its_json(hundredths in 1..=10_000u64) {
            let percent = Percent::from_hundredths(hundredths).unwrap();
            let json = serde_json::to_string(&percent).unwrap();
            prop_assert_eq!(&json, &percent.to_string());
            prop_assert_eq!(serde_json::from_str::<Percent>(&json).unwrap(), percent);
        }

        #[test]
        fn a_zhe_and_its_percentage_are_the_same_share(to_pay in 0..10_000u64) {
            let zhe = format!("{}.{:03}折", to_pay / 1000, to_pay % 1000);
            prop_assert_eq!(u64::from(Percent::from_zhe(&zhe).unwrap().hundredths()), WHOLE - to_pay);
        }
    }
}
