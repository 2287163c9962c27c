//! Merchants' tokens: signed by the merchant's server with a registered key, for at most five minutes.
//!
//! The merchant makes them with its own private key. The catalog holds only the public half.

use super::{LEEWAY_SECONDS, Rules, TOKEN_BYTES_MAX, Times, header, unauthenticated, verify};
use crate::problem::ApiError;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use mealticket_domain::{MerchantId, Timestamp};
use mealticket_store::{
    Catalog,
    catalog::{MerchantKey, MerchantRecord},
};
use serde::Deserialize;
use std::sync::Arc;

/// How far ahead a merchant's token may expire: five minutes.
pub const TOKEN_SECONDS_MAX: i64 = 5 * 60;

const _: () = assert!(LEEWAY_SECONDS <= 30);

/// The claims that are looked at. `iat` and `nbf` may be left out.
#[derive(Deserialize)]
struct Claims {
    /// Required by type as well as by name: the library lets a number pass for an absent issuer.
    iss: String,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    jti: String,
}

/// The merchant that a token was signed by, if it counts at `now`. `audience` is the stack's issuer URL.
///
/// 401 for anything else, also for an issuer that is no merchant. 503 when the catalog does not answer.
pub async fn principal(
    catalog: &Catalog,
    token: Option<&str>,
    audience: &str,
    now: Timestamp,
) -> Result<Arc<MerchantRecord>, ApiError> {
    let token = token.ok_or_else(unauthenticated)?;
    let claimed = claimed_issuer(token).ok_or_else(unauthenticated)?;
    let record = catalog.read_merchant(&claimed).await?.ok_or_else(unauthenticated)?;
    if verified(token, &record, audience, now) { Ok(record) } else { Err(unauthenticated()) }
}

/// Whether the token is signed with a key of this merchant, for this audience, and counts at `now`.
///
/// Its `kid` must name the key, its `iss` the merchant, and its `jti` something.
fn verified(token: &str, record: &MerchantRecord, audience: &str, now: Timestamp) -> bool {
    let check = || {
        let header = header(token)?;
        if !matches!(header.typ.as_deref(), None | Some("JWT")) {
            return None;
        }
        let key = record.keys.iter().find(|key| header.kid.as_deref() == Some(&key.kid))?;
        let (algorithm, decoding) = usable(key)?;
        let rules = Rules { algorithm, issuer: record.merchant.id.as_str(), audience };
        let claims: Claims = verify(token, &decoding, &rules)?;
        let times = Times { issued_at: claims.iat, not_before: claims.nbf, expires: claims.exp };
        let named = claims.iss == record.merchant.id.as_str() && !claims.jti.is_empty();
        Some(named && times.hold(now, TOKEN_SECONDS_MAX))
    };
    check().unwrap_or(false)
}

/// A registered key with the one algorithm that it may be used with: EdDSA, ES256 or RS256.
fn usable(key: &MerchantKey) -> Option<(Algorithm, DecodingKey)> {
    let pem = key.public_pem.as_bytes();
    match key.algorithm.as_str() {
        "EdDSA" => Some((Algorithm::EdDSA, DecodingKey::from_ed_pem(pem).ok()?)),
        "ES256" => Some((Algorithm::ES256, DecodingKey::from_ec_pem(pem).ok()?)),
        "RS256" => Some((Algorithm::RS256, DecodingKey::from_rsa_pem(pem).ok()?)),
        _ => None,
    }
}

/// The `iss` of a token that is not verified yet. It only finds the keys that the token is then verified
/// with.
fn claimed_issuer(token: &str) -> Option<MerchantId> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: String,
    }
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let payload = token.split('.').nth(1)?;
    let claimed: Claimed = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claimed.iss.parse().ok()
}
