//! Who is asking. Tokens are verified here and nowhere else, each kind by one constructor that owns its
//! rules.
//!
//! `jsonwebtoken` by itself accepts a token without `iss` or `aud`, or with an `nbf` in the future, and asks
//! the machine's clock. So every claim is required by type and by name, the algorithm and `typ` are fixed,
//! and time is an argument.
//!
//! Whatever is wrong with a token, the client gets the same 401. It does not say which check failed.

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
///
/// It is added on both sides, to `nbf` and `iat` as well as to `exp`.
pub(crate) const LEEWAY_SECONDS: i64 = 15;
/// Bytes of a token; a longer one is not decoded. Ours with sealed attributes are about 700; RS256 adds 256.
pub(crate) const TOKEN_BYTES_MAX: usize = 4_096;

/// The rules that every token of one kind obeys.
pub(crate) struct Rules<'a> {
    /// The one algorithm of the key. What the token's header says of it is not believed.
    pub(crate) algorithm: Algorithm,
    /// The `iss` that the token must have.
    pub(crate) issuer: &'a str,
    /// The `aud` that the token must have.
    pub(crate) audience: &'a str,
}

/// The header of a token that may be looked at further: bounded, with nothing critical that we do not know.
///
/// A key, or an address of one, in the header is never looked at. `None` means that the token is refused.
pub(crate) fn header(token: &str) -> Option<Header> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let header = decode_header(token).ok()?;
    (header.crit.is_none() && header.enc.is_none() && header.zip.is_none()).then_some(header)
}

/// Verifies a signature, the issuer and the audience, and that the claims are there.
///
/// The caller checks the times, with [`Times::hold`]. `None` means that the token is refused.
#[expect(clippy::disallowed_methods, reason = "this is the one constructor that verifies tokens")]
pub(crate) fn verify<C: DeserializeOwned>(token: &str, key: &DecodingKey, rules: &Rules<'_>) -> Option<C> {
    let mut validation = Validation::new(rules.algorithm);
    validation.set_issuer(&[rules.issuer]);
    validation.set_audience(&[rules.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    // Our clock decides on times: see `Times::hold`.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let TokenData { claims, .. } = jsonwebtoken::decode(token, key, &validation).ok()?;
    Some(claims)
}

/// A token's times, in Unix seconds.
pub(crate) struct Times {
    /// `iat`; none when the kind of token may leave it out.
    pub(crate) issued_at: Option<i64>,
    /// `nbf`, if the token has one.
    pub(crate) not_before: Option<i64>,
    /// `exp`, which every token has.
    pub(crate) expires: i64,
}

impl Times {
    /// Whether the token counts at `now`, and for at most `life_max` seconds more.
    ///
    /// The bound on the rest of its life refuses a token that its issuer made for ever.
    pub(crate) fn hold(&self, now: Timestamp, life_max: i64) -> bool {
        let now = now.unix_seconds();
        let begun = |at: Option<i64>| at.is_none_or(|at| at <= now.saturating_add(LEEWAY_SECONDS));
        let not_over = now < self.expires.saturating_add(LEEWAY_SECONDS);
        let not_too_long = self.expires <= now.saturating_add(life_max + LEEWAY_SECONDS);
        begun(self.issued_at) && begun(self.not_before) && not_over && not_too_long
    }
}

/// 401 `unauthenticated`: no token, or none that is good here.
pub(crate) fn unauthenticated() -> ApiError {
    ApiError::from(Code::Unauthenticated)
}
