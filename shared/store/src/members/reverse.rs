//! Undoing a redemption (撤销): one read for the facts, one conditional update for the effect.

use crate::{
    Catalog, Members,
    members::clauses::{
        IS_NOT_REVERSED, KEY_IS_NEW, REDEMPTIONS_ARE_AS_SEEN, VALIDITY_IS_AS_SEEN, deactivation_is_as_seen,
        hold_is_as_seen,
    },
    members::item,
    members::keys,
    table::{
        attributes::{Item, binary, binary_set, instant, item, number},
        calls::Write,
        clauses::{EXISTS, all},
        error::StoreError,
    },
};
use mealticket_domain::{
    Coupon, CouponKey, Fingerprint, KeyHash, Reason, Reversal, ReverseDecision, ReverseRefusal, Timestamp,
    redemption::decide_reversal,
};

/// A reversal as asked, with its fields checked.
#[derive(Debug, Clone)]
pub struct ReverseRequest {
    /// The request's idempotency key within its scope, hashed. One key undoes one redemption of a coupon.
    pub key: KeyHash,
    /// The hash of what it asks. The same key with another fingerprint is refused.
    pub fingerprint: Fingerprint,
    /// Why: 1 to 45 bytes. The coupon keeps it.
    pub reason: Reason,
    /// The time of the reversal, by which the campaign's window for reversals is judged.
    pub now: Timestamp,
}

impl ReverseRequest {
    /// The reversal that a merchant's system reports of redemption `index`, whose public id is `redemption_id`.
    ///
    /// Its key and fingerprint depend on the redemption alone. So a second report with another
    /// reason is the same reversal.
    pub fn reported(redemption_id: &str, index: usize, reason: Reason, now: Timestamp) -> Self {
        let fingerprint = Fingerprint::of(&[Some(redemption_id)]);
        ReverseRequest { key: KeyHash::of_reversal(index), fingerprint, reason, now }
    }
}

/// What a reversal came to.
#[derive(Debug)]
pub enum ReverseOutcome {
    /// The unit of use is back, and the validity prolonged if the terms say so.
    Reversed(Box<Coupon>),
    /// The same request has succeeded before.
    Replayed(Box<Coupon>),
    /// The same key has undone a redemption of this coupon with another payload.
    KeyReused,
    /// A rule stands against it: no such redemption, already undone by another request, or too late.
    Refused(ReverseRefusal),
}

/// Reads the outcome of at most this many lost races. Each is another request's success on this one coupon, and there
/// can be two for each redemption.
const LOOKS_MAX: usize = 2 * mealticket_domain::limits::REDEMPTIONS_MAX;

impl Members {
    /// Undoes redemption `index`, exactly once. A repeat of the request gets `Replayed`; another
    /// request gets `AlreadyReversed`.
    ///
    /// The terms that the coupon carries decide about the window, and about days of validity that the reversal gives
    /// back. The write assumes what was read: redemptions, validity, deactivation and the newest hold.
    ///
    /// Cost: 1 GetItem, 1 R, and 1 UpdateItem, 1 W; 1 R for the frozen terms when they are not cached. A lost race is
    /// 1 W more. A replay or a refusal is the read alone.
    ///
    /// Errors: `Corrupt` also when 64 races were lost, which the life of a coupon does not allow by
    /// redemptions and reversals.
    pub async fn reverse(
        &self,
        catalog: &Catalog,
        key: CouponKey,
        index: usize,
        request: &ReverseRequest,
    ) -> Result<ReverseOutcome, StoreError> {
        let Some(mut coupon) = self.read_coupon(key).await? else {
            return Ok(ReverseOutcome::Refused(ReverseRefusal::NotFound));
        };
        let policy = catalog.read_terms(key.campaign, coupon.terms_version).await?.reversal;
        for _ in 0..LOOKS_MAX {
            let asked = (request.key, request.fingerprint, &request.reason);
            let (reversal, valid_until) = match decide_reversal(&coupon, index, policy, asked, request.now) {
                ReverseDecision::Reverse { reversal, valid_until } => (reversal, valid_until),
                ReverseDecision::Replay => return Ok(ReverseOutcome::Replayed(Box::new(coupon))),
                ReverseDecision::KeyReused => return Ok(ReverseOutcome::KeyReused),
                ReverseDecision::Refused(refusal) => return Ok(ReverseOutcome::Refused(refusal)),
            };
            match self.try_reverse(&coupon, index, &reversal, valid_until).await? {
                Write::Done(item) => return Ok(ReverseOutcome::Reversed(Box::new(item::from_item(&item)?))),
                Write::Refused(None) => return Ok(ReverseOutcome::Refused(ReverseRefusal::NotFound)),
                Write::Refused(Some(item)) => coupon = item::from_item(&item)?,
            }
        }
        Err(StoreError::Corrupt { item: "coupon", attribute: "redemptions" })
    }

    /// The one write. It assumes everything from which the rule decided.
    async fn try_reverse(
        &self,
        coupon: &Coupon,
        index: usize,
        reversal: &Reversal,
        valid_until: Timestamp,
    ) -> Result<Write, StoreError> {
        let at_index = |expression: &str| expression.replace("{index}", &index.to_string());
        let values: Item = item([
            (":one", Some(number(1))),
            (":reversal", Some(item::reversal_map(reversal))),
            (":key", Some(binary(&reversal.key.0))),
            (":keys", Some(binary_set(&[&reversal.key.0]))),
            (":redemptions", Some(number(coupon.redemptions.len()))),
            (":seen_until", Some(instant(coupon.valid_until))),
            (":until", Some(instant(valid_until))),
            (":seen_hold", coupon.hold.as_ref().map(item::held)),
        ]);
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::coupon(coupon.key).attributes()))
            .condition_expression(all(&[
                EXISTS,
                &at_index(IS_NOT_REVERSED),
                REDEMPTIONS_ARE_AS_SEEN,
                VALIDITY_IS_AS_SEEN,
                KEY_IS_NEW,
                deactivation_is_as_seen(coupon),
                hold_is_as_seen(coupon),
            ]))
            .update_expression(at_index(
                "SET uses_left = uses_left + :one, valid_until = :until, redemptions[{index}].reversal = :reversal \
                 ADD #keys :keys",
            ))
            .expression_attribute_names("#keys", "keys")
            .set_expression_attribute_values(Some(values));
        self.table.update(call).await
    }
}
