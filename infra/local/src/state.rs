//! The keys of a stack on one machine: the stack's own, and those of the seed's merchants, whose servers we play.

use crate::{Result, StackError, seed::Seed, workspace};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mealticket_api::{
    auth::merchant::TOKEN_SECONDS_MAX,
    random,
    secrets::{Secrets, ed25519_public, ed25519_public_pem, new_ed25519},
    webhook::WebhookSecret,
};
use mealticket_domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Everything secret, in one git-ignored file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// The stack's keys: the document that Secrets Manager holds in the cloud.
    pub stack: Secrets,
    /// The merchants' keys, which in the world are on their servers.
    pub merchants: BTreeMap<String, MerchantSecrets>,
}

/// What a merchant's server holds.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MerchantSecrets {
    /// The name of its key.
    pub kid: String,
    /// Its Ed25519 key, PKCS #8 in base64.
    pub pkcs8: String,
    /// Its webhook secret.
    pub webhook_secret: String,
}

/// The directory of a stack: its keys and, with `--data`, its tables.
pub struct StateDir(PathBuf);

impl StateDir {
    /// The directory given with `--data`, or the machine's own. It is made when it is not there.
    pub fn open(data: Option<&Path>) -> Result<Self> {
        let path = data.map_or_else(workspace::private, Path::to_path_buf);
        // For its owner alone: keys, tokens and codes are in it.
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|error| StackError::caused(path.display(), error))?;
        let path = path.canonicalize().map_err(|error| StackError::caused(path.display(), error))?;
        Ok(StateDir(path))
    }

    /// Where the functions find the stack's keys.
    pub fn secrets_file(&self) -> PathBuf {
        self.0.join("secrets.json")
    }

    /// Where the tables are kept.
    pub fn tables_file(&self) -> PathBuf {
        self.0.join("tables.sqlite")
    }

    /// A file with nothing in it, for a program that insists on one.
    pub fn empty_file(&self) -> Result<PathBuf> {
        let path = self.0.join("empty.env");
        std::fs::write(&path, "").map_err(|error| StackError::caused(path.display(), error))?;
        Ok(path)
    }

    /// Where what the functions log goes.
    pub fn log_file(&self, process: &str) -> PathBuf {
        self.0.join(format!("{process}.log"))
    }

    /// The keys: those that are there; else, in a new data directory, the machine's own, so that `token` and `sign` work
    /// whichever directory a stack uses; else new ones.
    pub fn keys(&self, seed: &Seed) -> Result<KeyFile> {
        let own = self.0.join("keys.json");
        if !own.exists() {
            let machines = workspace::private();
            let is_machines = machines.canonicalize().is_ok_and(|path| path == self.0);
            let keys = if is_machines { KeyFile::generate(seed)? } else { StateDir::open(None)?.keys(seed)? };
            write_private(&own, &json(&keys)?)?;
        }
        let text = std::fs::read_to_string(&own).map_err(|error| StackError::caused(own.display(), error))?;
        let mut keys: KeyFile = serde_json::from_str(&text)
            .map_err(|_| StackError(format!("{} is not a key file; move it away to get new keys", own.display())))?;
        if keys.add_missing(seed)? {
            replace_private(&own, &json(&keys)?)?;
        }
        replace_private(&self.secrets_file(), &json(&keys.stack)?)?;
        Ok(keys)
    }
}

impl KeyFile {
    /// New keys for the stack and for every merchant of the seed.
    pub fn generate(seed: &Seed) -> Result<Self> {
        let stack = Secrets::generate().map_err(|error| StackError(error.to_string()))?;
        let merchants =
            seed.merchants.iter().map(|merchant| Ok((merchant.id.to_string(), MerchantSecrets::generate()?)));
        Ok(KeyFile { stack, merchants: merchants.collect::<Result<_>>()? })
    }

    /// New keys for merchants that the seed has got since; true when there were any.
    fn add_missing(&mut self, seed: &Seed) -> Result<bool> {
        let known = self.merchants.len();
        for merchant in &seed.merchants {
            if !self.merchants.contains_key(merchant.id.as_str()) {
                self.merchants.insert(merchant.id.to_string(), MerchantSecrets::generate()?);
            }
        }
        Ok(self.merchants.len() > known)
    }

    /// A merchant's keys.
    pub fn merchant(&self, id: &str) -> Result<&MerchantSecrets> {
        let known = || self.merchants.keys().cloned().collect::<Vec<_>>().join(", ");
        self.merchants.get(id).ok_or_else(|| StackError(format!("no merchant {id}; there are {}", known())))
    }
}

/// A merchant's token lives four of the five minutes allowed, so that a clock a little ahead does no harm.
const TOKEN_SECONDS: i64 = TOKEN_SECONDS_MAX - 60;

impl MerchantSecrets {
    /// New keys.
    pub fn generate() -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| StackError(format!("no random bytes: {error}"));
        let bytes: [u8; 32] = random::bytes().map_err(|_| failed(&"the system"))?;
        Ok(MerchantSecrets {
            kid: "k1".to_owned(),
            pkcs8: new_ed25519().map_err(|error| failed(&error))?,
            webhook_secret: format!("whsec_{}", STANDARD.encode(bytes)),
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

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|error| StackError(error.to_string()))
}

/// Writes a file that nobody else may read, all of it or nothing; a file that another process wrote meanwhile stands.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let draft = draft(path, text)?;
    let linked = std::fs::hard_link(&draft, path);
    let _ = std::fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(StackError::caused(path.display(), error))
        }
        _ => Ok(()),
    }
}

/// The same, in the place of a file that says something else.
fn replace_private(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|known| known == text) {
        return Ok(());
    }
    let draft = draft(path, text)?;
    std::fs::rename(&draft, path).map_err(|error| StackError::caused(path.display(), error))
}

fn draft(path: &Path, text: &str) -> Result<PathBuf> {
    let failed = |error: std::io::Error| StackError::caused(path.display(), error);
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let _ = std::fs::remove_file(&draft);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(draft)
}
