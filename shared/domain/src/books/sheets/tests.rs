use super::*;
use crate::{
    journal::{Change, Content, CouponEvent, Record, events_between},
    redemption::tests::{coupon, redeemed},
    settlement::SettlementTerms,
};

fn day(text: &str) -> ProvinceDay {
    text.parse().unwrap()
}

fn key(campaign: u32, store: &str) -> CellKey {
    CellKey { campaign: campaign.try_into().unwrap(), store: Some(store.parse().unwrap()), channel: None }
}

fn one() -> Cell {
    Cell { redeemed: 1, ..Cell::default() }
}

#[test]
fn what_comes_after_the_close_is_booked_on_the_first_open_day() {
    let closed = Some(day("2026-11-20"));
    assert_eq!(booked_on(day("2026-11-19"), closed), day("2026-11-21"));
    assert_eq!(booked_on(day("2026-11-20"), closed), day("2026-11-21"));
    assert_eq!(booked_on(day("2026-11-21"), closed), day("2026-11-21"));
    assert_eq!(booked_on(day("2026-11-22"), closed), day("2026-11-22"));
    assert_eq!(booked_on(day("2026-11-19"), None), day("2026-11-19"));
}

#[test]
fn a_day_is_closed_six_hours_after_its_end_and_once() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(day_to_close(at("2026-11-24T21:59:59Z"), Some(day("2026-11-23"))), None);
    assert_eq!(day_to_close(at("2026-11-24T22:00:00Z"), Some(day("2026-11-23"))), Some(day("2026-11-24")));
    assert_eq!(day_to_close(at("2026-11-24T22:00:00Z"), Some(day("2026-11-24"))), None);
    assert_eq!(day_to_close(at("2026-11-24T22:00:00Z"), None), Some(day("2026-11-24")));
}

#[test]
fn a_fold_closes_every_month_whose_last_day_it_closes() {
    let first_booked = day("2026-09-17");
    let months = |closed: Option<&str>, closes: Option<&str>| {
        let fold = Fold {
            no: 1,
            pages: BTreeMap::new(),
            closed: closed.map(day),
            closes: closes.map(day),
            planned_at: Timestamp::MIN,
            look_from: Timestamp::MIN.province_day(),
            is_done: true,
        };
        fold.months_closed(Some(first_booked)).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(months(Some("2026-11-28"), Some("2026-11-29")), [""; 0]);
    assert_eq!(months(Some("2026-11-29"), Some("2026-11-30")), ["2026-11"]);
    assert_eq!(months(Some("2026-11-30"), Some("2026-12-01")), [""; 0]);
    assert_eq!(months(Some("2026-10-30"), Some("2026-12-31")), ["2026-10", "2026-11", "2026-12"]);
    assert_eq!(months(None, Some("2026-12-05")), ["2026-09", "2026-10", "2026-11"], "the first close");
    assert_eq!(months(None, Some("2026-09-29")), [""; 0]);
    assert_eq!(months(Some("2026-11-29"), None), [""; 0]);
}

#[test]
fn a_part_takes_a_fold_once_and_leaves_what_has_no_room() {
    let full: Cells = (0..SHEET_CELLS_MAX).map(|store| (key(1, &format!("sto_{store}")), one())).collect();
    let part = Part { fold: 4, cells: full };
    let delta = Cells::from([(key(1, "sto_7"), one()), (key(2, "sto_7"), one())]);
    let mut left = delta.clone();
    let next = part.take(5, &mut left).unwrap();
    assert_eq!((next.fold, next.cells.len(), next.cells[&key(1, "sto_7")].redeemed), (5, SHEET_CELLS_MAX, 2));
    assert_eq!(left, Cells::from([(key(2, "sto_7"), one())]));
    // The same fold again: nothing changes, and the same is left for the next part.
    let mut again = delta.clone();
    assert_eq!(next.take(5, &mut again), None);
    assert_eq!(again, left);
    // A full part that has no cell for any of it is left alone.
    assert_eq!(next.take(6, &mut left), None);
    assert_eq!(left.len(), 1);
    let beyond = Part::default().take(5, &mut left).unwrap();
    assert_eq!((beyond.cells.len(), left.len()), (1, 0));
}

/// A claim, a redemption and what the clock then has left of it, in one sheet each.
#[test]
fn a_coupon_is_claimed_on_its_day_and_lapses_on_its_last_unless_it_is_used() {
    let terms: SettlementTerms =
        serde_json::from_str(r#"{ "funded_by": { "province": 100 }, "pays_merchant": "discount" }"#).unwrap();
    let merchant: MerchantId = "mch_luckytea".parse().unwrap();
    let fresh = coupon();
    let used = redeemed(fresh.clone(), 1);
    let record = |seq: &str, before: Option<&crate::Coupon>, after: &crate::Coupon| {
        let entry = |event: &CouponEvent| Entry::of(after, *event, &merchant, &terms);
        let entries = events_between(before, after).unwrap().iter().filter_map(entry).collect();
        let content = Content::Coupon(Box::new(Change::between(before, after.clone()).unwrap()));
        Record { seq: seq.parse().unwrap(), at: after.claimed_at, content, entries }
    };
    let claimed = Page::of(1, &[record("1", None, &fresh)]).unwrap();
    let redeemed = Page::of(2, &[record("2", Some(&fresh), &used)]).unwrap();
    let last = fresh.valid_until.plus_seconds(-1).province_day();
    let all = |pages: &[&Page]| additions(pages.iter().copied(), None, |_| merchant.clone());
    let on = |pages: &[&Page], day: ProvinceDay| {
        let mut sum = Cell::default();
        let all = all(pages);
        let sheet = all.sheets.get(&SheetKey { merchant: merchant.clone(), day });
        sheet.into_iter().flat_map(|sheet| sheet.cells.values()).for_each(|cell| sum.add(cell));
        sum
    };
    let lapsing = |pages: &[&Page]| {
        let key = LapseKey { day: last, campaign: fresh.key.campaign, channel: fresh.channel.clone() };
        let month = LapsesKey { merchant: merchant.clone(), month: ProvinceMonth::of(last) };
        all(pages).lapses.get(&month).and_then(|lapses| lapses.get(&key)).copied()
    };
    assert_eq!(on(&[&claimed], fresh.claimed_at.province_day()).claimed, 1);
    assert_eq!(lapsing(&[&claimed]), Some(1));
    assert_eq!(lapsing(&[&claimed, &redeemed]), Some(0));
    let spent = on(&[&claimed, &redeemed], used.redemptions[0].at.province_day());
    assert_eq!((spent.redeemed, spent.postings.balance()), (1, 0));
    assert_eq!(spent.discount, i64::try_from(used.redemptions[0].discount.get()).unwrap());
}
