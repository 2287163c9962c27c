//! Every event in every state of a hold. The rule, the tables and `docs/HOLDS.md` agree.
//!
//! After a change that is meant, write the table again: `UPDATE_DOCS=1 cargo test -p mealticket-store holds`.

use mealticket_domain::{
    Campaign, Coupon, CouponKey, CouponStatus, Fingerprint, HoldRequest, HoldTag, KeyHash, NamedHold, Reason,
    RedeemRefusal, RedeemRequest,
};
use mealticket_local::workspace;
use mealticket_store::{
    Tables,
    members::{ClaimOutcome, HoldOutcome, RedeemOutcome, ReverseOutcome, ReverseRequest},
};
use mealticket_support::{World, world::key_hash};
use std::sync::Arc;

const STATES: [&str; 8] = [
    "never held",
    "held by this order",
    "held by another order",
    "this order's hold lapsed",
    "another order's hold lapsed",
    "this order's hold released",
    "confirmed by this order",
    "confirmed, then reversed",
];

const EVENTS: [&str; 6] =
    ["hold", "hold, same key", "redeem with `hold_id`", "redeem without", "release", "reverse the redemption"];

struct Scene {
    world: World,
    campaign: Arc<Campaign>,
    coupon_key: CouponKey,
}

/// A redemption for an order. Requests of this order have the order number `MINE`, and requests of another order
/// `OTHER`.
fn redemption(world: &World, key: u64, order_no: &str) -> RedeemRequest {
    let mut request = world.redemption(key);
    request.order.order_no = order_no.parse().unwrap();
    request.fingerprint = Fingerprint::of(&[Some(order_no)]);
    request
}

fn tag(order_no: &str) -> HoldTag {
    HoldTag::of(KeyHash::of_order(&order_no.parse().unwrap()))
}

impl Scene {
    async fn hold(&self, key: u64, order_no: &str) -> HoldOutcome {
        let request = HoldRequest { redemption: redemption(&self.world, key, order_no), seconds: 600 };
        self.world.tables().members.hold(&self.world.tables().catalog, self.coupon_key, 1, &request).await.unwrap()
    }

    async fn redeem(&self, key: u64, hold: Option<NamedHold>) -> RedeemOutcome {
        let request = RedeemRequest { hold, ..redemption(&self.world, key, "MINE") };
        self.world
            .tables()
            .members
            .redeem(&self.world.tables().catalog, &self.campaign, self.coupon_key, 1, &request)
            .await
            .unwrap()
    }

    async fn reverse(&self) -> ReverseOutcome {
        let reason: Reason = "r".parse().unwrap();
        let request =
            ReverseRequest { key: key_hash(90), fingerprint: Fingerprint([9; 16]), reason, now: self.world.now() };
        self.world.tables().members.reverse(&self.world.tables().catalog, self.coupon_key, 0, &request).await.unwrap()
    }

    async fn coupon(&self) -> Coupon {
        self.world.tables().members.read_coupon(self.coupon_key).await.unwrap().unwrap()
    }

    async fn in_state(state: &str) -> Self {
        let world = World::new().await;
        let campaign = world.campaign(1).await;
        let claim = world.claim(world.member(), 1);
        let outcome = world
            .tables()
            .members
            .claim(&world.tables().catalog, &world.tables().stock, &campaign, &claim)
            .await
            .unwrap();
        assert!(matches!(outcome, ClaimOutcome::Claimed(_)));
        let coupon_key = CouponKey { member: claim.member, campaign: campaign.no, ordinal: 0u8.try_into().unwrap() };
        let scene = Scene { world, campaign, coupon_key };
        if let Some(order_no) = match state {
            "never held" => None,
            "held by another order" | "another order's hold lapsed" => Some("OTHER"),
            _ => Some("MINE"),
        } {
            assert!(matches!(scene.hold(10, order_no).await, HoldOutcome::Held(_)));
        }
        match state {
            "this order's hold lapsed" | "another order's hold lapsed" => scene.world.pass_seconds(600),
            "this order's hold released" => {
                assert!(
                    scene.world.tables().members.release(coupon_key, tag("MINE"), scene.world.now()).await.unwrap()
                );
            }
            "confirmed by this order" | "confirmed, then reversed" => {
                let named = Some(NamedHold::OfThisCoupon(tag("MINE")));
                assert!(matches!(scene.redeem(20, named).await, RedeemOutcome::Redeemed(..)));
                if state == "confirmed, then reversed" {
                    assert!(matches!(scene.reverse().await, ReverseOutcome::Reversed(_)));
                }
            }
            _ => {}
        }
        scene
    }

    async fn meets(&self, event: &str) -> String {
        let refused = |refusal: &RedeemRefusal| match refusal {
            RedeemRefusal::Held { .. } => "`code_held`",
            RedeemRefusal::HoldLapsed => "`hold_lapsed`",
            RedeemRefusal::AlreadyRedeemed { .. } => "`code_already_redeemed`",
            other => panic!("{other:?}"),
        };
        let answer = match event {
            "hold" | "hold, same key" => match self.hold(if event == "hold" { 11 } else { 10 }, "MINE").await {
                HoldOutcome::Held(coupon) if coupon.hold.as_ref().unwrap().key == key_hash(11) => "a new hold",
                HoldOutcome::Held(coupon) if coupon.hold.as_ref().unwrap().key == key_hash(10) && event == "hold" => {
                    "the same hold"
                }
                HoldOutcome::Held(_) => "a new hold",
                HoldOutcome::Replayed(_) => "the first answer",
                HoldOutcome::KeyReused => "`idempotency_key_reused`",
                HoldOutcome::Refused(refusal) => refused(&refusal),
                HoldOutcome::NotFound => panic!("not found"),
            },
            "redeem with `hold_id`" | "redeem without" => {
                let named = (event != "redeem without").then(|| NamedHold::OfThisCoupon(tag("MINE")));
                match self.redeem(21, named).await {
                    RedeemOutcome::Redeemed(..) | RedeemOutcome::Replayed(..) => "redeemed",
                    RedeemOutcome::Refused(refusal, _) => refused(&refusal),
                    other => panic!("{other:?}"),
                }
            }
            "release" => {
                match self.world.tables().members.release(self.coupon_key, tag("MINE"), self.world.now()).await.unwrap()
                {
                    true => "204",
                    false => "`hold_not_found`",
                }
            }
            _ => match self.reverse().await {
                ReverseOutcome::Reversed(_) => "reversed",
                ReverseOutcome::Replayed(_) => "the first answer",
                ReverseOutcome::Refused(_) => "`redemption_not_found`",
                ReverseOutcome::KeyReused => panic!("a key was reused"),
            },
        };
        let status = match self.coupon().await.status(self.world.now()) {
            CouponStatus::Active => "free",
            CouponStatus::Held => "held",
            CouponStatus::Redeemed => "used",
            other => panic!("{other:?}"),
        };
        format!("{answer} → {status}")
    }
}

#[tokio::test]
async fn every_event_in_every_state_is_what_the_document_shows() {
    let mut table = format!("| state | {} |\n|---|{}\n", EVENTS.join(" | "), "---|".repeat(EVENTS.len()));
    for state in STATES {
        let mut cells = Vec::new();
        for event in EVENTS {
            let once = Scene::in_state(state).await;
            let answer = once.meets(event).await;
            // A repeat changes nothing more.
            let before = once.coupon().await;
            once.meets(event).await;
            let after = once.coupon().await;
            assert_eq!((before.uses_left, before.redemptions.len()), (after.uses_left, after.redemptions.len()));
            cells.push(answer);
        }
        table.push_str(&format!("| {state} | {} |\n", cells.join(" | ")));
    }
    workspace::check_document("docs/HOLDS.md", "holds", &table);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_orders_that_hold_at_once_one_holds() {
    let scene = Arc::new(Scene::in_state("never held").await);
    let environments: Vec<Tables> = (0..4).map(|_| scene.world.another_environment()).collect();
    let tasks: Vec<_> = (0..32u64)
        .map(|order| {
            let (tables, scene) = (environments[order as usize % 4].clone(), Arc::clone(&scene));
            tokio::spawn(async move {
                let redemption = redemption(&scene.world, 100 + order, &format!("O-{order}"));
                tables
                    .members
                    .hold(&tables.catalog, scene.coupon_key, 1, &HoldRequest { redemption, seconds: 60 })
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut held = 0;
    for task in tasks {
        match task.await.unwrap() {
            HoldOutcome::Held(_) => held += 1,
            HoldOutcome::Refused(RedeemRefusal::Held { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(held, 1);
}

#[tokio::test]
async fn a_hold_ends_with_the_coupons_validity() {
    let scene = Scene::in_state("never held").await;
    let until = scene.coupon().await.valid_until;
    scene.world.clock().set(until.plus_seconds(-60));
    let HoldOutcome::Held(coupon) = scene.hold(1, "MINE").await else { panic!() };
    assert_eq!(coupon.hold.unwrap().until, until);
}
