//! Claiming a coupon: **one conditional put, whose key is the limit.** The rule is [`mealticket_domain::claim`].
//!
//! A coupon's key is its member, campaign and ordinal. Ordinals end at the per-member limit, so there is no counter
//! that could drift. The environment reserves a unit of stock first, and gives it back when the table refuses the put.
//!
//! Some refusals are decided before the put. They are returned only after a query of the member's own coupons: a member
//! who lost the first answer must get that answer, not a refusal.

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

/// What a claim came to. Only `Claimed` gives the member a new coupon.
#[derive(Debug)]
pub enum ClaimOutcome {
    /// The coupon is the member's, by this request.
    Claimed(Box<Coupon>),
    /// The same request has succeeded before; this is its coupon as it stands now.
    Replayed(Box<Coupon>),
    /// The same key has succeeded with another payload.
    KeyReused,
    /// The campaign is not open.
    Refused(ClaimRefusal),
    /// The campaign's rule does not hold; this is its first clause that fails.
    NotEligible(FailedClause),
    /// The member has as many coupons as anyone may have, in all or of this day.
    LimitReached(MemberLimit),
    /// No unit of stock can be reserved now.
    NoUnit(NoUnit),
}

/// What the rule says of the next coupon.
enum Next {
    /// It may be put here.
    Free(Ordinal),
    /// There will be none, and this is the outcome.
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

/// A claim, with the compiled rule of its campaign, if the campaign has one.
struct Claim<'a> {
    campaign: &'a Campaign,
    rule: Option<&'a Rule>,
    request: &'a ClaimRequest,
}

impl Claim<'_> {
    /// The pure rule, over the member's coupons of this campaign.
    fn decide<'c>(&self, mine: &'c [Coupon]) -> ClaimDecision<'c> {
        decide(self.campaign, self.rule, mine, self.request)
    }
}

impl Members {
    /// Claims one coupon of `campaign`, exactly once for each request. A repeat with the same key returns the
    /// first coupon, however late.
    ///
    /// The stock is never exceeded, and neither is a member's limit: of two claims for one key the table admits one.
    /// The loser asks again, and gets the next ordinal or the outcome `LimitReached`.
    ///
    /// Outcomes in order of precedence: `Replayed` or `KeyReused`, `Refused`, `NotEligible`, `LimitReached`, `NoUnit`.
    ///
    /// Cost: 1 PutItem, 1 W, when the limit is one and the environment holds a lease. A new lease costs 1 W of `stock`
    /// more. A limit above one, a limit per day, or a rule about the member's history costs 1 Query first, 1 R. From a
    /// lease, a replay of a campaign with limit one is 1 refused PutItem.
    ///
    /// Errors: `Unavailable` when the put has no outcome in time. A unit whose put may have happened stays spent
    /// until the sweep has proof; a repeat with the same key finds the coupon if it is there. `Corrupt` when the
    /// campaign's rule does not compile.
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
            // The published order: whatever else stands against the claim comes before an empty stock.
            Reserved::NoUnit(none) => Ok(match self.next(&claim).await? {
                Next::Free(_) => ClaimOutcome::NoUnit(none),
                Next::Answered(outcome) => outcome,
            }),
        }
    }

    /// The first ordinal to try, if the member may claim at all. It reads nothing where a claim
    /// that succeeds needs no read.
    async fn first(&self, claim: &Claim<'_>) -> Result<Next, StoreError> {
        if needs_no_history(claim.campaign, claim.rule)
            && let ClaimDecision::Claim(ordinal) = claim.decide(&[])
        {
            return Ok(Next::Free(ordinal));
        }
        self.next(claim).await
    }

    /// The first free ordinal, when nothing stands against the claim. It costs one query, strongly consistent.
    async fn next(&self, claim: &Claim<'_>) -> Result<Next, StoreError> {
        let mine = self.list_coupons_of_campaign(claim.request.member, claim.campaign.no).await?;
        Ok(claim.decide(&mine).into())
    }

    /// Puts the coupon at the first free ordinal, and spends the unit. After a lost race it looks
    /// again, with the same unit.
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
                // Our own put, whose first answer was lost. Or the put of the same request, sent twice at once, from
                // the same lease. Until the sweep knows whether one unit was spent or two, the second stays spent.
                drop(unit);
                return Ok(ClaimOutcome::Claimed(taken));
            }
            // When the coupon that stands there is an earlier success of the same key, no read is needed.
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

/// Settles the unit of a put without an outcome. A put that certainly did not happen frees its unit. One that may have
/// happened leaves it to the sweep.
fn settle(unit: Reservation, error: StoreError) -> StoreError {
    if error.is_certainly_not_applied() {
        unit.give_back();
    } else {
        drop(unit);
    }
    error
}
