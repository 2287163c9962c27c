//! The books: what was posted is folded once, a closed day stays as it is, and statements follow from sheets.

use crate::attempt::Attempt;
use crate::journal::{busy_day, claim, post, records, shard};
use aws_sdk_dynamodb::types::AttributeValue;
use fold_books::{Worked, work};
use mealticket_domain::{
    Campaign, MerchantId, ProvinceDay, ProvinceMonth, Timestamp,
    books::{Cell, Cells, Sum, add_cells},
    journal::Entry,
    statement::{Answer, AnswerDecision, Dispute, StatementId},
};
use mealticket_store::{
    Tables,
    ledger::{PostedAside, StatementHead},
};
use mealticket_support::{Fate, Faults, World};
use serde_json::json;
use std::time::Duration;

const MERCHANT: &str = "mch_luckytea";

fn merchant() -> MerchantId {
    MERCHANT.parse().unwrap()
}

fn day(text: &str) -> ProvinceDay {
    text.parse().unwrap()
}

fn go_to(world: &World, at: &str) {
    world.clock().set(at.parse::<Timestamp>().unwrap());
}

/// Folds everything that is posted so far, in an environment of its own.
pub(crate) async fn fold(world: &World) -> Worked {
    work(&world.another_environment().narrowed()).await.unwrap()
}

/// Posts everything that happened so far.
pub(crate) async fn post_all(world: &World) {
    assert!(post(&world.another_environment(), &shard(world), &records(world)).await.is_empty());
}

fn sum(cells: &Cells) -> Cell {
    let mut total = Cell::default();
    cells.values().for_each(|cell| total.add(cell));
    total
}

async fn bill(tables: &Tables, day: ProvinceDay) -> Vec<Entry> {
    tables.ledger.read_bill(&merchant(), day, None, 1_000).await.unwrap().lines
}

/// The sum of all of a merchant's sheets.
async fn all(tables: &Tables) -> Cell {
    let days = tables.ledger.read_sheets(&merchant(), day("2026-01-01"), day("2099-12-31")).await.unwrap();
    let mut cells = Cells::new();
    days.values().for_each(|day| add_cells(&mut cells, day));
    sum(&cells)
}

/// The same sum from the journal's pages.
async fn journal(world: &World) -> Cell {
    let pages = world.another_environment().ledger.read_journal(&shard(world), Timestamp::MIN).await.unwrap().pages;
    let mut total = Cell::default();
    pages.iter().flat_map(|page| &page.entries).for_each(|entry| total.add(&Cell::of(entry)));
    for (_, count) in pages.iter().flat_map(|page| page.counts.iter()) {
        total.claimed += i64::from(count.claimed);
    }
    total
}

/// Posts twelve claims, eight redemptions and four reversals, in pages of five records.
async fn posted_day(world: &World) -> std::sync::Arc<Campaign> {
    let campaign = world.campaign_like(1, 500, 100, 1).await;
    busy_day(world, &campaign).await;
    for batch in records(world).chunks(5) {
        post(world.tables(), &shard(world), batch).await;
    }
    campaign
}

#[tokio::test]
async fn sheets_say_what_the_pages_say_and_a_fold_is_done_once() {
    let world = World::new().await;
    let campaign = posted_day(&world).await;
    let worked = fold(&world).await;
    assert_eq!((worked.entries, worked.set_aside), (12, 0));
    let tables = world.another_environment();
    let total = all(&tables).await;
    assert_eq!(total, journal(&world).await);
    assert_eq!((total.claimed, total.redeemed, total.reversed), (12, 8, 4));
    // Twelve were claimed, and four are used up. Only the clock can end the other eight.
    let month = |text: &str| text.parse::<ProvinceMonth>().unwrap();
    let lapses = tables.ledger.read_lapses(&merchant(), month("2026-11"), month("2026-12")).await.unwrap();
    assert_eq!(lapses.values().sum::<i64>(), 8);
    assert_eq!(total.postings.balance(), 0);
    let today = world.now().province_day();
    let sheet = tables.ledger.read_sheet(&merchant(), today).await.unwrap();
    assert!(sheet.keys().all(|key| key.campaign == campaign.no));
    assert_eq!(bill(&tables, today).await.len(), 12);
    assert_eq!(fold(&world).await.folds, 0, "there is nothing more");
    assert_eq!(all(&tables).await, total);
}

/// A fold is cut off at any call, and another environment begins it again: the sheets are the same.
#[tokio::test]
async fn a_fold_that_is_cut_off_anywhere_is_begun_again_without_a_second_effect() {
    for call in 0.. {
        let world = World::new().await;
        posted_day(&world).await;
        go_to(&world, "2026-12-01T00:00:00Z");
        let faults = Faults::before(&world.engine.url()).await;
        let tables = world.tables_at(&faults.url).giving_up_after(Duration::from_millis(100));
        faults.from_nth(call, if call % 2 == 0 { Fate::LoseAnswer } else { Fate::LoseRequest });
        let was_cut_off = work(&tables.narrowed()).await.is_err();
        faults.calm();
        fold(&world).await;
        assert_eq!(all(&world.another_environment()).await, journal(&world).await, "cut off at call {call}");
        let id = StatementId { merchant: merchant(), month: "2026-11".parse().unwrap() };
        let made = world.another_environment().ledger.read_statement(&id).await.unwrap().unwrap();
        assert_eq!(made.closing, mealticket_domain::statement::due(&journal(&world).await.postings));
        if !was_cut_off {
            assert!(call > 20, "{call}");
            return;
        }
    }
}

/// A folder is slow: another does everything before it, and more.
#[tokio::test]
async fn folders_at_once_do_what_one_does() {
    for call in 0.. {
        let world = World::new().await;
        let campaign = posted_day(&world).await;
        let faults = Faults::before(&world.engine.url()).await;
        faults.nth(call, Fate::Hold);
        let slow = world.tables_at(&faults.url).narrowed();
        let mut working = std::pin::pin!(work(&slow));
        let is_over = tokio::select! {
            worked = &mut working => { worked.unwrap(); true }
            () = faults.held() => {
                fold(&world).await;
                claim(&world, world.tables(), &campaign).await;
                post_all(&world).await;
                fold(&world).await;
                faults.let_go();
                working.await.unwrap();
                false
            }
        };
        assert_eq!(all(&world.another_environment()).await, journal(&world).await, "held at call {call}");
        if is_over {
            assert!(call > 10, "{call}");
            return;
        }
    }
}

#[tokio::test]
async fn what_comes_after_the_close_is_booked_on_the_first_open_day_and_a_closed_day_stays() {
    let world = World::new().await;
    let campaign = posted_day(&world).await;
    let late = claim(&world, world.tables(), &campaign).await;
    world
        .tables()
        .members
        .redeem(&world.tables().catalog, &campaign, late.key, late.key_version, &world.redemption(77))
        .await
        .unwrap();
    // The last redemption is not posted before the day is closed.
    let sunday = world.now().province_day();
    go_to(&world, "2026-11-22T21:59:59Z");
    let closed = fold(&world).await.closed;
    assert_eq!(closed.as_deref(), Some("2026-11-21"), "the day is over for less than six hours");
    go_to(&world, "2026-11-22T22:00:00Z");
    assert_eq!(fold(&world).await.closed.as_deref(), Some("2026-11-22"));
    let tables = world.another_environment();
    let before = (tables.ledger.read_sheet(&merchant(), sunday).await.unwrap(), bill(&tables, sunday).await);
    post_all(&world).await;
    fold(&world).await;
    let after = (tables.ledger.read_sheet(&merchant(), sunday).await.unwrap(), bill(&tables, sunday).await);
    assert_eq!(before, after);
    let monday = bill(&tables, sunday.plus_days(1)).await;
    assert_eq!(monday.iter().map(|entry| entry.order_no.to_string()).collect::<Vec<_>>(), ["A-77"]);
    assert_eq!(monday[0].at.province_day(), sunday, "it has the time of the redemption");
    assert_eq!(all(&tables).await, journal(&world).await);
}

#[tokio::test]
async fn a_statement_is_made_once_numbered_and_carries_its_closing_over() {
    let world = World::new().await;
    let campaign = posted_day(&world).await;
    let late = claim(&world, world.tables(), &campaign).await;
    let tables = world.another_environment();
    let id = |month: &str| StatementId { merchant: merchant(), month: month.parse::<ProvinceMonth>().unwrap() };
    go_to(&world, "2026-11-30T21:59:00Z");
    assert_eq!(fold(&world).await.statements, 0);
    go_to(&world, "2026-11-30T22:00:00Z");
    assert_eq!(fold(&world).await.statements, 1);
    let november = tables.ledger.read_statement(&id("2026-11")).await.unwrap().unwrap();
    assert_eq!((november.statement.no, november.statement.opening), (1, 0));
    let total = november.statement.total();
    assert_eq!((total.redeemed, total.reversed, total.postings.balance()), (8, 4, 0));
    assert_eq!(november.closing, 4 * 500, "four stand, at five yuan each");
    // A redemption of November that is posted now is booked in December.
    let mut request = world.redemption(78);
    request.at = "2026-11-24T10:00:00Z".parse().unwrap();
    world
        .tables()
        .members
        .redeem(&world.tables().catalog, &campaign, late.key, late.key_version, &request)
        .await
        .unwrap();
    post_all(&world).await;
    fold(&world).await;
    assert_eq!(tables.ledger.read_statement(&id("2026-11")).await.unwrap().unwrap(), november);
    go_to(&world, "2027-01-31T22:00:00Z");
    assert_eq!(fold(&world).await.statements, 2, "December, and January, which has nothing but what is owed");
    assert_eq!(tables.ledger.read_statement(&id("2026-11")).await.unwrap().unwrap(), november);
    let december = tables.ledger.read_statement(&id("2026-12")).await.unwrap().unwrap();
    assert_eq!((december.statement.no, december.statement.opening), (2, 2_000));
    assert_eq!(december.closing, 2_500);
    let january = tables.ledger.read_statement(&id("2027-01")).await.unwrap().unwrap();
    assert_eq!((january.statement.no, january.statement.opening, january.closing), (3, 2_500, 2_500));
    let listed = tables.ledger.list_statements(&merchant(), None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|head| head.statement.no).collect::<Vec<_>>(), [3, 2, 1]);
}

/// All statements of the merchant, the oldest first.
async fn all_statements(tables: &Tables) -> Vec<StatementHead> {
    let mut all = tables.ledger.list_statements(&merchant(), None, usize::MAX).await.unwrap();
    all.reverse();
    all
}

/// From the month of the first redemption on, each month has its statement. Each opens with what the one before closed with.
fn assert_chain(statements: &[StatementHead], last: ProvinceMonth) {
    let first: ProvinceMonth = "2026-11".parse().unwrap();
    let months = std::iter::successors(Some(first), |month| Some(month.next())).take_while(|month| *month <= last);
    assert_eq!(statements.iter().map(|head| head.statement.id.month).collect::<Vec<_>>(), months.collect::<Vec<_>>());
    let mut opening = 0;
    for (head, no) in statements.iter().zip(1..) {
        assert_eq!((head.statement.no, head.statement.opening), (no, opening), "{}", head.statement.id);
        opening = head.closing;
    }
}

/// Nobody folds for a day, or for ten years: a stack was stopped, or its clock was moved.
#[tokio::test]
async fn whatever_the_gap_every_closed_month_has_its_statement() {
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::new().await;
        let campaign = posted_day(&world).await;
        let gaps = if seed == 0 { vec![3_653] } else { (0..3).map(|_| 3_i32.pow(random.u32(0..=7))).collect() };
        let mut coupons = Vec::new();
        for _ in &gaps {
            coupons.push(claim(&world, world.tables(), &campaign).await);
        }
        for ((gap, coupon), number) in gaps.iter().zip(coupons).zip(200..) {
            let mut redemption = world.redemption(number);
            redemption.at = coupon.valid_from;
            let catalog = &world.tables().catalog;
            let redeeming =
                world.tables().members.redeem(catalog, &campaign, coupon.key, coupon.key_version, &redemption);
            redeeming.await.unwrap();
            if random.bool() {
                post_all(&world).await;
            }
            world.clock().set(world.now().plus_seconds(i64::from(*gap) * 86_400));
            while fold(&world).await.unfinished {}
            let closed = world.another_environment().ledger.read_closed_day().await.unwrap();
            let last = ProvinceMonth::of(closed.unwrap().plus_days(1)).previous();
            assert_chain(&all_statements(&world.another_environment()).await, last);
        }
        post_all(&world).await;
        while fold(&world).await.unfinished {}
        assert_eq!(all(&world.another_environment()).await, journal(&world).await, "{gaps:?}");
    }
}

/// An environment whose clock is a week ahead folds once. The others go on by the right time, and nothing is lost.
#[tokio::test]
async fn a_fold_by_a_clock_that_is_ahead_stops_nobody() {
    let world = World::new().await;
    let campaign = posted_day(&world).await;
    let right = world.now();
    fold(&world).await;
    go_to(&world, "2026-11-29T04:00:00Z");
    fold(&world).await;
    // Nobody folds for three days of the right time. Each day has shards of its own.
    for (day, shard) in (0..).zip(["shardId-a", "shardId-b", "shardId-c"]) {
        world.clock().set(right.plus_seconds(60 + day * 86_400));
        let before = records(&world).len();
        claim(&world, world.tables(), &campaign).await;
        post(&world.another_environment(), &shard.parse().unwrap(), &records(&world)[before..]).await;
    }
    world.clock().set(right.plus_seconds(4 * 86_400));
    assert_eq!(fold(&world).await.pages, 3);
    assert_eq!(all(&world.another_environment()).await.claimed, 15);
}

/// A sheet of November cannot be read. December waits for it: without November's closing its opening would be wrong.
#[tokio::test]
async fn no_statement_is_made_while_an_earlier_month_lacks_its_own() {
    let world = World::new().await;
    posted_day(&world).await;
    go_to(&world, "2026-11-25T00:00:00Z");
    fold(&world).await;
    let ledger = &world.deps.stack.config.tables.ledger;
    let sheet = (format!("SHEETS#{MERCHANT}"), "2026-11-22#000");
    let spoil = |cells| world.overwrite(ledger, (&sheet.0, sheet.1), "cells", cells);
    let good = spoil(AttributeValue::B(vec![0, 0, 0].into())).await.unwrap();
    go_to(&world, "2027-01-31T22:00:00Z");
    for _ in 0..2 {
        let worked = fold(&world).await;
        assert_eq!((worked.statements, worked.unreadable), (0, 1), "only the first month that cannot be read counts");
        assert!(all_statements(&world.another_environment()).await.is_empty());
    }
    spoil(good).await;
    assert_eq!(fold(&world).await.statements, 3);
    assert_chain(&all_statements(&world.another_environment()).await, "2027-01".parse().unwrap());
}

/// The books of one merchant cannot be read. The others get their statements, and are notified once, however often the
/// books are folded.
#[tokio::test]
async fn a_merchant_whose_books_cannot_be_read_delays_nobody_else() {
    let world = World::new().await;
    posted_day(&world).await;
    let ledger = &world.deps.stack.config.tables.ledger;
    let nonsense = || AttributeValue::B(vec![0, 0, 0].into());
    world.overwrite(ledger, ("BOOKED", "mch_broken"), "nonsense", nonsense()).await;
    world.overwrite(ledger, ("SHEETS#mch_broken", "2026-11-22#000"), "cells", nonsense()).await;
    go_to(&world, "2026-11-30T22:00:00Z");
    let worked = fold(&world).await;
    assert_eq!((worked.statements, worked.unreadable), (1, 1));
    world.pass_seconds(300);
    let tables = world.another_environment();
    let worked = work(&tables.narrowed()).await.unwrap();
    assert_eq!((worked.unreadable, tables.capacity().write_tenths), (1, 0), "nothing is queued a second time");
    go_to(&world, "2026-12-31T22:00:00Z");
    assert_eq!(fold(&world).await.statements, 1);
    assert_chain(&all_statements(&world.another_environment()).await, "2026-12".parse().unwrap());
}

#[tokio::test]
async fn of_many_answers_at_once_to_a_statement_the_merchants_word_stands() {
    let world = World::new().await;
    let id = StatementId { merchant: merchant(), month: "2026-11".parse().unwrap() };
    let dispute = |reason: &str| Dispute { at: world.now(), reason: reason.parse().unwrap() };
    let disputed = |reason: &str| Answer::Disputed(dispute(reason));
    let (first, second) = (disputed("one"), disputed("two"));
    let environments = [world.another_environment(), world.another_environment()];
    let (one, two) = tokio::join!(
        environments[0].ledger.answer_statement(&id, &first),
        environments[1].ledger.answer_statement(&id, &second)
    );
    let decisions = [one.unwrap(), two.unwrap()];
    let recorded = decisions.iter().filter(|(decision, _)| matches!(decision, AnswerDecision::Record(_))).count();
    assert_eq!(recorded, 1);
    assert_eq!(decisions[0].1, decisions[1].1, "both get the one that stands");
    let confirmed = Answer::Confirmed { at: world.now(), after: None };
    let (decision, standing) = environments[0].ledger.answer_statement(&id, &confirmed).await.unwrap();
    assert_eq!(decision, AnswerDecision::Record(standing.clone()));
    // The confirmation remembers the dispute that it ended.
    let Answer::Disputed(ended) = decisions[0].1.clone() else { panic!("{decisions:?}") };
    let confirmed = Answer::Confirmed { at: world.now(), after: Some(ended) };
    assert_eq!(standing, confirmed);
    assert_eq!(environments[1].ledger.answer_statement(&id, &confirmed).await.unwrap().0, AnswerDecision::Repeat);
    assert_eq!(
        environments[1].ledger.answer_statement(&id, &first).await.unwrap(),
        (AnswerDecision::AlreadyConfirmed, confirmed)
    );
}

#[tokio::test]
async fn a_record_that_was_put_aside_is_listed_and_posted_once_when_it_can_be_read() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 100, 1).await;
    busy_day(&world, &campaign).await;
    let mut batch = records(&world);
    let whole = journal_of(&world, &batch).await;
    let spoilt = batch.iter().position(|record| record["eventName"] == "MODIFY").unwrap();
    batch[spoilt]["dynamodb"]["NewImage"]["settlement_version"] = json!({ "N": "7" });
    let event_id = batch[spoilt]["eventID"].as_str().unwrap().to_owned();
    post(world.tables(), &shard(&world), &batch).await;
    assert_eq!(fold(&world).await.set_aside, 1);
    let tables = world.another_environment();
    let listed = tables.ledger.list_set_asides(None, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].id.as_str(), listed[0].posted.clone()), (1, event_id.as_str(), None));
    let unreadable = tables.ledger.post_aside(&tables.catalog, &event_id, "li.na", world.now()).await.unwrap();
    assert!(matches!(unreadable, PostedAside::StillUnreadable(_)), "{unreadable:?}");
    assert_eq!(
        tables.ledger.post_aside(&tables.catalog, "nothing", "li.na", world.now()).await.unwrap(),
        PostedAside::NotFound
    );
    // Publishes the terms that were missing.
    let mut newer = Campaign::clone(&campaign);
    newer.settlement_version = 7;
    newer.terms.version += 1;
    newer.terms_sha256 = newer.terms.hash(newer.no).unwrap();
    tables.catalog.put_campaign(&newer, &mealticket_support::world::settlement_terms()).await.unwrap();
    for _ in 0..3 {
        let posted = world
            .another_environment()
            .ledger
            .post_aside(&world.another_environment().catalog, &event_id, "li.na", world.now())
            .await
            .unwrap();
        let PostedAside::Posted(record) = posted else { panic!("{posted:?}") };
        assert_eq!(record["eventID"], event_id.as_str());
        fold(&world).await;
    }
    assert_eq!(tables.ledger.list_set_asides(None, 10).await.unwrap()[0].posted.clone().unwrap().1, "li.na");
    assert_eq!(all(&world.another_environment()).await, whole);
}

/// The sum of the pages of these records, in a world of their own.
async fn journal_of(like: &World, batch: &[serde_json::Value]) -> Cell {
    let world = World::new().await;
    world.campaign_like(1, 500, 100, 1).await;
    post(world.tables(), &shard(like), batch).await;
    journal(&world).await
}

#[tokio::test]
async fn the_rebuild_agrees_with_the_journal_and_names_every_difference() {
    let world = World::new().await;
    posted_day(&world).await;
    fold(&world).await;
    let rebuild = || async { rebuild_ledger::rebuild(&world.another_environment().narrowed()).await.unwrap() };
    let rebuilt = rebuild().await;
    assert!(rebuilt.agrees(), "{rebuilt:?}");
    assert_eq!((rebuilt.coupons, rebuilt.entries, rebuilt.journal_entries, rebuilt.under_way), (12, 12, 12, 0));
    // Nobody posts this redemption. For a quarter of an hour it counts as on its way, and after that as missing.
    let campaign = world.campaign(1).await;
    let lost = claim(&world, world.tables(), &campaign).await;
    world
        .tables()
        .members
        .redeem(&world.tables().catalog, &campaign, lost.key, lost.key_version, &world.redemption(99))
        .await
        .unwrap();
    let rebuilt = rebuild().await;
    assert_eq!((rebuilt.differences_in_all, rebuilt.under_way), (0, 1));
    world.pass_seconds(901);
    let rebuilt = rebuild().await;
    assert_eq!((rebuilt.differences_in_all, rebuilt.difference_fen["payable:merchant"]), (1, 500));
    let difference = &rebuilt.differences[0];
    assert_eq!(
        (difference.kind, difference.order_no.as_str(), difference.missing_fen["payable:merchant"]),
        ("missing", "A-99", -500)
    );
    assert!(rebuilt.counts_that_differ > 0 && !rebuilt.agrees());
    // Posts the records a second time, under another shard's name. Nothing that we run does so.
    post_all(&world).await;
    post(&world.another_environment(), &"shardId-9".parse().unwrap(), &records(&world)[..14]).await;
    let rebuilt = rebuild().await;
    assert!(
        rebuilt.differences_in_all > 0 && rebuilt.differences.iter().all(|difference| difference.kind == "repeated")
    );
}

/// There are more pages than one fold takes, in shards to which nobody has posted for days.
#[tokio::test]
async fn a_backlog_of_days_is_folded_to_its_last_page() {
    let world = World::new().await;
    let shards = ["shardId-a", "shardId-b", "shardId-c"].map(|name| name.parse().unwrap());
    let record = |number: usize| {
        json!({ "eventID": format!("{number:x}"), "eventName": "MODIFY", "dynamodb": {
            "SequenceNumber": number.to_string(), "ApproximateCreationDateTime": world.now().unix_seconds(),
            "NewImage": { "pk": { "S": "MEMBER#1" }, "sk": { "S": "PROFILE" } } } })
    };
    for shard in &shards {
        for number in 1..=70 {
            post(world.tables(), shard, &[record(number)]).await;
        }
    }
    go_to(&world, "2026-11-28T12:00:00Z");
    let worked = fold(&world).await;
    assert_eq!((worked.pages, worked.closed.as_deref()), (210, Some("2026-11-27")));
    for shard in &shards {
        assert_eq!(world.tables().ledger.read_folded_mark(shard).await.unwrap(), 70);
    }
}

/// Shards of a stream end, and others follow them. The records of each coupon stay in order, and nothing else does.
#[tokio::test]
async fn shards_that_split_and_overtake_each_other_come_to_the_same_books() {
    let whole = World::new().await;
    let campaign = whole.campaign_like(1, 500, 100, 1).await;
    busy_day(&whole, &campaign).await;
    let all = records(&whole);
    let expected = journal_of(&whole, &all).await;
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::new().await;
        world.campaign_like(1, 500, 100, 1).await;
        // One shard ends somewhere. Two that follow share the coupons between them.
        let split = random.usize(..=all.len());
        let (parent, rest) = all.split_at(split);
        let (one, two): (Vec<_>, Vec<_>) = rest.iter().cloned().partition(|record| {
            let pk = record["dynamodb"]["NewImage"]["pk"]["S"].as_str().unwrap();
            (u64::from(*pk.as_bytes().last().unwrap()) + seed).is_multiple_of(2)
        });
        let mut batches: Vec<(&str, Vec<serde_json::Value>)> = Vec::new();
        for (shard, records) in [("shardId-parent", parent.to_vec()), ("shardId-one", one), ("shardId-two", two)] {
            let mut waiting = records;
            while !waiting.is_empty() {
                let batch: Vec<_> = waiting.drain(..random.usize(1..=waiting.len())).collect();
                batches.push((shard, batch));
            }
        }
        // We may read the children before the parent, and so may a slow poster. Each shard keeps its own order.
        let mut order: Vec<&str> = batches.iter().map(|(shard, _)| *shard).collect();
        random.shuffle(&mut order);
        let environments = [world.another_environment(), world.another_environment()];
        for shard in order {
            let next = batches.iter().position(|(of, _)| *of == shard).unwrap();
            let (_, batch) = batches.remove(next);
            post(&environments[random.usize(..2)], &shard.parse().unwrap(), &batch).await;
            if random.bool() {
                fold(&world).await;
            }
        }
        fold(&world).await;
        assert_eq!(all_sheets(&world).await, expected, "seed {seed}");
    }
}

async fn all_sheets(world: &World) -> Cell {
    all(&world.another_environment()).await
}

/// A poisoned record is set aside where it is, and listed. It alone is missing from the books.
#[tokio::test]
async fn a_poisoned_record_in_every_position_holds_up_nobody_and_is_listed() {
    let like = World::new().await;
    let campaign = like.campaign_like(1, 500, 100, 1).await;
    busy_day(&like, &campaign).await;
    let good = records(&like);
    let whole = journal_of(&like, &good).await;
    for place in 0..good.len() {
        let world = World::new().await;
        world.campaign_like(1, 500, 100, 1).await;
        let mut batch = good.clone();
        batch[place]["dynamodb"]["NewImage"]["schema"] = json!({ "N": "99" });
        post(world.tables(), &shard(&like), &batch).await;
        // Once more, in halves.
        post(&world.another_environment(), &shard(&like), &batch[..place]).await;
        post(&world.another_environment(), &shard(&like), &batch[place..]).await;
        fold(&world).await;
        let tables = world.another_environment();
        let listed = tables.ledger.list_set_asides(None, 100).await.unwrap();
        assert_eq!(
            listed.iter().map(|listed| listed.id.as_str()).collect::<Vec<_>>(),
            [good[place]["eventID"].as_str().unwrap()]
        );
        let (poisoned, total) = (journal_of(&like, std::slice::from_ref(&good[place])).await, all(&tables).await);
        let mut sum = total.clone();
        sum.add(&poisoned);
        assert_eq!(sum, whole, "position {place}");
    }
}

/// A month of a merchant whose orders and stores look like formulas, numbers and days. A spreadsheet must not change
/// what is exported. The files stay in the target folder, to be opened and looked at.
#[tokio::test]
async fn a_months_files_keep_every_digit_and_hold_no_formula() {
    let world = World::new().await;
    let mut record = mealticket_store::catalog::MerchantRecord::clone(
        &*world.tables().catalog.read_merchant(&merchant()).await.unwrap().unwrap(),
    );
    record.merchant.stores[0].name = "=HYPERLINK(\"http://x\",\"天河城店\")".into();
    record.merchant.stores[1].name = "3/4 号店".into();
    world.tables().catalog.put_merchant(&record).await.unwrap();
    let campaign = world.campaign_like(1, 500, 100, 1).await;
    let orders = ["20261122000000000123", "0012", "=1+1", "-12.34", "4872E105", "2026-11", "@SUM(A1)", "A,\"b\""];
    for (order, number) in orders.iter().zip(0..) {
        let coupon = claim(&world, world.tables(), &campaign).await;
        let mut request = world.redemption(number);
        request.order.order_no = order.parse().unwrap();
        if number % 2 == 1 {
            request.store_id = "sto_luckytea02".parse().unwrap();
        }
        world
            .tables()
            .members
            .redeem(&world.tables().catalog, &campaign, coupon.key, coupon.key_version, &request)
            .await
            .unwrap();
    }
    post_all(&world).await;
    go_to(&world, "2026-12-01T00:00:00Z");
    fold(&world).await;
    let export = |path: &'static str| {
        let world = &world;
        async move {
            let attempt = Attempt::get(path).bearer(&world.merchant_token(MERCHANT));
            attempt.send(&world.deps_elsewhere()).await.expect(200).text
        }
    };
    let bill = export("/v1/daily-bills/2026-11-22/csv").await;
    let statement = export("/v1/statements/stm_luckytea202611/csv").await;
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("daily-bill.csv"), &bill).unwrap();
    std::fs::write(folder.join("statement.csv"), &statement).unwrap();
    for file in [&bill, &statement] {
        assert!(file.starts_with('\u{feff}') && file.ends_with("\r\n"));
        let cells = file.lines().flat_map(|line| line.trim_start_matches('\u{feff}').split(','));
        let is_amount = |cell: &str| cell.split_once('.').is_some_and(|(_, fen)| fen.len() == 2);
        for cell in cells.map(|cell| cell.trim_matches('"')).filter(|cell| !is_amount(cell)) {
            let number = cell.parse::<u64>().is_ok();
            assert!(!cell.starts_with(['=', '+', '-', '@']) && (!number || cell.len() < 6), "{cell}");
        }
    }
    for order in ["\t20261122000000000123", "\t0012", "'=1+1", "'-12.34", "\t4872E105", "\t2026-11", "'@SUM(A1)"] {
        assert!(bill.contains(&format!(",{order},")), "{order} in {bill}");
    }
    assert!(bill.contains("\"A,\"\"b\"\"\"") && bill.contains("\"'=HYPERLINK(") && statement.contains("\t3/4 号店"));
    assert_eq!(
        (bill.lines().count(), statement.contains("合计,,,,8,0,200.00,40.00,40.00,0.00,40.00")),
        (9, true),
        "{statement}"
    );
}

#[tokio::test]
async fn metrics_tell_what_a_campaign_came_to_by_day_store_and_channel() {
    let world = World::new().await;
    let campaign = world.campaign_like(1, 500, 100, 1).await;
    let used = claim(&world, world.tables(), &campaign).await;
    let lapsing = claim(&world, world.tables(), &campaign).await;
    world
        .tables()
        .members
        .redeem(&world.tables().catalog, &campaign, used.key, used.key_version, &world.redemption(1))
        .await
        .unwrap();
    post_all(&world).await;
    fold(&world).await;
    let last = lapsing.valid_until.plus_seconds(-1).province_day();
    let ask = |from: ProvinceDay, to: ProvinceDay, limit: &'static str| {
        let (world, no) = (&world, campaign.no.to_string());
        async move {
            let mut items = Vec::new();
            let mut cursor: Option<String> = None;
            loop {
                let attempt = Attempt::get("/v1/admin/metrics").query("campaign_id", &no).query("limit", limit);
                let attempt = attempt.query("from", &from.to_string()).query("to", &to.to_string());
                let attempt = cursor.iter().fold(attempt, |attempt, cursor| attempt.query("cursor", cursor));
                let token = world.operator_token(&[mealticket_api::auth::operator::Role::ProvinceAdmin]);
                let reply = attempt.bearer(&token).send(&world.deps_elsewhere()).await.expect(200);
                items.extend(reply.json["items"].as_array().unwrap().clone());
                match reply.json["next"].as_str() {
                    Some(next) => cursor = Some(next.to_owned()),
                    None => return items,
                }
            }
        }
    };
    let sunday = world.now().province_day();
    let rows = ask(sunday, sunday, "1").await;
    let [claims, till] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((&claims["store_id"], &claims["claimed"], &claims["redeemed"]), (&json!(null), &json!(2), &json!(0)));
    assert_eq!((&till["store_id"], &till["redeemed"]), (&json!("sto_luckytea01"), &json!(1)));
    assert_eq!(
        (&till["order_value_fen"], &till["discount_fen"], &till["cost_fen"]),
        (&json!(2_500), &json!(500), &json!(500))
    );
    // Coupons that will lapse are not shown before they have.
    assert!(ask(last, last, "100").await.is_empty());
    world.clock().set(last.plus_days(1).starts_at());
    let rows = ask(last, last, "100").await;
    assert_eq!((rows.len(), &rows[0]["expired"], &rows[0]["claimed"]), (1, &json!(1), &json!(0)));
    // A long period is answered month by month, also through months without business. A period that ends before it
    // begins has no days.
    let (first, end) = (sunday.plus_days(-100), sunday.plus_days(100));
    for limit in ["1", "100"] {
        assert_eq!(ask(first, end, limit).await.len(), 3, "{limit}");
    }
    assert!(ask(end, first, "100").await.is_empty());
}
