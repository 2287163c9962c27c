//! What reports are verified with, and what messages are signed with.

use super::SECRET_BYTES;
use aws_lc_rs::{
    hmac,
    signature::{ED25519, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

/// The prefix of a shared secret's text (Standard Webhooks).
const SECRET_PREFIX: &str = "whsec_";
/// The prefix of a public key's text (Standard Webhooks).
const PUBLIC_PREFIX: &str = "whpk_";
/// Bytes of an Ed25519 public key (RFC 8032).
const PUBLIC_BYTES: usize = 32;

/// A shared secret of 24 to 64 bytes. `Debug` is redacted.
#[derive(Clone)]
pub struct WebhookSecret(Box<hmac::Key>);

/// What a sender is recognised by: a secret that it shares with us (`v1`), or its public key (`v1a`).
///
/// `Debug` is redacted for both.
#[derive(Clone)]
pub enum SenderKey {
    /// `whsec_…`: HMAC-SHA256. Whoever can verify can also sign.
    Shared(WebhookSecret),
    /// `whpk_…`: Ed25519 (RFC 8032). We can verify and cannot sign.
    Public([u8; PUBLIC_BYTES]),
}

/// The text is neither a secret nor a public key. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook key is whsec_ and 24 to 64 bytes in base64, or whpk_ and the 32 bytes of an Ed25519 public key")]
pub struct SecretError;

impl WebhookSecret {
    /// Reads a secret's text: `whsec_`, and 24 to 64 bytes in base64.
    pub fn read(text: &str) -> Result<Self, SecretError> {
        let bytes = text.strip_prefix(SECRET_PREFIX).and_then(|rest| STANDARD.decode(rest).ok()).ok_or(SecretError)?;
        if SECRET_BYTES.contains(&bytes.len()) {
            Ok(WebhookSecret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes))))
        } else {
            Err(SecretError)
        }
    }

    /// The text of a secret of these 32 bytes, for its owner to keep.
    pub fn text_of(bytes: &[u8; 32]) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes))
    }

    /// The signature of a message: `v1,` and base64. `timestamp` is the Unix time of this attempt, in
    /// seconds.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl SenderKey {
    /// Reads the text of a secret or of a public key, by its prefix.
    pub fn read(text: &str) -> Result<Self, SecretError> {
        let Some(public) = text.strip_prefix(PUBLIC_PREFIX) else {
            return WebhookSecret::read(text).map(SenderKey::Shared);
        };
        let bytes = STANDARD.decode(public).map_err(|_| SecretError)?;
        bytes.try_into().map(SenderKey::Public).map_err(|_| SecretError)
    }

    /// Whether one element of a signature header is this key's, of this text.
    ///
    /// A `v1` counts for a secret alone, and a `v1a` for a public key alone. A secret's is compared in
    /// constant time.
    pub(super) fn verifies(&self, message: &[u8], element: &str) -> bool {
        let Some((version, text)) = element.split_once(',') else { return false };
        let Ok(bytes) = STANDARD.decode(text) else { return false };
        match (self, version) {
            (SenderKey::Shared(secret), "v1") => hmac::verify(&secret.0, message, &bytes).is_ok(),
            (SenderKey::Public(key), "v1a") => UnparsedPublicKey::new(&ED25519, key).verify(message, &bytes).is_ok(),
            _ => false,
        }
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret([REDACTED])")
    }
}

impl fmt::Debug for SenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SenderKey([REDACTED])")
    }
}
