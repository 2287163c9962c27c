//! The keys of one province's stack: one JSON document, in Secrets Manager or in a git-ignored file.

use crate::random;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use mealticket_domain::{CodeKey, CodeKeyRing, IdCipher, Province};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Every key of a stack. `Debug` is redacted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Makes public ids; never rotated.
    pub id_key: Key,
    /// Makes codes, newest first.
    pub code_keys: Vec<VersionedKey>,
    /// Hashes phones and source addresses.
    pub phone_key: Key,
    /// Hashes one-time codes.
    pub otp_key: Key,
    /// Makes refresh tokens.
    pub session_key: Key,
    /// Seals phones, secrets and bodies.
    pub seal_key: Key,
    /// Signs access tokens.
    pub token_key: TokenKey,
}

/// 32 bytes, written in base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; 32]);

/// A code key with its version.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionedKey {
    /// 1 to 65 535.
    pub version: u16,
    /// AES-256.
    pub key: Key,
}

/// The Ed25519 key of access tokens.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// Its name in a token's header.
    pub kid: String,
    /// PKCS #8 v2, in base64.
    pub pkcs8: String,
}

/// The document is not one.
#[derive(Debug, thiserror::Error)]
#[error("the stack's secrets are not usable: {0}")]
pub struct SecretsError(pub &'static str);

impl Secrets {
    /// New random keys.
    pub fn generate() -> Result<Self, SecretsError> {
        let key = || random::bytes().map(Key).map_err(|_| SecretsError("no random bytes"));
        Ok(Secrets {
            id_key: key()?,
            code_keys: vec![VersionedKey { version: 1, key: key()? }],
            phone_key: key()?,
            otp_key: key()?,
            session_key: key()?,
            seal_key: key()?,
            token_key: TokenKey { kid: "t1".to_owned(), pkcs8: new_ed25519()? },
        })
    }

    /// Reads the document.
    pub fn from_json(document: &str) -> Result<Self, SecretsError> {
        // The reason is not passed on: it could quote a key.
        serde_json::from_str(document).map_err(|_| SecretsError("not the JSON document that is expected"))
    }

    /// The ring that makes and reads codes.
    pub fn code_key_ring(&self, province: Province) -> Result<CodeKeyRing, SecretsError> {
        let keys: Vec<CodeKey> =
            self.code_keys.iter().map(|key| CodeKey { version: key.version, key: key.key.0 }).collect();
        CodeKeyRing::new(province, &keys).ok_or(SecretsError("code_keys is empty or names a version twice"))
    }

    /// The cipher that makes and reads public ids.
    pub fn id_cipher(&self, province: Province) -> Result<IdCipher, SecretsError> {
        IdCipher::new(province, &self.id_key.0).ok_or(SecretsError("id_key"))
    }
}

/// A new Ed25519 key in PKCS #8, base64.
pub fn new_ed25519() -> Result<String, SecretsError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| SecretsError("no Ed25519 key"))?;
    let document = pair.to_pkcs8().map_err(|_| SecretsError("no Ed25519 key"))?;
    Ok(STANDARD.encode(document.as_ref()))
}

/// The public half of an Ed25519 key in PKCS #8: its 32 bytes.
pub fn ed25519_public(pkcs8: &str) -> Result<Vec<u8>, SecretsError> {
    let bytes = STANDARD.decode(pkcs8).map_err(|_| SecretsError("a key is not base64"))?;
    let pair = Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| SecretsError("not an Ed25519 key"))?;
    Ok(pair.public_key().as_ref().to_vec())
}

/// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410): a fixed header and the 32 bytes.
pub fn ed25519_public_pem(public: &[u8]) -> String {
    const HEADER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let der = [&HEADER, public].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(|_| de::Error::custom("a key is not base64"))?;
        bytes.try_into().map(Key).map_err(|_| de::Error::custom("a key is not 32 bytes"))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets([REDACTED])")
    }
}
