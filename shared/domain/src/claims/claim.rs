//! The rule of a claim (领取): **a member's coupons of a campaign take their ordinals in order, and ordinals
//! end at the limit.**
//!
//! `shared/store` makes it true: it puts the coupon at its ordinal only where nothing is. [`decide`] says
//! what a claim comes to on the coupons that the member has. When those turn out to be others, `shared/store`
//! asks it again.

use crate::{
    campaign::{Campaign, ClaimRefusal},
    coupon::{Coupon, CouponKey},
    eligibility::{Explanation, Facts, History, Rule},
    idempotency::{Fingerprint, KeyHash},
    ids::{MemberNo, Ordinal},
    member::MemberAttributes,
    share::Share,
    stock::LeaseId,
    text::Channel,
    timestamp::Timestamp,
};

/// A claim as asked: the member signed in, the texts checked.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// The member who claims, from the access token.
    pub member: MemberNo,
    /// The hash of the idempotency key in its scope.
    pub key: KeyHash,
    /// The fingerprint of the payload.
    pub fingerprint: Fingerprint,
    /// What the operator knows of the member, for the campaign's rule.
    pub attributes: MemberAttributes,
    /// Through which channel the claim comes, if it names one.
    pub channel: Option<Channel>,
    /// By whose link the member came, if there is a share code.
    pub share: Option<Share>,
    /// The version of the cipher key that the coupon's code is made with.
    pub key_version: u16,
    /// When, by our clock. The claim counts to the province's day of this instant.
    pub now: Timestamp,
}

/// A clause of the campaign's rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedClause {
    /// The clause as it is written in the rule.
    pub clause: String,
    /// The words for it, in both languages.
    pub explanation: Explanation,
}

/// Which of the limits per member a claim has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberLimit {
    /// That of all its coupons of the campaign.
    InAll,
    /// That of one day of the province. Tomorrow the member may claim again.
    PerDay,
}

/// What a claim comes to, in order of precedence. Only `Claim` leads to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimDecision<'a> {
    /// The same request has succeeded before, with this coupon.
    Replay(&'a Coupon),
    /// The same key has succeeded with another payload.
    KeyReused,
    /// The campaign is not open, for the reason within.
    Refused(ClaimRefusal),
    /// The rule of the campaign is not met: its first clause that fails.
    NotEligible(FailedClause),
    /// The member has as many as any member may have.
    LimitReached(MemberLimit),
    /// A coupon may be put at this ordinal, if there is a unit of stock for it.
    Claim(Ordinal),
}

/// What `request` comes to for a member who has `mine`: all of its coupons of the campaign.
///
/// `rule` is the campaign's rule, compiled; `None` when everyone is eligible. Stock is not looked at here.
pub fn decide<'a>(
    campaign: &Campaign,
    rule: Option<&Rule>,
    mine: &'a [Coupon],
    request: &ClaimRequest,
) -> ClaimDecision<'a> {
    if let Some(earlier) = earlier_claim(mine, request) {
        return earlier;
    }
    if let Err(refusal) = campaign.open_for_claims(request.now) {
        return ClaimDecision::Refused(refusal);
    }
    if let Some(failed) = rule.and_then(|rule| first_failing(rule, mine, request)) {
        return ClaimDecision::NotEligible(failed);
    }
    if let Some(limit) = limit_reached(campaign, mine, request) {
        return ClaimDecision::LimitReached(limit);
    }
    // Ordinals are taken in order and never freed, so their number is the next one.
    let next = u8::try_from(mine.len()).ok().and_then(|next| Ordinal::try_from(next).ok());
    next.map_or(ClaimDecision::LimitReached(MemberLimit::InAll), ClaimDecision::Claim)
}

/// Whether a claim that may succeed can be decided without the member's coupons.
///
/// That is so when the limit is one and the rule does not ask what was claimed before. Then the first ordinal
/// is the only one, and the write itself finds out whether it is free.
pub fn needs_no_history(campaign: &Campaign, rule: Option<&Rule>) -> bool {
    campaign.terms.per_member_limit <= 1 && !rule.is_some_and(Rule::reads_history)
}

/// What an earlier success under the same key means for this request.
fn earlier_claim<'a>(mine: &'a [Coupon], request: &ClaimRequest) -> Option<ClaimDecision<'a>> {
    let earlier = mine.iter().find(|coupon| coupon.claim_key == request.key)?;
    Some(if earlier.claim_fingerprint == request.fingerprint {
        ClaimDecision::Replay(earlier)
    } else {
        ClaimDecision::KeyReused
    })
}

/// How many of these were claimed on the province's day of the request.
fn claimed_today(mine: &[Coupon], request: &ClaimRequest) -> usize {
    let today = request.now.province_day();
    mine.iter().filter(|coupon| coupon.claimed_at.province_day() == today).count()
}

/// The limit that stands against one coupon more; `None` when neither does.
fn limit_reached(campaign: &Campaign, mine: &[Coupon], request: &ClaimRequest) -> Option<MemberLimit> {
    let terms = &campaign.terms;
    if mine.len() >= usize::from(terms.per_member_limit) {
        return Some(MemberLimit::InAll);
    }
    let of_the_day = terms.per_member_day_limit.map(usize::from);
    of_the_day.filter(|limit| claimed_today(mine, request) >= *limit).map(|_| MemberLimit::PerDay)
}

/// The first clause of the rule that the member does not meet, with its words.
fn first_failing(rule: &Rule, mine: &[Coupon], request: &ClaimRequest) -> Option<FailedClause> {
    let counted = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
    let facts = Facts {
        member: &request.attributes,
        channel: request.channel.as_ref().map(Channel::as_str),
        now: request.now,
        history: History { claimed: counted(mine.len()), claimed_today: counted(claimed_today(mine, request)) },
    };
    let clause = rule.first_failing(&facts)?;
    Some(FailedClause { clause: clause.text().to_owned(), explanation: clause.explanation().clone() })
}

impl Coupon {
    /// The coupon that a claim puts at `ordinal`, spending a unit of this lease.
    ///
    /// It carries the campaign's newest terms, and its validity is counted from the request's `now`.
    pub fn claimed(campaign: &Campaign, request: &ClaimRequest, ordinal: Ordinal, lease_id: LeaseId) -> Self {
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
}

#[cfg(test)]
mod tests;
