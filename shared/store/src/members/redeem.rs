//! Redeeming a coupon (核销): **one conditional update whose clauses are the rule of [`mealticket_domain::redemption`].**
//!
//! Nothing is read first. The code names the item's key. The discount is worked out under the campaign's newest terms,
//! and that assumption is itself a clause.
//!
//! When the table refuses, it returns the item. The pure rule then says which refusal it was, or that the same
//! request has succeeded before.

use crate::{
    Catalog, Members,
    members::clauses::{IS_NOT_REVERSED, KEY_IS_NEW, hold_is_as_seen},
    members::item,
    members::keys,
    table::{
        attributes::{Item, binary, binary_set, instant, item, number},
        calls::Write,
        clauses::{EXISTS, all},
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    Campaign, Coupon, CouponKey, KeyHash, NamedHold, RedeemDecision, RedeemRefusal, RedeemRequest, Terms,
    limits::REDEMPTIONS_MAX,
    redemption::{decide, terms_refusal},
};

/// What a redemption came to. Only `Redeemed` spends a unit of use.
#[derive(Debug)]
pub enum RedeemOutcome {
    /// This request spent a unit of use: redemption `index`, the coupon's newest.
    Redeemed(Box<Coupon>, usize),
    /// The same request has succeeded before, as redemption `index`. Or the merchant had reported its order, and that
    /// redemption is the request's own now.
    Replayed(Box<Coupon>, usize),
    /// The same key has succeeded on this coupon with another payload.
    KeyReused,
    /// A rule stands against it: the first in the published order. The coupon is as the table has it.
    Refused(RedeemRefusal, Box<Coupon>),
    /// There is no such coupon, or its code was made with another key.
    NotFound,
}

// The clauses of the write. Each is one sentence of the rule.

/// A unit of use is left, and nobody took the coupon back. Of two redemptions at once, it lets one have the last unit.
const IS_USABLE: &str = "uses_left > :zero AND attribute_not_exists(deactivated_at)";
/// Its validity has begun, at the time that the request states.
const IS_VALID_ALREADY: &str = "valid_from <= :at";
/// Its validity is not over. The clock decides, not a sweeper. The end is exclusive.
const IS_NOT_EXPIRED: &str = "valid_until > :at";
/// No till holds it, or the hold lapsed, or it is for the same order. Guards a redemption that names no hold.
const IS_NOT_HELD_BY_ANOTHER: &str =
    "attribute_not_exists(hold_until) OR hold_until <= :at OR begins_with(held, :hold)";
/// The hold that this request confirms is the coupon's newest and counts. Guards a redemption that names a hold.
const OWN_HOLD_COUNTS: &str = "begins_with(held, :hold) AND hold_until > :at";
/// The presented code was made with the key that this coupon's code is made with. An old code redeems nothing.
const KEY_VERSION_MATCHES: &str = "key_version = :key_version";
/// The discount was worked out under the terms that the member was shown.
const TERMS_VERSION_IS_AS_ASSUMED: &str = "terms_version = :terms_version";
/// Its order took no unit yet, neither by a till nor by a report. If it did, the rule judges the coupon first.
///
/// From then on no report of the order can take another unit. Two tills' keys for one order are two redemptions; the
/// second write goes without this clause.
const ORDER_IS_NEW: &str = "attribute_not_exists(#keys) OR NOT contains(#keys, :order)";
/// The redemption is the one that was read: reported, and adopted by nobody. Guards the adoption.
const IS_ONLY_REPORTED: &str = "redemptions[{index}].#key = :seen";
/// It was redeemed fewer than 32 times, reversals not subtracted. So the item stays within its size.
const IS_WITHIN_ITS_LIFE: &str = "size(redemptions) < :redemptions_max";

impl Members {
    /// Redeems one unit of use, exactly once for each request, however often it is repeated. The write is
    /// durable before the outcome.
    ///
    /// `campaign` gives the newest terms; the coupon's own terms count. `key_version` is that of the presented code. Of
    /// simultaneous redemptions the table admits as many as there are units left. An order that the merchant has
    /// reported is adopted: nothing is spent, and the outcome is `Replayed`.
    ///
    /// Cost: 1 UpdateItem, 1 W, no read. A replay or a refusal is that one refused call. A coupon claimed under
    /// older terms costs 1 refused W and 1 R for the terms, unless they are cached. An order that was reported,
    /// or that comes under another key, costs 1 refused W more. When the newest terms refuse, the coupon is
    /// read first: 1 GetItem, 1 R.
    ///
    /// Errors: `Unavailable` when the write has no outcome in time; the same key finds out. `Corrupt` also when the
    /// clauses refuse what the rule admits on an unchanged coupon: a bug.
    pub async fn redeem(
        &self,
        catalog: &Catalog,
        campaign: &Campaign,
        key: CouponKey,
        key_version: u16,
        request: &RedeemRequest,
    ) -> Result<RedeemOutcome, StoreError> {
        if terms_refusal(&campaign.terms, request).is_some() {
            return self.refuse_by_terms(catalog, key, &campaign.terms, key_version, request).await;
        }
        match self.try_redeem(key, key_version, request, &campaign.terms, None).await? {
            Tried::Done(coupon) => Ok(newest(coupon)),
            Tried::Refused(None) => Ok(RedeemOutcome::NotFound),
            Tried::Refused(Some(coupon)) => {
                self.redeem_as_it_stands(catalog, coupon, &campaign.terms, key_version, request).await
            }
        }
    }

    /// What a redemption would come to. It changes nothing, and the coupon may change right after.
    ///
    /// `None` when there is no such coupon, or its code was made with another key. Cost: 1 GetItem, 1 R, strongly
    /// consistent; and 1 R for the frozen terms when they are not cached.
    pub async fn would_redeem(
        &self,
        catalog: &Catalog,
        key: CouponKey,
        key_version: u16,
        request: &RedeemRequest,
    ) -> Result<Option<(Coupon, RedeemDecision)>, StoreError> {
        let Some(coupon) = self.read_coupon(key).await?.filter(|coupon| coupon.key_version == key_version) else {
            return Ok(None);
        };
        let terms = catalog.read_terms(key.campaign, coupon.terms_version).await?;
        let decision = decide(&coupon, &terms, request);
        Ok(Some((coupon, decision)))
    }

    /// The newest terms refuse. Before that refusal is returned, the coupon is read. It may carry other terms, an
    /// earlier success of the same request, or a refusal that comes first.
    async fn refuse_by_terms(
        &self,
        catalog: &Catalog,
        key: CouponKey,
        newest: &Terms,
        key_version: u16,
        request: &RedeemRequest,
    ) -> Result<RedeemOutcome, StoreError> {
        match self.read_coupon(key).await? {
            Some(coupon) => self.redeem_as_it_stands(catalog, Box::new(coupon), newest, key_version, request).await,
            None => Ok(RedeemOutcome::NotFound),
        }
    }

    /// The table returned the coupon, and the rule says what stands against the request.
    ///
    /// When nothing does, an assumption of the write was wrong, and the write goes again without it. The coupon names
    /// the terms it was claimed under, which are frozen, and shows what came of its order. As long as the coupon
    /// changes, this goes on: its life has an end, and so has the request's time.
    async fn redeem_as_it_stands(
        &self,
        catalog: &Catalog,
        mut coupon: Box<Coupon>,
        newest_terms: &Terms,
        key_version: u16,
        request: &RedeemRequest,
    ) -> Result<RedeemOutcome, StoreError> {
        let older;
        let terms = if coupon.terms_version == newest_terms.version {
            newest_terms
        } else {
            older = catalog.read_terms(coupon.key.campaign, coupon.terms_version).await?;
            &older
        };
        loop {
            let tried = match decide(&coupon, terms, request) {
                // Before the key's version: a till that lost its answer must get it, also when the
                // code has a new key since.
                RedeemDecision::Replay { index } => return Ok(RedeemOutcome::Replayed(coupon, index)),
                RedeemDecision::KeyReused => return Ok(RedeemOutcome::KeyReused),
                _ if coupon.key_version != key_version => return Ok(RedeemOutcome::NotFound),
                RedeemDecision::Refused(refusal) => return Ok(RedeemOutcome::Refused(refusal, coupon)),
                RedeemDecision::Adopt { index } => match self.try_adopt(&coupon, index, request).await? {
                    Tried::Done(adopted) => return Ok(RedeemOutcome::Replayed(adopted, index)),
                    refused => refused,
                },
                RedeemDecision::Redeem(_) => {
                    self.try_redeem(coupon.key, key_version, request, terms, Some(&coupon)).await?
                }
            };
            match tried {
                Tried::Done(coupon) => return Ok(newest(coupon)),
                Tried::Refused(None) => return Ok(RedeemOutcome::NotFound),
                // A difference between the clauses and the rule: a bug, and an error that says so.
                Tried::Refused(Some(standing)) if standing == coupon => {
                    return Err(StoreError::Corrupt { item: "coupon", attribute: "redemptions" });
                }
                Tried::Refused(Some(standing)) => coupon = standing,
            }
        }
    }

    /// The one write. `seen` is the coupon, when the table has returned it already; then its
    /// known order needs no clause.
    async fn try_redeem(
        &self,
        key: CouponKey,
        key_version: u16,
        request: &RedeemRequest,
        terms: &Terms,
        seen: Option<&Coupon>,
    ) -> Result<Tried, StoreError> {
        let knows_its_order = seen.is_some_and(|seen| knows_order(seen, request));
        let hold_clause = if request.hold.is_some() { OWN_HOLD_COUNTS } else { IS_NOT_HELD_BY_ANOTHER };
        let mut clauses = vec![
            EXISTS,
            IS_USABLE,
            IS_VALID_ALREADY,
            IS_NOT_EXPIRED,
            hold_clause,
            KEY_VERSION_MATCHES,
            TERMS_VERSION_IS_AS_ASSUMED,
            KEY_IS_NEW,
            IS_WITHIN_ITS_LIFE,
        ];
        let new_order = (!knows_its_order).then(|| KeyHash::of_order(&request.order.order_no));
        clauses.extend(new_order.map(|_| ORDER_IS_NEW));
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::coupon(key).attributes()))
            .condition_expression(all(&clauses))
            .update_expression(
                "SET uses_left = uses_left - :one, redemptions = list_append(redemptions, :redemption) \
                 ADD #keys :keys REMOVE hold_until",
            )
            .expression_attribute_names("#keys", "keys")
            .set_expression_attribute_values(Some(values(key_version, request, terms, new_order)));
        tried(self.table.update(call).await?)
    }

    /// Makes a reported redemption the till's own. From now on the same key gets the same answer, and a hold that the
    /// till had for the order is confirmed. It spends nothing.
    async fn try_adopt(&self, coupon: &Coupon, index: usize, request: &RedeemRequest) -> Result<Tried, StoreError> {
        let at_index = |expression: &str| expression.replace("{index}", &index.to_string());
        let seen = coupon.redemptions.get(index).map(|seen| item::asked(seen.key, seen.fingerprint));
        let own = KeyHash::of_order(&request.order.order_no);
        let confirms = coupon.hold.as_ref().is_some_and(|hold| !hold.ended && hold.order == own);
        let remove = if confirms { " REMOVE hold_until" } else { "" };
        let values = item([
            (":seen", seen),
            (":seen_hold", coupon.hold.as_ref().map(item::held)),
            (":asked", Some(item::asked(request.key, request.fingerprint))),
            (":key", Some(binary(&request.key.0))),
            (":keys", Some(binary_set(&[&request.key.0]))),
        ]);
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::coupon(coupon.key).attributes()))
            .condition_expression(all(&[
                EXISTS,
                &at_index(IS_ONLY_REPORTED),
                &at_index(IS_NOT_REVERSED),
                KEY_IS_NEW,
                hold_is_as_seen(coupon),
            ]))
            .update_expression(at_index("SET redemptions[{index}].#key = :asked ADD #keys :keys") + remove)
            .expression_attribute_names("#key", "key")
            .expression_attribute_names("#keys", "keys")
            .set_expression_attribute_values(Some(values));
        tried(self.table.update(call).await?)
    }
}

/// What one conditional write came to.
enum Tried {
    /// It is done; the coupon as it is now.
    Done(Box<Coupon>),
    /// A clause failed; the coupon as it stands, if there is one.
    Refused(Option<Box<Coupon>>),
}

/// Decodes the item that the table returned with its outcome.
fn tried(written: Write) -> Result<Tried, StoreError> {
    Ok(match written {
        Write::Done(item) => Tried::Done(Box::new(item::from_item(&item)?)),
        Write::Refused(None) => Tried::Refused(None),
        Write::Refused(Some(item)) => Tried::Refused(Some(Box::new(item::from_item(&item)?))),
    })
}

/// The values of the clauses and of the update.
fn values(key_version: u16, request: &RedeemRequest, terms: &Terms, new_order: Option<KeyHash>) -> Item {
    let redemption = item::redemption_map(&request.fact(terms));
    let own = KeyHash::of_order(&request.order.order_no).0;
    let hold: &[u8] = match &request.hold {
        Some(NamedHold::OfThisCoupon(tag)) => &tag.0,
        // Longer than any hold, so that none begins with it.
        Some(NamedHold::OfNone) => &[0; 64],
        None => &own,
    };
    item([
        (":zero", Some(number(0))),
        (":one", Some(number(1))),
        (":at", Some(instant(request.at))),
        (":hold", Some(binary(hold))),
        (":key_version", Some(number(key_version))),
        (":terms_version", Some(number(terms.version))),
        (":key", Some(binary(&request.key.0))),
        (":order", new_order.map(|order| binary(&order.0))),
        (":keys", Some(binary_set(&[&request.key.0, &own]))),
        (":redemption", Some(AttributeValue::L(vec![redemption]))),
        (":redemptions_max", Some(number(REDEMPTIONS_MAX))),
    ])
}

/// Whether the order of a request has taken a unit of a coupon, undone since or not.
fn knows_order(coupon: &Coupon, request: &RedeemRequest) -> bool {
    coupon.redemptions.iter().any(|earlier| earlier.order_no == request.order.order_no)
}

/// The outcome of a write that has just appended its redemption.
fn newest(coupon: Box<Coupon>) -> RedeemOutcome {
    let index = coupon.redemptions.len().saturating_sub(1);
    RedeemOutcome::Redeemed(coupon, index)
}
