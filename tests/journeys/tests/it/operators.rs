//! Operators' tokens: whose they are, what they allow, and what happens when the provider rotates its keys or is down.

use mealticket_api::{
    Who,
    auth::operator::{OperatorTokens, Role, Scope},
    config::OperatorIssuer,
    route::Reach,
};
use mealticket_domain::Timestamp;
use mealticket_local::{
    issuer::Issuer,
    key_file::{KeyFile, OperatorSecrets},
};
use mealticket_store::Clock;
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
    /// The stack's wall clock. It stands; the steady clock goes on.
    clock: Clock,
}

impl Provider {
    async fn start() -> Self {
        let keys = KeyFile::generate(&[]).unwrap();
        let issuer = Issuer::start(&keys).await.unwrap();
        Self::with(keys, issuer, |_| ())
    }

    /// A stack of Guangdong with another configuration of its provider.
    fn with(keys: KeyFile, issuer: Issuer, change: impl FnOnce(&mut OperatorIssuer)) -> Self {
        let mut provider = OperatorIssuer {
            issuer: issuer.url(),
            audience: AUDIENCE.into(),
            jwks_url: issuer.jwks_url(),
            province_claim: "province".into(),
            cities_claim: "cities".into(),
            access_tokens_only: true,
            acr_values: BTreeSet::new(),
        };
        change(&mut provider);
        let tokens = OperatorTokens::new(&provider, "44".parse().unwrap());
        Provider { key: keys.operators().unwrap().clone(), tokens, issuer, clock: Clock::standing_at(now()) }
    }

    fn claims(&self) -> Value {
        let seconds = now().unix_seconds();
        json!({ "iss": self.issuer.url(), "aud": AUDIENCE, "sub": "li.na", "iat": seconds, "exp": seconds + 3_600, "province": "44",
                "roles": ["finance", "something_else"] })
    }

    /// The roles that a token gives, or the code of the refusal.
    async fn ask(&self, token: &str) -> Result<BTreeSet<Role>, &'static str> {
        let asked = self.tokens.principal(Some(token), &self.clock).await;
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
        ("too long", |claims, seconds| claims["exp"] = json!(seconds + 3_601)),
        ("of two hours, in its second", |claims, seconds| {
            (claims["iat"], claims["exp"]) = (json!(seconds - 5_000), json!(seconds + 2_200));
        }),
        ("no beginning", |claims, _| drop(claims.as_object_mut().unwrap().remove("iat"))),
        ("a province of another shape", |claims, _| claims["province"] = json!(44)),
        ("cities of another shape", |claims, _| claims["cities"] = json!({ "name": "深圳" })),
        ("more cities than anybody has", |claims, _| claims["cities"] = json!(vec!["深圳"; 65])),
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

/// The provinces and the cities that a token names. The configuration says which claims name them.
#[tokio::test]
async fn an_operators_token_is_good_for_the_provinces_and_cities_that_it_names() {
    let provider = Provider::start().await;
    let signed = |change: &dyn Fn(&mut Value)| {
        let mut claims = provider.claims();
        change(&mut claims);
        provider.key.sign(&claims).unwrap()
    };
    let scope = async |token: String| {
        let asked = provider.tokens.principal(Some(&token), &provider.clock).await;
        asked.map(|operator| operator.scope).map_err(|error| error.code().as_str())
    };
    assert_eq!(scope(signed(&|_| ())).await, Ok(Scope::Province));
    assert_eq!(scope(signed(&|claims| claims["province"] = json!(["43", "44"]))).await, Ok(Scope::Province));
    for province in [json!("43"), json!(["43", "45"]), json!([]), json!(""), json!("4"), json!("44 "), Value::Null] {
        let token = signed(&|claims| claims["province"] = province.clone());
        assert_eq!(scope(token).await, Err("forbidden"), "{province}");
    }
    let without = signed(&|claims| drop(claims.as_object_mut().unwrap().remove("province")));
    assert_eq!(scope(without).await, Err("forbidden"), "a token that names no province is for none");
    let cities = |names: &[&str]| Scope::Cities(names.iter().map(|name| (*name).to_owned()).collect());
    for (claim, is) in [
        (json!("深圳"), cities(&["深圳"])),
        (json!(["深圳", "广州"]), cities(&["广州", "深圳"])),
        (json!([]), cities(&[])),
        (json!(null), cities(&[])),
    ] {
        let token = signed(&|claims| claims["cities"] = claim.clone());
        let asked =
            provider.tokens.principal(Some(&token), &provider.clock).await.unwrap_or_else(|_| panic!("{claim}"));
        assert_eq!(asked.scope, is);
        // A route about the whole province refuses them. A route about their own cities lets them in.
        assert!(asked.clone().allowed(Who::of_province(&[Role::Finance])).is_err(), "{claim}");
        assert!(asked.allowed(Who::Operator(&[Role::Finance], Reach::OwnCities)).is_ok(), "{claim}");
    }
    // A provider with other names for these claims.
    let keys = KeyFile { operators: Some(provider.key.clone()), ..KeyFile::generate(&[]).unwrap() };
    let named = Provider::with(keys, provider.issuer.clone(), |issuer| {
        (issuer.province_claim, issuer.cities_claim) = ("https://operator.example/prov".into(), "branch".into());
    });
    assert_eq!(named.ask(&signed(&|_| ())).await, Err("forbidden"));
    let token = signed(&|claims| {
        claims["https://operator.example/prov"] = json!("44");
        (claims["province"], claims["branch"]) = (json!("43"), json!("深圳"));
    });
    assert_eq!(
        named.tokens.principal(Some(&token), &named.clock).await.unwrap_or_else(|_| panic!()).scope,
        cities(&["深圳"])
    );
}

#[tokio::test]
async fn an_operators_token_is_of_the_type_and_the_strength_that_the_stack_asks_for() {
    let provider = Provider::start().await;
    let any = |change: fn(&mut OperatorIssuer)| {
        let keys = KeyFile { operators: Some(provider.key.clone()), ..KeyFile::generate(&[]).unwrap() };
        Provider::with(keys, provider.issuer.clone(), change)
    };
    let lenient = any(|issuer| issuer.access_tokens_only = false);
    for (typ, strict_is_good, lenient_is_good) in [
        ("at+jwt", true, true),
        ("AT+JWT", true, true),
        ("application/at+jwt", true, true),
        ("JWT", false, true),
        ("jwt", false, true),
        ("id+jwt", false, false),
        ("logout+jwt", false, false),
        ("", false, false),
    ] {
        let token = provider.key.sign_as(&provider.claims(), typ).unwrap();
        assert_eq!(provider.ask(&token).await.is_ok(), strict_is_good, "{typ}");
        assert_eq!(lenient.ask(&token).await.is_ok(), lenient_is_good, "{typ}");
    }
    let strong = any(|issuer| issuer.acr_values = BTreeSet::from(["mfa".to_owned(), "hardware".to_owned()]));
    for (acr, is_good) in [(json!("mfa"), true), (json!("hardware"), true), (json!("pwd"), false), (Value::Null, false)]
    {
        let mut claims = provider.claims();
        claims["acr"] = acr.clone();
        let token = provider.key.sign(&claims).unwrap();
        assert_eq!(strong.ask(&token).await.is_ok(), is_good, "{acr}");
        assert!(provider.ask(&token).await.is_ok(), "not asked");
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
        // The last character of a signature has bits that mean nothing. The decoder refuses a form that is not
        // canonical.
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
    // Within half a minute of the last fetch the new key is unknown. After that it is known.
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
    // A withdrawn key counts until the set of keys is fetched again, and not after that.
    provider.issuer.withdraw("op1");
    provider.ask(&token).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(601)).await;
    tokio::time::resume();
    assert_eq!(provider.ask(&token).await, Err("unauthenticated"));
    provider.ask(&newer).await.unwrap();
}

/// An environment that nobody asks is frozen: its steady clock stands still, and the wall clock goes on.
#[tokio::test]
async fn a_withdrawn_key_counts_for_ten_minutes_also_where_the_environment_was_frozen() {
    let provider = Provider::start().await;
    let token = provider.key.sign(&provider.claims()).unwrap();
    provider.ask(&token).await.unwrap();
    provider.issuer.withdraw("op1");
    provider.clock.set(now().plus_seconds(599));
    provider.ask(&token).await.unwrap();
    provider.clock.set(now().plus_seconds(600));
    assert_eq!(provider.ask(&token).await, Err("unauthenticated"));
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

/// A key's kind decides which algorithm it may be used with. A key for sealing verifies nothing.
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
