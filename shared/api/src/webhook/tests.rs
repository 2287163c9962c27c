use super::*;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SENT_AT: i64 = 1_614_265_330;

fn secret() -> WebhookSecret {
    WebhookSecret::read(SECRET).unwrap()
}

fn key() -> SenderKey {
    SenderKey::read(SECRET).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

/// The vectors in the specification's own libraries: Python's and Rust's tests.
#[test]
fn the_published_vectors_verify() {
    let body = br#"{"test": 2432232314}"#;
    let signed = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(secret().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", SENT_AT, body), signed);
    let headers =
        Headers { id: Some("msg_p5jXN8AQM9LWM0D4loKWxJek"), timestamp: Some("1614265330"), signature: Some(signed) };
    assert_eq!(verify(headers, body, &[key()], at(SENT_AT)), Ok("msg_p5jXN8AQM9LWM0D4loKWxJek"));

    let rust = WebhookSecret::read("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    let signed = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
    assert_eq!(rust.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body), signed);
}

struct Message {
    id: String,
    timestamp: String,
    signature: String,
    body: Vec<u8>,
}

fn good() -> Message {
    let body = br#"{"type":"coupon.redeemed"}"#.to_vec();
    Message {
        id: "msg_1".into(),
        timestamp: SENT_AT.to_string(),
        signature: secret().sign("msg_1", SENT_AT, &body),
        body,
    }
}

fn judge(message: &Message, now: i64) -> Result<(), WebhookError> {
    let headers =
        Headers { id: Some(&message.id), timestamp: Some(&message.timestamp), signature: Some(&message.signature) };
    verify(headers, &message.body, &[key()], at(now)).map(drop)
}

#[test]
fn the_tolerance_is_five_minutes_to_the_second_on_either_side() {
    assert_eq!(judge(&good(), SENT_AT + 300), Ok(()));
    assert_eq!(judge(&good(), SENT_AT - 300), Ok(()));
    assert_eq!(judge(&good(), SENT_AT + 301), Err(WebhookError::TooOld));
    assert_eq!(judge(&good(), SENT_AT - 301), Err(WebhookError::TooNew));
}

#[test]
fn every_single_bit_flip_of_a_good_message_is_refused() {
    assert_eq!(judge(&good(), SENT_AT), Ok(()));
    let flips = |length: usize| (0..length * 8).map(|bit| (bit / 8, 1u8 << (bit % 8)));
    let mut refused = 0;
    for (byte, mask) in flips(good().body.len()) {
        let mut message = good();
        message.body[byte] ^= mask;
        assert_eq!(judge(&message, SENT_AT), Err(WebhookError::NoMatch));
        refused += 1;
    }
    type Part = fn(&mut Message) -> &mut String;
    let parts: [Part; 3] = [|m| &mut m.id, |m| &mut m.timestamp, |m| &mut m.signature];
    for part in parts {
        let length = part(&mut good()).len();
        for (byte, mask) in flips(length) {
            let mut message = good();
            let mut bytes = part(&mut message).clone().into_bytes();
            bytes[byte] ^= mask;
            // A header that is no text never reaches the verifier.
            let Ok(text) = String::from_utf8(bytes) else { continue };
            *part(&mut message) = text;
            assert!(judge(&message, SENT_AT).is_err(), "{} {} {}", message.id, message.timestamp, message.signature);
            refused += 1;
        }
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn bad_signatures_are_refused_whatever_their_form() {
    let ours = good().signature;
    let encoded = ours.strip_prefix("v1,").unwrap().to_owned();
    let other = WebhookSecret::read("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    let body = good().body;
    let forms = vec![
        String::new(),
        " ".into(),
        "v1".into(),
        "v1,".into(),
        ",".into(),
        ",,".into(),
        "garbage".into(),
        "v1,garbage".into(),
        "v1,!!!!".into(),
        "v1,AAAA".into(),
        format!("v1,{}", STANDARD.encode([0; 32])),
        format!("v1,{}", STANDARD.encode([0; 31])),
        format!("v1,{}", STANDARD.encode([0; 33])),
        format!("v1,{}", STANDARD.encode([255; 32])),
        encoded.clone(),
        format!("v0,{encoded}"),
        format!("v2,{encoded}"),
        format!("v1a,{encoded}"),
        format!("V1,{encoded}"),
        format!("v1:{encoded}"),
        format!("v1={encoded}"),
        format!("v1, {encoded}"),
        format!("v1,{encoded}="),
        format!("v1,={encoded}"),
        format!("v1,{}", encoded.trim_end_matches('=')),
        format!("v1,{}", &encoded[1..]),
        format!("v1,{}", &encoded[..encoded.len() - 4]),
        format!("v1,{encoded}{encoded}"),
        format!("v1,{}", encoded.to_lowercase()),
        format!("v1,{}", encoded.to_uppercase()),
        format!("v1,{}", encoded.chars().rev().collect::<String>()),
        format!("\"{ours}\""),
        format!("{ours},"),
        format!("{ours},{encoded}"),
        format!("{ours}\t"),
        format!("\u{feff}{ours}"),
        ours.replace(',', ",,"),
        ours.replace("v1", "v１"),
        ours.replace('+', "-").replace('/', "_") + "-",
        ["v1,AAAA"; 8].join(" "),
        [ours.as_str(); 9].join(" "),
        other.sign("msg_1", SENT_AT, &body),
        secret().sign("msg_2", SENT_AT, &body),
        secret().sign("msg_1", SENT_AT + 1, &body),
        secret().sign("msg_1", SENT_AT, b""),
        secret().sign("msg_1", SENT_AT, &[&body[..], b" "].concat()),
        secret().sign("", SENT_AT, &body),
        "9".repeat(10_000),
        "v1,".repeat(3_000),
    ];
    assert!(forms.len() >= 40, "{}", forms.len());
    for signature in forms {
        let message = Message { signature: signature.clone(), ..good() };
        assert!(judge(&message, SENT_AT).is_err(), "{signature:?}");
    }
}

#[test]
fn one_good_signature_among_eight_is_enough_and_a_second_secret_counts_during_a_rotation() {
    let ours = good().signature;
    let eight = format!("{} {ours}", ["v1,AAAA"; 7].join(" "));
    assert_eq!(judge(&Message { signature: eight, ..good() }, SENT_AT), Ok(()));
    let new = SenderKey::read("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    let message = good();
    let headers =
        Headers { id: Some(&message.id), timestamp: Some(&message.timestamp), signature: Some(&message.signature) };
    assert!(verify(headers, &message.body, &[new, key()], at(SENT_AT)).is_ok());
    assert!(verify(headers, &message.body, &[], at(SENT_AT)).is_err());
}

#[test]
fn ids_and_time_stamps_have_one_form_each() {
    for id in ["", "a.b", "msg 1", "msg\n1", "消息", "../x", &"a".repeat(65)] {
        let signature = secret().sign(id, SENT_AT, &good().body);
        let message = Message { id: id.into(), signature, ..good() };
        assert_eq!(judge(&message, SENT_AT), Err(WebhookError::Id), "{id}");
    }
    let extreme = [i64::MIN.to_string(), i64::MAX.to_string(), "9".repeat(40)];
    for timestamp in
        ["", "-1", "+1614265330", " 1614265330", "01614265330", "1614265330.0", "1e9", "0x1", "NaN", "１６１４"]
    {
        let message = Message { timestamp: timestamp.into(), ..good() };
        assert_eq!(judge(&message, SENT_AT), Err(WebhookError::Timestamp), "{timestamp}");
    }
    for timestamp in extreme {
        assert_eq!(judge(&Message { timestamp, ..good() }, SENT_AT), Err(WebhookError::Timestamp));
    }
    let far = Message { timestamp: "99999999999".into(), ..good() };
    assert_eq!(judge(&far, SENT_AT), Err(WebhookError::TooNew));
}

#[test]
fn a_missing_header_is_refused() {
    let message = good();
    let (id, timestamp, signature) = (Some(&*message.id), Some(&*message.timestamp), Some(&*message.signature));
    for headers in [
        Headers { id: None, timestamp, signature },
        Headers { id, timestamp: None, signature },
        Headers { id, timestamp, signature: None },
    ] {
        assert_eq!(verify(headers, &message.body, &[key()], at(SENT_AT)), Err(WebhookError::MissingHeader));
    }
}

#[test]
fn a_secret_has_24_to_64_bytes() {
    let text = |length: usize| format!("whsec_{}", STANDARD.encode(vec![1u8; length]));
    for (length, is_one) in [(0, false), (23, false), (24, true), (64, true), (65, false)] {
        assert_eq!(WebhookSecret::read(&text(length)).is_ok(), is_one, "{length}");
    }
    for bad in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%%"] {
        assert!(WebhookSecret::read(bad).is_err(), "{bad}");
    }
    assert_eq!(format!("{:?}", secret()), "WebhookSecret([REDACTED])");
}

#[test]
fn an_asymmetric_signature_counts_for_its_public_key_alone() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let text = format!("whpk_{}", STANDARD.encode(pair.public_key()));
    let public = SenderKey::read(&text).unwrap();
    let message = good();
    let signed = [format!("msg_1.{SENT_AT}.").as_bytes(), &message.body].concat();
    let signature = format!("v1a,{}", STANDARD.encode(pair.sign(&signed)));
    let judged = |signature: &str, body: &[u8], keys: &[SenderKey]| {
        let headers = Headers { id: Some("msg_1"), timestamp: Some(&message.timestamp), signature: Some(signature) };
        verify(headers, body, keys, at(SENT_AT)).map(drop)
    };
    let keys = [public.clone()];
    assert_eq!(judged(&signature, &message.body, &keys), Ok(()));
    // The other version's key, the other version's name, both keys at once, and a secret that is the public key's bytes.
    let refused = Err(WebhookError::NoMatch);
    assert_eq!(judged(&signature, &message.body, &[key()]), refused);
    assert_eq!(judged(&signature.replace("v1a,", "v1,"), &message.body, &keys), refused);
    assert_eq!(judged(&format!("{} {signature}", message.signature), &message.body, &[key(), public]), Ok(()));
    let confused = WebhookSecret::read(&text.replace("whpk_", "whsec_")).unwrap();
    assert_eq!(judged(&confused.sign("msg_1", SENT_AT, &message.body), &message.body, &keys), refused);
    for bit in 0..signature.len() * 8 {
        let mut bytes = signature.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(flipped) = String::from_utf8(bytes) else { continue };
        assert_eq!(judged(&flipped, &message.body, &keys), refused, "{flipped}");
    }
    for bit in 0..message.body.len() * 8 {
        let mut body = message.body.clone();
        body[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(judged(&signature, &body, &keys), refused);
    }
    for bad in ["whpk_", "whpk_AAAA", "whpk_%", &format!("whpk_{}", STANDARD.encode([0; 33]))] {
        assert!(SenderKey::read(bad).is_err(), "{bad}");
    }
}

/// What `vectors.mjs` beside this file wrote with the package that the specification's authors publish on npm.
#[test]
fn the_vectors_of_the_npm_package_agree() {
    #[derive(Deserialize)]
    struct Vector {
        secret: String,
        id: String,
        timestamp: i64,
        body: String,
        signature: String,
    }
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert!(vectors.len() >= 40);
    for vector in vectors {
        let secret = WebhookSecret::read(&vector.secret).unwrap();
        assert_eq!(secret.sign(&vector.id, vector.timestamp, vector.body.as_bytes()), vector.signature);
        // Some are of times before this century, which nobody's clock says.
        let Some(now) = Timestamp::from_unix_seconds(vector.timestamp) else { continue };
        let headers = Headers {
            id: Some(&vector.id),
            timestamp: Some(&vector.timestamp.to_string()),
            signature: Some(&vector.signature),
        };
        let verified = verify(headers, vector.body.as_bytes(), &[SenderKey::Shared(secret)], now);
        assert_eq!(verified, Ok(&*vector.id));
    }
}
