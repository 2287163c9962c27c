use super::*;
use crate::{
    LeaseId,
    coupon::{CouponKey, Hold},
    journal::events_between,
};
use proptest::prelude::*;

const HOUR: i64 = 3600;

fn now() -> Timestamp {
    "2026-11-22T04:00:00Z".parse().unwrap()
}

/// A coupon of one use in the middle of its life.
pub(crate) fn coupon() -> Coupon {
    Coupon {
        key: CouponKey {
            member: 1.try_into().unwrap(),
            campaign: 2u32.try_into().unwrap(),
            ordinal: 0u8.try_into().unwrap(),
        },
        claimed_at: now().plus_seconds(-HOUR),
        claim_key: KeyHash([0; 16]),
        claim_fingerprint: Fingerprint([0; 16]),
        channel: None,
        share: None,
        lease_id: LeaseId([0; 16]),
        terms_version: 1,
        terms_sha256: crate::terms::TermsHash([0; 32]),
        settlement_version: 1,
        key_version: 1,
        valid_from: now().plus_seconds(-HOUR),
        valid_until: now().plus_seconds(HOUR),
        uses_total: 1,
        uses_left: 1,
        deactivated_at: None,
        hold: None,
        redemptions: vec![],
    }
}

fn hold(order_no: &str, until: Timestamp) -> Hold {
    let (key, fingerprint) = (KeyHash([8; 16]), Fingerprint([8; 16]));
    Hold { order: KeyHash::of_order(&order_no.parse().unwrap()), key, fingerprint, at: now(), until, ended: false }
}

fn request(key: u8) -> RedeemRequest {
    RedeemRequest {
        key: KeyHash([key; 16]),
        fingerprint: Fingerprint([1; 16]),
        source: RedemptionSource::Api,
        at: now(),
        store_id: "sto_tianhe".parse().unwrap(),
        city: "广州".into(),
        order: Order { order_no: "A1".parse().unwrap(), amount: Fen::try_from(2_000).unwrap() },
        hold: None,
        cashier: None,
    }
}

fn terms() -> Terms {
    crate::terms::tests::terms()
}

pub(crate) fn redeemed(coupon: Coupon, key: u8) -> Coupon {
    match decide(&coupon, &terms(), &request(key)) {
        RedeemDecision::Redeem(redemption) => coupon.with_redemption(redemption),
        other => panic!("{other:?}"),
    }
}

fn in_status(status: CouponStatus) -> Coupon {
    let hold = Some(hold("other", now().plus_seconds(60)));
    match status {
        CouponStatus::Pending => Coupon { valid_from: now().plus_seconds(1), ..coupon() },
        CouponStatus::Active => coupon(),
        CouponStatus::Held => Coupon { hold, ..coupon() },
        CouponStatus::Redeemed => redeemed(coupon(), 9),
        CouponStatus::Expired => Coupon { valid_until: now(), ..coupon() },
        CouponStatus::Deactivated => Coupon { deactivated_at: Some(now()), ..coupon() },
    }
}

/// Every transition × every state: what a redemption does in each.
#[test]
fn a_redemption_in_every_state_has_its_one_outcome() {
    for status in CouponStatus::ALL {
        let coupon = in_status(status);
        assert_eq!(coupon.status(now()), status);
        let refusal = match decide(&coupon, &terms(), &request(1)) {
            RedeemDecision::Redeem(fact) => {
                assert_eq!(coupon.with_redemption(fact).status(now()), CouponStatus::Redeemed);
                None
            }
            RedeemDecision::Refused(refusal) => Some(refusal),
            other => panic!("{other:?}"),
        };
        let expected = match status {
            CouponStatus::Active => None,
            CouponStatus::Pending => Some(RedeemRefusal::NotYetValid { from: now().plus_seconds(1) }),
            CouponStatus::Held => Some(RedeemRefusal::Held { until: now().plus_seconds(60) }),
            CouponStatus::Redeemed => Some(RedeemRefusal::AlreadyRedeemed {
                at: now(),
                store_id: "sto_tianhe".parse().unwrap(),
                order_no: "A1".parse().unwrap(),
            }),
            CouponStatus::Expired => Some(RedeemRefusal::Expired { at: now() }),
            CouponStatus::Deactivated => Some(RedeemRefusal::Deactivated),
        };
        assert_eq!(refusal, expected, "{status:?}");
    }
}

/// Every transition × every state: what a reversal does in each state a redeemed coupon can be brought into.
#[test]
fn a_reversal_in_every_state_gives_the_unit_back_once() {
    let reason: Reason = "wrong item".parse().unwrap();
    let reverse = |coupon: &Coupon, key: u8| {
        decide_reversal(
            coupon,
            0,
            ReversalPolicy::default(),
            (KeyHash([key; 16]), Fingerprint([5; 16]), &reason),
            now(),
        )
    };
    for (spoil, status) in [
        ((|_| {}) as fn(&mut Coupon), CouponStatus::Active),
        (|c| c.valid_from = now().plus_seconds(1), CouponStatus::Pending),
        (|c| c.valid_until = now(), CouponStatus::Expired),
        (|c| c.deactivated_at = Some(now()), CouponStatus::Deactivated),
        (|c| c.hold = Some(hold("other", now().plus_seconds(9))), CouponStatus::Held),
    ] {
        let mut coupon = redeemed(coupon(), 9);
        spoil(&mut coupon);
        let ReverseDecision::Reverse { reversal, valid_until } = reverse(&coupon, 1) else { panic!("{status:?}") };
        assert_eq!(reversal.status, status);
        let after = coupon.with_reversal(0, reversal, valid_until);
        assert_eq!((after.status(now()), after.uses_left), (status, 1));
        assert_eq!(reverse(&after, 1), ReverseDecision::Replay);
        assert_eq!(reverse(&after, 2), ReverseDecision::Refused(ReverseRefusal::AlreadyReversed));
    }
    assert_eq!(reverse(&coupon(), 1), ReverseDecision::Refused(ReverseRefusal::NotFound));
}

#[test]
fn a_reversal_outside_its_window_is_refused_on_the_second() {
    let coupon = redeemed(coupon(), 9);
    let reason: Reason = "late".parse().unwrap();
    let at = |now| {
        decide_reversal(&coupon, 0, ReversalPolicy::default(), (KeyHash([1; 16]), Fingerprint([5; 16]), &reason), now)
    };
    assert!(matches!(at(now().plus_seconds(72 * HOUR - 1)), ReverseDecision::Reverse { .. }));
    assert_eq!(at(now().plus_seconds(72 * HOUR)), ReverseDecision::Refused(ReverseRefusal::WindowClosed));
}

#[test]
fn an_expired_coupon_is_made_up_for_by_whole_days_when_the_policy_says_so() {
    let coupon = redeemed(coupon(), 9);
    let reason: Reason = "closed kitchen".parse().unwrap();
    let policy = ReversalPolicy { window_hours: 72, makeup_days: 2 };
    let later = now().plus_seconds(2 * HOUR);
    let decision = decide_reversal(&coupon, 0, policy, (KeyHash([1; 16]), Fingerprint([5; 16]), &reason), later);
    let ReverseDecision::Reverse { reversal, valid_until } = decision else { panic!() };
    assert_eq!(reversal.status, CouponStatus::Active);
    assert_eq!(valid_until.to_string(), "2026-11-23T16:00:00Z");
}

#[test]
fn the_same_key_is_a_replay_and_another_payload_is_not() {
    let coupon = redeemed(coupon(), 1);
    assert_eq!(decide(&coupon, &terms(), &request(1)), RedeemDecision::Replay { index: 0 });
    let other = RedeemRequest { fingerprint: Fingerprint([2; 16]), ..request(1) };
    assert_eq!(decide(&coupon, &terms(), &other), RedeemDecision::KeyReused);
    let expired = Coupon { valid_until: now(), ..coupon };
    assert_eq!(decide(&expired, &terms(), &request(1)), RedeemDecision::Replay { index: 0 });
}

#[test]
fn a_report_of_an_order_confirms_its_redemption_even_when_that_was_reversed() {
    let report = RedeemRequest { source: RedemptionSource::Callback, ..request(7) };
    let coupon = redeemed(coupon(), 1);
    assert_eq!(decide(&coupon, &terms(), &report), RedeemDecision::Replay { index: 0 });
    let reason: Reason = "r".parse().unwrap();
    let asked = (KeyHash([2; 16]), Fingerprint([5; 16]), &reason);
    let decision = decide_reversal(&coupon, 0, ReversalPolicy::default(), asked, now());
    let ReverseDecision::Reverse { reversal, valid_until } = decision else { panic!() };
    let reversed = coupon.with_reversal(0, reversal, valid_until);
    assert_eq!(decide(&reversed, &terms(), &report), RedeemDecision::Replay { index: 0 });
    let other_amount = Order { amount: Fen::try_from(2_001).unwrap(), ..report.order.clone() };
    let mismatch = RedeemRequest { order: other_amount, ..report.clone() };
    assert_eq!(decide(&reversed, &terms(), &mismatch), RedeemDecision::KeyReused);
    let other_order = Order { order_no: "A2".parse().unwrap(), ..report.order.clone() };
    assert!(matches!(
        decide(&reversed, &terms(), &RedeemRequest { order: other_order, ..report }),
        RedeemDecision::Redeem(_)
    ));
}

#[test]
fn a_till_adopts_what_was_reported_of_its_order_and_spends_no_second_unit() {
    let two_uses = Coupon { uses_total: 2, uses_left: 2, ..coupon() };
    let key = KeyHash::of_order(&request(7).order.order_no);
    let report = RedeemRequest { source: RedemptionSource::Callback, key, ..request(7) };
    let RedeemDecision::Redeem(fact) = decide(&two_uses, &terms(), &report) else { panic!() };
    let coupon = two_uses.with_redemption(fact);
    assert_eq!(decide(&coupon, &terms(), &request(1)), RedeemDecision::Adopt { index: 0 });
    let dearer = Order { amount: Fen::try_from(2_001).unwrap(), ..request(1).order };
    let refused = decide(&coupon, &terms(), &RedeemRequest { order: dearer.clone(), ..request(1) });
    assert!(matches!(refused, RedeemDecision::Refused(RedeemRefusal::AlreadyRedeemed { .. })), "{refused:?}");
    let taken_back = Coupon { deactivated_at: Some(now()), ..coupon.clone() };
    let refused = decide(&taken_back, &terms(), &RedeemRequest { order: dearer.clone(), ..request(1) });
    assert_eq!(refused, RedeemDecision::Refused(RedeemRefusal::Deactivated), "in the published order");
    assert_eq!(decide(&taken_back, &terms(), &request(1)), RedeemDecision::Adopt { index: 0 });
    let other_order = Order { order_no: "A2".parse().unwrap(), ..request(1).order };
    let other = decide(&coupon, &terms(), &RedeemRequest { order: other_order, ..request(1) });
    assert!(matches!(other, RedeemDecision::Redeem(_)), "{other:?}");

    let adopted = coupon.clone().with_adoption(0, request(1).key, request(1).fingerprint);
    assert_eq!(decide(&adopted, &terms(), &request(1)), RedeemDecision::Replay { index: 0 });
    assert_eq!(decide(&adopted, &terms(), &report), RedeemDecision::Replay { index: 0 });
    assert!(
        matches!(decide(&adopted, &terms(), &request(2)), RedeemDecision::Redeem(_)),
        "two keys are two redemptions"
    );
    assert_eq!(events_between(Some(&coupon), &adopted), Ok(vec![]));

    // A hold for the order is confirmed, and one for another order stays.
    for (order, ended) in [("A1", true), ("B7", false)] {
        let held = Coupon { hold: Some(hold(order, now().plus_seconds(60))), ..coupon.clone() };
        assert_eq!(decide(&held, &terms(), &request(1)), RedeemDecision::Adopt { index: 0 });
        let adopted = held.with_adoption(0, request(1).key, request(1).fingerprint);
        assert_eq!(adopted.hold.map(|hold| hold.ended), Some(ended), "{order}");
    }

    // Undone, it is nobody's to adopt; a till that adopted it before gets the same answer as before.
    let reason: Reason = "r".parse().unwrap();
    let asked = (KeyHash([2; 16]), Fingerprint([5; 16]), &reason);
    let decision = decide_reversal(&coupon, 0, ReversalPolicy::default(), asked, now());
    let ReverseDecision::Reverse { reversal, valid_until } = decision else { panic!() };
    let reversed = coupon.with_reversal(0, reversal.clone(), valid_until);
    assert!(matches!(decide(&reversed, &terms(), &request(1)), RedeemDecision::Redeem(_)));
    let reversed = adopted.with_reversal(0, reversal, valid_until);
    assert_eq!(decide(&reversed, &terms(), &request(1)), RedeemDecision::Replay { index: 0 });
}

#[test]
fn ones_own_hold_never_blocks_oneself_and_a_lapsed_one_blocks_nobody() {
    let held = in_status(CouponStatus::Held);
    let tag = HoldTag::of(KeyHash::of_order(&"other".parse().unwrap()));
    let mine = RedeemRequest { hold: Some(NamedHold::OfThisCoupon(tag)), ..request(1) };
    let mut same_order = request(1);
    same_order.order.order_no = "other".parse().unwrap();
    assert!(matches!(decide(&held, &terms(), &same_order), RedeemDecision::Redeem(_)));
    assert!(matches!(decide(&held, &terms(), &mine), RedeemDecision::Redeem(_)));
    let later = Coupon { hold: held.hold.map(|hold| Hold { until: now(), ..hold }), ..coupon() };
    assert!(matches!(decide(&later, &terms(), &request(1)), RedeemDecision::Redeem(_)));
    assert_eq!(decide(&later, &terms(), &mine), RedeemDecision::Refused(RedeemRefusal::HoldLapsed));
}

#[test]
fn store_and_minimum_spend_are_checked_last_in_this_order() {
    let scoped = Terms { stores: crate::terms::StoreScope::Only(vec!["sto_other".parse().unwrap()]), ..terms() };
    let small = RedeemRequest {
        order: Order { order_no: "A1".parse().unwrap(), amount: Fen::try_from(1_999).unwrap() },
        ..request(1)
    };
    assert_eq!(decide(&coupon(), &scoped, &small), RedeemDecision::Refused(RedeemRefusal::StoreNotInScope));
    let minimum = Fen::try_from(2_000).unwrap();
    assert_eq!(
        decide(&coupon(), &terms(), &small),
        RedeemDecision::Refused(RedeemRefusal::MinimumSpendNotMet { minimum })
    );
    let expired = in_status(CouponStatus::Expired);
    assert_eq!(decide(&expired, &scoped, &small), RedeemDecision::Refused(RedeemRefusal::Expired { at: now() }));
}

#[test]
fn a_coupon_is_redeemed_at_most_32_times_in_its_life() {
    let mut coupon = coupon();
    let reason: Reason = "again".parse().unwrap();
    for key in 0..32 {
        coupon = redeemed(coupon, key);
        let request = (KeyHash([key; 16]), Fingerprint([5; 16]), &reason);
        let decision = decide_reversal(&coupon, usize::from(key), ReversalPolicy::default(), request, now());
        let ReverseDecision::Reverse { reversal, valid_until } = decision else { panic!("{decision:?}") };
        coupon = coupon.with_reversal(usize::from(key), reversal, valid_until);
    }
    assert_eq!(decide(&coupon, &terms(), &request(99)), RedeemDecision::Refused(RedeemRefusal::RedemptionLimit));
}

proptest! {
    /// However requests arrive, the units spent and not given back never exceed the units issued.
    #[test]
    fn standing_redemptions_never_exceed_the_units_of_use(
        uses in 1..=5u8,
        steps in prop::collection::vec((any::<bool>(), 0..8u8, 0..8usize), 0..60),
    ) {
        let mut coupon = Coupon { uses_total: uses, uses_left: uses, ..coupon() };
        let reason: Reason = "r".parse().unwrap();
        let mut left = vec![];
        for (redeem, key, index) in steps {
            if redeem {
                if let RedeemDecision::Redeem(fact) = decide(&coupon, &terms(), &request(key)) {
                    coupon = coupon.with_redemption(fact);
                    left.push(coupon.uses_left);
                }
            } else {
                let asked = (KeyHash([key; 16]), Fingerprint([5; 16]), &reason);
                if let ReverseDecision::Reverse { reversal, valid_until } =
                    decide_reversal(&coupon, index, ReversalPolicy::default(), asked, now())
                {
                    coupon = coupon.with_reversal(index, reversal, valid_until);
                }
            }
            let standing = coupon.redemptions.iter().filter(|r| r.reversal.is_none()).count();
            prop_assert_eq!(standing + usize::from(coupon.uses_left), usize::from(uses));
            for (index, uses_left) in left.iter().enumerate() {
                prop_assert_eq!(coupon.uses_left_after(index), *uses_left);
            }
        }
    }
}

#[test]
fn a_citys_coupon_is_good_in_its_cities_stores_alone() {
    let terms = Terms { stores: crate::terms::StoreScope::InCities(vec!["广州".into(), "深圳".into()]), ..terms() };
    let at = |city: &str| decide(&coupon(), &terms, &RedeemRequest { city: city.into(), ..request(1) });
    assert!(matches!(at("深圳"), RedeemDecision::Redeem(_)));
    for city in ["珠海", "", "广"] {
        assert_eq!(at(city), RedeemDecision::Refused(RedeemRefusal::StoreNotInScope), "{city}");
    }
}
