//! Holding a coupon for an order (R2): one read for the facts, one conditional update for the effect.

use crate::{
    Catalog, Members,
    members::clauses::{REDEMPTIONS_ARE_AS_SEEN, VALIDITY_IS_AS_SEEN, deactivation_is_as_seen, hold_is_as_seen},
    members::item,
    members::keys,
    table::{
        attributes::{Item, instant, item, number},
        calls::Write,
        clauses::{EXISTS, all},
        error::StoreError,
    },
};
use mealticket_domain::{
    Coupon, CouponKey, Hold, HoldDecision, HoldRequest, HoldTag, RedeemRefusal, ReleaseDecision, Timestamp,
    hold::{decide_hold, decide_release},
};

/// What holding a coupon came to.
#[derive(Debug)]
pub enum HoldOutcome {
    /// The coupon's newest hold is this order's: placed now, or counting since before under another key.
    Held(Box<Coupon>),
    /// The same request has succeeded before.
    Replayed(Box<Coupon>),
    /// The same key has placed the newest hold with another payload.
    KeyReused,
    /// A rule stands against it: one of those of a redemption.
    Refused(RedeemRefusal),
    /// There is no such coupon, or its code was made with another key.
    NotFound,
}

/// The units of use that are left are those that were read: nobody redeemed or undid anything in between.
const USES_ARE_AS_SEEN: &str = "uses_left = :uses";
/// The code still belongs to this coupon. Guards the hold against a rotation.
const KEY_VERSION_MATCHES: &str = "key_version = :key_version";
/// The hold is the one that was read, and counts. Guards a release.
const SEEN_HOLD_COUNTS: &str = "held = :seen_hold AND hold_until > :now";

/// Gives up after eight lost races. Each lost race is another request's success on this one coupon.
const LOOKS_MAX: usize = 8;

impl Members {
    /// Holds the coupon for the request's order. While the hold counts, the same order gets the same
    /// one again, under any key.
    ///
    /// Of two orders at once one gets the hold; the other is refused until when it counts. A hold lapses by itself: its
    /// deadline is a clause of the redemption. A key counts while its hold is the coupon's newest.
    ///
    /// Cost: 1 GetItem, 1 R, and 1 UpdateItem, 1 W; 1 R for the frozen terms when they are not cached. A lost race is
    /// 1 W more, without another read. A replay or a refusal is the read alone.
    ///
    /// Errors: `Unavailable` also after eight lost races; nothing was done then.
    pub async fn hold(
        &self,
        catalog: &Catalog,
        key: CouponKey,
        key_version: u16,
        request: &HoldRequest,
    ) -> Result<HoldOutcome, StoreError> {
        let mut seen = self.read_coupon(key).await?;
        for _ in 0..LOOKS_MAX {
            let Some(coupon) = seen.filter(|coupon| coupon.key_version == key_version) else {
                return Ok(HoldOutcome::NotFound);
            };
            let terms = catalog.read_terms(key.campaign, coupon.terms_version).await?;
            let hold = match decide_hold(&coupon, &terms, request) {
                HoldDecision::Place(hold) => hold,
                HoldDecision::Standing { replayed: true } => return Ok(HoldOutcome::Replayed(Box::new(coupon))),
                HoldDecision::Standing { replayed: false } => return Ok(HoldOutcome::Held(Box::new(coupon))),
                HoldDecision::KeyReused => return Ok(HoldOutcome::KeyReused),
                HoldDecision::Refused(refusal) => return Ok(HoldOutcome::Refused(refusal)),
            };
            seen = match self.try_hold(&coupon, &hold).await? {
                Write::Done(item) => return Ok(HoldOutcome::Held(Box::new(item::from_item(&item)?))),
                Write::Refused(stands) => stands.as_ref().map(item::from_item).transpose()?,
            };
        }
        Err(StoreError::busy())
    }

    /// The one write. It assumes everything from which the rule decided.
    async fn try_hold(&self, coupon: &Coupon, hold: &Hold) -> Result<Write, StoreError> {
        let values: Item = item([
            (":redemptions", Some(number(coupon.redemptions.len()))),
            (":seen_until", Some(instant(coupon.valid_until))),
            (":seen_hold", coupon.hold.as_ref().map(item::held)),
            (":uses", Some(number(coupon.uses_left))),
            (":key_version", Some(number(coupon.key_version))),
            (":held", Some(item::held(hold))),
            (":held_at", Some(instant(hold.at))),
            (":until", Some(instant(hold.until))),
        ]);
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::coupon(coupon.key).attributes()))
            .condition_expression(all(&[
                EXISTS,
                USES_ARE_AS_SEEN,
                REDEMPTIONS_ARE_AS_SEEN,
                VALIDITY_IS_AS_SEEN,
                KEY_VERSION_MATCHES,
                deactivation_is_as_seen(coupon),
                hold_is_as_seen(coupon),
            ]))
            .update_expression("SET held = :held, held_at = :held_at, held_to = :until, hold_until = :until")
            .set_expression_attribute_values(Some(values));
        self.table.update(call).await
    }

    /// Ends a hold before its deadline. Safe to repeat: a hold that has ended stays so, and the outcome is the same.
    ///
    /// It returns false when the coupon's newest hold is none or another, or there is no such coupon. A write that
    /// lands late ends the hold that was read and no other, because the same order may have a new one by then.
    ///
    /// Cost: 1 GetItem, 1 R, and 1 UpdateItem, 1 W, when there is something to end.
    pub async fn release(&self, key: CouponKey, tag: HoldTag, now: Timestamp) -> Result<bool, StoreError> {
        let Some(coupon) = self.read_coupon(key).await? else { return Ok(false) };
        match (decide_release(&coupon, tag, now), &coupon.hold) {
            (ReleaseDecision::Release, Some(seen)) => {
                let call = self.table.update_item();
                let call = call
                    .set_key(Some(keys::coupon(key).attributes()))
                    .condition_expression(all(&[EXISTS, SEEN_HOLD_COUNTS]))
                    .update_expression("REMOVE hold_until")
                    .set_expression_attribute_values(Some(item([
                        (":seen_hold", Some(item::held(seen))),
                        (":now", Some(instant(now))),
                    ])));
                // Refused: it has ended since it was read. We may have ended it ourselves, when an answer was lost.
                Ok(!matches!(self.table.update(call).await?, Write::Refused(None)))
            }
            (ReleaseDecision::Ended, _) => Ok(true),
            (ReleaseDecision::NotFound | ReleaseDecision::Release, _) => Ok(false),
        }
    }
}
