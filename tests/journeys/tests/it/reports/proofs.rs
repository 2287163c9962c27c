//! A report redeems only a coupon whose code the merchant was shown. An id proves nothing.

use super::{Report, reasons, report};
use crate::{
    attempt::{Attempt, Reply},
    story::{TEA, redeem, samples},
};
use mealticket_api::{Subject, auth::operator::Role};
use mealticket_domain::{Coupon, CouponKey, MerchantId, OrderNo, Timestamp, presentation::Presentation};
use mealticket_local::samples::Samples;
use mealticket_support::World;
use serde_json::{Value, json};

struct Scene {
    world: World,
    samples: Samples,
    code: String,
    coupon_id: String,
    coupon_key: CouponKey,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let samples = samples(&world).await;
        let (code, coupon_id) = (samples.fill("{{active_code}}"), samples.fill("{{active_coupon_id}}"));
        let coupon_key = world.deps.stack.ids.coupon(&coupon_id).unwrap();
        Scene { world, samples, code, coupon_id, coupon_key }
    }

    async fn coupon(&self) -> Coupon {
        self.world.tables().members.read_coupon(self.coupon_key).await.unwrap().unwrap()
    }

    /// A report that names the coupon by its id, with this proof.
    fn by_id(&self, order: &str, proof: Option<&str>, redeemed_at: Timestamp) -> Report<'_> {
        report(&self.world, "", order, |data| {
            data.as_object_mut().unwrap().remove("code");
            data["coupon_id"] = json!(self.coupon_id);
            data["redeemed_at"] = json!(redeemed_at.to_string());
            if let Some(proof) = proof {
                data["proof"] = json!(proof);
            }
        })
    }

    fn till(&self, path: &str, order: &str, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Attempt {
        let body = json!({ "code": self.code, "store_id": "sto_luckytea01",
            "order": { "order_no": order, "amount_fen": 2_350 } });
        let attempt = Attempt::post(path, &body).change(change).bearer(&self.world.merchant_token(TEA));
        attempt.key(&format!("till-key-for-{order:_>8}"))
    }

    async fn shown(&self, path: &str, order: &str) -> Reply {
        self.till(path, order, |_| ()).send(&self.world.deps).await
    }

    fn proof_of(&self, shown: &Reply) -> String {
        shown.json["proof"].as_str().unwrap().to_owned()
    }

    /// A proof as the stack could have given it.
    fn proof(&self, merchant: &str, coupon: CouponKey, order_no: &str, shown: Presentation) -> String {
        let (merchant, order_no): (MerchantId, OrderNo) = (merchant.parse().unwrap(), order_no.parse().unwrap());
        let subject = Subject { merchant: &merchant, coupon, order_no: &order_no };
        self.world.deps.stack.vault.proof(subject, &shown)
    }
}

/// The hole that this closes: our message to a merchant names every coupon's id when the coupon is issued. The merchant
/// waits until the coupon has lapsed unused, and reports that it was redeemed an hour before.
#[tokio::test]
async fn an_id_that_a_merchant_was_sent_redeems_nothing_however_it_is_signed() {
    let scene = Scene::new().await;
    let last_hour = scene.coupon().await.valid_until.plus_seconds(-3_600);
    scene.world.clock().set(last_hour.plus_seconds(2 * 3_600));
    let before = scene.coupon().await;
    for (id, proof) in [("msg_1", None), ("msg_2", Some("")), ("msg_3", Some("nonsense"))] {
        scene.by_id("N-1", proof, last_hour).send(id).await.expect(202);
    }
    assert_eq!(reasons(&scene.world).await, ["code_required"; 3]);
    // Nor can finance accept it by hand: every order number would be another payment.
    let accept = Attempt::post("/v1/admin/discrepancies/dsc_luckytea_msg_1/accept", &json!({}));
    let accept = accept.bearer(&scene.world.operator_token(&[Role::Finance]));
    accept.send(&scene.world.deps).await.refused(409, "discrepancy_not_acceptable");
    assert_eq!(scene.coupon().await, before);
}

#[tokio::test]
async fn a_proof_from_a_validation_redeems_its_order_once_by_the_id_alone() {
    let scene = Scene::new().await;
    let shown = scene.shown("/v1/validations", "N-1").await.expect(200);
    let (proof, at) = (scene.proof_of(&shown), scene.world.now());
    assert_eq!(scene.coupon().await.redemptions.len(), 0, "a validation changes nothing");
    // The network was down for three days.
    scene.world.pass_seconds(72 * 3_600);
    let redeemed_at = at.plus_seconds(600);
    for id in ["msg_1", "msg_1", "msg_2"] {
        scene.by_id("N-1", Some(&proof), redeemed_at).send(id).await.expect(202);
    }
    assert!(reasons(&scene.world).await.is_empty());
    let redemptions = scene.coupon().await.redemptions;
    assert_eq!((redemptions.len(), redemptions[0].at), (1, redeemed_at));
}

#[tokio::test]
async fn a_proof_from_a_hold_redeems_until_the_hold_ends_and_is_the_same_again_byte_for_byte() {
    let scene = Scene::new().await;
    let held = scene.shown("/v1/holds", "N-1").await.expect(201);
    let (proof, at) = (scene.proof_of(&held), scene.world.now());
    scene.world.pass_seconds(300);
    let again = scene.shown("/v1/holds", "N-1").await.expect(201);
    assert!(again.is_replayed());
    assert_eq!(held.text, again.text);
    let other_key = scene.till("/v1/holds", "N-1", |_| ()).key("another-key-of-the-till");
    let same_hold = other_key.send(&scene.world.deps).await.expect(201);
    assert_eq!(scene.proof_of(&same_hold), proof, "the same hold of the same order");
    scene.world.pass_seconds(3_600);
    // The hold was for ten minutes. Fifteen minutes after the presentation count in any case.
    scene.by_id("N-1", Some(&proof), at.plus_seconds(901)).send("msg_1").await.expect(202);
    assert_eq!(reasons(&scene.world).await, ["code_required"]);
    scene.by_id("N-1", Some(&proof), at.plus_seconds(900)).send("msg_2").await.expect(202);
    assert_eq!(scene.coupon().await.redemptions.len(), 1);

    let scene = Scene::new().await;
    let long = scene.till("/v1/holds", "N-1", |body| drop(body.insert("hold_seconds".into(), json!(3_600))));
    let proof = scene.proof_of(&long.send(&scene.world.deps).await.expect(201));
    let at = scene.world.now();
    scene.world.pass_seconds(2 * 3_600);
    scene.by_id("N-1", Some(&proof), at.plus_seconds(3_600)).send("msg_1").await.expect(202);
    assert_eq!(reasons(&scene.world).await, ["code_required"]);
    scene.by_id("N-1", Some(&proof), at.plus_seconds(3_599)).send("msg_2").await.expect(202);
    assert_eq!(scene.coupon().await.redemptions.len(), 1);
}

#[tokio::test]
async fn a_proof_of_another_merchant_order_coupon_province_or_time_is_none_and_changes_nothing() {
    let scene = Scene::new().await;
    let now = scene.world.now();
    let shown = Presentation { key_version: 1, at: now, held_until: None };
    let good = scene.proof(TEA, scene.coupon_key, "N-1", shown);
    let other_coupon = CouponKey { ordinal: 5u8.try_into().unwrap(), ..scene.coupon_key };
    let keys = mealticket_local::key_file::KeyFile::generate(&[]).unwrap();
    let stranger = mealticket_api::vault::Vault::new(&keys.stack).unwrap();
    let (merchant, order_no): (MerchantId, OrderNo) = (TEA.parse().unwrap(), "N-1".parse().unwrap());
    let subject = Subject { merchant: &merchant, coupon: scene.coupon_key, order_no: &order_no };
    // The redemption itself would still count. Only the proof is too old.
    let late = Presentation { at: now.plus_seconds(-72 * 3_600 - 60), ..shown };
    let mut flipped = good.clone().into_bytes();
    flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
    let cases: Vec<(&str, String, Timestamp)> = vec![
        ("another merchant", scene.proof("mch_yuehui", scene.coupon_key, "N-1", shown), now),
        ("another order", scene.proof(TEA, scene.coupon_key, "N-2", shown), now),
        ("another coupon", scene.proof(TEA, other_coupon, "N-1", shown), now),
        ("another province", stranger.proof(subject, &shown), now),
        (
            "72 hours and a minute ago",
            scene.proof(TEA, scene.coupon_key, "N-1", late),
            now.plus_seconds(-72 * 3_600 + 60),
        ),
        ("16 minutes from the presentation", good.clone(), now.plus_seconds(-16 * 60)),
        ("cut short", good[..38].to_owned(), now),
        ("longer", format!("{good}A"), now),
        ("one symbol changed", String::from_utf8(flipped).unwrap(), now),
    ];
    let before = scene.coupon().await;
    for (number, (what, proof, at)) in cases.iter().enumerate() {
        scene.by_id("N-1", Some(proof), *at).send(&format!("msg_{number}")).await.expect(202);
        assert_eq!(reasons(&scene.world).await.len(), number + 1, "{what}");
    }
    assert_eq!(reasons(&scene.world).await, vec!["code_required"; cases.len()]);
    assert_eq!(scene.coupon().await, before);
    // A proof of another JSON type is not read either.
    let listed = scene.by_id("N-1", None, now);
    let listed = Report {
        data: {
            let mut data = listed.data.clone();
            data["proof"] = json!([good]);
            data
        },
        ..listed
    };
    listed.send("msg_99").await.expect(202);
    assert!(reasons(&scene.world).await.contains(&"malformed_request".to_owned()));
    // The good proof redeems.
    scene.by_id("N-1", Some(&good), now).send("msg_100").await.expect(202);
    assert_eq!(scene.coupon().await.redemptions.len(), 1);
}

/// The report arrived in time and was answered with 503. It does not become late through our fault.
#[tokio::test]
async fn a_report_is_as_late_as_it_was_when_it_arrived_first() {
    let scene = Scene::new().await;
    let at = scene.world.now();
    let proof = scene.proof_of(&scene.shown("/v1/validations", "N-1").await.expect(200));
    let arrived_at = at.plus_seconds(72 * 3_600 - 1);
    scene.world.pass_seconds(73 * 3_600);
    let report = scene.by_id("N-1", Some(&proof), at);
    report.arrive("msg_1", arrived_at).await;
    report.send("msg_1").await.expect(202);
    assert!(reasons(&scene.world).await.is_empty());
    assert_eq!(scene.coupon().await.redemptions[0].at, at);
    // Another report of the same redemption is too late, but it confirms it.
    report.send("msg_2").await.expect(202);
    assert!(reasons(&scene.world).await.is_empty());
}

/// After a leak the coupon has a new code. A proof of the old code is worth nothing any more.
#[tokio::test]
async fn a_proof_of_a_code_that_was_withdrawn_redeems_nothing() {
    let scene = Scene::new().await;
    let proof = scene.proof_of(&scene.shown("/v1/validations", "N-1").await.expect(200));
    assert!(scene.world.tables().members.rotate_code(scene.coupon_key, 1, 2).await.unwrap());
    scene.by_id("N-1", Some(&proof), scene.world.now()).send("msg_1").await.expect(202);
    assert_eq!(reasons(&scene.world).await, ["code_not_found"]);
    assert_eq!(scene.coupon().await.redemptions.len(), 0);
}

#[tokio::test]
async fn an_id_alone_confirms_what_is_redeemed_already_and_disputes_another_amount() {
    let scene = Scene::new().await;
    redeem(&scene.world, &scene.code, "N-1").send(&scene.world.deps).await.expect(201);
    scene.by_id("N-1", None, scene.world.now()).send("msg_1").await.expect(202);
    assert!(reasons(&scene.world).await.is_empty(), "it came in by API");
    let mut dearer = scene.by_id("N-1", None, scene.world.now());
    dearer.data["order"]["amount_fen"] = json!(9_999);
    dearer.send("msg_2").await.expect(202);
    scene.by_id("N-2", None, scene.world.now()).send("msg_3").await.expect(202);
    let unknown = scene.samples.fill("{{redemption_id}}").replace("rdm_", "cpn_");
    let mut nobodys = scene.by_id("N-1", None, scene.world.now());
    nobodys.data["coupon_id"] = json!(unknown);
    nobodys.send("msg_4").await.expect(202);
    assert_eq!(reasons(&scene.world).await, ["amount_mismatch", "code_not_found", "code_required"]);
    assert_eq!(scene.coupon().await.redemptions.len(), 1);
}

/// The report comes first, then the till. The same report comes again, and the till's redemption settles it.
#[tokio::test]
async fn a_report_without_a_code_is_settled_when_the_till_has_redeemed_its_order() {
    let scene = Scene::new().await;
    scene.by_id("N-1", None, scene.world.now()).send("msg_1").await.expect(202);
    redeem(&scene.world, &scene.code, "N-1").send(&scene.world.deps).await.expect(201);
    scene.by_id("N-1", None, scene.world.now()).send("msg_1").await.expect(202);
    let merchant = TEA.parse().unwrap();
    let found = scene.world.tables().messages.read_discrepancy(&merchant, "msg_1").await.unwrap().unwrap();
    assert!(found.settled_at.is_some(), "{found:?}");
}

#[tokio::test]
async fn a_refused_validation_gives_no_proof_and_a_hold_id_is_no_proof() {
    let scene = Scene::new().await;
    let low = scene.till("/v1/validations", "N-1", |body| body["order"]["amount_fen"] = json!(1));
    let refused = low.send(&scene.world.deps).await.expect(200);
    assert_eq!((&refused.json["valid"], refused.json.get("proof")), (&json!(false), None));
    let held = scene.shown("/v1/holds", "N-1").await.expect(201);
    let hold_id = held.json["hold_id"].as_str().unwrap().to_owned();
    scene.by_id("N-1", Some(&hold_id), scene.world.now()).send("msg_1").await.expect(202);
    assert_eq!(reasons(&scene.world).await, ["code_required"]);
}
