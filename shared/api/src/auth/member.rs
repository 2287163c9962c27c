//! Members' access tokens: Ed25519, fifteen minutes, one audience.
//!
//! A token holds what the operator knows of the member, sealed. So most requests of a member read no profile.

use super::{Rules, Times, header, unauthenticated, verify};
use crate::{
    problem::ApiError,
    random,
    secrets::{SecretsError, TokenKey, ed25519_public},
    vault::Vault,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use mealticket_domain::{IdCipher, MemberAttributes, MemberNo, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An access token's life: 15 minutes. Attributes are in it, so this is also how old they can be.
pub const ACCESS_SECONDS: i64 = 15 * 60;
/// The `typ` of an access token (RFC 9068). A token of another kind is never taken for one.
const TYP: &str = "at+jwt";

/// Makes and verifies members' access tokens, with the stack's own Ed25519 key.
pub struct MemberTokens {
    /// The name of the key in a token's header. A token that names another is refused.
    kid: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    /// The `iss`: the stack's own URL.
    issuer: String,
    /// The `aud`: the issuer with `/members`, so that no merchant's token passes here.
    audience: String,
}

/// The member whom an access token was given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPrincipal {
    /// The member's number, from the token's `sub`.
    pub member: MemberNo,
    /// The session family that the token came from, for signing out.
    pub family_id: [u8; 16],
    /// What the operator knew of the member when the token was made.
    pub attributes: MemberAttributes,
}

/// The claims of an access token. Each is required.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The member's id, `mem_…`.
    sub: String,
    exp: i64,
    nbf: i64,
    iat: i64,
    /// A random name. The attributes are sealed to it, so they cannot be moved to another token.
    jti: String,
    /// The session family, in base64url.
    sid: String,
    /// The member's attributes, sealed, in base64url.
    att: String,
}

impl MemberTokens {
    /// Tokens of this issuer, for its members.
    ///
    /// Errors: the key is not base64, or no Ed25519 key in PKCS #8.
    pub fn new(key: &TokenKey, issuer: &str) -> Result<Self, SecretsError> {
        let pkcs8 = STANDARD.decode(&key.pkcs8).map_err(|_| SecretsError("token_key is not base64"))?;
        Ok(MemberTokens {
            kid: key.kid.clone(),
            signing: EncodingKey::from_ed_der(&pkcs8),
            verifying: DecodingKey::from_ed_der(&ed25519_public(&key.pkcs8)?),
            issuer: issuer.to_owned(),
            audience: format!("{issuer}/members"),
        })
    }

    /// An access token for `principal`, from `now` for [`ACCESS_SECONDS`].
    ///
    /// Errors are faults of ours, 500: no random bytes, or a library that refuses to seal or sign.
    pub fn issue(
        &self,
        principal: &MemberPrincipal,
        ids: &IdCipher,
        vault: &Vault,
        now: Timestamp,
    ) -> Result<String, ApiError> {
        let attributes = serde_json::to_vec(&principal.attributes).map_err(|_| ApiError::internal("attributes"))?;
        let (jti, sub) = (random::name()?, ids.member_id(principal.member));
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            exp: now.unix_seconds() + ACCESS_SECONDS,
            nbf: now.unix_seconds(),
            iat: now.unix_seconds(),
            sid: URL_SAFE_NO_PAD.encode(principal.family_id),
            att: URL_SAFE_NO_PAD.encode(vault.seal_attributes((&jti, &sub), &attributes)?),
            jti,
            sub,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYP.to_owned());
        header.kid = Some(self.kid.clone());
        encode(&header, &claims, &self.signing).map_err(|_| ApiError::internal("a token could not be signed"))
    }

    /// The member whom a token was given to, if it counts at `now`. 401 for anything else.
    ///
    /// No table is read, so a session that was revoked since keeps its access token until that expires.
    pub fn principal(
        &self,
        token: Option<&str>,
        ids: &IdCipher,
        vault: &Vault,
        now: Timestamp,
    ) -> Result<MemberPrincipal, ApiError> {
        token.and_then(|token| self.read(token, ids, vault, now)).ok_or_else(unauthenticated)
    }

    /// What [`MemberTokens::principal`] answers, without the error.
    fn read(&self, token: &str, ids: &IdCipher, vault: &Vault, now: Timestamp) -> Option<MemberPrincipal> {
        let header = header(token)?;
        if header.typ.as_deref() != Some(TYP) || header.kid.as_deref() != Some(&self.kid) {
            return None;
        }
        let rules = Rules { algorithm: Algorithm::EdDSA, issuer: &self.issuer, audience: &self.audience };
        let claims: Claims = verify(token, &self.verifying, &rules)?;
        let times = Times { issued_at: Some(claims.iat), not_before: Some(claims.nbf), expires: claims.exp };
        if claims.jti.is_empty() || !times.hold(now, ACCESS_SECONDS) {
            return None;
        }
        let attributes =
            vault.open_attributes((&claims.jti, &claims.sub), &URL_SAFE_NO_PAD.decode(claims.att).ok()?)?;
        Some(MemberPrincipal {
            member: ids.member(&claims.sub).ok()?,
            family_id: URL_SAFE_NO_PAD.decode(claims.sid).ok()?.try_into().ok()?,
            attributes: serde_json::from_slice(&attributes).ok()?,
        })
    }
}

impl fmt::Debug for MemberTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberTokens([REDACTED])")
    }
}
