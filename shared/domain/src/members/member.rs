//! A person with a verified phone (会员), and what the operator knows of them.

use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A mainland mobile number in E.164: `+86` and eleven digits from 13000000000 to 19999999999.
///
/// It is never shown whole: `Debug` is redacted and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(String);

/// One variant per way for a phone number to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Does not begin with `+86`.
    #[error("a phone number begins with +86")]
    Country,
    /// Not eleven digits from 13000000000 to 19999999999.
    #[error("a phone number has eleven digits and begins with 13 to 19")]
    Number,
}

impl Phone {
    /// The number in E.164, for a gateway that must dial it, for the keyed hash, and for the seal. Nothing
    /// else may ask.
    pub fn expose_e164(&self) -> &str {
        &self.0
    }

    /// First three and last four digits, for the member to recognise: `138****8000`.
    pub fn masked(&self) -> String {
        let digits = self.0.strip_prefix("+86").unwrap_or_default();
        let (head, tail) = (digits.get(..3).unwrap_or_default(), digits.get(7..).unwrap_or_default());
        format!("{head}****{tail}")
    }
}

impl FromStr for Phone {
    type Err = PhoneError;
    fn from_str(text: &str) -> Result<Self, PhoneError> {
        let digits = text.strip_prefix("+86").ok_or(PhoneError::Country)?;
        let mobile = matches!(digits.as_bytes(), [b'1', b'3'..=b'9', ..]);
        if digits.len() == 11 && mobile && digits.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Phone(text.to_owned()))
        } else {
            Err(PhoneError::Number)
        }
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone([REDACTED])")
    }
}

/// What the operator's billing and CRM know of a member (M3).
///
/// A field is absent until it is known. None comes from the member's own request. A campaign's rule reads
/// them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemberAttributes {
    /// The operator's brand of the contract: 全球通, 神州行, 动感地带 and others. Each stack has its own list.
    pub brand: Option<String>,
    /// The membership tier, in the operator's own words.
    pub tier: Option<String>,
    /// The city branch that the number belongs to.
    pub city: Option<String>,
    /// Since when the number is the operator's; tenure is counted from here.
    pub tenure_since: Option<Timestamp>,
    /// `newcomer`, `stable` or `leaving` (入网期, 稳定期, 预离网期).
    pub lifecycle_stage: Option<LifecycleStage>,
    /// Tags of the portrait (画像), in the operator's own words.
    pub tags: Vec<String>,
}

/// Where a member stands in the contract with the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleStage {
    /// 入网期: new.
    Newcomer,
    /// 稳定期: settled.
    Stable,
    /// 预离网期: about to leave.
    Leaving,
}

impl LifecycleStage {
    const ALL: [LifecycleStage; 3] = [LifecycleStage::Newcomer, LifecycleStage::Stable, LifecycleStage::Leaving];

    /// The name on the wire and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            LifecycleStage::Newcomer => "newcomer",
            LifecycleStage::Stable => "stable",
            LifecycleStage::Leaving => "leaving",
        }
    }
}

impl FromStr for LifecycleStage {
    type Err = crate::ids::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        LifecycleStage::ALL.into_iter().find(|stage| stage.as_str() == text).ok_or(crate::ids::IdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_a_mainland_mobile_number() {
        assert!("+8613800138000".parse::<Phone>().is_ok());
        let long = format!("+86{}", "1".repeat(10_000));
        for (text, error) in [
            ("13800138000", PhoneError::Country),
            ("+85291234567", PhoneError::Country),
            ("", PhoneError::Country),
            ("+8612345678901", PhoneError::Number),
            ("+861380013800", PhoneError::Number),
            ("+86138001380000", PhoneError::Number),
            ("+86138001380O0", PhoneError::Number),
            ("+86１３８００１３８０００", PhoneError::Number),
            (long.as_str(), PhoneError::Number),
        ] {
            assert_eq!(text.parse::<Phone>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_phone_never_prints_itself() {
        let phone: Phone = "+8613800138000".parse().unwrap();
        assert_eq!(format!("{phone:?}"), "Phone([REDACTED])");
        assert_eq!(phone.masked(), "138****8000");
    }
}
