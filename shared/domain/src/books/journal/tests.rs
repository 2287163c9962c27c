use super::*;
use crate::{
    CampaignNo, Coupon, Fen, Fingerprint, KeyHash, LeaseId, Reason, Timestamp,
    redemption::{
        ReverseDecision, decide_reversal,
        tests::{coupon, redeemed},
    },
    settlement::SettlementTerms,
    terms::ReversalPolicy,
};
use proptest::prelude::*;

fn seq(number: u32) -> SequenceNumber {
    format!("{number:021}").parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_800_000_000 + second).unwrap()
}

fn claim(number: u32, lease: u8) -> Record {
    let mut coupon = Coupon { lease_id: LeaseId([lease; 16]), ..coupon() };
    coupon.key.campaign = CampaignNo::try_from(7).unwrap();
    let content = Content::Coupon(Box::new(Change::between(None, coupon).unwrap()));
    Record { seq: seq(number), at: at(number.into()), content, entries: vec![] }
}

fn unreadable(number: u32, bytes: usize) -> Record {
    let aside = SetAside::new(Some("e"), "no schema", "x".repeat(bytes));
    Record { seq: seq(number), at: at(0), content: Content::Unreadable(aside), entries: vec![] }
}

fn reversed(coupon: &Coupon, index: usize) -> Coupon {
    let reason: Reason = "r".parse().unwrap();
    let asked = (KeyHash([99; 16]), Fingerprint([0; 16]), &reason);
    let now = coupon.redemptions[index].at;
    match decide_reversal(coupon, index, ReversalPolicy::default(), asked, now) {
        ReverseDecision::Reverse { reversal, valid_until } => {
            coupon.clone().with_reversal(index, reversal, valid_until)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn sequence_numbers_are_compared_as_numbers() {
    let number = |text: &str| text.parse::<SequenceNumber>().unwrap();
    assert!(number("9") < number("10"));
    assert!(number("000000000000000000010") > number("9"));
    assert!(number("9999999999999999999999999999999999999998") < number("9999999999999999999999999999999999999999"));
    for text in ["", "1a", "-1", "12345678901234567890123456789012345678901"] {
        assert!(text.parse::<SequenceNumber>().is_err(), "{text}");
    }
}

#[test]
fn each_change_of_a_coupon_is_told_once() {
    let new = coupon();
    let used = redeemed(new.clone(), 1);
    let undone = reversed(&used, 0);
    let again = redeemed(undone.clone(), 2);
    assert_eq!(events_between(None, &new), Ok(vec![CouponEvent::Claimed]));
    assert_eq!(events_between(Some(&new), &new), Ok(vec![]), "a write that changes nothing");
    assert_eq!(events_between(Some(&new), &used), Ok(vec![CouponEvent::Redeemed(0)]));
    assert_eq!(events_between(Some(&used), &undone), Ok(vec![CouponEvent::Reversed(0)]));
    assert_eq!(events_between(Some(&undone), &again), Ok(vec![CouponEvent::Redeemed(1)]));
    let all = [CouponEvent::Redeemed(0), CouponEvent::Reversed(0), CouponEvent::Redeemed(1)];
    assert_eq!(events_between(Some(&new), &again), Ok(all.to_vec()));
    let deactivated = Coupon { deactivated_at: Some(at(0)), ..used.clone() };
    assert_eq!(events_between(Some(&used), &deactivated), Ok(vec![]));
}

#[test]
fn a_past_that_was_rewritten_is_no_event() {
    let used = redeemed(coupon(), 1);
    let other = redeemed(coupon(), 2);
    let of_another_lease = Coupon { lease_id: LeaseId([9; 16]), ..used.clone() };
    assert_eq!(events_between(Some(&used), &coupon()), Err(PastRewritten));
    assert_eq!(events_between(Some(&used), &other), Err(PastRewritten));
    assert_eq!(events_between(Some(&used), &of_another_lease), Err(PastRewritten));
    assert_eq!(events_between(Some(&reversed(&used, 0)), &used), Err(PastRewritten));
}

#[test]
fn what_is_put_aside_is_kept_up_to_its_bound_and_never_cut_inside_a_character() {
    let aside = SetAside::new(Some(&"e".repeat(200)), "r", "饭".repeat(ASIDE_BYTES_MAX));
    assert_eq!((aside.raw.len(), aside.event_id), (ASIDE_BYTES_MAX / 3 * 3, None));
}

#[test]
fn a_batch_with_much_put_aside_takes_several_pages_and_loses_nothing() {
    let records: Vec<Record> = (1..=12).map(|number| unreadable(number, ASIDE_BYTES_MAX)).collect();
    let runs = Page::runs(records.clone());
    assert_eq!(runs.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 4]);
    assert_eq!(runs.concat(), records);
    // Two records of one number are never on two pages: the mark could not distinguish them.
    let crowded: Vec<Record> = (1..=5).map(|bytes| unreadable(1, ASIDE_BYTES_MAX - bytes)).collect();
    assert_eq!(Page::runs(crowded).len(), 1);
}

#[test]
fn a_page_goes_up_to_its_last_record_and_spans_their_times() {
    let records = [claim(3, 1), claim(4, 2), claim(9, 1), unreadable(11, 5)];
    let page = Page::of(2, &records).unwrap();
    assert_eq!((page.no, page.to, page.records, page.aside.len()), (2, seq(11), 4, 1));
    assert_eq!((page.first_at, page.last_at), (at(0), at(9)));
    assert_eq!(page.tally.claims_of(7.try_into().unwrap(), LeaseId([1; 16])), 2);
    assert_eq!(Page::of(1, &[]), None);
}

proptest! {
    /// However a shard's records are cut into batches, repeated and mixed within them, each is in exactly one run.
    #[test]
    fn runs_are_sorted_and_hold_each_record_once(numbers in prop::collection::vec(1u32..40, 0..60)) {
        let runs = Page::runs(numbers.iter().map(|number| claim(*number, 1)).collect());
        let mut distinct = numbers.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let expected: Vec<SequenceNumber> = distinct.into_iter().map(seq).collect();
        prop_assert_eq!(runs.concat().into_iter().map(|record| record.seq).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_redemption_moves_money_and_its_reversal_moves_it_back() {
    let terms: SettlementTerms =
        serde_json::from_str(r#"{ "funded_by": { "province": 60, "merchant": 40 }, "pays_merchant": "discount" }"#)
            .unwrap();
    let merchant = "mch_luckytea".parse().unwrap();
    let undone = reversed(&redeemed(coupon(), 1), 0);
    let entry = |event| Entry::of(&undone, event, &merchant, &terms);
    assert_eq!(entry(CouponEvent::Claimed), None);
    let (spent, back) = (entry(CouponEvent::Redeemed(0)).unwrap(), entry(CouponEvent::Reversed(0)).unwrap());
    assert_eq!((spent.event.kind, back.event.kind), (EntryKind::Redemption, EntryKind::Reversal));
    assert_eq!((spent.discount, &spent.order_no), (undone.redemptions[0].discount, &undone.redemptions[0].order_no));
    let mut both = spent.postings.clone();
    assert!(spent.discount > Fen::ZERO && both.amounts().count() == 3);
    both.post(&back.postings);
    assert!(both.amounts().all(|(_, fen)| fen == 0));
    assert_eq!(entry(CouponEvent::Redeemed(1)), None, "there is no second redemption");
}
