//! Ids: numbers for rows, and prefixed texts for the world.
//!
//! A number names a row and stays inside the stack. A text with a prefix, like `mch_luckytea`, is what
//! clients see. A member's and a coupon's text is enciphered by [`IdCipher`](crate::code::IdCipher); the ids
//! here are public as they stand.

use crate::limits::{CAMPAIGN_NO_END, MEMBER_NO_END, ORDINAL_END, PARTNER_BYTES_MAX, SLUG_BYTES_MAX};
use std::{fmt, str::FromStr};

/// The text is not an id of this kind, or the number is out of range.
///
/// For an id in a path a client gets 404, the same as for one that names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one that is known")]
pub struct IdError;

/// A member's number: 0 to 2³⁴ − 1, given out once.
///
/// Clients never see it. They see `mem_…`, which [`IdCipher::member_id`](crate::code::IdCipher::member_id)
/// makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberNo(u64);

/// A campaign's number: 0 to 2²⁰ − 1.
///
/// `Display` and `FromStr` are its public id: `cmp_` and four symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CampaignNo(u32);

/// Which of a member's coupons of one campaign: 0 to 63.
///
/// A member's coupons take ordinals in order, without a gap. So the largest ordinal that a member can reach
/// *is* the limit per member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal(u8);

macro_rules! number {
    ($name:ident, $int:ty, $end:expr) => {
        impl $name {
            /// The number as an integer, always below the bound of its kind.
            pub const fn get(self) -> $int {
                self.0
            }
        }

        impl TryFrom<$int> for $name {
            type Error = IdError;
            fn try_from(number: $int) -> Result<Self, IdError> {
                if number < $end { Ok($name(number)) } else { Err(IdError) }
            }
        }
    };
}

number!(MemberNo, u64, MEMBER_NO_END);
number!(CampaignNo, u32, CAMPAIGN_NO_END);
number!(Ordinal, u8, ORDINAL_END);

impl Ordinal {
    /// A member's first coupon of a campaign: ordinal 0.
    pub const FIRST: Ordinal = Ordinal(0);
}

/// Crockford's base 32, in capitals.
///
/// It has no I, L, O and U, so that a code can be read out and typed.
pub(crate) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// `cmp_` and the number in four symbols of Crockford's base 32, in capitals: `cmp_0000` is campaign 0.
///
/// Campaigns are public, so their ids hide nothing.
impl fmt::Display for CampaignNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cmp_")?;
        for shift in [15, 10, 5, 0] {
            let symbol = CROCKFORD.get((self.0 >> shift) as usize & 31).copied().unwrap_or(b'0');
            write!(f, "{}", char::from(symbol))?;
        }
        Ok(())
    }
}

/// Reads exactly what `Display` writes. Small letters, O for 0 and any other length are refused.
impl FromStr for CampaignNo {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let symbols = text.strip_prefix("cmp_").filter(|rest| rest.len() == 4).ok_or(IdError)?;
        symbols
            .bytes()
            .try_fold(0u32, |number, byte| {
                let value = CROCKFORD.iter().position(|symbol| *symbol == byte).ok_or(IdError)?;
                Ok(number << 5 | value as u32)
            })
            .and_then(CampaignNo::try_from)
    }
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $bytes_max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The whole id, prefix included, as it is stored and sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// Checks the prefix, the length and the alphabet. Capitals are refused, so one thing has one
        /// spelling.
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let slug = text.strip_prefix($prefix).ok_or(IdError)?;
                let clean = slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
                let sized = (1..=$bytes_max).contains(&slug.len());
                if clean && sized { Ok($name(text.to_owned())) } else { Err(IdError) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

slug! {
    /// A merchant: `mch_` and 1 to 24 of `a–z 0–9`. It is also the `iss` of the merchant's tokens.
    MerchantId, "mch_", SLUG_BYTES_MAX
}
slug! {
    /// A merchant's store: `sto_` and 1 to 24 of `a–z 0–9`. The merchant's own number for it is
    /// [`Store::store_no`](crate::merchant::Store::store_no).
    StoreId, "sto_", SLUG_BYTES_MAX
}
slug! {
    /// A benefit of the pool: `ben_` and 1 to 24 of `a–z 0–9`.
    BenefitId, "ben_", SLUG_BYTES_MAX
}
slug! {
    /// A hold: `hld_` and 1 to 24 of `a–z 0–9`.
    HoldId, "hld_", SLUG_BYTES_MAX
}
slug! {
    /// An endpoint that messages are sent to: `end_` and 1 to 24 of `a–z 0–9`.
    ///
    /// Merchants name their endpoints themselves. [`endpoint_id`](crate::webhook::endpoint_id) turns a
    /// merchant's name into an id that no other merchant's endpoint has.
    EndpointId, "end_", SLUG_BYTES_MAX
}
slug! {
    /// A partner that brings members and earns a commission (C6): `ptn_` and 1 to 18 of `a–z 0–9`.
    ///
    /// The bound is shorter than for other ids, so that a signed share code stays within 32 bytes.
    PartnerId, "ptn_", PARTNER_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_id_reads_back_what_it_writes_and_nothing_else() {
        for number in [0, 1, 31, 32, 4711, CAMPAIGN_NO_END - 1] {
            let campaign = CampaignNo::try_from(number).unwrap();
            assert_eq!(campaign.to_string().parse(), Ok(campaign));
        }
        assert_eq!(CampaignNo::try_from(CAMPAIGN_NO_END), Err(IdError));
        for bad in ["cmp_", "cmp_000", "cmp_00000", "cmp_000U", "cmp_000o", "CMP_0000", "0000", "cmp_券券", ""] {
            assert_eq!(bad.parse::<CampaignNo>(), Err(IdError), "{bad}");
        }
    }

    #[test]
    fn a_slug_has_its_prefix_and_small_letters_and_digits() {
        assert!("mch_luckytea".parse::<MerchantId>().is_ok());
        let long = format!("mch_{}", "a".repeat(25));
        for bad in ["mch_", "sto_luckytea", "mch_Lucky", "mch_lucky-tea", "mch_茶", long.as_str()] {
            assert_eq!(bad.parse::<MerchantId>(), Err(IdError), "{bad}");
        }
    }

    #[test]
    fn numbers_are_bounded() {
        assert!(MemberNo::try_from(MEMBER_NO_END - 1).is_ok());
        assert_eq!(MemberNo::try_from(MEMBER_NO_END), Err(IdError));
        assert!(Ordinal::try_from(63).is_ok());
        assert_eq!(Ordinal::try_from(64), Err(IdError));
    }
}
