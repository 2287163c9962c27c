use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A desk with a lease of five units whose first reservation was given back.
fn desk(from: Timestamp) -> Desk {
    let desk = Desk::default();
    let lease = Lease { units: 5, from, until: from.plus_seconds(LEASE_SECONDS) };
    desk.hold(LeaseId([1; 16]), 0, lease, Instant::now()).give_back();
    desk
}

fn has_unit(desk: &Desk, wall: Timestamp, day: Option<ProvinceDay>) -> bool {
    match desk.at_once(&Clock::standing_at(wall), day) {
        Some(Reserved::Unit(unit)) => {
            unit.give_back();
            true
        }
        Some(Reserved::NoUnit(_)) | None => false,
    }
}

#[test]
fn nothing_is_handed_out_of_a_lease_whose_return_may_have_been_written() {
    let now = at("2026-11-22T04:00:00Z");
    let desk = desk(now);
    assert!(has_unit(&desk, now, None));
    let Some(Reserved::Unit(unit)) = desk.at_once(&Clock::standing_at(now), None) else { panic!("no unit") };
    assert_eq!(desk.begin_closing(0, now, HandBack::Everything).len(), 0, "a request is under way");
    unit.give_back();
    let closing = desk.begin_closing(0, now, HandBack::Everything);
    assert_eq!(closing.len(), 1);
    // The return is written, or it is not: either way its units may be somebody else's by now.
    assert!(!has_unit(&desk, now, None));
    assert_eq!(desk.begin_closing(0, now, HandBack::Finished).len(), 1, "it is written again until it is there");
    desk.closed(&closing);
    assert!(desk.shards_with_leases().is_empty());
}

#[test]
fn a_days_units_are_handed_out_on_that_day_alone() {
    let (before, after) = (at("2026-11-22T15:59:58Z"), at("2026-11-22T16:00:01Z"));
    let desk = desk(before);
    assert!(has_unit(&desk, before, Some(before.province_day())));
    assert!(!has_unit(&desk, after, Some(after.province_day())));
    assert!(has_unit(&desk, after, None), "a campaign without a limit per day does not ask");
}

#[test]
fn a_day_that_is_used_up_is_forgotten_at_midnight() {
    let (before, after) = (at("2026-11-22T15:59:59Z"), at("2026-11-22T16:00:00Z"));
    let desk = Desk::default();
    let clock = Clock::standing_at(before);
    desk.remember(NoUnit::DayExhausted, before.province_day(), &clock);
    let refused = desk.at_once(&clock, Some(before.province_day()));
    assert!(matches!(refused, Some(Reserved::NoUnit(NoUnit::DayExhausted))));
    clock.set(after);
    assert!(desk.at_once(&clock, Some(after.province_day())).is_none());
}
