//! The keys of a stack on one machine: the stack's own, and those of the seed's merchants, whose servers we play.

use crate::{Result, StackError};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mealticket_api::{
    auth::{
        merchant::TOKEN_SECONDS_MAX,
        operator::{Role, TOKEN_SECONDS_MAX as TOKEN_SECONDS_OF_OPERATOR},
    },
    config::OperatorIssuer,
    random,
    secrets::{Secrets, ed25519_public, ed25519_public_pem, new_ed25519},
    webhook::WebhookSecret,
};
use mealticket_domain::{MerchantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Everything secret, in one git-ignored file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// The stack's keys: the document that Secrets Manager holds in the cloud.
    pub stack: Secrets,
    /// The merchants' keys, which in the world are on their servers.
    pub merchants: BTreeMap<String, MerchantSecrets>,
    /// The key of the operator's identity provider, which in the world is the provider's own. Older files have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operators: Option<OperatorSecrets>,
}

/// What the operator's identity provider holds.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorSecrets {
    /// The name of its key.
    pub kid: String,
    /// Its Ed25519 key, PKCS #8 in base64.
    pub pkcs8: String,
}

/// What a merchant's server holds.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MerchantSecrets {
    /// The name of its key.
    pub kid: String,
    /// Its Ed25519 key, PKCS #8 in base64.
    pub pkcs8: String,
    /// The secret that it signs its webhooks to us with.
    pub webhook_secret: String,
    /// The secret that our webhooks to its endpoint are signed with. Older files have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_secret: Option<String>,
}

impl KeyFile {
    /// New keys for the stack and for these merchants.
    pub fn generate(merchants: &[&MerchantId]) -> Result<Self> {
        let stack = Secrets::generate().map_err(|error| StackError(error.to_string()))?;
        let merchants = merchants.iter().map(|id| Ok((id.to_string(), MerchantSecrets::generate()?)));
        let operators = Some(OperatorSecrets::generate("op1")?);
        Ok(KeyFile { stack, merchants: merchants.collect::<Result<_>>()?, operators })
    }

    /// Reads a file, one of an older release as well: the stack's keys that it has not yet are new. They are written by whoever
    /// calls this, if the second value says that there are any.
    pub fn read(text: &str) -> Result<(Self, bool)> {
        let broken = || StackError("not a key file".to_owned());
        let mut file: Value = serde_json::from_str(text).map_err(|_| broken())?;
        let stack = file.get_mut("stack").ok_or_else(broken)?;
        let before = stack.take();
        *stack = Secrets::complete(before.clone()).map_err(|error| StackError(error.to_string()))?;
        let is_completed = *stack != before;
        Ok((serde_json::from_value(file).map_err(|_| broken())?, is_completed))
    }

    /// New keys for those of these merchants that have none, and for the operators; true when there were any.
    pub fn add_missing(&mut self, merchants: &[&MerchantId]) -> Result<bool> {
        let mut had_all = true;
        for merchant in merchants {
            let fresh = MerchantSecrets::generate()?;
            match self.merchants.get_mut(merchant.as_str()) {
                Some(known) if known.endpoint_secret.is_some() => continue,
                Some(known) => known.endpoint_secret = fresh.endpoint_secret,
                None => drop(self.merchants.insert(merchant.to_string(), fresh)),
            }
            had_all = false;
        }
        let had_operators = self.operators.is_some();
        if !had_operators {
            self.operators = Some(OperatorSecrets::generate("op1")?);
        }
        Ok(!had_all || !had_operators)
    }

    /// The key of the operator's identity provider.
    pub fn operators(&self) -> Result<&OperatorSecrets> {
        self.operators.as_ref().ok_or_else(|| StackError("the key file has no key for operators".to_owned()))
    }

    /// A merchant's keys.
    pub fn merchant(&self, id: &str) -> Result<&MerchantSecrets> {
        let known = || self.merchants.keys().cloned().collect::<Vec<_>>().join(", ");
        self.merchants.get(id).ok_or_else(|| StackError(format!("no merchant {id}; there are {}", known())))
    }
}

/// Who a token of the operator's provider is for.
#[derive(Debug, Clone, Copy)]
pub struct Employee<'a> {
    /// Any name.
    pub name: &'a str,
    /// What they may be.
    pub roles: &'a [Role],
    /// The province that they work for.
    pub province: &'a str,
    /// The cities that they work for; all when empty.
    pub cities: &'a [String],
}

impl OperatorSecrets {
    /// A new key of this name.
    pub fn generate(kid: &str) -> Result<Self> {
        let pkcs8 = new_ed25519().map_err(|error| StackError(error.to_string()))?;
        Ok(OperatorSecrets { kid: kid.to_owned(), pkcs8 })
    }

    /// The public half as the provider publishes it (RFC 8037).
    pub fn jwk(&self) -> Result<Value> {
        let public = ed25519_public(&self.pkcs8).map_err(|error| StackError(error.to_string()))?;
        Ok(json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(public), "kid": self.kid,
                   "alg": "EdDSA", "use": "sig" }))
    }

    /// A token of an employee, from the provider of this stack.
    pub fn token(&self, provider: &OperatorIssuer, employee: &Employee<'_>, now: Timestamp) -> Result<String> {
        let roles: Vec<&str> = employee.roles.iter().map(|role| role.as_str()).collect();
        let (now, until) = (now.unix_seconds(), now.unix_seconds() + TOKEN_SECONDS_OF_OPERATOR);
        let mut claims = BTreeMap::from([
            ("iss", json!(provider.issuer)),
            ("aud", json!(provider.audience)),
            ("sub", json!(employee.name)),
            ("iat", json!(now)),
            ("exp", json!(until)),
            ("roles", json!(roles)),
            (&provider.province_claim, json!(employee.province)),
        ]);
        if !employee.cities.is_empty() {
            claims.insert(&provider.cities_claim, json!(employee.cities));
        }
        self.sign(&json!(claims))
    }

    /// An access token with these claims.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        self.sign_as(claims, "at+jwt")
    }

    /// A token of this `typ` with these claims.
    pub fn sign_as(&self, claims: &Value, typ: &str) -> Result<String> {
        let broken = |what: &str| StackError(format!("the operators' key {what}"));
        let pkcs8 = STANDARD.decode(&self.pkcs8).map_err(|_| broken("is not base64"))?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        header.typ = Some(typ.to_owned());
        encode(&header, claims, &EncodingKey::from_ed_der(&pkcs8)).map_err(|_| broken("does not sign"))
    }
}

/// A merchant's token lives four of the five minutes allowed, so that a clock a little ahead does no harm.
const TOKEN_SECONDS: i64 = TOKEN_SECONDS_MAX - 60;

impl MerchantSecrets {
    /// New keys.
    pub fn generate() -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| StackError(format!("no random bytes: {error}"));
        let secret = || -> Result<String> {
            let bytes = random::bytes().map_err(|_| failed(&"the system"))?;
            Ok(WebhookSecret::text_of(&bytes))
        };
        Ok(MerchantSecrets {
            kid: "k1".to_owned(),
            pkcs8: new_ed25519().map_err(|error| failed(&error))?,
            webhook_secret: secret()?,
            endpoint_secret: Some(secret()?),
        })
    }

    /// The public half, for the catalog.
    pub fn public_pem(&self) -> Result<String> {
        let public = ed25519_public(&self.pkcs8).map_err(|error| StackError(error.to_string()))?;
        Ok(ed25519_public_pem(&public))
    }

    /// A bearer token of this merchant for a stack.
    pub fn token(&self, merchant_id: &str, audience: &str, now: Timestamp) -> Result<String> {
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            aud: &'a str,
            iat: i64,
            exp: i64,
            jti: String,
        }
        let broken = |what: &'static str| StackError(format!("{merchant_id}: {what}"));
        let pkcs8 = STANDARD.decode(&self.pkcs8).map_err(|_| broken("its key is not base64"))?;
        let claims = Claims {
            iss: merchant_id,
            aud: audience,
            iat: now.unix_seconds(),
            exp: now.unix_seconds() + TOKEN_SECONDS,
            jti: random::name().map_err(|_| broken("no random bytes"))?,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        encode(&header, &claims, &EncodingKey::from_ed_der(&pkcs8)).map_err(|_| broken("its key does not sign"))
    }

    /// The three headers of a webhook with this body.
    pub fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> Result<[(&'static str, String); 3]> {
        let secret = WebhookSecret::read(&self.webhook_secret).map_err(|error| StackError(error.to_string()))?;
        Ok([
            (mealticket_api::webhook::ID_HEADER, id.to_owned()),
            (mealticket_api::webhook::TIMESTAMP_HEADER, now.unix_seconds().to_string()),
            (mealticket_api::webhook::SIGNATURE_HEADER, secret.sign(id, now.unix_seconds(), body)),
        ])
    }
}
