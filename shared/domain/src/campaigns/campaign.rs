//! A campaign (批次): who may claim, until when, how many.
//!
//! It gives out coupons of one benefit, which one merchant redeems.

use crate::{
    ids::{BenefitId, CampaignNo, MerchantId},
    limits::STOCK_MAX,
    terms::{Terms, TermsError, TermsHash},
    timestamp::Timestamp,
};
use std::str::FromStr;

/// Where a campaign is in its life (B6). A window that is over needs no change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignState {
    /// Being written. Nobody but operators can see it.
    Draft,
    /// Waiting for approval. Nobody but operators can see it.
    InReview,
    /// Open to members within its window.
    Published,
    /// Closed for now; coupons already issued stay good.
    Paused,
    /// Closed for ever; coupons already issued stay good.
    Ended,
}

impl CampaignState {
    const ALL: [CampaignState; 5] = [
        CampaignState::Draft,
        CampaignState::InReview,
        CampaignState::Published,
        CampaignState::Paused,
        CampaignState::Ended,
    ];

    /// The name in the table and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            CampaignState::Draft => "draft",
            CampaignState::InReview => "in_review",
            CampaignState::Published => "published",
            CampaignState::Paused => "paused",
            CampaignState::Ended => "ended",
        }
    }

    /// Whether members and merchants may know of it.
    pub const fn is_public(self) -> bool {
        matches!(self, CampaignState::Published | CampaignState::Paused | CampaignState::Ended)
    }
}

impl FromStr for CampaignState {
    type Err = crate::ids::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        CampaignState::ALL.into_iter().find(|state| state.as_str() == text).ok_or(crate::ids::IdError)
    }
}

/// A campaign with its newest terms. Older terms are kept apart, for the coupons that carry them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// Its number. It is a part of the key of each of its coupons.
    pub no: CampaignNo,
    /// The benefit of the pool that it gives out.
    pub benefit_id: BenefitId,
    /// The merchant that redeems its coupons. Fixed for the campaign's life.
    pub merchant_id: MerchantId,
    /// Where it is in its life. Only a published one gives out coupons.
    pub state: CampaignState,
    /// Coupons it may ever issue, 1 to 10¹⁰.
    pub stock: u64,
    /// Over how many items the stock is spread, 1 to 32. See [`Campaign::shards_for`].
    pub stock_shards: u16,
    /// The newest member-visible terms. A claim is decided by them.
    pub terms: Terms,
    /// The hash of those terms under this campaign. Each coupon carries it.
    pub terms_sha256: TermsHash,
    /// The newest version of the confidential settlement terms. Each coupon carries it.
    pub settlement_version: u32,
}

/// Why a claim is refused before any unit is reserved, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// Its window is over, or it was ended by hand.
    Ended,
    /// Paused by hand.
    Paused,
    /// Its window has not begun.
    NotStarted {
        /// When it begins.
        starts_at: Timestamp,
    },
}

/// Why a campaign cannot be published. The message names the field and its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CampaignError {
    /// Its terms are not sound, for the reason within.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// No unit, or more than every phone in China could take.
    #[error("stock must be 1 to {STOCK_MAX}")]
    Stock,
    /// More units in a day than in all, or less than one for each shard of the stock.
    #[error("day_limit must be at most the stock, and at least {shards}, one for each shard of it")]
    DayLimit {
        /// Over how many shards the stock is spread.
        shards: u16,
    },
}

/// Units that one shard of the stock serves well.
///
/// A plain counter item takes 1 000 writes a second. So with a shard per 2 000 units a campaign sells out in
/// about two seconds of perfect spread.
const UNITS_PER_SHARD: u64 = 2_000;
/// Most shards of one stock.
///
/// 32 shards let a thousand environments start at once with about thirty after each. One small query still
/// reads them all.
const SHARDS_MAX: u64 = 32;

impl Campaign {
    /// Whether a member may claim at `now`, as far as the campaign alone can say.
    ///
    /// Errors, the first that applies: over, paused or not published, not begun.
    pub fn open_for_claims(&self, now: Timestamp) -> Result<(), ClaimRefusal> {
        if self.state == CampaignState::Ended || now >= self.terms.ends_at {
            return Err(ClaimRefusal::Ended);
        }
        if self.state != CampaignState::Published {
            return Err(ClaimRefusal::Paused);
        }
        if now < self.terms.starts_at {
            return Err(ClaimRefusal::NotStarted { starts_at: self.terms.starts_at });
        }
        Ok(())
    }

    /// Over how many shards a stock is spread: one for each 2 000 units, 1 to 32.
    pub fn shards_for(stock: u64) -> u16 {
        u16::try_from(stock.div_ceil(UNITS_PER_SHARD).clamp(1, SHARDS_MAX)).unwrap_or(1)
    }

    /// The units that shard `shard`, from 0, starts with. The shares differ by one at most and add up to the
    /// stock.
    pub fn shard_share(stock: u64, shards: u16, shard: u16) -> u64 {
        let shards = u64::from(shards.max(1));
        stock / shards + u64::from(u64::from(shard) < stock % shards)
    }

    /// What shard `shard` may give out in one day; `None` when the terms do not limit a day.
    pub fn day_share(&self, shard: u16) -> Option<u64> {
        self.terms.day_limit.map(|limit| Campaign::shard_share(limit, self.stock_shards, shard))
    }

    /// Checks the campaign and its terms. Every campaign in the catalog has passed.
    ///
    /// Errors: the first of the terms, then the stock, then the limit of a day.
    pub fn check(&self) -> Result<(), CampaignError> {
        self.terms.check()?;
        if !(1..=STOCK_MAX).contains(&self.stock) {
            return Err(CampaignError::Stock);
        }
        // A shard's share of a day would be nothing, and its units could never be claimed.
        let day = self.terms.day_limit;
        if day.is_some_and(|day| day > self.stock || day < u64::from(self.stock_shards)) {
            return Err(CampaignError::DayLimit { shards: self.stock_shards });
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn campaign(state: CampaignState) -> Campaign {
        let terms = crate::terms::tests::terms();
        let no = CampaignNo::try_from(1).unwrap();
        Campaign {
            no,
            benefit_id: "ben_tea".parse().unwrap(),
            merchant_id: "mch_luckytea".parse().unwrap(),
            state,
            stock: 100,
            stock_shards: 1,
            terms_sha256: terms.hash(no).unwrap(),
            terms,
            settlement_version: 1,
        }
    }

    #[test]
    fn claims_are_open_exactly_within_the_window_of_a_published_campaign() {
        let published = campaign(CampaignState::Published);
        let (start, end) = (published.terms.starts_at, published.terms.ends_at);
        assert_eq!(
            published.open_for_claims(start.plus_seconds(-1)),
            Err(ClaimRefusal::NotStarted { starts_at: start })
        );
        assert_eq!(published.open_for_claims(start), Ok(()));
        assert_eq!(published.open_for_claims(end.plus_seconds(-1)), Ok(()));
        assert_eq!(published.open_for_claims(end), Err(ClaimRefusal::Ended));
        assert_eq!(campaign(CampaignState::Paused).open_for_claims(start), Err(ClaimRefusal::Paused));
        assert_eq!(campaign(CampaignState::Paused).open_for_claims(end), Err(ClaimRefusal::Ended));
        assert_eq!(campaign(CampaignState::Ended).open_for_claims(start), Err(ClaimRefusal::Ended));
        assert_eq!(campaign(CampaignState::Draft).open_for_claims(start), Err(ClaimRefusal::Paused));
    }

    #[test]
    fn a_stock_or_a_limit_per_day_that_cannot_be_is_refused() {
        let check = |stock, stock_shards, day_limit| {
            let mut campaign = Campaign { stock, stock_shards, ..campaign(CampaignState::Published) };
            campaign.terms.day_limit = day_limit;
            campaign.check()
        };
        assert_eq!(check(1, 1, None), Ok(()));
        assert_eq!(check(STOCK_MAX, 32, None), Ok(()));
        assert_eq!(check(0, 1, None), Err(CampaignError::Stock));
        assert_eq!(check(STOCK_MAX + 1, 32, None), Err(CampaignError::Stock));
        assert_eq!(check(100, 4, Some(100)), Ok(()));
        assert_eq!(check(100, 4, Some(4)), Ok(()));
        // More than there is, and less than one unit for each shard.
        assert_eq!(check(100, 4, Some(101)), Err(CampaignError::DayLimit { shards: 4 }));
        assert_eq!(check(100, 4, Some(3)), Err(CampaignError::DayLimit { shards: 4 }));
        assert!(matches!(check(100, 4, Some(0)), Err(CampaignError::Terms(_) | CampaignError::DayLimit { .. })));
    }

    #[test]
    fn a_state_reads_back_what_it_writes() {
        for state in CampaignState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("Published".parse::<CampaignState>().is_err());
    }

    proptest! {
        #[test]
        fn the_shards_hold_the_stock_and_no_unit_more(stock in 1..=STOCK_MAX) {
            let shards = Campaign::shards_for(stock);
            let total: u64 = (0..shards).map(|shard| Campaign::shard_share(stock, shards, shard)).sum();
            prop_assert_eq!(total, stock);
            prop_assert!((1..=32).contains(&shards));
        }
    }
}
