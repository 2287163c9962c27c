use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    Campaign, Coupon, CouponStatus, Fen, Fingerprint, HoldRequest, Reason, RedeemDecision, RedeemRefusal,
    RedeemRequest, StoreScope, Terms, redemption::decide,
};
use mealticket_store::members::{ClaimOutcome, HoldOutcome, RedeemOutcome, ReverseOutcome, ReverseRequest};
use mealticket_support::{
    World,
    world::{key_hash, settlement_terms},
};

async fn claimed(world: &World, campaign: &Campaign) -> Coupon {
    match world
        .tables()
        .members
        .claim(&world.tables().catalog, &world.tables().stock, campaign, &world.claim(world.member(), 1))
        .await
        .unwrap()
    {
        ClaimOutcome::Claimed(coupon) => *coupon,
        other => panic!("{other:?}"),
    }
}

async fn redeem(world: &World, campaign: &Campaign, coupon: &Coupon, request: &RedeemRequest) -> RedeemOutcome {
    world
        .tables()
        .members
        .redeem(&world.tables().catalog, campaign, coupon.key, coupon.key_version, request)
        .await
        .unwrap()
}

fn reversal(world: &World, key: u64) -> ReverseRequest {
    let reason: Reason = "wrong item".parse().unwrap();
    ReverseRequest { key: key_hash(key), fingerprint: Fingerprint([3; 16]), reason, now: world.now() }
}

#[tokio::test]
async fn the_table_does_exactly_what_the_rule_says() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let coupon = claimed(&world, &campaign).await;
    let request = world.redemption(1);
    let RedeemDecision::Redeem(fact) = decide(&coupon, &campaign.terms, &request) else { panic!() };
    let expected = coupon.clone().with_redemption(fact);
    let RedeemOutcome::Redeemed(stands, 0) = redeem(&world, &campaign, &coupon, &request).await else { panic!() };
    assert_eq!(*stands, expected);
    let ReverseOutcome::Reversed(reversed) =
        world.tables().members.reverse(&world.tables().catalog, coupon.key, 0, &reversal(&world, 2)).await.unwrap()
    else {
        panic!()
    };
    let fact = reversed.redemptions[0].reversal.clone().unwrap();
    assert_eq!(*reversed, expected.with_reversal(0, fact, coupon.valid_until));
    assert_eq!(reversed.status(world.now()), CouponStatus::Active);
}

#[tokio::test]
async fn a_repeat_is_a_replay_and_another_key_is_refused_with_when_and_where() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let coupon = claimed(&world, &campaign).await;
    redeem(&world, &campaign, &coupon, &world.redemption(1)).await;
    let at = world.now();
    world.pass_seconds(30 * 86_400);
    let replay = redeem(&world, &campaign, &coupon, &world.redemption(1)).await;
    assert!(matches!(&replay, RedeemOutcome::Replayed(coupon, 0) if coupon.redemptions[0].at == at), "{replay:?}");
    let reused = RedeemRequest { fingerprint: Fingerprint([1; 16]), ..world.redemption(1) };
    assert!(matches!(redeem(&world, &campaign, &coupon, &reused).await, RedeemOutcome::KeyReused));
    let refused = redeem(&world, &campaign, &coupon, &RedeemRequest { at, ..world.redemption(2) }).await;
    let RedeemOutcome::Refused(RedeemRefusal::AlreadyRedeemed { at: then, order_no, .. }, _) = refused else {
        panic!()
    };
    assert_eq!((then, order_no.as_str()), (at, "A-1"));
}

#[tokio::test]
async fn expiry_is_decided_by_the_clock_to_the_second() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let coupon = claimed(&world, &campaign).await;
    let late = RedeemRequest { at: coupon.valid_until, ..world.redemption(1) };
    let refused = redeem(&world, &campaign, &coupon, &late).await;
    assert!(matches!(refused, RedeemOutcome::Refused(RedeemRefusal::Expired { .. }, _)), "{refused:?}");
    let in_time = RedeemRequest { at: coupon.valid_until.plus_seconds(-1), ..world.redemption(1) };
    assert!(matches!(redeem(&world, &campaign, &coupon, &in_time).await, RedeemOutcome::Redeemed(..)));
}

#[tokio::test]
async fn a_code_made_with_another_key_finds_nothing() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let coupon = claimed(&world, &campaign).await;
    assert!(world.tables().members.rotate_code(coupon.key, 1, 2).await.unwrap());
    assert!(world.tables().members.rotate_code(coupon.key, 1, 2).await.unwrap(), "a repeat is the same");
    assert!(
        !world.tables().members.rotate_code(coupon.key, 1, 3).await.unwrap(),
        "only ever from the version that was seen"
    );
    let old = world
        .tables()
        .members
        .redeem(&world.tables().catalog, &campaign, coupon.key, 1, &world.redemption(1))
        .await
        .unwrap();
    assert!(matches!(old, RedeemOutcome::NotFound), "{old:?}");
    let new = world
        .tables()
        .members
        .redeem(&world.tables().catalog, &campaign, coupon.key, 2, &world.redemption(1))
        .await
        .unwrap();
    assert!(matches!(new, RedeemOutcome::Redeemed(..)), "{new:?}");
    assert!(world.tables().members.rotate_code(coupon.key, 2, 3).await.unwrap());
    let again = world
        .tables()
        .members
        .redeem(&world.tables().catalog, &campaign, coupon.key, 2, &world.redemption(1))
        .await
        .unwrap();
    assert!(matches!(again, RedeemOutcome::Replayed(..)), "a repeat gets the first answer: {again:?}");
    let absent = mealticket_domain::CouponKey { member: world.member(), ..coupon.key };
    let absent = world
        .tables()
        .members
        .redeem(&world.tables().catalog, &campaign, absent, 1, &world.redemption(1))
        .await
        .unwrap();
    assert!(matches!(absent, RedeemOutcome::NotFound), "{absent:?}");
}

/// A coupon, and its campaign with newest terms that differ from those under which the coupon was claimed.
async fn with_newer_terms(world: &World, like: u32, change: impl Fn(&mut Terms)) -> (Coupon, Campaign) {
    let campaign = world.campaign_like(like, 500, 10, 1).await;
    let coupon = claimed(world, &campaign).await;
    let mut newer = Campaign::clone(&campaign);
    newer.terms.version = 2;
    change(&mut newer.terms);
    newer.terms_sha256 = newer.terms.hash(newer.no).unwrap();
    world.tables().catalog.put_campaign(&newer, &settlement_terms()).await.unwrap();
    (coupon, newer)
}

#[tokio::test]
async fn a_coupon_is_redeemed_under_the_terms_it_was_claimed_with() {
    let world = World::new().await;
    let fen = |n: u64| Fen::try_from(n).unwrap();
    let changes: [fn(&mut Terms); 3] = [
        |terms| terms.minimum_fen = Fen::ZERO,
        |terms| terms.minimum_fen = Fen::try_from(999_999).unwrap(),
        |terms| terms.stores = StoreScope::Only(vec!["sto_luckytea03".parse().unwrap()]),
    ];
    for change in changes {
        let world = World::new().await;
        let (coupon, newer) = with_newer_terms(&world, 1, change).await;
        let RedeemOutcome::Redeemed(stands, 0) = redeem(&world, &newer, &coupon, &world.redemption(1)).await else {
            panic!()
        };
        assert_eq!(stands.redemptions[0].discount, fen(500));
    }
    let (coupon, newer) = with_newer_terms(&world, 1, |terms| terms.minimum_fen = Fen::ZERO).await;
    let mut small = world.redemption(1);
    small.order.amount = fen(1_999);
    let refused = redeem(&world, &newer, &coupon, &small).await;
    let minimum = fen(2_000);
    assert!(
        matches!(refused, RedeemOutcome::Refused(RedeemRefusal::MinimumSpendNotMet { minimum: m }, _) if m == minimum),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_reversal_happens_once_and_its_repeat_is_a_replay() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let coupon = claimed(&world, &campaign).await;
    redeem(&world, &campaign, &coupon, &world.redemption(1)).await;
    let reverse = |key| {
        world.tables().members.reverse(
            &world.tables().catalog,
            coupon.key,
            0,
            Box::leak(Box::new(reversal(&world, key))),
        )
    };
    assert!(matches!(reverse(2).await.unwrap(), ReverseOutcome::Reversed(_)));
    assert!(matches!(reverse(2).await.unwrap(), ReverseOutcome::Replayed(_)));
    let other = reverse(3).await.unwrap();
    assert!(matches!(other, ReverseOutcome::Refused(mealticket_domain::ReverseRefusal::AlreadyReversed)), "{other:?}");
    let reused = ReverseRequest { fingerprint: Fingerprint([4; 16]), ..reversal(&world, 2) };
    assert!(matches!(
        world.tables().members.reverse(&world.tables().catalog, coupon.key, 0, &reused).await.unwrap(),
        ReverseOutcome::KeyReused
    ));
    let again = redeem(&world, &campaign, &coupon, &world.redemption(4)).await;
    assert!(matches!(again, RedeemOutcome::Redeemed(_, 1)), "{again:?}");
    let first = redeem(&world, &campaign, &coupon, &world.redemption(1)).await;
    assert!(matches!(&first, RedeemOutcome::Replayed(c, 0) if c.uses_left_after(0) == 0), "{first:?}");
}

#[tokio::test]
async fn one_key_undoes_one_redemption_of_a_coupon() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let coupon = claimed(&world, &campaign).await;
    redeem(&world, &campaign, &coupon, &world.redemption(1)).await;
    world.tables().members.reverse(&world.tables().catalog, coupon.key, 0, &reversal(&world, 7)).await.unwrap();
    redeem(&world, &campaign, &coupon, &world.redemption(2)).await;
    let other = ReverseRequest { fingerprint: Fingerprint([9; 16]), ..reversal(&world, 7) };
    let outcome = world.tables().members.reverse(&world.tables().catalog, coupon.key, 1, &other).await.unwrap();
    assert!(matches!(outcome, ReverseOutcome::KeyReused), "{outcome:?}");
    assert_eq!(world.tables().members.read_coupon(coupon.key).await.unwrap().unwrap().uses_left, 0);
}

/// Both reversals decide from a coupon that shows neither. Only the clause of the write can refuse the second.
#[tokio::test]
async fn one_key_undoes_one_redemption_also_when_two_are_asked_at_once() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    for round in 0..5 {
        let coupon = claimed(&world, &campaign).await;
        mealticket_local::stack::client(&world.engine.url())
            .update_item()
            .table_name(&world.deps.stack.config.tables.members)
            .key("pk", aws_sdk_dynamodb::types::AttributeValue::S(format!("MEMBER#{}", coupon.key.member.get())))
            .key("sk", aws_sdk_dynamodb::types::AttributeValue::S("COUPON#0000001#00".into()))
            .update_expression("SET uses_total = :two, uses_left = :two")
            .expression_attribute_values(":two", aws_sdk_dynamodb::types::AttributeValue::N("2".into()))
            .send()
            .await
            .unwrap();
        redeem(&world, &campaign, &coupon, &world.redemption(1)).await;
        redeem(&world, &campaign, &coupon, &world.redemption(2)).await;
        let other = ReverseRequest { fingerprint: Fingerprint([9; 16]), ..reversal(&world, 7) };
        let first = reversal(&world, 7);
        let (left, right) = (world.another_environment(), world.another_environment());
        let outcomes = tokio::join!(
            left.members.reverse(&left.catalog, coupon.key, 0, &first),
            right.members.reverse(&right.catalog, coupon.key, 1, &other)
        );
        let reversed = [outcomes.0.unwrap(), outcomes.1.unwrap()];
        let count = reversed.iter().filter(|outcome| matches!(outcome, ReverseOutcome::Reversed(_))).count();
        assert_eq!(count, 1, "round {round}: {reversed:?}");
        assert_eq!(
            world.tables().members.read_coupon(coupon.key).await.unwrap().unwrap().uses_left,
            1,
            "round {round}"
        );
    }
}

#[tokio::test]
async fn a_report_of_an_order_never_redeems_what_came_in_by_api_even_after_a_reversal() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let coupon = claimed(&world, &campaign).await;
    redeem(&world, &campaign, &coupon, &world.redemption(1)).await;
    world.tables().members.reverse(&world.tables().catalog, coupon.key, 0, &reversal(&world, 2)).await.unwrap();
    let confirmed = redeem(&world, &campaign, &coupon, &world.report(1)).await;
    assert!(matches!(confirmed, RedeemOutcome::Replayed(_, 0)), "{confirmed:?}");
    let mut twice = world.redemption(1);
    twice.key = key_hash(77);
    twice.order.amount = Fen::try_from(2_600).unwrap();
    assert!(matches!(redeem(&world, &campaign, &coupon, &twice).await, RedeemOutcome::Redeemed(_, 1)));
    let mut second = world.report(1);
    second.order.amount = Fen::try_from(2_600).unwrap();
    let confirmed = redeem(&world, &campaign, &coupon, &second).await;
    assert!(matches!(confirmed, RedeemOutcome::Replayed(_, 1)), "the order was redeemed again: {confirmed:?}");
    world.tables().members.reverse(&world.tables().catalog, coupon.key, 1, &reversal(&world, 3)).await.unwrap();
    let other = redeem(&world, &campaign, &coupon, &world.report(2)).await;
    assert!(matches!(other, RedeemOutcome::Redeemed(_, 2)), "{other:?}");
    let again = redeem(&world, &campaign, &coupon, &world.report(2)).await;
    assert!(matches!(again, RedeemOutcome::Replayed(_, 2)), "{again:?}");
}

/// The merchant's system may be faster than a till that did not get its answer.
#[tokio::test]
async fn a_till_adopts_what_was_reported_of_its_order_and_hears_the_same_for_ever() {
    let world = World::new().await;
    let campaign = world.campaign(13).await;
    let coupon = claimed(&world, &campaign).await;
    let (report, till) = (world.report(1), world.redemption(1));
    assert!(matches!(redeem(&world, &campaign, &coupon, &report).await, RedeemOutcome::Redeemed(_, 0)));
    let mut dearer = till.clone();
    dearer.order.amount = Fen::try_from(9_900).unwrap();
    let refused = redeem(&world, &campaign, &coupon, &dearer).await;
    assert!(matches!(refused, RedeemOutcome::Refused(RedeemRefusal::AlreadyRedeemed { .. }, _)), "{refused:?}");
    for _ in 0..2 {
        let adopted = redeem(&world, &campaign, &coupon, &till).await;
        let RedeemOutcome::Replayed(standing, 0) = adopted else { panic!("{adopted:?}") };
        assert_eq!((standing.redemptions.len(), standing.uses_left), (1, coupon.uses_total - 1));
    }
    let reused = RedeemRequest { fingerprint: Fingerprint([9; 16]), ..till.clone() };
    assert!(matches!(redeem(&world, &campaign, &coupon, &reused).await, RedeemOutcome::KeyReused));
    assert!(matches!(redeem(&world, &campaign, &coupon, &report).await, RedeemOutcome::Replayed(_, 0)));
    world.tables().members.reverse(&world.tables().catalog, coupon.key, 0, &reversal(&world, 2)).await.unwrap();
    assert!(matches!(redeem(&world, &campaign, &coupon, &till).await, RedeemOutcome::Replayed(_, 0)));
    // Another key for the order is another redemption: somebody wants to redeem a second time.
    let another = RedeemRequest { key: key_hash(9), ..till };
    assert!(matches!(redeem(&world, &campaign, &coupon, &another).await, RedeemOutcome::Redeemed(_, 1)));
}

/// Either may come second, and at any moment.
#[tokio::test]
async fn a_report_and_its_till_at_once_spend_one_unit() {
    let world = World::new().await;
    let campaign = world.campaign(13).await;
    for round in 0..10 {
        let coupon = claimed(&world, &campaign).await;
        let (till, system) = (world.another_environment(), world.another_environment());
        let (request, report) = (world.redemption(1), world.report(1));
        let asks = till.members.redeem(&till.catalog, &campaign, coupon.key, coupon.key_version, &request);
        let reports = system.members.redeem(&system.catalog, &campaign, coupon.key, coupon.key_version, &report);
        // The order in which the two begin changes from round to round.
        let (one, other) = if round % 2 == 0 { tokio::join!(asks, reports) } else { tokio::join!(reports, asks) };
        for outcome in [one.unwrap(), other.unwrap()] {
            assert!(matches!(outcome, RedeemOutcome::Redeemed(_, 0) | RedeemOutcome::Replayed(_, 0)), "{outcome:?}");
        }
        let standing = world.tables().members.read_coupon(coupon.key).await.unwrap().unwrap();
        assert_eq!(standing.redemptions.len(), 1, "round {round}");
        assert_eq!(standing.redemptions[0].key, request.key, "round {round}");
    }
}

#[tokio::test]
async fn a_till_that_adopts_ends_its_own_hold_and_leaves_anothers() {
    let world = World::new().await;
    let campaign = world.campaign(13).await;
    for (held_for, is_confirmed) in [(1, true), (2, false)] {
        let coupon = claimed(&world, &campaign).await;
        redeem(&world, &campaign, &coupon, &world.report(1)).await;
        let asked =
            HoldRequest { redemption: RedeemRequest { key: key_hash(50), ..world.redemption(held_for) }, seconds: 600 };
        let placed =
            world.tables().members.hold(&world.tables().catalog, coupon.key, coupon.key_version, &asked).await.unwrap();
        assert!(matches!(placed, HoldOutcome::Held(..)), "{placed:?}");
        let adopted = redeem(&world, &campaign, &coupon, &world.redemption(1)).await;
        let RedeemOutcome::Replayed(adopted, 0) = adopted else { panic!("{adopted:?}") };
        let standing = world.tables().members.read_coupon(coupon.key).await.unwrap().unwrap();
        assert_eq!(*adopted, standing);
        assert_eq!(standing.hold.map(|hold| hold.ended), Some(is_confirmed));
        let third = redeem(&world, &campaign, &coupon, &world.redemption(3)).await;
        assert_eq!(matches!(third, RedeemOutcome::Redeemed(_, 1)), is_confirmed, "{third:?}");
    }
}

/// Under older terms a redemption writes twice, and the report may come in between. The second write still checks that
/// the order is new.
#[tokio::test]
async fn a_report_between_two_writes_of_a_till_is_seen() {
    let world = World::new().await;
    let (coupon, newer) = with_newer_terms(&world, 13, |terms| terms.minimum_fen = Fen::ZERO).await;
    for round in 0..4 {
        let (till, system) = (world.another_environment(), world.another_environment());
        let (request, report) = (world.redemption(10 + round), world.report(10 + round));
        let asks = till.members.redeem(&till.catalog, &newer, coupon.key, coupon.key_version, &request);
        let reports = system.members.redeem(&system.catalog, &newer, coupon.key, coupon.key_version, &report);
        let (one, other) = if round % 2 == 0 { tokio::join!(asks, reports) } else { tokio::join!(reports, asks) };
        one.unwrap();
        other.unwrap();
        let standing = world.tables().members.read_coupon(coupon.key).await.unwrap().unwrap();
        assert_eq!(standing.redemptions.len() as u64, round + 1, "{standing:?}");
    }
}

#[tokio::test]
async fn a_coupon_of_a_newer_schema_is_corrupt_and_not_guessed_at() {
    let world = World::new().await;
    let campaign = world.campaign(1).await;
    let coupon = claimed(&world, &campaign).await;
    let key = (format!("MEMBER#{}", coupon.key.member.get()), "COUPON#0000001#00");
    let newer = AttributeValue::N("2".to_owned());
    world.overwrite(&world.deps.stack.config.tables.members, (&key.0, key.1), "schema", newer).await;
    let error = world.tables().members.read_coupon(coupon.key).await.unwrap_err();
    assert_eq!(error.to_string(), "coupon has no sound schema");
    assert!(!error.is_retryable());
}
