//! Tokens that are not good here. Each is refused with the same 401.

use crate::attempt::{Attempt, Reply};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    hmac, rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode as encode_token};
use mealticket_local::key_file::MerchantSecrets;
use mealticket_store::catalog::{MerchantKey, MerchantRecord};
use mealticket_support::World;
use serde_json::{Value, json};

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn pair(pkcs8: &str) -> Ed25519KeyPair {
    Ed25519KeyPair::from_pkcs8(&STANDARD.decode(pkcs8).unwrap()).unwrap()
}

/// A token with any header and any claims, signed with an Ed25519 key.
fn signed(header: &Value, claims: &Value, key: &Ed25519KeyPair) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// The header and the claims of a good token.
fn parts(token: &str) -> (Value, Value) {
    let read = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    (read(parts[0]), read(parts[1]))
}

fn with(value: &Value, name: &str, member: Value) -> Value {
    let mut changed = value.clone();
    changed[name] = member;
    changed
}

fn without(value: &Value, name: &str) -> Value {
    let mut changed = value.clone();
    changed.as_object_mut().unwrap().remove(name);
    changed
}

struct Case {
    good: String,
    key: Ed25519KeyPair,
    issuer: String,
    now: i64,
}

/// Everything that can be wrong with any token: its form, its header and its claims.
fn bad_of_any_kind(case: &Case) -> Vec<(String, String)> {
    let (header, claims) = parts(&case.good);
    let mut bad: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, token: String| bad.push((what.to_owned(), token));
    let segments: Vec<&str> = case.good.split('.').collect();

    for text in ["", " ", ".", "..", "...", "null", "undefined", "Bearer", "a.b.c", "令牌"] {
        add(&format!("text {text:?}"), text.to_owned());
    }
    add("two parts", format!("{}.{}", segments[0], segments[1]));
    add("no signature", format!("{}.{}.", segments[0], segments[1]));
    add("four parts", format!("{}.x", case.good));
    add("padding", format!("{}==", case.good));
    add("a huge token", format!("{}{}", case.good, "A".repeat(10_000)));
    let mut flipped = URL_SAFE_NO_PAD.decode(segments[2]).unwrap();
    flipped[0] ^= 1;
    add("a flipped bit", format!("{}.{}.{}", segments[0], segments[1], URL_SAFE_NO_PAD.encode(&flipped)));
    let other = Ed25519KeyPair::generate().unwrap();
    add("another key", signed(&header, &claims, &other));
    add("claims of another", format!("{}.{}.{}", segments[0], encode(&with(&claims, "jti", json!("x"))), segments[2]));

    for algorithm in ["none", "None", "NONE", "HS256", "HS512", "RS256", "ES256", "PS256", "EdDSa", ""] {
        add(&format!("alg {algorithm}"), signed(&with(&header, "alg", json!(algorithm)), &claims, &case.key));
    }
    add("alg none, unsigned", format!("{}.{}.", encode(&with(&header, "alg", json!("none"))), segments[1]));
    add("alg missing", signed(&without(&header, "alg"), &claims, &case.key));
    add("key confusion", confused(&header, &claims, case.key.public_key().as_ref()));
    let pem = mealticket_api::secrets::ed25519_public_pem(case.key.public_key().as_ref());
    add("key confusion with the PEM", confused(&header, &claims, pem.as_bytes()));
    add("kid missing", signed(&without(&header, "kid"), &claims, &case.key));
    for kid in [json!("k9"), json!(""), json!(7), json!("../k1"), Value::Null] {
        add(&format!("kid {kid}"), signed(&with(&header, "kid", kid), &claims, &case.key));
    }
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(other.public_key()) });
    add("a key of its own", signed(&with(&header, "jwk", jwk), &claims, &other));
    add("a key from elsewhere", signed(&with(&header, "jku", json!("https://127.0.0.1/keys")), &claims, &other));
    add("something critical", signed(&with(&header, "crit", json!(["exp"])), &claims, &case.key));
    for typ in ["jwt+x", "refresh", "id"] {
        add(&format!("typ {typ}"), signed(&with(&header, "typ", json!(typ)), &claims, &case.key));
    }

    for claim in ["iss", "aud", "exp", "jti"] {
        add(&format!("no {claim}"), signed(&header, &without(&claims, claim), &case.key));
    }
    for (claim, value) in [
        ("iss", json!(123)),
        ("iss", json!("https://hunan.mealticket.example")),
        ("iss", json!("mch_yuehui")),
        ("iss", json!([case.issuer])),
        ("iss", json!("")),
        ("iss", Value::Null),
        ("aud", json!(5)),
        ("aud", json!("https://hunan.mealticket.example")),
        ("aud", json!("https://hunan.mealticket.example/members")),
        ("aud", json!([])),
        ("aud", json!(["https://elsewhere.example"])),
        ("aud", json!("")),
        ("aud", Value::Null),
        ("jti", json!(9)),
        ("jti", json!("")),
        ("exp", json!(case.now - 16)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!("9999999999")),
        ("exp", json!(case.now + 3_600)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(1e300)),
        ("nbf", json!(case.now + 16)),
        ("nbf", json!(case.now + 3_600)),
        ("nbf", json!("now")),
        ("iat", json!(case.now + 16)),
        ("iat", json!("now")),
    ] {
        add(&format!("{claim} {value}"), signed(&header, &with(&claims, claim, value), &case.key));
    }
    add("claims that are a list", signed(&header, &json!([claims.clone()]), &case.key));
    let elsewhere = Ed25519KeyPair::generate().unwrap();
    let hunan = with(&claims, "aud", json!("https://hunan.mealticket.example"));
    add("a token of another stack", signed(&header, &hunan, &elsewhere));
    bad
}

/// A token signed by HS256 with the public key as the secret.
fn confused(header: &Value, claims: &Value, public: &[u8]) -> String {
    let message = format!("{}.{}", encode(&with(header, "alg", json!("HS256"))), encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

async fn refuse_all(world: &World, bad: Vec<(String, String)>, ask: impl Fn(&str) -> Attempt) {
    assert!(bad.len() >= 60, "{}", bad.len());
    for (what, token) in bad {
        let reply: Reply = ask(&token).send(&world.deps).await;
        assert_eq!((reply.status, reply.code()), (401, "unauthenticated"), "{what}: {}", reply.text);
    }
}

#[tokio::test]
async fn bad_member_tokens_are_refused() {
    let world = World::new().await;
    let good = world.member_token(world.member());
    let ask = |token: &str| Attempt::get("/v1/campaigns").bearer(token);
    ask(&good).send(&world.deps).await.expect(200);
    let case = Case {
        key: pair(&world.keys.stack.token_key.pkcs8),
        issuer: world.deps.stack.config.issuer.clone(),
        now: world.now().unix_seconds(),
        good,
    };
    let (header, claims) = parts(&case.good);
    let mut bad = bad_of_any_kind(&case);
    for typ in [json!("JWT"), json!("at+JWT "), Value::Null] {
        bad.push((format!("typ {typ}"), signed(&with(&header, "typ", typ), &claims, &case.key)));
    }
    bad.push(("no typ".into(), signed(&without(&header, "typ"), &claims, &case.key)));
    for claim in ["sub", "sid", "att", "nbf", "iat"] {
        bad.push((format!("no {claim}"), signed(&header, &without(&claims, claim), &case.key)));
    }
    let aud = case.issuer.clone();
    for (claim, value) in [
        ("sub", json!("mem_0000000000000000")),
        ("sub", json!(1)),
        ("sub", json!("mch_luckytea")),
        ("sid", json!("short")),
        ("att", json!("AAAA")),
        ("aud", json!(aud)),
    ] {
        bad.push((format!("{claim} {value}"), signed(&header, &with(&claims, claim, value), &case.key)));
    }
    bad.push(("a merchant's token".into(), world.merchant_token("mch_luckytea")));
    refuse_all(&world, bad, ask).await;
    world.pass_seconds(15 * 60 + 14);
    ask(&case.good).send(&world.deps).await.expect(200);
    world.pass_seconds(1);
    ask(&case.good).send(&world.deps).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn bad_merchant_tokens_are_refused() {
    let world = World::new().await;
    let merchant = "mch_luckytea";
    let good = world.merchant_token(merchant);
    let body = json!({ "code": "44", "store_id": "sto_luckytea01", "order": { "order_no": "1", "amount_fen": 1 } });
    let ask = |token: &str| Attempt::post("/v1/validations", &body).bearer(token);
    ask(&good).send(&world.deps).await.expect(200);
    let MerchantSecrets { pkcs8, .. } = world.keys.merchant(merchant).unwrap();
    let case = Case { key: pair(pkcs8), issuer: merchant.to_owned(), now: world.now().unix_seconds(), good };
    let (header, claims) = parts(&case.good);
    let mut bad = bad_of_any_kind(&case);
    let as_merchant = |id: &str| signed(&header, &with(&claims, "iss", json!(id)), &case.key);
    for id in ["mch_yuehui", "mch_nobody", "sto_luckytea01", "MCH_LUCKYTEA"] {
        bad.push((format!("as {id}"), as_merchant(id)));
    }
    let long = with(&claims, "exp", json!(case.now + 5 * 60 + 16));
    bad.push(("more than five minutes".into(), signed(&header, &long, &case.key)));
    bad.push(("typ of a member's".into(), signed(&with(&header, "typ", json!("at+jwt")), &claims, &case.key)));
    bad.push(("a member's token".into(), world.member_token(world.member())));
    refuse_all(&world, bad, ask).await;
    let both = with(&claims, "aud", json!(["https://elsewhere.example", claims["aud"]]));
    ask(&signed(&header, &both, &case.key)).send(&world.deps).await.expect(200);
}

#[tokio::test]
async fn a_bearer_token_has_one_form() {
    let world = World::new().await;
    let token = world.member_token(world.member());
    let send = |value: String| Attempt::get("/v1/campaigns").header("authorization", &value);
    send(format!("bearer {token}")).send(&world.deps).await.expect(200);
    for value in [token.clone(), format!("Basic {token}"), format!("Bearer{token}"), format!("Bearer {token} {token}")]
    {
        let reply = send(value).send(&world.deps).await.refused(401, "unauthenticated");
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
    }
}

/// The keys of every kind that a merchant may register, and a token signed with each.
#[tokio::test]
async fn a_merchant_may_register_a_key_of_each_kind_and_each_is_good_for_its_algorithm_alone() {
    let world = World::new().await;
    let merchant = "mch_luckytea";
    let (_, claims) = parts(&world.merchant_token(merchant));
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let pem = |der: &[u8]| {
        let text = STANDARD.encode(der);
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    };
    let public = |der: PublicKeyX509Der<'_>| pem(der.as_ref());
    let mut record = MerchantRecord::clone(
        &*world.tables().catalog.read_merchant(&merchant.parse().unwrap()).await.unwrap().unwrap(),
    );
    for (kid, algorithm, public_pem) in [
        ("ec", "ES256", public(ec.public_key().as_der().unwrap())),
        ("rsa", "RS256", public(rsa.public_key().as_der().unwrap())),
    ] {
        record.keys.push(MerchantKey { kid: kid.into(), algorithm: algorithm.into(), public_pem });
    }
    world.tables().catalog.put_merchant(&record).await.unwrap();
    let deps = world.deps_elsewhere();
    let ec_key = EncodingKey::from_ec_der(ec.to_pkcs8v1().unwrap().as_ref());
    let rsa_der: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    let rsa_key = EncodingKey::from_rsa_pem(
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(rsa_der.as_ref()))
            .as_bytes(),
    )
    .unwrap();
    let ed_der = STANDARD.decode(&world.keys.merchant(merchant).unwrap().pkcs8).unwrap();
    let ed_key = EncodingKey::from_ed_der(&ed_der);
    let kinds =
        [("k1", Algorithm::EdDSA, &ed_key), ("ec", Algorithm::ES256, &ec_key), ("rsa", Algorithm::RS256, &rsa_key)];
    for (kid, _, _) in kinds {
        for (own, algorithm, key) in kinds {
            let mut header = Header::new(algorithm);
            header.kid = Some(kid.to_owned());
            let token = encode_token(&header, &claims, key).unwrap();
            let body =
                json!({ "code": "44", "store_id": "sto_luckytea01", "order": { "order_no": "1", "amount_fen": 1 } });
            let reply = Attempt::post("/v1/validations", &body).bearer(&token).send(&deps).await;
            assert_eq!(reply.status, if kid == own { 200 } else { 401 }, "{kid} {algorithm:?}: {}", reply.text);
        }
    }
}
