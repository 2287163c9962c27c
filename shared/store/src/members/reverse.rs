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

/// A reversal as asked, checked.
#[derive(Debug, Clone)]
pub struct ReverseRequest {
    /// The request within its scope.
    pub key: KeyHash,
    /// What it asks.
    pub fingerprint: Fingerprint,
    /// Why.
    pub reason: Reason,
    /// Now.
    pub now: Timestamp,
}

impl ReverseRequest {
    /// The reversal that a merchant's system reports of redemption `index`, whose public id this is. What is reported again may be told
    /// in other words: it is the same reversal.
    pub fn reported(redemption_id: &str, index: usize, reason: Reason, now: Timestamp) -> Self {
        let fingerprint = Fingerprint::of(&[Some(redemption_id)]);
        ReverseRequest { key: KeyHash::of_reversal(index), fingerprint, reason, now }
    }
}

/// What a reversal came to.
#[derive(Debug)]
pub enum ReverseOutcome {
    /// The unit of use is back.
    Reversed(Box<Coupon>),
    /// The same request has succeeded before.
    Replayed(Box<Coupon>),
    /// The same key has succeeded with another payload.
    KeyReused,
    /// A rule stands against it.
    Refused(ReverseRefusal),
}

/// Looks at the coupon at most this often: each lost race is another request's success on this one coupon, of which there
/// can be two for each redemption.
const LOOKS_MAX: usize = 2 * mealticket_domain::limits::REDEMPTIONS_MAX;

impl Members {
    /// Undoes redemption `index`, once.
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
