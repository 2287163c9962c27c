//! Claiming a coupon: **one conditional put, whose key is the limit.** The rule is [`mealticket_domain::claim`].
//!
//! A coupon lives at its member, campaign and ordinal, and ordinals end at the per-member limit, so there is no counter that
//! could drift. A unit of stock is reserved first and given back when the put is refused. A refusal that is decided before
//! the put is returned only after a look at the member's own coupons: whoever lost the first answer must get it, not a refusal.

use crate::{
    Catalog, Members, Stock,
    members::coupons::Placed,
    stock::{NoUnit, Reservation, Reserved},
    table::error::{StoreError, WasApplied},
};
use mealticket_domain::{
    Campaign, Coupon, Ordinal,
    campaign::ClaimRefusal,
    claim::{ClaimDecision, ClaimRequest, FailedClause, MemberLimit, decide, needs_no_history},
    eligibility::Rule,
};

/// What a claim came to.
#[derive(Debug)]
pub enum ClaimOutcome {
    /// The coupon is the member's.
    Claimed(Box<Coupon>),
    /// The same request has succeeded before.
    Replayed(Box<Coupon>),
    /// The same key has succeeded with another payload.
    KeyReused,
    /// The campaign is not open.
    Refused(ClaimRefusal),
    /// The rule of the campaign is not met.
    NotEligible(FailedClause),
    /// The member has as many as anyone may have.
    LimitReached(MemberLimit),
    /// There is no unit for it.
    NoUnit(NoUnit),
}

/// Where the next coupon would go.
enum Next {
    Free(Ordinal),
    Answered(ClaimOutcome),
}

impl From<ClaimDecision<'_>> for Next {
    fn from(decision: ClaimDecision<'_>) -> Self {
        Next::Answered(match decision {
            ClaimDecision::Claim(ordinal) => return Next::Free(ordinal),
            ClaimDecision::Replay(coupon) => ClaimOutcome::Replayed(Box::new(coupon.clone())),
            ClaimDecision::KeyReused => ClaimOutcome::KeyReused,
            ClaimDecision::Refused(refusal) => ClaimOutcome::Refused(refusal),
            ClaimDecision::NotEligible(failed) => ClaimOutcome::NotEligible(failed),
            ClaimDecision::LimitReached(limit) => ClaimOutcome::LimitReached(limit),
        })
    }
}

/// A claim, with the rule of its campaign.
struct Claim<'a> {
    campaign: &'a Campaign,
    rule: Option<&'a Rule>,
    request: &'a ClaimRequest,
}

impl Claim<'_> {
    fn decide<'c>(&self, mine: &'c [Coupon]) -> ClaimDecision<'c> {
        decide(self.campaign, self.rule, mine, self.request)
    }
}

impl Members {
    /// Claims one coupon of `campaign`. Exactly once per request: a repeat of the same key answers with the first coupon,
    /// however late.
    pub async fn claim(
        &self,
        catalog: &Catalog,
        stock: &Stock,
        campaign: &Campaign,
        request: &ClaimRequest,
    ) -> Result<ClaimOutcome, StoreError> {
        let rule = catalog.rule(campaign)?;
        let claim = Claim { campaign, rule: rule.as_deref(), request };
        let ordinal = match self.first(&claim).await? {
            Next::Free(ordinal) => ordinal,
            Next::Answered(outcome) => return Ok(outcome),
        };
        match stock.reserve(campaign, request.now).await? {
            Reserved::Unit(unit) => self.place(&claim, ordinal, unit).await,
            // The published order: what else stands against the claim comes before an empty stock.
            Reserved::NoUnit(none) => Ok(match self.next(&claim).await? {
                Next::Free(_) => ClaimOutcome::NoUnit(none),
                Next::Answered(outcome) => outcome,
            }),
        }
    }

    /// The first ordinal to try, if the member may claim at all: without a read where none is needed for a claim that succeeds.
    async fn first(&self, claim: &Claim<'_>) -> Result<Next, StoreError> {
        if needs_no_history(claim.campaign, claim.rule)
            && let ClaimDecision::Claim(ordinal) = claim.decide(&[])
        {
            return Ok(Next::Free(ordinal));
        }
        self.next(claim).await
    }

    /// The first free ordinal, when nothing stands against the claim: one query.
    async fn next(&self, claim: &Claim<'_>) -> Result<Next, StoreError> {
        let mine = self.list_coupons_of_campaign(claim.request.member, claim.campaign.no).await?;
        Ok(claim.decide(&mine).into())
    }

    /// Puts the coupon at the first free ordinal, spending the unit; a lost race looks again.
    async fn place(
        &self,
        claim: &Claim<'_>,
        mut ordinal: Ordinal,
        unit: Reservation,
    ) -> Result<ClaimOutcome, StoreError> {
        let request = claim.request;
        loop {
            let coupon = Coupon::claimed(claim.campaign, request, ordinal, unit.lease_id());
            let (taken, earlier) = match self.place_coupon(&coupon, &unit).await {
                Ok(Placed::Placed) => {
                    unit.spent();
                    return Ok(ClaimOutcome::Claimed(Box::new(coupon)));
                }
                Ok(Placed::Taken(taken, earlier)) => (taken, earlier),
                Err(error) => return Err(settle(unit, error)),
            };
            let same_request = taken.claim_key == request.key && taken.claim_fingerprint == request.fingerprint;
            if earlier == WasApplied::Unknown && same_request && taken.lease_id == unit.lease_id() {
                // Our own put, whose first answer was lost; or that of the same request, sent twice at once, from the same
                // lease. Until the sweep knows whether one unit was spent or two, the second stays spent.
                drop(unit);
                return Ok(ClaimOutcome::Claimed(taken));
            }
            // When the taken coupon is an earlier success of the same key, no read is needed to say so.
            let next = if taken.claim_key == request.key {
                claim.decide(std::slice::from_ref(&taken)).into()
            } else {
                match self.next(claim).await {
                    Ok(next) => next,
                    Err(error) => {
                        // Reads spend nothing: this unit is certainly ours to give back.
                        unit.give_back();
                        return Err(error);
                    }
                }
            };
            match next {
                Next::Free(free) => ordinal = free,
                Next::Answered(outcome) => {
                    unit.give_back();
                    return Ok(outcome);
                }
            }
        }
    }
}

/// A put that certainly did not happen frees its unit; one that may have happened leaves it to the sweep.
fn settle(unit: Reservation, error: StoreError) -> StoreError {
    if error.is_certainly_not_applied() {
        unit.give_back();
    } else {
        drop(unit);
    }
    error
}
