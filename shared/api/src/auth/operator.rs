//! Operators' tokens: OpenID Connect, of the operator's own identity provider, verified with the keys that it
//! publishes.
//!
//! The key set is fetched when it is first needed, and kept for ten minutes. It is fetched again before that
//! when a token names a key that is not in it. So a provider that rotates its keys is followed at once.
//! Nobody can make us ask it more than once in half a minute.

pub use super::role::Role;
use super::{Rules, Times, header, unauthenticated, verify};
use crate::{
    codes::Code,
    config::OperatorIssuer,
    problem::ApiError,
    route::{Reach, Who},
};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use mealticket_domain::{Province, Timestamp};
use mealticket_store::{Clock, Moment};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// An operator's token lives at most this long, from its `iat` to its `exp`: an hour.
///
/// Whoever leaves the operator is out within it.
pub const TOKEN_SECONDS_MAX: i64 = 3_600;

/// The `typ` of an access token (RFC 9068 section 2.1).
///
/// It comes with or without the prefix that may be left out (RFC 7515 section 4.1.9).
const ACCESS_TOKEN: [&str; 2] = ["at+jwt", "application/at+jwt"];
/// The `typ` of a JWT that does not say what kind it is.
const ANY_TOKEN: [&str; 2] = ["JWT", "application/jwt"];

/// Texts that a claim of provinces or cities may list: a person works for a few. A longer list refuses the
/// token.
const NAMES_MAX: usize = 64;

/// How long a key set counts as fresh: ten minutes.
const FRESH_FOR: Duration = Duration::from_secs(600);

/// How long a key set still counts when the provider does not answer: an outage of an hour locks nobody out.
const STALE_FOR: Duration = Duration::from_secs(3_600);

/// How long we wait before the provider is asked again, for whatever reason: half a minute.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// How long the provider may take to answer: well within the request's time.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of a key set. A hundred keys of RSA 4096 have 80 KB; a larger answer is not read to its end.
const KEY_SET_BYTES_MAX: usize = 256 * 1024;

/// The operator's employee, or system, that a token was given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The `sub` of the token: the provider's name for the person.
    pub subject: String,
    /// The roles that the token names. Roles that we do not know are left out.
    pub roles: BTreeSet<Role>,
    /// The part of this province that the roles count for.
    pub scope: Scope,
}

/// What part of the province a person works for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it: the token names the province and no cities.
    Province,
    /// These cities and no others. None at all, when the token has an empty list of them, or `null`.
    Cities(BTreeSet<String>),
}

impl Operator {
    /// The operator, when the route lets somebody of these roles and this scope ask. 403 `forbidden`
    /// otherwise.
    ///
    /// One of the route's roles is enough. A route for the whole province refuses an employee of cities.
    pub fn allowed(self, who: Who) -> Result<Self, ApiError> {
        let is_allowed = match who {
            Who::Operator(roles, reach) => {
                let is_within = match reach {
                    Reach::Province => self.scope == Scope::Province,
                    Reach::OwnCities => true,
                };
                is_within && roles.iter().any(|role| self.roles.contains(role))
            }
            Who::Anybody | Who::Member | Who::Merchant | Who::Reporter => false,
        };
        if is_allowed { Ok(self) } else { Err(Code::Forbidden.into()) }
    }
}

/// The claims that are looked at. `nbf`, `roles` and `acr` may be left out.
#[derive(Deserialize)]
struct Claims {
    /// Required by type as well as by name: the library lets a number pass for an absent issuer.
    #[serde(rename = "iss")]
    _iss: String,
    sub: String,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    #[serde(default)]
    roles: Vec<String>,
    acr: Option<String>,
    /// The province and the cities, in the claims that `OperatorProvinceClaim` and `OperatorCitiesClaim` name.
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    /// The texts of a claim: one text, or a list of them. `null` is a list of none.
    ///
    /// The outer `None` is a claim of another shape, which refuses the token. The inner `None` is no claim.
    fn texts(&self, claim: &str) -> Option<Option<BTreeSet<String>>> {
        match self.others.get(claim) {
            None => Some(None),
            Some(Value::Null) => Some(Some(BTreeSet::new())),
            Some(Value::String(text)) => Some(Some(BTreeSet::from([text.clone()]))),
            Some(Value::Array(texts)) if texts.len() <= NAMES_MAX => {
                texts.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>().map(Some)
            }
            Some(_) => None,
        }
    }
}

/// Verifies operators' tokens. Each environment keeps the provider's keys in memory.
pub struct OperatorTokens {
    provider: OperatorIssuer,
    province: Province,
    /// The newest key set, and when it was fetched.
    known: Mutex<Option<(Arc<JwkSet>, Moment)>>,
    /// Held by the request that asks the provider, so that only one does.
    fetching: Mutex<Fetching>,
}

/// What asking the provider needs: a client that is made once, and when it was last asked.
#[derive(Default)]
struct Fetching {
    http: Option<reqwest::Client>,
    asked_at: Option<Moment>,
}

impl OperatorTokens {
    /// Tokens of this provider, for this province. Nothing is fetched yet.
    pub fn new(provider: &OperatorIssuer, province: Province) -> Self {
        OperatorTokens { provider: provider.clone(), province, known: Mutex::default(), fetching: Mutex::default() }
    }

    /// The operator whom a token was given to, if it counts now. The provider's keys grow old by whichever clock is ahead.
    ///
    /// 401 without a good token. 403 when it is for another province. 503 when the provider's keys cannot be
    /// had.
    pub async fn principal(&self, token: Option<&str>, clock: &Clock) -> Result<Operator, ApiError> {
        let token = token.ok_or_else(unauthenticated)?;
        let header = header(token).ok_or_else(unauthenticated)?;
        if !self.is_kind(header.typ.as_deref()) {
            return Err(unauthenticated());
        }
        let kid = header.kid.ok_or_else(unauthenticated)?;
        let set = self.key_set(&kid, clock).await?;
        let (provinces, operator) = self.read(token, &kid, &set, clock.now()).ok_or_else(unauthenticated)?;
        if provinces.contains(self.province.code()) { Ok(operator) } else { Err(Code::Forbidden.into()) }
    }

    /// Whether a token of this `typ` may be shown.
    ///
    /// With `access_tokens_only` a token must say that it is an access token. So an ID token is refused: it
    /// says who somebody is to another program, and opens nothing. Otherwise `JWT`, or no `typ` at all,
    /// passes here too.
    fn is_kind(&self, typ: Option<&str>) -> bool {
        let is_one_of =
            |known: &[&str]| typ.is_some_and(|typ| known.iter().any(|known| known.eq_ignore_ascii_case(typ)));
        let is_any = typ.is_none() || is_one_of(&ANY_TOKEN);
        is_one_of(&ACCESS_TOKEN) || (!self.provider.access_tokens_only && is_any)
    }

    /// The provinces that a token names, and the operator whom it was given to; `None` when it does not
    /// count.
    ///
    /// It checks the signature, the issuer, the audience and the times. The token's whole life must be at
    /// most an hour, and the person must have signed in well enough (`acr`).
    fn read(&self, token: &str, kid: &str, set: &JwkSet, now: Timestamp) -> Option<(BTreeSet<String>, Operator)> {
        let (algorithm, key) = usable(set.find(kid)?)?;
        let rules = Rules { algorithm, issuer: &self.provider.issuer, audience: &self.provider.audience };
        let claims: Claims = verify(token, &key, &rules)?;
        let times = Times { issued_at: Some(claims.iat), not_before: claims.nbf, expires: claims.exp };
        let is_short = claims.exp.saturating_sub(claims.iat) <= TOKEN_SECONDS_MAX;
        if claims.sub.is_empty() || !is_short || !times.hold(now, TOKEN_SECONDS_MAX) {
            return None;
        }
        let good_enough = &self.provider.acr_values;
        if !good_enough.is_empty() && claims.acr.as_ref().is_none_or(|acr| !good_enough.contains(acr)) {
            return None;
        }
        let provinces = claims.texts(&self.provider.province_claim)?.unwrap_or_default();
        let scope = claims.texts(&self.provider.cities_claim)?.map_or(Scope::Province, Scope::Cities);
        let named = |role: &Role| claims.roles.iter().any(|name| name == role.as_str());
        let roles = Role::ALL.iter().copied().filter(named).collect();
        Some((provinces, Operator { subject: claims.sub, roles, scope }))
    }

    /// The provider's keys; this one is among them, if the provider has it.
    ///
    /// A stale set is better than none: within an hour it counts when the provider does not answer. 503 after
    /// that.
    async fn key_set(&self, kid: &str, clock: &Clock) -> Result<Arc<JwkSet>, ApiError> {
        if let Some(set) = self.fresh(kid, clock).await {
            return Ok(set);
        }
        // One request asks the provider. The others wait for it, except those whose key is known.
        let mut fetching = self.fetching.lock().await;
        if let Some(set) = self.fresh(kid, clock).await {
            return Ok(set);
        }
        if fetching.asked_at.is_none_or(|asked_at| clock.age(&asked_at) >= ASK_AGAIN_AFTER) {
            let asked_at = clock.moment();
            fetching.asked_at = Some(asked_at);
            match self.fetch(&mut fetching).await {
                Ok(set) => {
                    let set = Arc::new(set);
                    *self.known.lock().await = Some((Arc::clone(&set), asked_at));
                    return Ok(set);
                }
                Err(error) => tracing::warn!(cause = error, "the operators' key set could not be had"),
            }
        }
        let known = self.known.lock().await.clone();
        let usable = known.filter(|(_, fetched_at)| clock.age(fetched_at) < STALE_FOR);
        usable.map(|(set, _)| set).ok_or_else(|| ApiError::unavailable("the operators' key set could not be had"))
    }

    /// The key set, when it is fresh and has this key.
    async fn fresh(&self, kid: &str, clock: &Clock) -> Option<Arc<JwkSet>> {
        let known = self.known.lock().await.clone();
        known.filter(|(set, at)| clock.age(at) < FRESH_FOR && set.find(kid).is_some()).map(|(set, _)| set)
    }

    /// Asks the provider for its key set, without a proxy and without following a redirect.
    ///
    /// The error's text is for the log alone.
    async fn fetch(&self, fetching: &mut Fetching) -> Result<JwkSet, String> {
        let http = match &fetching.http {
            Some(http) => http.clone(),
            None => {
                let policy = reqwest::redirect::Policy::none();
                let http = reqwest::Client::builder().no_proxy().timeout(ASK_TIMEOUT).redirect(policy).build();
                fetching.http.insert(http.map_err(|error| error.to_string())?).clone()
            }
        };
        let reply = http.get(&self.provider.jwks_url).send().await.map_err(|error| error.to_string())?;
        if !reply.status().is_success() {
            return Err(format!("the provider answered {}", reply.status()));
        }
        let mut reply = reply;
        let mut body = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(|error| error.to_string())? {
            body.extend_from_slice(&chunk);
            if body.len() > KEY_SET_BYTES_MAX {
                return Err("the key set is too large".to_owned());
            }
        }
        read_key_set(&body).map_err(|error| error.to_string())
    }
}

/// The keys of a set that we can read. One of a kind that we do not know is no reason to refuse the others.
fn read_key_set(body: &[u8]) -> Result<JwkSet, serde_json::Error> {
    #[derive(Deserialize)]
    struct Any {
        keys: Vec<serde_json::Value>,
    }
    let any: Any = serde_json::from_slice(body)?;
    Ok(JwkSet { keys: any.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect() })
}

/// A key with the one algorithm that it may be used with: by its kind, whatever the token says.
///
/// RSA is RS256, P-256 is ES256, Ed25519 is EdDSA. A key for encryption, or of another kind, verifies
/// nothing.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library may learn of kinds of keys, and none is good until we know it"
)]
fn usable(key: &Jwk) -> Option<(Algorithm, DecodingKey)> {
    if matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    let algorithm = match &key.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    Some((algorithm, DecodingKey::from_jwk(key).ok()?))
}

impl fmt::Debug for OperatorTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorTokens").field("provider", &self.provider).finish_non_exhaustive()
    }
}
