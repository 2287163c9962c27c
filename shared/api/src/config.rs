//! What a function is told from outside. The only place that reads the environment; the names are those of
//! `infra/template.yaml`.

use crate::sms::SmsGateway;
use mealticket_domain::Province;
use mealticket_store::{Clock, Tables};
use std::path::PathBuf;

/// A function's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The stack's province.
    pub province: Province,
    /// Who issues member tokens and whom merchant tokens are for.
    pub issuer: String,
    /// Whose tokens operators show.
    pub operators: OperatorIssuer,
    /// Where another province's API is; `{province}` stands for its code.
    pub province_api_pattern: String,
    /// Where the stack's keys are.
    pub secrets: SecretsSource,
    /// How one-time codes reach phones.
    pub sms: SmsGateway,
    /// Whether the limits on one-time codes apply.
    pub send_limits: bool,
    /// Whether webhooks may be sent, unencrypted, to servers on this machine.
    pub webhooks_stay_here: bool,
    /// How much is logged: a `tracing` filter.
    pub log_level: String,
    /// The clock: the machine's, but for a stack on one machine that moves it.
    pub clock: Clock,
    /// The tables.
    pub tables: Tables,
}

/// The operator's identity provider (OpenID Connect).
#[derive(Debug, Clone)]
pub struct OperatorIssuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The `aud` that it gives tokens for this stack.
    pub audience: String,
    /// Where its keys are: a JSON Web Key Set (RFC 7517).
    pub jwks_url: String,
}

/// Where the stack's keys are.
#[derive(Debug, Clone)]
pub enum SecretsSource {
    /// A git-ignored file, on one machine.
    File(PathBuf),
    /// Secrets Manager, by ARN.
    Manager(String),
}

/// A variable that is missing or makes no sense. A function that meets one does not start.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {name}: {problem}")]
pub struct ConfigError {
    /// Which.
    pub name: &'static str,
    /// Why.
    pub problem: &'static str,
}

impl Config {
    /// The configuration of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// The configuration that `lookup` gives.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let required = |name: &'static str| {
            lookup(name).filter(|value| !value.is_empty()).ok_or(ConfigError { name, problem: "is not set" })
        };
        let secrets = match lookup("SECRETS_FILE") {
            Some(file) => SecretsSource::File(PathBuf::from(file)),
            None => SecretsSource::Manager(required("SECRETS_ARN")?),
        };
        let send_limits = match required("SEND_LIMITS")?.as_str() {
            "on" => true,
            "off" => false,
            _ => return Err(ConfigError { name: "SEND_LIMITS", problem: "is neither on nor off" }),
        };
        Ok(Config {
            province: required("PROVINCE")?
                .parse()
                .map_err(|_| ConfigError { name: "PROVINCE", problem: "is no province code of GB/T 2260" })?,
            issuer: required("ISSUER")?,
            operators: OperatorIssuer {
                issuer: required("OPERATOR_ISSUER")?,
                audience: required("OPERATOR_AUDIENCE")?,
                jwks_url: required("OPERATOR_JWKS_URL")?,
            },
            province_api_pattern: required("PROVINCE_API_PATTERN")?,
            secrets,
            sms: match lookup("SMS_GATEWAY").as_deref() {
                Some("print") => SmsGateway::Printed,
                Some(_) => return Err(ConfigError { name: "SMS_GATEWAY", problem: "is not one that we know: print" }),
                None => SmsGateway::NotConnected,
            },
            send_limits,
            webhooks_stay_here: match lookup("WEBHOOKS_TO").as_deref() {
                Some("this-machine") => true,
                Some(_) => {
                    return Err(ConfigError { name: "WEBHOOKS_TO", problem: "is not one that we know: this-machine" });
                }
                None => false,
            },
            log_level: required("LOG_LEVEL")?,
            clock: lookup("CLOCK_FILE").map_or_else(Clock::system, |file| Clock::shifted_by(PathBuf::from(file))),
            tables: Tables {
                members: required("MEMBERS_TABLE")?,
                identities: required("IDENTITIES_TABLE")?,
                catalog: required("CATALOG_TABLE")?,
                stock: required("STOCK_TABLE")?,
                ledger: required("LEDGER_TABLE")?,
                messages: required("MESSAGES_TABLE")?,
            },
        })
    }
}
