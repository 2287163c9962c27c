//! Who is asking. Tokens are verified here and nowhere else, each kind by one constructor that owns its rules.
//!
//! `jsonwebtoken` by itself accepts a token without `iss` or `aud`, or with an `nbf` in the future, and asks the machine's
//! clock. So every claim is required by type and by name, the algorithm and `typ` are fixed, and time is an argument.

pub mod member;
pub mod merchant;
pub mod operator;
pub mod refresh;
mod role;

pub use role::Role;

use crate::{codes::Code, problem::ApiError};
use jsonwebtoken::{Algorithm, DecodingKey, Header, TokenData, Validation, decode_header};
use mealticket_domain::Timestamp;
use serde::de::DeserializeOwned;

/// How far two clocks may differ, in seconds: half of the 30 s that the design allows.
pub(crate) const LEEWAY_SECONDS: i64 = 15;
/// Bytes of a token. Ours with sealed attributes are about 700; RS256 adds 256.
pub(crate) const TOKEN_BYTES_MAX: usize = 4_096;

/// The rules that every token obeys.
pub(crate) struct Rules<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
}

/// The header of a token that may be looked at further: bounded, with nothing critical that we do not know. A key or an
/// address of one in the header is never looked at.
pub(crate) fn header(token: &str) -> Option<Header> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let header = decode_header(token).ok()?;
    (header.crit.is_none() && header.enc.is_none() && header.zip.is_none()).then_some(header)
}

/// Verifies a signature, the issuer and the audience, and that the claims are there. Times are checked by the caller, with
/// [`Times::hold`].
#[expect(clippy::disallowed_methods, reason = "this is the one constructor that verifies tokens")]
pub(crate) fn verify<C: DeserializeOwned>(token: &str, key: &DecodingKey, rules: &Rules<'_>) -> Option<C> {
    let mut validation = Validation::new(rules.algorithm);
    validation.set_issuer(&[rules.issuer]);
    validation.set_audience(&[rules.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    // Time is our clock's: see `Times::hold`.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let TokenData { claims, .. } = jsonwebtoken::decode(token, key, &validation).ok()?;
    Some(claims)
}

/// A token's times, in Unix seconds.
pub(crate) struct Times {
    pub(crate) issued_at: Option<i64>,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: i64,
}

impl Times {
    /// Whether the token counts at `now` and for at most `life_max` seconds more.
    pub(crate) fn hold(&self, now: Timestamp, life_max: i64) -> bool {
        let now = now.unix_seconds();
        let begun = |at: Option<i64>| at.is_none_or(|at| at <= now.saturating_add(LEEWAY_SECONDS));
        let not_over = now < self.expires.saturating_add(LEEWAY_SECONDS);
        let not_too_long = self.expires <= now.saturating_add(life_max + LEEWAY_SECONDS);
        begun(self.issued_at) && begun(self.not_before) && not_over && not_too_long
    }
}

pub(crate) fn unauthenticated() -> ApiError {
    ApiError::from(Code::Unauthenticated)
}
