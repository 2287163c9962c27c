//! Operators' tokens: OpenID Connect, of the operator's own identity provider, verified with the keys that it publishes.
//!
//! The key set is fetched when it is first needed, kept for ten minutes, and fetched again before that when a token names a
//! key that is not in it: a provider that rotates its keys is followed at once, and nobody can make us ask it more than once
//! in half a minute.

use super::{Rules, Times, header, unauthenticated, verify};
use crate::{codes::Code, config::OperatorIssuer, problem::ApiError};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use mealticket_domain::Timestamp;
use serde::Deserialize;
use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// How far ahead an operator's token may expire: a working day.
pub const TOKEN_SECONDS_MAX: i64 = 12 * 3_600;

/// How long a key set counts as fresh.
const FRESH_FOR: Duration = Duration::from_secs(600);

/// How long a key set still counts when the provider does not answer: an hour of outage locks nobody out.
const STALE_FOR: Duration = Duration::from_secs(3_600);

/// How long we wait before the provider is asked again, for whatever reason.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// How long the provider may take: well within the request's time.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of a key set: a hundred keys of RSA 4096 have 80 KB.
const KEY_SET_BYTES_MAX: usize = 256 * 1024;

/// What an operator's employee may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the province's programme.
    ProvinceAdmin,
    /// Runs a city's part of it.
    CityOperator,
    /// Approves campaigns.
    Reviewer,
    /// Keeps the books.
    Finance,
    /// Looks at the books, and changes nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] = [Role::ProvinceAdmin, Role::CityOperator, Role::Reviewer, Role::Finance, Role::Auditor];

    /// The name in tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::ProvinceAdmin => "province_admin",
            Role::CityOperator => "city_operator",
            Role::Reviewer => "reviewer",
            Role::Finance => "finance",
            Role::Auditor => "auditor",
        }
    }
}

/// Who an operator's token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who, in the provider's words.
    pub subject: String,
    /// What they may be; roles that we do not know are left out.
    pub roles: BTreeSet<Role>,
}

impl Operator {
    /// The operator, when one of these roles is theirs; 403 otherwise.
    pub fn with_one_of(self, roles: &[Role]) -> Result<Self, ApiError> {
        if roles.iter().any(|role| self.roles.contains(role)) { Ok(self) } else { Err(Code::Forbidden.into()) }
    }
}

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
}

/// Verifies operators' tokens.
pub struct OperatorTokens {
    provider: OperatorIssuer,
    known: Mutex<Option<(Arc<JwkSet>, Instant)>>,
    fetching: Mutex<Fetching>,
}

#[derive(Default)]
struct Fetching {
    http: Option<reqwest::Client>,
    asked_at: Option<Instant>,
}

impl OperatorTokens {
    /// Tokens of this provider.
    pub fn new(provider: &OperatorIssuer) -> Self {
        OperatorTokens { provider: provider.clone(), known: Mutex::default(), fetching: Mutex::default() }
    }

    /// The operator that a token speaks for at `now`: 401 without one, 503 when the provider's keys cannot be had.
    pub async fn principal(&self, token: Option<&str>, now: Timestamp) -> Result<Operator, ApiError> {
        let token = token.ok_or_else(unauthenticated)?;
        let header = header(token).ok_or_else(unauthenticated)?;
        if !matches!(header.typ.as_deref(), None | Some("JWT" | "at+jwt")) {
            return Err(unauthenticated());
        }
        let kid = header.kid.ok_or_else(unauthenticated)?;
        let set = self.key_set(&kid).await?;
        self.read(token, &kid, &set, now).ok_or_else(unauthenticated)
    }

    fn read(&self, token: &str, kid: &str, set: &JwkSet, now: Timestamp) -> Option<Operator> {
        let (algorithm, key) = usable(set.find(kid)?)?;
        let rules = Rules { algorithm, issuer: &self.provider.issuer, audience: &self.provider.audience };
        let claims: Claims = verify(token, &key, &rules)?;
        let times = Times { issued_at: Some(claims.iat), not_before: claims.nbf, expires: claims.exp };
        if claims.sub.is_empty() || !times.hold(now, TOKEN_SECONDS_MAX) {
            return None;
        }
        let named = |role: &Role| claims.roles.iter().any(|name| name == role.as_str());
        Some(Operator { subject: claims.sub, roles: Role::ALL.into_iter().filter(named).collect() })
    }

    /// The provider's keys, with this one if it has it.
    async fn key_set(&self, kid: &str) -> Result<Arc<JwkSet>, ApiError> {
        if let Some(set) = self.fresh(kid).await {
            return Ok(set);
        }
        // One asks the provider; the others wait for it, but for those whose key is known.
        let mut fetching = self.fetching.lock().await;
        if let Some(set) = self.fresh(kid).await {
            return Ok(set);
        }
        if fetching.asked_at.is_none_or(|asked_at| asked_at.elapsed() >= ASK_AGAIN_AFTER) {
            fetching.asked_at = Some(Instant::now());
            match self.fetch(&mut fetching).await {
                Ok(set) => {
                    let set = Arc::new(set);
                    *self.known.lock().await = Some((Arc::clone(&set), Instant::now()));
                    return Ok(set);
                }
                Err(error) => tracing::warn!(cause = error, "the operators' key set could not be had"),
            }
        }
        let known = self.known.lock().await.clone();
        let usable = known.filter(|(_, fetched_at)| fetched_at.elapsed() < STALE_FOR);
        usable.map(|(set, _)| set).ok_or_else(|| ApiError::unavailable("the operators' key set could not be had"))
    }

    /// The key set, when it is fresh and has this key.
    async fn fresh(&self, kid: &str) -> Option<Arc<JwkSet>> {
        let known = self.known.lock().await.clone();
        known.filter(|(set, at)| at.elapsed() < FRESH_FOR && set.find(kid).is_some()).map(|(set, _)| set)
    }

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

/// The keys of a set that we can read: one of a kind that we do not know is no reason to refuse the others.
fn read_key_set(body: &[u8]) -> Result<JwkSet, serde_json::Error> {
    #[derive(Deserialize)]
    struct Any {
        keys: Vec<serde_json::Value>,
    }
    let any: Any = serde_json::from_slice(body)?;
    Ok(JwkSet { keys: any.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect() })
}

/// A key with the one algorithm that it may be used with: by its kind, whatever the token says.
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
