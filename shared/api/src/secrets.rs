//! The keys of one province's stack: one JSON document, in Secrets Manager or in a git-ignored file.
//!
//! A ring is a list of keys with versions, newest first. The first key makes, and every key reads. So a key
//! is rotated by putting a new one in front, and dropped when nothing that it made is wanted any more.

use crate::random;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use mealticket_domain::{CodeKey, CodeKeyRing, IdCipher, Province};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Every key of a stack. `Debug` is redacted.
///
/// Unknown fields are ignored, from this release on. A key is added to the document before the release that
/// reads it, and that release may be rolled back. The release before this one refuses unknown fields: see
/// `docs/adr/0014-sealed-values.md`.
#[derive(Serialize, Deserialize)]
pub struct Secrets {
    /// Makes public ids. It is never rotated: clients keep ids.
    pub id_key: Key,
    /// Makes coupons' codes, newest first. An old one stays until no live coupon carries its version.
    pub code_keys: Vec<VersionedKey>,
    /// Hashes phones and source addresses, for the index and the counters.
    pub phone_key: Key,
    /// Hashes one-time codes within their challenges.
    pub otp_key: Key,
    /// Makes the proofs in refresh tokens, and the ids of session families.
    pub session_key: Key,
    /// Proves that a code was presented to a merchant. The first one makes.
    ///
    /// An old key stays 72 hours longer than its last use.
    pub proof_keys: Vec<VersionedKey>,
    /// Signs partners' share codes. The first one makes.
    ///
    /// Codes are printed on posters, so an old key stays as long as they hang.
    pub share_keys: Vec<VersionedKey>,
    /// The one key that sealed everything before each kind had a ring.
    ///
    /// It opens what is still sealed with it, and seals nothing.
    pub seal_keys: SealKeys,
    /// Sealed everything before each use had keys of its own. It opens what is still sealed so, and seals nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal_key: Option<Key>,
    /// Signs members' access tokens.
    pub token_key: TokenKey,
}

/// The keys that seal, by what they seal. The first one of a ring seals.
///
/// What is sealed names the version of its key.
#[derive(Serialize, Deserialize)]
pub struct SealKeys {
    /// Members' phones.
    pub phone: Vec<VersionedKey>,
    /// Members' attributes in access tokens.
    pub attributes: Vec<VersionedKey>,
    /// The secrets and public keys that merchants' reports are recognised by.
    pub webhook_secret: Vec<VersionedKey>,
    /// The secrets that messages to merchants' endpoints are signed with.
    pub endpoint_secret: Vec<VersionedKey>,
    /// The bodies of reports.
    pub webhook_body: Vec<VersionedKey>,
}

/// 32 bytes, written in base64. It has no `Debug`, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; 32]);

/// A key of a ring, with its version.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionedKey {
    /// 1 to 65 535; each once in a ring. A value that the key made names it.
    pub version: u16,
    /// 32 random bytes, for AES-256 or HMAC-SHA-256.
    pub key: Key,
}

/// The Ed25519 key of members' access tokens.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// Its name in a token's header. A token that names another is refused.
    pub kid: String,
    /// The private key: PKCS #8 v2 (RFC 5958), in base64.
    pub pkcs8: String,
}

/// The document is not usable. The text names the part and never a key.
#[derive(Debug, thiserror::Error)]
#[error("the stack's secrets are not usable: {0}")]
pub struct SecretsError(pub &'static str);

impl Secrets {
    /// New random keys for a new stack: rings of one key each, with version 1.
    pub fn generate() -> Result<Self, SecretsError> {
        let key = || random::bytes().map(Key).map_err(|_| SecretsError("no random bytes"));
        let ring = || Ok(vec![VersionedKey { version: 1, key: key()? }]);
        Ok(Secrets {
            id_key: key()?,
            code_keys: ring()?,
            phone_key: key()?,
            otp_key: key()?,
            session_key: key()?,
            proof_keys: ring()?,
            share_keys: ring()?,
            seal_keys: SealKeys {
                phone: ring()?,
                attributes: ring()?,
                webhook_secret: ring()?,
                endpoint_secret: ring()?,
                webhook_body: ring()?,
            },
            seal_key: None,
            token_key: TokenKey { kid: "t1".to_owned(), pkcs8: new_ed25519()? },
        })
    }

    /// Reads the document. The error does not say where it is wrong, because the reason could quote a key.
    pub fn from_json(document: &str) -> Result<Self, SecretsError> {
        // The reason is not passed on: it could quote a key.
        serde_json::from_str(document).map_err(|_| SecretsError("not the JSON document that is expected"))
    }

    /// An older document with the keys that it does not have yet, new and random.
    ///
    /// A document that has them all stays as it is, and no key in it is replaced. Errors: it is no JSON
    /// object.
    pub fn complete(mut document: serde_json::Value) -> Result<serde_json::Value, SecretsError> {
        let broken = || SecretsError("not the JSON document that is expected");
        let fresh = serde_json::to_value(Self::generate()?).map_err(|_| broken())?;
        if !document.is_object() {
            return Err(broken());
        }
        add_missing(&mut document, &fresh);
        Ok(document)
    }

    /// The ring that makes and reads codes. Errors: it is empty, or names a version twice.
    pub fn code_key_ring(&self, province: Province) -> Result<CodeKeyRing, SecretsError> {
        let keys: Vec<CodeKey> =
            self.code_keys.iter().map(|key| CodeKey { version: key.version, key: key.key.0 }).collect();
        CodeKeyRing::new(province, &keys).ok_or(SecretsError("code_keys is empty or names a version twice"))
    }

    /// The cipher that makes and reads public ids of this province.
    pub fn id_cipher(&self, province: Province) -> Result<IdCipher, SecretsError> {
        IdCipher::new(province, &self.id_key.0).ok_or(SecretsError("id_key"))
    }
}

/// Adds to `known` what `fresh` has besides, at any depth. Nothing that is there is changed.
fn add_missing(known: &mut serde_json::Value, fresh: &serde_json::Value) {
    if let (Some(known), Some(fresh)) = (known.as_object_mut(), fresh.as_object()) {
        for (name, value) in fresh {
            add_missing(known.entry(name.as_str()).or_insert_with(|| value.clone()), value);
        }
    }
}

/// A new Ed25519 key in PKCS #8, base64. Errors: the system gave no random bytes.
pub fn new_ed25519() -> Result<String, SecretsError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| SecretsError("no Ed25519 key"))?;
    let document = pair.to_pkcs8().map_err(|_| SecretsError("no Ed25519 key"))?;
    Ok(STANDARD.encode(document.as_ref()))
}

/// The public half of an Ed25519 key in PKCS #8: its 32 bytes. Errors: it is not base64, or no such key.
pub fn ed25519_public(pkcs8: &str) -> Result<Vec<u8>, SecretsError> {
    let bytes = STANDARD.decode(pkcs8).map_err(|_| SecretsError("a key is not base64"))?;
    let pair = Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| SecretsError("not an Ed25519 key"))?;
    Ok(pair.public_key().as_ref().to_vec())
}

/// An Ed25519 public key as PEM: SubjectPublicKeyInfo (RFC 8410), a fixed header and the 32 bytes.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_document_gets_the_keys_that_it_has_not_and_keeps_those_that_it_has() {
        let whole = serde_json::to_value(Secrets::generate().unwrap()).unwrap();
        assert_eq!(Secrets::complete(whole.clone()).unwrap(), whole);
        let mut older = whole.clone();
        older.as_object_mut().unwrap().remove("proof_keys");
        older["seal_keys"].as_object_mut().unwrap().remove("phone");
        assert!(Secrets::from_json(&older.to_string()).is_err(), "a function does not make keys by itself");
        let completed = Secrets::complete(older.clone()).unwrap();
        Secrets::from_json(&completed.to_string()).unwrap_or_else(|error| panic!("{error}"));
        for (name, value) in older.as_object().unwrap() {
            let stays = name == "seal_keys" || completed[name] == *value;
            assert!(stays, "{name}");
        }
        assert_eq!(completed["seal_keys"]["webhook_body"], older["seal_keys"]["webhook_body"]);
        assert_ne!(completed["seal_keys"]["phone"], whole["seal_keys"]["phone"], "it is new");
        // A key of a newer release is ignored: that release may be rolled back.
        let mut newer = whole;
        newer["a_key_of_tomorrow"] = serde_json::json!([]);
        assert!(Secrets::from_json(&newer.to_string()).is_ok());
        assert!(Secrets::complete(serde_json::json!([])).is_err());
    }
}
