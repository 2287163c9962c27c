//! Names of things. A number names a row, a prefixed text names it to the world.

use crate::limits::{CAMPAIGN_NO_END, MEMBER_NO_END, ORDINAL_END, PARTNER_BYTES_MAX, SLUG_BYTES_MAX};
use std::{fmt, str::FromStr};

/// The text is not an id of this kind, or the number is out of range. Clients see it as an unknown id: 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one that is known")]
pub struct IdError;

/// A member's number: 0 to 2³⁴ − 1, given out once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberNo(u64);

/// A campaign's number: 0 to 2²⁰ − 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CampaignNo(u32);

/// Which of a member's coupons of one campaign: 0 to 63. The largest ordinal a member can reach *is* the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal(u8);

macro_rules! number {
    ($name:ident, $int:ty, $end:expr) => {
        impl $name {
            /// The number.
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
    /// A member's first coupon of a campaign.
    pub const FIRST: Ordinal = Ordinal(0);
}

/// Crockford's base 32: no I, L, O, U, so that a code can be read out and typed.
pub(crate) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// `cmp_` and the number in four symbols of Crockford's base 32. Campaigns are public, so their ids hide nothing.
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
            /// The whole id, prefix included.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

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
    /// A merchant: `mch_` and 1 to 24 of `a–z 0–9`.
    MerchantId, "mch_", SLUG_BYTES_MAX
}
slug! {
    /// A merchant's store: `sto_` and 1 to 24 of `a–z 0–9`.
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
    /// An endpoint that is told by webhooks: `end_` and 1 to 24 of `a–z 0–9`.
    EndpointId, "end_", SLUG_BYTES_MAX
}
slug! {
    /// A partner that brings members and earns a commission (C6): `ptn_` and 1 to 18 of `a–z 0–9`.
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
