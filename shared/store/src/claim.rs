//! Claiming a coupon: **one conditional put, whose key is the limit.**
//!
//! A coupon lives at its member, campaign and ordinal, and ordinals end at the per-member limit, so there is no counter that
//! could drift. A unit of stock is reserved first and given back when the put is refused. A refusal that is decided before
//! the put is spoken only after a look at the member's own coupons: who lost the first answer must get it, not a refusal.

use crate::{
    Store,
    coupons::Placed,
    error::{StoreError, WasApplied},
    stock::{NoUnit, Reservation},
};
use mealticket_domain::{
    Campaign, Channel, ClaimRefusal, Coupon, CouponKey, Fingerprint, KeyHash, LeaseId, MemberAttributes, MemberNo,
    Ordinal, Share, Timestamp,
    eligibility::{Explanation, Facts, History, Rule},
};

/// A claim as asked, checked.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Who asks.
    pub member: MemberNo,
    /// The request within its scope.
    pub key: KeyHash,
    /// What it asks.
    pub fingerprint: Fingerprint,
    /// What the operator knows of the member.
    pub attributes: MemberAttributes,
    /// Through which channel.
    pub channel: Option<Channel>,
    /// By whose link.
    pub share: Option<Share>,
    /// The key that the code is made with.
    pub key_version: u16,
    /// Now.
    pub now: Timestamp,
}

/// A clause of the campaign's rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedClause {
    /// As it is written in the rule.
    pub clause: String,
    /// What to say.
    pub explanation: Explanation,
}

/// Which limit of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberLimit {
    /// In all.
    InAll,
    /// On one day of the province.
    PerDay,
}

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
enum Place {
    Free(Ordinal),
    Answered(ClaimOutcome),
}

impl Store {
    /// Claims one coupon of `campaign`. Exactly once per request: a repeat of the same key answers with the first coupon,
    /// however late.
    pub async fn claim(&self, campaign: &Campaign, request: &ClaimRequest) -> Result<ClaimOutcome, StoreError> {
        if let Err(refusal) = campaign.open_for_claims(request.now) {
            return self.unless_claimed_before(campaign, request, ClaimOutcome::Refused(refusal)).await;
        }
        let ordinal = match self.first_place(campaign, request).await? {
            Place::Free(ordinal) => ordinal,
            Place::Answered(outcome) => return Ok(outcome),
        };
        match self.reserve(campaign, request.now).await? {
            Ok(unit) => self.place(campaign, request, ordinal, unit).await,
            Err(none) => self.unless_claimed_before(campaign, request, ClaimOutcome::NoUnit(none)).await,
        }
    }

    /// The first place, if the member may claim at all. With a limit of one, and a rule that asks for no history, it is
    /// known without a read.
    async fn first_place(&self, campaign: &Campaign, request: &ClaimRequest) -> Result<Place, StoreError> {
        let terms = &campaign.terms;
        let rule = self.rule(campaign)?;
        if terms.per_member_limit > 1 || rule.as_ref().is_some_and(|rule| rule.reads_history()) {
            return self.next_place(campaign, request).await;
        }
        match rule.and_then(|rule| not_eligible(&rule, request, &[])) {
            Some(refusal) => self.unless_claimed_before(campaign, request, refusal).await.map(Place::Answered),
            None => Ok(Place::Free(Ordinal::FIRST)),
        }
    }

    /// The first free ordinal, when neither the rule nor a limit stands against it. Ordinals are taken in order and never
    /// freed, so their number is the next one; who claims at the same time takes it, or sees this claim counted.
    async fn next_place(&self, campaign: &Campaign, request: &ClaimRequest) -> Result<Place, StoreError> {
        let mine = self.coupons_of_campaign(request.member, campaign.no).await?;
        if let Some(outcome) = earlier_claim(&mine, request) {
            return Ok(Place::Answered(outcome));
        }
        if let Some(refusal) = self.rule(campaign)?.and_then(|rule| not_eligible(&rule, request, &mine)) {
            return Ok(Place::Answered(refusal));
        }
        if let Some(limit) = limit_reached(campaign, request, &mine) {
            return Ok(Place::Answered(ClaimOutcome::LimitReached(limit)));
        }
        let next = u8::try_from(mine.len()).ok().and_then(|next| Ordinal::try_from(next).ok());
        Ok(next.map_or(Place::Answered(ClaimOutcome::LimitReached(MemberLimit::InAll)), Place::Free))
    }

    /// Puts the coupon at the first free place, spending the unit; a lost race looks again.
    async fn place(
        &self,
        campaign: &Campaign,
        request: &ClaimRequest,
        mut ordinal: Ordinal,
        unit: Reservation,
    ) -> Result<ClaimOutcome, StoreError> {
        loop {
            let coupon = coupon(campaign, request, ordinal, unit.lease_id());
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
            let place = match earlier_claim(std::slice::from_ref(&taken), request) {
                Some(outcome) => Place::Answered(outcome),
                None => match self.next_place(campaign, request).await {
                    Ok(place) => place,
                    Err(error) => {
                        // Reads spend nothing: this unit is certainly ours to give back.
                        unit.give_back();
                        return Err(error);
                    }
                },
            };
            match place {
                Place::Free(next) => ordinal = next,
                Place::Answered(outcome) => {
                    unit.give_back();
                    return Ok(outcome);
                }
            }
        }
    }

    async fn unless_claimed_before(
        &self,
        campaign: &Campaign,
        request: &ClaimRequest,
        refusal: ClaimOutcome,
    ) -> Result<ClaimOutcome, StoreError> {
        let mine = self.coupons_of_campaign(request.member, campaign.no).await?;
        Ok(match (earlier_claim(&mine, request), refusal) {
            (Some(outcome), _) => outcome,
            // The published order: one's own limit comes before an empty stock.
            (None, ClaimOutcome::NoUnit(none)) => {
                limit_reached(campaign, request, &mine).map_or(ClaimOutcome::NoUnit(none), ClaimOutcome::LimitReached)
            }
            (None, refusal) => refusal,
        })
    }
}

/// How many of these were claimed on the day of the request.
fn claimed_today(mine: &[Coupon], request: &ClaimRequest) -> usize {
    let today = request.now.province_day();
    mine.iter().filter(|coupon| coupon.claimed_at.province_day() == today).count()
}

/// The member's limit that stands against one more.
fn limit_reached(campaign: &Campaign, request: &ClaimRequest, mine: &[Coupon]) -> Option<MemberLimit> {
    let terms = &campaign.terms;
    if mine.len() >= usize::from(terms.per_member_limit) {
        return Some(MemberLimit::InAll);
    }
    let of_the_day = terms.per_member_day_limit.map(usize::from);
    of_the_day.filter(|limit| claimed_today(mine, request) >= *limit).map(|_| MemberLimit::PerDay)
}

/// The refusal of the campaign's rule, if it has one.
fn not_eligible(rule: &Rule, request: &ClaimRequest, mine: &[Coupon]) -> Option<ClaimOutcome> {
    let counted = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
    let facts = Facts {
        member: &request.attributes,
        channel: request.channel.as_ref().map(Channel::as_str),
        now: request.now,
        history: History { claimed: counted(mine.len()), claimed_today: counted(claimed_today(mine, request)) },
    };
    let clause = rule.first_failing(&facts)?;
    let failed = FailedClause { clause: clause.text().to_owned(), explanation: clause.explanation().clone() };
    Some(ClaimOutcome::NotEligible(failed))
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

/// What an earlier success under the same key means for this request.
fn earlier_claim(mine: &[Coupon], request: &ClaimRequest) -> Option<ClaimOutcome> {
    let earlier = mine.iter().find(|coupon| coupon.claim_key == request.key)?;
    Some(if earlier.claim_fingerprint == request.fingerprint {
        ClaimOutcome::Replayed(Box::new(earlier.clone()))
    } else {
        ClaimOutcome::KeyReused
    })
}

fn coupon(campaign: &Campaign, request: &ClaimRequest, ordinal: Ordinal, lease_id: LeaseId) -> Coupon {
    let terms = &campaign.terms;
    let (valid_from, valid_until) = terms.validity.window(request.now);
    let uses = terms.benefit.uses();
    Coupon {
        key: CouponKey { member: request.member, campaign: campaign.no, ordinal },
        claimed_at: request.now,
        claim_key: request.key,
        claim_fingerprint: request.fingerprint,
        channel: request.channel.clone(),
        share: request.share.clone(),
        lease_id,
        terms_version: terms.version,
        terms_sha256: campaign.terms_sha256,
        settlement_version: campaign.settlement_version,
        key_version: request.key_version,
        valid_from,
        valid_until,
        uses_total: uses,
        uses_left: uses,
        deactivated_at: None,
        hold: None,
        redemptions: Vec::new(),
    }
}
