//! Claiming a coupon: **one conditional put, whose key is the limit.**
//!
//! A coupon lives at its member, campaign and ordinal, and ordinals end at the per-member limit, so there is no counter that
//! could drift. A unit of stock is reserved first and given back when the put is refused. A refusal that is decided before
//! the put is spoken only after a look at the member's own coupons: who lost the first answer must get it, not a refusal.

use crate::{Store, coupons::Placed, error::StoreError, stock::Reservation};
use mealticket_domain::{
    Campaign, Channel, ClaimRefusal, Coupon, CouponKey, Fingerprint, KeyHash, MemberNo, Ordinal, ShareCode, Timestamp,
    coupon::LeaseId,
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
    /// Through which channel.
    pub channel: Option<Channel>,
    /// By whose link.
    pub share_code: Option<ShareCode>,
    /// The key that the code is made with.
    pub key_version: u16,
    /// Names the reservation of stock: random.
    pub lease_id: LeaseId,
    /// Now.
    pub now: Timestamp,
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
    /// The member has as many as anyone may have.
    LimitReached,
    /// No unit is left.
    SoldOut,
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
        match self.reserve(campaign, request.lease_id).await? {
            Some(unit) => self.place(campaign, request, ordinal, unit).await,
            None => self.unless_claimed_before(campaign, request, ClaimOutcome::SoldOut).await,
        }
    }

    /// With a limit of one the place is known without a read.
    async fn first_place(&self, campaign: &Campaign, request: &ClaimRequest) -> Result<Place, StoreError> {
        match campaign.terms.per_member_limit {
            1 => Ok(Place::Free(Ordinal::FIRST)),
            _ => self.next_place(campaign, request).await,
        }
    }

    /// The first free ordinal. Ordinals are taken in order and never freed, so their number is the next one.
    async fn next_place(&self, campaign: &Campaign, request: &ClaimRequest) -> Result<Place, StoreError> {
        let mine = self.coupons_of_campaign(request.member, campaign.no).await?;
        if let Some(outcome) = earlier_claim(&mine, request) {
            return Ok(Place::Answered(outcome));
        }
        let next = u8::try_from(mine.len()).ok().filter(|next| *next < campaign.terms.per_member_limit);
        Ok(match next.and_then(|next| Ordinal::try_from(next).ok()) {
            Some(ordinal) => Place::Free(ordinal),
            None => Place::Answered(ClaimOutcome::LimitReached),
        })
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
            let taken = match self.place_coupon(&coupon).await {
                Ok(Placed::Placed) => {
                    unit.spent();
                    return Ok(ClaimOutcome::Claimed(Box::new(coupon)));
                }
                Ok(Placed::Taken(taken)) => taken,
                Err(error) => return Err(self.settle(unit, error).await),
            };
            if taken.lease_id == unit.lease_id() {
                // Our own put stands there: its first answer was lost.
                unit.spent();
                return Ok(ClaimOutcome::Claimed(taken));
            }
            let place = match earlier_claim(std::slice::from_ref(&taken), request) {
                Some(outcome) => Place::Answered(outcome),
                None => match self.next_place(campaign, request).await {
                    Ok(place) => place,
                    Err(error) => {
                        // Reads spend nothing: this unit is certainly ours to give back.
                        self.give_back(unit).await;
                        return Err(error);
                    }
                },
            };
            match place {
                Place::Free(next) => ordinal = next,
                Place::Answered(outcome) => {
                    self.give_back(unit).await;
                    return Ok(outcome);
                }
            }
        }
    }

    /// A put that certainly did not happen frees its unit; one that may have happened keeps it spent.
    async fn settle(&self, unit: Reservation, error: StoreError) -> StoreError {
        if error.is_certainly_not_applied() {
            self.give_back(unit).await;
        } else {
            unit.spent();
        }
        error
    }

    async fn unless_claimed_before(
        &self,
        campaign: &Campaign,
        request: &ClaimRequest,
        refusal: ClaimOutcome,
    ) -> Result<ClaimOutcome, StoreError> {
        let mine = self.coupons_of_campaign(request.member, campaign.no).await?;
        let full = mine.len() >= usize::from(campaign.terms.per_member_limit);
        Ok(match (earlier_claim(&mine, request), refusal) {
            (Some(outcome), _) => outcome,
            // The published order: one's own limit comes before an empty stock.
            (None, ClaimOutcome::SoldOut) if full => ClaimOutcome::LimitReached,
            (None, refusal) => refusal,
        })
    }
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
        share_code: request.share_code.clone(),
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
