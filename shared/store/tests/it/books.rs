//! Money in the journal: what a page holds, what it costs, and the worked example of `docs/LEDGER.md`.

use mealticket_domain::{
    Campaign, Fingerprint, ProvinceMonth, Reason, Share, Timestamp,
    books::{Fold, SheetKey},
    journal::{Entry, Page, StreamShard},
    limits::{CHANNEL_BYTES_MAX, ORDER_NO_BYTES_MAX, SHARE_CODE_BYTES_MAX, SLUG_BYTES_MAX},
    settlement::{Account, Postings, SettlementTerms},
    share::Attribution,
    statement::{Statement, StatementId},
};
use mealticket_local::workspace;
use mealticket_store::members::{ClaimOutcome, ReverseRequest};
use mealticket_support::{World, stream, world::key_hash};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn shard() -> StreamShard {
    "shardId-00000001764000000000-6a9d1c2e".parse().unwrap()
}

/// The stream's records of one coupon of a campaign. It is claimed, redeemed at the tea shop and, when `undone` is set,
/// undone.
async fn story(world: &World, campaign: &Campaign, undone: bool) -> Vec<Value> {
    let claimed = world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, campaign, &world.claim(world.member(), 1))
        .await
        .unwrap();
    let ClaimOutcome::Claimed(coupon) = claimed else { panic!("{claimed:?}") };
    world
        .tables()
        .members
        .redeem(&world.tables().catalog, campaign, coupon.key, coupon.key_version, &world.redemption(1))
        .await
        .unwrap();
    if undone {
        let reason: Reason = "r".parse().unwrap();
        let request = ReverseRequest { key: key_hash(9), fingerprint: Fingerprint([3; 16]), reason, now: world.now() };
        world.tables().members.reverse(&world.tables().catalog, coupon.key, 0, &request).await.unwrap();
    }
    stream::records(world.engine.database(), &world.deps.stack.config.tables.members)
}

async fn pages(world: &World) -> Vec<Page> {
    world.tables().ledger.read_journal(&shard(), Timestamp::MIN).await.unwrap().pages
}

/// Two thousand entries with the longest texts that are legal, which no compression makes shorter.
#[tokio::test]
async fn the_longest_lines_of_a_bill_fit_into_items() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let records = world.tables().catalog.read_batch(&story(&world, &campaign, true).await).await.unwrap();
    let usual = records.iter().flat_map(|record| record.entries.clone()).next().unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let text =
        |random: &mut fastrand::Rng, length: usize| (0..length).map(|_| random.alphanumeric()).collect::<String>();
    let mut longest = Vec::new();
    for _ in 0..2_001 {
        let mut entry = usual.clone();
        entry.order_no = text(&mut random, ORDER_NO_BYTES_MAX).parse().unwrap();
        entry.store = format!("sto_{}", text(&mut random, SLUG_BYTES_MAX).to_lowercase()).parse().unwrap();
        entry.channel = Some(text(&mut random, CHANNEL_BYTES_MAX).to_lowercase().parse().unwrap());
        entry.share = Some(Share::Unverified(text(&mut random, SHARE_CODE_BYTES_MAX).parse().unwrap()));
        // Amounts that need nine bytes each.
        for city in 0..12 {
            entry.postings.add(Account::CitySubsidy(format!("城市{city}")), random.i64(1 << 56..1 << 60));
        }
        longest.push(entry);
    }
    let sheet = SheetKey { merchant: usual.merchant.clone(), day: world.now().province_day() };
    for _ in 0..2 {
        world.tables().ledger.add_to_bill(&sheet, 1, &longest).await.unwrap();
    }
    let (mut read, mut from) = (Vec::new(), None);
    loop {
        let bill = world.tables().ledger.read_bill(&sheet.merchant, sheet.day, from, 1_500).await.unwrap();
        read.extend(bill.lines);
        from = bill.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(read, longest);
}

#[tokio::test]
async fn what_is_posted_is_read_back_to_the_fen() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let records = world.tables().catalog.read_batch(&story(&world, &campaign, true).await).await.unwrap();
    let expected: Vec<Entry> = records.iter().flat_map(|record| record.entries.clone()).collect();
    world.tables().ledger.post(&shard(), records).await.unwrap();
    let pages = pages(&world).await;
    assert_eq!(pages.len(), 1);
    assert_eq!(pages[0].entries, expected);
    let [spent, undone] = &pages[0].entries[..] else { panic!("{:?}", pages[0].entries) };
    assert_eq!((spent.discount.get(), spent.amount.get(), spent.merchant.as_str()), (500, 2_500, "mch_luckytea"));
    assert_eq!(undone.postings, spent.postings.reversed());
    assert_eq!(pages[0].postings().balance(), 0);
}

/// A redemption like the last of these records, by another member on another order.
fn another(record: &Value, number: usize) -> Value {
    let mut record = record.clone();
    let member = json!({ "S": format!("MEMBER#{}", 70_000_000 + number) });
    for place in ["Keys", "OldImage", "NewImage"] {
        record["dynamodb"][place]["pk"] = member.clone();
    }
    record["dynamodb"]["NewImage"]["redemptions"]["L"][0]["M"]["order"] =
        json!({ "S": format!("20261122{number:08}") });
    record["dynamodb"]["SequenceNumber"] = format!("{:021}", 1_000 + number).into();
    record
}

#[tokio::test]
async fn a_page_of_a_hundred_costs_a_fifth_of_a_unit_each_and_one_of_a_thousand_an_eighth() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let like = story(&world, &campaign, false).await.pop().unwrap();
    for (batch, hundredths) in [(100, 20), (1_000, 12)] {
        let records: Vec<Value> = (0..batch).map(|number| another(&like, number)).collect();
        let tables = world.another_environment().for_one_request();
        let shard: StreamShard = format!("shardId-{batch}").parse().unwrap();
        let records = tables.catalog.read_batch(&records).await.unwrap();
        let before = tables.capacity().write_tenths;
        let posted = tables.ledger.post(&shard, records).await.unwrap();
        assert_eq!(posted.iter().map(|page| page.entries.len()).collect::<Vec<_>>(), [batch]);
        let written = tables.capacity().write_tenths - before;
        let batch = batch as u64;
        // Tenths of a unit; and for each entry, hundredths of a unit.
        assert!(written * 10 <= batch * hundredths, "{written} tenths of a unit for {batch}");
        let bytes = written * 1_024 / 10 / batch;
        assert!(bytes <= 120, "about {bytes} bytes an entry");
    }
}

#[tokio::test]
async fn a_redemption_without_sound_settlement_terms_is_put_aside_and_its_claim_is_counted() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let mut records = story(&world, &campaign, false).await;
    records[1]["dynamodb"]["NewImage"]["settlement_version"] = json!({ "N": "9" });
    let read = world.tables().catalog.read_batch(&records).await.unwrap();
    world.tables().ledger.post(&shard(), read).await.unwrap();
    let pages = pages(&world).await;
    assert_eq!((pages[0].aside.len(), pages[0].entries.len()), (1, 0));
    assert_eq!(pages[0].aside[0].reason, "the catalog has no sound settlement terms of that version");
    assert_eq!(pages[0].tally.claims[&campaign.no].values().sum::<u32>(), 1);
}

#[tokio::test]
async fn of_two_runs_at_once_the_first_to_write_a_fold_or_a_statement_down_is_right() {
    let world = World::new().await;
    let (tables, day) = (world.tables(), world.now().province_day());
    let first = Fold {
        no: 1,
        pages: BTreeMap::from([(shard(), (1, 3))]),
        closed: None,
        closes: None,
        planned_at: world.now(),
        look_from: day,
        is_done: false,
    };
    assert!(tables.ledger.begin_fold(&first).await.unwrap());
    let second = Fold { pages: BTreeMap::from([(shard(), (1, 9))]), ..first.clone() };
    assert!(!tables.ledger.begin_fold(&second).await.unwrap());
    assert_eq!(tables.ledger.read_newest_fold().await.unwrap(), Some(first));

    let id = StatementId { merchant: "mch_luckytea".parse().unwrap(), month: ProvinceMonth::of(day) };
    let statement =
        Statement { id: id.clone(), no: 1, opening: 7, lines: BTreeMap::new(), closed_at: world.now(), cut: 1 };
    tables.ledger.put_statement(&statement).await.unwrap();
    tables.ledger.put_statement(&Statement { opening: 8, cut: 2, ..statement.clone() }).await.unwrap();
    assert_eq!(tables.ledger.read_statement(&id).await.unwrap().unwrap().statement, statement);
}

/// An amount in yuan, with two decimals.
fn yuan(fen: i64) -> String {
    format!("{}{}.{:02}", if fen < 0 { "-" } else { "" }, fen.abs() / 100, fen.abs() % 100)
}

fn row(text: &mut String, what: &str, postings: &Postings, accounts: &[Account]) {
    let amounts: Vec<String> = accounts
        .iter()
        .map(|account| {
            postings.amounts().find(|(known, _)| *known == account).map_or(String::new(), |(_, fen)| yuan(fen))
        })
        .collect();
    text.push_str(&format!("| {what} | {} | {} |\n", amounts.join(" | "), yuan(postings.balance())));
}

#[test]
fn the_worked_example_is_what_the_terms_post() {
    let terms: SettlementTerms = serde_json::from_str(
        r#"{ "funded_by": { "province": 50, "city:广州": 16.67, "merchant": 33.33 }, "pays_merchant": "discount",
             "commission": { "fen": 30, "charged_to": "province" } }"#,
    )
    .unwrap();
    let accounts = [
        Account::ProvinceSubsidy,
        Account::CitySubsidy("广州".into()),
        Account::CoFundingReceivable,
        Account::Rounding,
        Account::MerchantPayable,
        Account::CommissionPayable,
    ];
    let names: Vec<String> = accounts.iter().map(|account| format!("`{account}`")).collect();
    let mut text =
        format!("| | {} | debits − credits |\n|---|{}\n", names.join(" | "), "--:|".repeat(accounts.len() + 1));
    let mut total = Postings::default();
    for (what, discount, attribution, undone) in [
        ("A redeems on an order of 80.00, 9.60 off", 960u64, Attribution::ToNobody, false),
        ("B redeems, 5.00 off; a partner's link brought B", 500, Attribution::ToPartner, false),
        ("A's order is undone", 960, Attribution::ToNobody, true),
        ("C redeems, 0.01 off", 1, Attribution::ToNobody, false),
    ] {
        let postings = terms.postings(discount.try_into().unwrap(), attribution);
        let postings = if undone { postings.reversed() } else { postings };
        row(&mut text, what, &postings, &accounts);
        total.post(&postings);
    }
    row(&mut text, "**together**", &total, &accounts);
    assert_eq!(total.balance(), 0);
    workspace::check_document("docs/LEDGER.md", "example", &text);
}
