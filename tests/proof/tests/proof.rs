//! A short run of `cargo stack prove`, and proof that it can fail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at what they did not expect")]

use mealticket_proof::{deliveries, faults, hot, ledger, models, races, rules, simulator, wire::Fate};
use std::process::Command;

/// Seeds in a run of the tests. CI runs three thousand (`.ci/run`).
const SEEDS: u64 = 150;

#[test]
fn no_seed_breaks_a_promise() {
    let mut faults = 0;
    for seed in 0..SEEDS {
        let outcome = simulator::run(seed);
        assert!(outcome.violations.is_empty(), "{outcome:#?}");
        faults += outcome.passed.iter().filter(|passed| passed.fate != Fate::Pass).count() as u64;
    }
    assert!(faults > SEEDS, "a run whose faults fall nowhere shows nothing: {faults}");
}

#[test]
fn a_seed_replays_identically() {
    for seed in [3, 11, 17, 35, 54, 62, 101] {
        let (first, again) = (simulator::run(seed), simulator::run(seed));
        assert_eq!((first.passed, first.exchanges), (again.passed, again.exchanges), "seed {seed}");
    }
}

/// The last of these seeds found a run that ended while an entry was due for which its endpoint had had no room.
#[test]
fn a_seed_takes_the_same_course_in_another_process() {
    let course = || {
        let mut prove = Command::new(env!("CARGO_BIN_EXE_prove"));
        let output = prove.args(["--only-seeds", "--from", "13130", "--seeds", "13"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(course(), course());
}

#[test]
fn every_call_of_every_operation_stands_every_fault() {
    let operations = faults::exhaustively();
    assert_eq!(operations.len(), faults::OPERATIONS.len());
    for operation in operations {
        assert!(operation.failures.is_empty(), "{operation:#?}");
        assert_eq!(operation.tried, operation.calls.len() * Fate::FAULTS.len(), "{}", operation.name);
        assert!(!operation.calls.is_empty(), "{}", operation.name);
    }
}

#[test]
fn the_models_hold_and_every_model_that_is_broken_on_purpose_is_found_out() {
    let reports = models::check_all(true);
    assert_eq!(reports.len(), 3);
    for report in reports {
        assert!(report.holds(), "{}: {:?}", report.name, report.mutants);
        assert!(report.mutants.len() >= 7 && report.states > 1_000, "{}", report.name);
    }
}

#[test]
fn races_on_real_threads_have_exactly_their_winners() {
    assert_eq!(races::claims(2), [races::UNITS; 2]);
    assert_eq!(races::redemptions(10), [1; 10]);
}

#[test]
fn leased_stock_serves_twenty_times_what_a_counter_item_serves() {
    let (leases, counter) = hot::compare();
    assert!(leases.per_second >= 20.0 * counter.per_second, "{leases:?} {counter:?}");
    assert!(leases.hottest_writes_per_claim <= 0.05, "{leases:?}");
    // The counter met the limit of the layer itself: a tenth of a thousand writes a second, and the burst of the first
    // second.
    let limit = 1_000.0 * hot::SCALE;
    assert!((limit..=limit * 4.0 / 3.0 + 1.0).contains(&counter.per_second), "{counter:?}");
    assert!(counter.throttled > 0);
}

/// This is no bound on the machine's time. A rule of ten clauses takes less time than a call to the tables.
#[test]
fn a_rule_of_ten_clauses_costs_microseconds() {
    let each = rules::evaluate(2_000);
    assert!(each.as_micros() < 1_000, "{each:?}");
}

#[test]
fn a_month_of_books_is_what_was_made_up() {
    let books = ledger::measure(ledger::Plan::month(20, 2_000), |_| ());
    assert!(books.holds(), "{books:?}");
    assert_eq!((books.statements, books.wrong_statements), (20, 0));
    assert!(books.repeated > 0 && books.pages > 10);
}

#[test]
fn one_endpoint_that_hangs_costs_the_other_ninety_nine_nothing_to_speak_of() {
    let (undisturbed, disturbed) = deliveries::beside_one_that_hangs(10);
    assert!(disturbed.per_second() >= 0.95 * undisturbed.per_second(), "{disturbed:?} {undisturbed:?}");
}
