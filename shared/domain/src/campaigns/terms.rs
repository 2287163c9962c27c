//! What a member was shown, frozen (B6).
//!
//! A campaign's terms (条款) are a document that never changes. A change is a new document with the next
//! version. Every coupon carries the SHA-256 of the document it was claimed under, over the canonical JSON of
//! RFC 8785. That is proof of what the member was shown.

use crate::{
    benefit::Benefit,
    eligibility::{Eligibility, RuleError},
    hours::HourWindow,
    ids::{CampaignNo, StoreId},
    limits::{
        HOUR_WINDOWS_MAX, ORDINAL_END, REVERSAL_HOURS_MAX, STORES_IN_SCOPE_MAX, TERMS_TEXT_CHARS_MAX, VALIDITY_DAYS_MAX,
    },
    money::Fen,
    timestamp::Timestamp,
    validity::Validity,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// The member-visible terms of a campaign. Its fields are the document that is hashed.
///
/// So a new field must be left out of the JSON while it is empty. Otherwise it would change the hashes of old
/// terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// 1 for the first, then one more for each change.
    pub version: u32,
    /// The campaign's name as members read it: 1 to 10 000 characters.
    pub name: String,
    /// The words that the member reads before claiming: 1 to 10 000 characters.
    pub text: String,
    /// What a coupon is worth.
    pub benefit: Benefit,
    /// What a coupon costs the member.
    pub price: Price,
    /// First instant at which a member may claim.
    pub starts_at: Timestamp,
    /// First instant at which no member may claim any more.
    pub ends_at: Timestamp,
    /// Coupons that one member may ever claim, 1 to 64.
    pub per_member_limit: u8,
    /// Coupons per member and day of the province, at most the limit in all; none when a day is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_member_day_limit: Option<u8>,
    /// Coupons that all members together may claim in one day of the province, at most the stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_limit: Option<u64>,
    /// Who may claim; everyone when there is no rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<Eligibility>,
    /// When a coupon may be used.
    pub validity: Validity,
    /// The amount that an order must reach before the discount; 0 when any does.
    #[serde(default)]
    pub minimum_fen: Fen,
    /// In which of the merchant's stores it may be used.
    #[serde(default)]
    pub stores: StoreScope,
    /// On which weekdays and at which hours it may be used; at any time when there is no window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<HourWindow>,
    /// Whether a redemption may be undone, and for how long.
    #[serde(default)]
    pub reversal: ReversalPolicy,
}

/// What a member gives for a coupon (B4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Price {
    /// Nothing.
    Free,
}

/// In which of the merchant's stores a coupon may be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreScope {
    /// In every store of the campaign's merchant.
    #[default]
    All,
    /// In these alone, 1 to 1 000.
    Only(Vec<StoreId>),
    /// In the merchant's stores of these cities, 1 to 1 000. A name must match letter by letter.
    InCities(Vec<String>),
}

impl StoreScope {
    /// Whether a store in a city is in the scope.
    pub fn contains(&self, store: &StoreId, city: &str) -> bool {
        match self {
            StoreScope::All => true,
            StoreScope::Only(stores) => stores.contains(store),
            StoreScope::InCities(cities) => cities.iter().any(|named| named == city),
        }
    }
}

/// The rule for undoing a redemption (R3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReversalPolicy {
    /// Hours after the redemption in which it may be reversed, at most 8 784; 0 for never.
    pub window_hours: u16,
    /// Whole days that a coupon is valid again when it had expired by the time of its reversal.
    ///
    /// At most 3 660; 0 leaves it expired.
    pub makeup_days: u16,
}

impl Default for ReversalPolicy {
    /// 72 hours, and no make-up.
    fn default() -> Self {
        ReversalPolicy { window_hours: 72, makeup_days: 0 }
    }
}

/// SHA-256 of a terms document, with its campaign. Shown as 64 hexadecimal digits in small letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TermsHash(pub [u8; 32]);

impl fmt::Display for TermsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TermsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why terms cannot be published: one variant per defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// A version of 0: versions count from 1.
    #[error("version must be 1 or more")]
    Version,
    /// A name or a text that is empty or too long.
    #[error("name and text must have 1 to {TERMS_TEXT_CHARS_MAX} characters")]
    Text,
    /// A benefit that can never give anything.
    #[error("the benefit is worth nothing")]
    Benefit,
    /// Claiming ends before it starts.
    #[error("starts_at must be before ends_at")]
    Window,
    /// A limit per member outside 1 to 64.
    #[error("per_member_limit must be 1 to {ORDINAL_END}")]
    Limit,
    /// A limit per day of zero, or a member's above the limit in all.
    #[error("per_member_day_limit must be 1 to per_member_limit, and day_limit 1 or more")]
    DayLimit,
    /// A rule that does not parse, does not type-check or costs too much.
    #[error(transparent)]
    Eligibility(#[from] RuleError),
    /// A window of no day or no minute, or too many windows.
    #[error("hours has at most {HOUR_WINDOWS_MAX} windows, each with a day and a minute in which it is open")]
    Hours,
    /// A validity that is never met, or ends before claiming does.
    #[error("validity is never met")]
    Validity,
    /// A scope of no store, or of too many.
    #[error("stores must name 1 to {STORES_IN_SCOPE_MAX} stores or cities")]
    Stores,
    /// A reversal window or make-up beyond its bound.
    #[error("reversal.window_hours is at most {REVERSAL_HOURS_MAX}, makeup_days at most {VALIDITY_DAYS_MAX}")]
    Reversal,
}

impl Terms {
    /// Checks what types alone do not guarantee. Every terms document in the catalog has passed.
    ///
    /// Errors: the first defect in the order of [`TermsError`], but for the rule, which is compiled last.
    pub fn check(&self) -> Result<(), TermsError> {
        let sized = |text: &str| (1..=TERMS_TEXT_CHARS_MAX).contains(&text.chars().count());
        let reachable = match self.validity {
            // Whoever claims last must still be able to use it.
            Validity::Fixed { until, .. } => until >= self.ends_at,
            Validity::AfterClaim { .. } => true,
        };
        let scoped = match &self.stores {
            StoreScope::All => true,
            StoreScope::Only(stores) => (1..=STORES_IN_SCOPE_MAX).contains(&stores.len()),
            StoreScope::InCities(cities) => (1..=STORES_IN_SCOPE_MAX).contains(&cities.len()),
        };
        let per_member_day = self.per_member_day_limit.is_none_or(|day| (1..=self.per_member_limit).contains(&day));
        let hours = self.hours.len() <= HOUR_WINDOWS_MAX && self.hours.iter().all(HourWindow::ever_opens);
        let rules = [
            (self.version >= 1, TermsError::Version),
            (sized(&self.name) && sized(&self.text), TermsError::Text),
            (self.benefit.is_worth_something(), TermsError::Benefit),
            (self.starts_at < self.ends_at, TermsError::Window),
            ((1..=ORDINAL_END).contains(&self.per_member_limit), TermsError::Limit),
            (per_member_day && self.day_limit != Some(0), TermsError::DayLimit),
            (hours, TermsError::Hours),
            (self.validity.is_sound() && reachable, TermsError::Validity),
            (scoped, TermsError::Stores),
            (
                self.reversal.window_hours <= REVERSAL_HOURS_MAX && self.reversal.makeup_days <= VALIDITY_DAYS_MAX,
                TermsError::Reversal,
            ),
        ];
        rules.into_iter().find(|(met, _)| !met).map_or(Ok(()), |(_, error)| Err(error))?;
        if let Some(eligibility) = &self.eligibility {
            eligibility.compile()?;
        }
        Ok(())
    }

    /// SHA-256 over `{"campaign_id": …, "terms": …}` in canonical JSON.
    ///
    /// The same terms under another campaign have another hash.
    pub fn hash(&self, campaign: CampaignNo) -> Result<TermsHash, serde_json::Error> {
        let document = serde_json::json!({ "campaign_id": campaign.to_string(), "terms": serde_json::to_value(self)? });
        Ok(TermsHash(Sha256::digest(canonical_json(&document).as_bytes()).into()))
    }
}

/// SHA-256 (FIPS 180-4) of a document that is text already.
pub fn sha256(document: &[u8]) -> [u8; 32] {
    Sha256::digest(document).into()
}

/// Canonical JSON (RFC 8785): keys sorted, no space.
///
/// It is right for documents whose keys are ASCII and whose numbers are integers or short decimals. It is
/// written out here because another crate's feature could change the order of `serde_json`'s own maps.
fn canonical_json(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let members: Vec<String> = keys
                .into_iter()
                .filter_map(|key| {
                    Some(format!("{}:{}", serde_json::Value::from(key.as_str()), canonical_json(map.get(key)?)))
                })
                .collect();
            format!("{{{}}}", members.join(","))
        }
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical_json).collect::<Vec<_>>().join(","))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Five yuan off twenty, one each, for seven days.
    pub(crate) fn terms() -> Terms {
        Terms {
            version: 1,
            name: "满20减5".into(),
            text: "每位会员限领一张。".into(),
            benefit: Benefit::AmountOff { amount_off_fen: Fen::try_from(500).unwrap() },
            price: Price::Free,
            starts_at: "2026-11-01T00:00:00Z".parse().unwrap(),
            ends_at: "2026-12-01T00:00:00Z".parse().unwrap(),
            per_member_limit: 1,
            per_member_day_limit: None,
            day_limit: None,
            eligibility: None,
            validity: Validity::AfterClaim { wait_days: 0, days: 7 },
            minimum_fen: Fen::try_from(2_000).unwrap(),
            stores: StoreScope::All,
            hours: vec![],
            reversal: ReversalPolicy::default(),
        }
    }

    #[test]
    fn the_hash_is_of_the_canonical_document() {
        let terms = terms();
        let document = serde_json::json!({"terms": serde_json::to_value(&terms).unwrap(), "campaign_id": "cmp_0001"});
        assert_eq!(
            canonical_json(&document),
            concat!(
                r#"{"campaign_id":"cmp_0001","terms":{"benefit":{"amount_off_fen":500,"kind":"amount_off"},"#,
                r#""ends_at":"2026-12-01T00:00:00Z","minimum_fen":2000,"name":"满20减5","per_member_limit":1,"#,
                r#""price":{"kind":"free"},"reversal":{"makeup_days":0,"window_hours":72},"#,
                r#""starts_at":"2026-11-01T00:00:00Z","stores":"all","text":"每位会员限领一张。","#,
                r#""validity":{"days":7,"kind":"after_claim","wait_days":0},"version":1}}"#
            )
        );
        let campaign = CampaignNo::try_from(1).unwrap();
        // sha256sum of the line above.
        assert_eq!(
            terms.hash(campaign).unwrap().to_string(),
            "631d8993bb44e51fa9a2e56176167f8e1ff3ee662f8157badfcbe0a51c96976f"
        );
        assert_ne!(terms.hash(campaign).unwrap(), terms.hash(CampaignNo::try_from(2).unwrap()).unwrap());
    }

    const NEVER: &str = r#"{"days":["mon"],"from":"11:00","until":"11:00"}"#;
    const NOON: &str = r#"{"days":["mon"],"from":"11:00","until":"14:00"}"#;

    #[test]
    fn every_defect_of_terms_has_its_error() {
        #[track_caller]
        fn check(error: TermsError, spoil: fn(&mut Terms)) {
            let mut spoilt = terms();
            spoil(&mut spoilt);
            assert_eq!(spoilt.check(), Err(error));
        }
        assert_eq!(terms().check(), Ok(()));
        check(TermsError::Version, |t| t.version = 0);
        check(TermsError::Text, |t| t.name = String::new());
        check(TermsError::Text, |t| t.text = "长".repeat(10_001));
        check(TermsError::Benefit, |t| t.benefit = Benefit::AmountOff { amount_off_fen: Fen::ZERO });
        check(TermsError::Window, |t| t.ends_at = t.starts_at);
        check(TermsError::Limit, |t| t.per_member_limit = 0);
        check(TermsError::Limit, |t| t.per_member_limit = 65);
        check(TermsError::DayLimit, |t| t.per_member_day_limit = Some(0));
        check(TermsError::DayLimit, |t| t.per_member_day_limit = Some(t.per_member_limit + 1));
        check(TermsError::DayLimit, |t| t.day_limit = Some(0));
        check(TermsError::Hours, |t| t.hours = vec![serde_json::from_str(NEVER).unwrap()]);
        check(TermsError::Hours, |t| t.hours = vec![serde_json::from_str(NOON).unwrap(); HOUR_WINDOWS_MAX + 1]);
        check(TermsError::Stores, |t| t.stores = StoreScope::InCities(vec![]));
        check(TermsError::Validity, |t| t.validity = Validity::AfterClaim { wait_days: 0, days: 0 });
        check(TermsError::Validity, |t| {
            t.validity = Validity::Fixed { from: Timestamp::MIN, until: t.ends_at.plus_seconds(-1) }
        });
        check(TermsError::Stores, |t| t.stores = StoreScope::Only(vec![]));
        check(TermsError::Reversal, |t| t.reversal.window_hours = REVERSAL_HOURS_MAX + 1);
        check(TermsError::Reversal, |t| t.reversal.makeup_days = VALIDITY_DAYS_MAX + 1);
    }

    #[test]
    fn a_field_we_do_not_know_is_refused() {
        let mut document = serde_json::to_value(terms()).unwrap();
        document["per_member_limt"] = 3.into();
        assert!(serde_json::from_value::<Terms>(document).is_err());
    }
}
