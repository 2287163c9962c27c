//! Operators' tokens: whose they are, what they allow, and what happens when the provider rotates its keys or is away.

use crate::attempt::{Attempt, routes};
use mealticket_api::{
    auth::operator::{OperatorTokens, Role},
    config::OperatorIssuer,
};
use mealticket_domain::Timestamp;
use mealticket_local::{
    issuer::Issuer,
    key_file::{KeyFile, OperatorSecrets},
};
use mealticket_testing::World;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const AUDIENCE: &str = "mealticket";

fn now() -> Timestamp {
    "2026-11-22T04:00:00Z".parse().unwrap()
}

struct Provider {
    issuer: Issuer,
    key: OperatorSecrets,
    tokens: OperatorTokens,
}

impl Provider {
    async fn start() -> Self {
        let keys = KeyFile::generate(&[]).unwrap();
        let issuer = Issuer::start(&keys).await.unwrap();
        let provider = OperatorIssuer { issuer: issuer.url(), audience: AUDIENCE.into(), jwks_url: issuer.jwks_url() };
        Provider { key: keys.operators().unwrap().clone(), tokens: OperatorTokens::new(&provider), issuer }
    }

    fn claims(&self) -> Value {
        let seconds = now().unix_seconds();
        json!({ "iss": self.issuer.url(), "aud": AUDIENCE, "sub": "li.na", "iat": seconds, "exp": seconds + 3_600,
                "roles": ["finance", "something_else"] })
    }

    /// The roles that a token gives; the code of the refusal otherwise.
    async fn ask(&self, token: &str) -> Result<BTreeSet<Role>, &'static str> {
        let asked = self.tokens.principal(Some(token), now()).await;
        asked.map(|operator| operator.roles).map_err(|error| error.code().as_str())
    }
}

#[tokio::test]
async fn every_claim_of_an_operators_token_is_held_to_its_rule() {
    let provider = Provider::start().await;
    let signed = |change: &dyn Fn(&mut Value)| {
        let mut claims = provider.claims();
        change(&mut claims);
        provider.key.sign(&claims).unwrap()
    };
    let finance = Ok(BTreeSet::from([Role::Finance]));
    assert_eq!(provider.ask(&signed(&|_| ())).await, finance);
    let seconds = now().unix_seconds();
    for (what, change) in [
        ("another issuer", (|claims, _| claims["iss"] = json!("https://elsewhere.example")) as fn(&mut Value, i64)),
        ("no issuer", |claims, _| drop(claims.as_object_mut().unwrap().remove("iss"))),
        ("a number for an issuer", |claims, _| claims["iss"] = json!(1)),
        ("another audience", |claims, _| claims["aud"] = json!("another")),
        ("no audience", |claims, _| drop(claims.as_object_mut().unwrap().remove("aud"))),
        ("over", |claims, seconds| claims["exp"] = json!(seconds - 16)),
        ("no end", |claims, _| drop(claims.as_object_mut().unwrap().remove("exp"))),
        ("too long", |claims, seconds| claims["exp"] = json!(seconds + 12 * 3_600 + 16)),
        ("not yet", |claims, seconds| claims["nbf"] = json!(seconds + 16)),
        ("issued in the future", |claims, seconds| claims["iat"] = json!(seconds + 16)),
        ("nobody", |claims, _| claims["sub"] = json!("")),
        ("roles of another shape", |claims, _| claims["roles"] = json!("finance")),
    ] {
        assert_eq!(provider.ask(&signed(&|claims| change(claims, seconds))).await, Err("unauthenticated"), "{what}");
    }
    let none = signed(&|claims| drop(claims.as_object_mut().unwrap().remove("roles")));
    assert_eq!(provider.ask(&none).await, Ok(BTreeSet::new()), "nobody in particular");
    for garbage in ["", "a.b.c", &signed(&|_| ())[..40]] {
        assert_eq!(provider.ask(garbage).await, Err("unauthenticated"));
    }
}

#[tokio::test]
async fn every_other_bit_of_an_operators_token_is_noticed() {
    let provider = Provider::start().await;
    let token = provider.key.sign(&provider.claims()).unwrap();
    for at in (0..token.len()).step_by(3) {
        let mut spoilt = token.clone().into_bytes();
        spoilt[at] = if spoilt[at] == b'A' { b'B' } else { b'A' };
        let spoilt = String::from_utf8(spoilt).unwrap();
        // The last character of a signature has bits that mean nothing; the decoder refuses what is not canonical.
        assert_eq!(provider.ask(&spoilt).await, Err("unauthenticated"), "{at}");
    }
}

#[tokio::test]
async fn a_rotated_key_is_found_at_once_and_nobody_can_make_us_ask_the_provider_often() {
    let provider = Provider::start().await;
    let token = provider.key.sign(&provider.claims()).unwrap();
    for _ in 0..20 {
        provider.ask(&token).await.unwrap();
    }
    assert_eq!(provider.issuer.asked(), 1, "the keys are remembered");
    let next = OperatorSecrets::generate("op2").unwrap();
    provider.issuer.publish(&next).unwrap();
    let newer = next.sign(&provider.claims()).unwrap();
    // Within half a minute of the last question the new key is not known; after it, it is.
    assert_eq!(provider.ask(&newer).await, Err("unauthenticated"));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    provider.ask(&newer).await.unwrap();
    let unknown = OperatorSecrets::generate("op3").unwrap().sign(&provider.claims()).unwrap();
    for _ in 0..20 {
        assert_eq!(provider.ask(&unknown).await, Err("unauthenticated"));
    }
    assert_eq!(provider.issuer.asked(), 2);
    // A key that is withdrawn counts until the set is fetched again, and not after.
    provider.issuer.withdraw("op1");
    provider.ask(&token).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(601)).await;
    tokio::time::resume();
    assert_eq!(provider.ask(&token).await, Err("unauthenticated"));
    provider.ask(&newer).await.unwrap();
}

#[tokio::test]
async fn a_provider_that_is_away_locks_nobody_out_for_an_hour() {
    let provider = Provider::start().await;
    let token = provider.key.sign(&provider.claims()).unwrap();
    provider.issuer.set_down(true);
    assert_eq!(provider.ask(&token).await, Err("temporarily_unavailable"), "no keys were ever had");
    provider.issuer.set_down(false);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    provider.ask(&token).await.unwrap();
    provider.issuer.set_down(true);
    for (seconds, answer) in [(1_800, None), (1_700, None), (200, Some("temporarily_unavailable"))] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        assert_eq!(provider.ask(&token).await.err(), answer);
    }
}

/// A key says by its kind which algorithm it may be used with, and a key for sealing verifies nothing.
#[tokio::test]
async fn keys_that_are_no_signing_keys_are_passed_over() {
    let provider = Provider::start().await;
    provider.issuer.publish_raw(json!({ "kty": "oct", "kid": "sym", "k": "AAAA" }));
    provider.issuer.publish_raw(json!({ "kty": "of the future", "kid": "new" }));
    provider.issuer.publish_raw(json!("no key at all"));
    let sealing = OperatorSecrets::generate("enc").unwrap();
    let mut jwk = sealing.jwk().unwrap();
    jwk["use"] = json!("enc");
    provider.issuer.publish_raw(jwk);
    provider.ask(&provider.key.sign(&provider.claims()).unwrap()).await.unwrap();
    assert_eq!(provider.ask(&sealing.sign(&provider.claims()).unwrap()).await, Err("unauthenticated"));
}

/// Which roles may do what: every operators' route with every role.
#[tokio::test]
async fn every_route_of_operators_is_open_to_its_roles_and_to_no_other() {
    let allowed = |route: &str| -> &[Role] {
        match route {
            "GET /v1/admin/metrics" => &[Role::ProvinceAdmin, Role::Finance, Role::Auditor],
            "POST /v1/admin/journal/set-asides/{event_id}/post" => &[Role::Finance],
            _ if route.contains("/discrepancies/") => &[Role::Finance],
            _ if route.contains("/endpoints") || route.contains("/deliveries") => match route.starts_with("GET") {
                true => &[Role::ProvinceAdmin, Role::Auditor],
                false => &[Role::ProvinceAdmin],
            },
            _ => &[Role::Finance, Role::Auditor],
        }
    };
    let world = World::new().await;
    let mut tried = 0;
    for (route, _) in routes().iter().filter(|(route, _)| route.contains("/v1/admin/")) {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path.replace("{event_id}", "0123");
        for role in Role::ALL {
            let attempt = if method == "GET" { Attempt::get(&path) } else { Attempt::post(&path, &json!({})) };
            let reply = attempt.bearer(&world.operator_token(&[role])).send(&world.deps).await;
            assert_eq!(reply.status != 403, allowed(route).contains(&role), "{route} {role:?}: {}", reply.text);
            tried += 1;
        }
        for token in [world.member_token(world.member()), world.merchant_token("mch_luckytea")] {
            let attempt = if method == "GET" { Attempt::get(&path) } else { Attempt::post(&path, &json!({})) };
            attempt.bearer(&token).send(&world.deps).await.refused(401, "unauthenticated");
        }
    }
    assert_eq!(tried, 85);
}
