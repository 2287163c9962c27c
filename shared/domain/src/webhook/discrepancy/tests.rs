use super::*;
use crate::{
    redemption::tests::{coupon, redeemed},
    share::Attribution,
    terms::tests::terms,
};
use proptest::prelude::*;

fn settlement() -> SettlementTerms {
    let text = r#"{ "funded_by": { "province": 60, "merchant": 40 }, "pays_merchant": "discount" }"#;
    serde_json::from_str(text).unwrap()
}

fn fen(amount: u64) -> Fen {
    Fen::try_from(amount).unwrap()
}

fn noon() -> Timestamp {
    "2026-11-22T04:00:00Z".parse().unwrap()
}

/// A report of the order `A1`, which [`redeemed`] redeems for 20 yuan.
fn reported(amount: u64) -> Reported {
    Reported {
        merchant: "mch_luckytea".parse().unwrap(),
        reason: "amount_mismatch".into(),
        order_no: Some("A1".parse().unwrap()),
        store: Some("sto_tianhe".parse().unwrap()),
        amount: Some(fen(amount)),
    }
}

fn owed(reported: &Reported, coupon: Option<&Coupon>) -> Owed {
    let (terms, settlement) = (terms(), settlement());
    reported.owed(coupon, Some(ClaimedUnder { terms: &terms, settlement: &settlement }), noon())
}

fn entry(reported: &Reported, coupon: &Coupon) -> Entry {
    match owed(reported, Some(coupon)) {
        Owed::Entry(entry) => *entry,
        Owed::Nothing(why) => panic!("{why:?}"),
    }
}

fn expired() -> Coupon {
    Coupon { valid_until: noon(), ..coupon() }
}

#[test]
fn an_expired_coupon_that_was_used_all_the_same_is_paid_in_full() {
    let entry = entry(&reported(2_500), &expired());
    assert_eq!((entry.amount, entry.discount, entry.event.index), (fen(2_500), fen(500), 0));
    assert_eq!(entry.postings, settlement().postings(fen(500), Attribution::ToNobody));
    assert_eq!(entry.event.kind, EntryKind::Adjustment);
}

#[test]
fn of_a_larger_order_the_difference_is_paid() {
    let coupon = redeemed(coupon(), 1);
    let entry = entry(&reported(2_300), &coupon);
    assert_eq!((entry.amount, entry.discount, entry.event.index), (fen(300), Fen::ZERO, 0));
}

#[test]
fn each_reason_to_owe_nothing_has_its_name() {
    let nothing = |reported: &Reported, coupon: Option<&Coupon>, why| {
        assert_eq!(owed(reported, coupon), Owed::Nothing(why));
    };
    let whole = reported(2_500);
    nothing(&Reported { reason: CODE_REQUIRED.into(), ..whole.clone() }, None, WhyNothing::CodeNotShown);
    nothing(&whole, None, WhyNothing::Incomplete);
    nothing(&Reported { order_no: None, ..whole.clone() }, Some(&expired()), WhyNothing::Incomplete);
    nothing(&Reported { store: None, ..whole.clone() }, Some(&expired()), WhyNothing::Incomplete);
    nothing(&Reported { amount: None, ..whole.clone() }, Some(&expired()), WhyNothing::Incomplete);
    assert_eq!(whole.owed(Some(&expired()), None, noon()), Owed::Nothing(WhyNothing::Incomplete));
    nothing(&whole, Some(&coupon()), WhyNothing::StillRedeemable);
    nothing(&reported(1_999), Some(&redeemed(coupon(), 1)), WhyNothing::PaidMore);
    let mut undone = redeemed(coupon(), 1);
    undone.redemptions[0].reversal = Some(crate::coupon::Reversal {
        at: noon(),
        key: crate::KeyHash([1; 16]),
        fingerprint: crate::Fingerprint([1; 16]),
        reason: "r".parse().unwrap(),
        status: CouponStatus::Active,
        redemptions_before: 1,
    });
    nothing(&whole, Some(&undone), WhyNothing::Undone);
}

proptest! {
    /// What was posted for the order and what is posted for its report are together what the terms give for the reported amount. Debits are
    /// credits, and neither side is paid less than nothing.
    #[test]
    fn what_was_paid_and_what_is_owed_are_what_the_report_says(
        reported_fen in 1u64..100_000, is_redeemed in proptest::bool::ANY,
    ) {
        let coupon = if is_redeemed { redeemed(coupon(), 1) } else { expired() };
        let paid = coupon.redemptions.first().map_or((0, Fen::ZERO), |spent| (spent.amount.get(), spent.discount));
        match owed(&reported(reported_fen), Some(&coupon)) {
            Owed::Entry(entry) => {
                let discount = terms().benefit.discount(fen(reported_fen));
                prop_assert_eq!(entry.amount.get() + paid.0, reported_fen);
                prop_assert_eq!(entry.discount.get() + paid.1.get(), discount.get());
                prop_assert_eq!(entry.postings.balance(), 0);
                let mut together = entry.postings.clone();
                if is_redeemed {
                    together.post(&settlement().postings(paid.1, Attribution::ToNobody));
                }
                prop_assert_eq!(together, settlement().postings(discount, Attribution::ToNobody));
            }
            Owed::Nothing(WhyNothing::PaidMore) => prop_assert!(reported_fen < paid.0),
            Owed::Nothing(why) => prop_assert!(false, "{:?}", why),
        }
    }

    /// A coupon that could still be redeemed for the order is never paid for by hand.
    #[test]
    fn nothing_is_owed_for_what_can_still_be_redeemed(amount in 1u64..100_000, until in 1i64..10_000) {
        let usable = Coupon { valid_until: noon().plus_seconds(until), ..coupon() };
        prop_assert_eq!(owed(&reported(amount), Some(&usable)), Owed::Nothing(WhyNothing::StillRedeemable));
    }
}
