//! What a function is given from outside.
//!
//! This is the only code that reads the environment. The names are those of `infra/template.yaml`. Every
//! variable is read once, when the process starts. A value that makes no sense ends the process then, and not
//! a request later.

mod here;

use crate::{problem::ApiError, request::TrustedFront, sms::SmsGateway};
use mealticket_domain::{Channel, Province, webhook::EndpointNetwork};
use mealticket_store::{Clock, TableNames};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    str::FromStr,
};
use tracing::level_filters::LevelFilter;

/// A function's configuration: the environment, read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The stack's province, from `PROVINCE`: a two-digit code of GB/T 2260.
    pub province: Province,
    /// The stack's own URL, from `ISSUER`: the `iss` of member tokens, and the `aud` of merchant tokens.
    pub issuer: String,
    /// The identity provider whose tokens operators show, from `OPERATOR_…`.
    pub operators: OperatorIssuer,
    /// The URL of another province's API, from `PROVINCE_API_PATTERN`; `{province}` stands for its code.
    pub province_api_pattern: String,
    /// Where the stack's keys are: `SECRETS_FILE`, or else `SECRETS_ARN`.
    pub secrets: SecretsSource,
    /// How one-time codes reach phones, from `SMS_GATEWAY`.
    pub sms: SmsGateway,
    /// Bounds on one-time codes, from `OTP_…_HOUR`. `None` lifts them, on one machine alone
    /// (`SEND_LIMITS=off`).
    pub message_limits: Option<MessageLimits>,
    /// The front that stands before the API and says where a request comes from, from `FRONT_HEADER` and
    /// `FRONT_NETWORKS`. `None` when callers reach the gateway directly.
    pub front: Option<TrustedFront>,
    /// The channels that a member's app may name, from `CHANNELS`: at least one.
    ///
    /// Others, like a service hall's, are named by those who serve there.
    pub channels: BTreeSet<Channel>,
    /// Where messages may be sent: the internet, or this machine as well (`WEBHOOKS_TO=this-machine`).
    pub endpoint_network: EndpointNetwork,
    /// How much of our own code is logged, from `LOG_LEVEL`. Of what we depend on, nothing below `info` is.
    pub log_level: LevelFilter,
    /// The clock: the machine's, or one that a file moves (`CLOCK_FILE`), on one machine alone.
    pub clock: Clock,
    /// The names of the six tables, from `…_TABLE`.
    pub tables: TableNames,
}

/// The operator's identity provider (OpenID Connect), and what its tokens must be like.
#[derive(Debug, Clone)]
pub struct OperatorIssuer {
    /// The `iss` of its tokens, from `OPERATOR_ISSUER`.
    pub issuer: String,
    /// The `aud` that it gives tokens for this stack, from `OPERATOR_AUDIENCE`.
    pub audience: String,
    /// The URL of its keys, from `OPERATOR_JWKS_URL`: a JSON Web Key Set (RFC 7517).
    pub jwks_url: String,
    /// The name of the claim with the provinces that the person works for.
    ///
    /// The claim is a text or a list of texts, two digits each (GB/T 2260).
    pub province_claim: String,
    /// The name of the claim with the cities that the person works for: a text or a list of texts.
    pub cities_claim: String,
    /// Whether tokens must say in their `typ` that they are access tokens (RFC 9068). From
    /// `OPERATOR_TOKEN_TYPE`.
    pub access_tokens_only: bool,
    /// The `acr` values that are good enough: how the person signed in. When it is empty, `acr` is not looked
    /// at.
    pub acr_values: BTreeSet<String>,
}

/// Bounds on one-time codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimits {
    /// Messages for one source address in an hour, from `OTP_PER_SOURCE_HOUR`.
    pub per_source_hour: u32,
    /// Messages of the whole stack in an hour, from `OTP_PER_STACK_HOUR`.
    ///
    /// It bounds what somebody who guesses, or floods, can make the operator spend.
    pub per_stack_hour: u32,
}

/// Where the stack's keys are.
#[derive(Debug, Clone)]
pub enum SecretsSource {
    /// The path of a git-ignored file, on one machine.
    File(PathBuf),
    /// The ARN of a secret in Secrets Manager.
    Manager(String),
}

/// A variable that is missing or makes no sense. A function that meets one does not start.
///
/// The message names the variable and never its value.
#[derive(Debug, Clone, thiserror::Error)]
#[error("environment variable {name}: {problem}")]
pub struct ConfigError {
    /// The name of the variable.
    pub name: &'static str,
    /// What is wrong with it, to be read after the name.
    pub problem: &'static str,
}

/// The variables of a process, with readers that name the variable in each error.
struct Variables<'a>(&'a BTreeMap<String, String>);

impl<'a> Variables<'a> {
    /// The value of one that is set and not empty.
    fn optional(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of one that must be set and not empty.
    fn required(&self, name: &'static str) -> Result<String, ConfigError> {
        self.optional(name).map(str::to_owned).ok_or(ConfigError { name, problem: "is not set" })
    }

    /// The value of one that the template always sets, and may leave empty.
    fn maybe_empty(&self, name: &'static str) -> Result<Option<&'a str>, ConfigError> {
        let value = self.0.get(name).ok_or(ConfigError { name, problem: "is not set" })?;
        Ok((!value.is_empty()).then_some(value))
    }

    /// The value of one that must be set, as a `T`; `problem` says what it is not.
    fn parsed<T: FromStr>(&self, name: &'static str, problem: &'static str) -> Result<T, ConfigError> {
        self.required(name)?.parse().map_err(|_| ConfigError { name, problem })
    }

    /// Whether one that must be set is the first of two words. Any third word is refused.
    fn either(&self, name: &'static str, words: [&str; 2], problem: &'static str) -> Result<bool, ConfigError> {
        let value = self.required(name)?;
        let at = words.iter().position(|word| *word == value).ok_or(ConfigError { name, problem })?;
        Ok(at == 0)
    }

    /// Texts between commas, none of them empty. An empty variable is an empty list.
    fn list<T: FromStr + Ord>(&self, name: &'static str, problem: &'static str) -> Result<BTreeSet<T>, ConfigError> {
        let refused = ConfigError { name, problem };
        let parsed = |text: &str| match text.trim() {
            "" => Err(refused.clone()),
            text => text.parse().map_err(|_| refused.clone()),
        };
        self.maybe_empty(name)?.into_iter().flat_map(|all| all.split(',')).map(parsed).collect()
    }
}

impl Config {
    /// The configuration of this process. Errors as those of [`Config::from_variables`].
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
    pub fn from_env() -> Result<Self, ConfigError> {
        // A variable that is not text is none of ours.
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::from_variables(&variables.collect())
    }

    /// The configuration that these variables give.
    ///
    /// Errors: the first variable that is missing or makes no sense. Also a switch for one machine, in a
    /// process that would reach anything other than this machine.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        here::check(variables)?;
        let given = Variables(variables);
        Ok(Config {
            province: given.parsed("PROVINCE", "is no province code of GB/T 2260")?,
            issuer: given.required("ISSUER")?,
            operators: OperatorIssuer::from_variables(&given)?,
            province_api_pattern: given.required("PROVINCE_API_PATTERN")?,
            secrets: match given.optional("SECRETS_FILE") {
                Some(file) => SecretsSource::File(PathBuf::from(file)),
                None => SecretsSource::Manager(given.required("SECRETS_ARN")?),
            },
            sms: match given.optional("SMS_GATEWAY") {
                Some("print") => SmsGateway::Printed,
                Some(_) => return Err(ConfigError { name: "SMS_GATEWAY", problem: "is not one that we know: print" }),
                None => SmsGateway::NotConnected,
            },
            message_limits: MessageLimits::from_variables(&given)?,
            front: front(&given)?,
            channels: match given.list("CHANNELS", "is no list of channels")? {
                channels if channels.is_empty() => return Err(ConfigError { name: "CHANNELS", problem: "is not set" }),
                channels => channels,
            },
            endpoint_network: match given.optional("WEBHOOKS_TO") {
                Some("this-machine") => EndpointNetwork::Loopback,
                Some(_) => {
                    return Err(ConfigError { name: "WEBHOOKS_TO", problem: "is not one that we know: this-machine" });
                }
                None => EndpointNetwork::Internet,
            },
            log_level: given.parsed("LOG_LEVEL", "is none of off, error, warn, info, debug and trace")?,
            clock: given
                .optional("CLOCK_FILE")
                .map_or_else(Clock::system, |file| Clock::shifted_by(PathBuf::from(file))),
            tables: TableNames {
                members: given.required("MEMBERS_TABLE")?,
                identities: given.required("IDENTITIES_TABLE")?,
                catalog: given.required("CATALOG_TABLE")?,
                stock: given.required("STOCK_TABLE")?,
                ledger: given.required("LEDGER_TABLE")?,
                messages: given.required("MESSAGES_TABLE")?,
            },
        })
    }

    /// Refuses a channel that a member's app may not name: 400 `malformed_request`, field `channel`.
    ///
    /// A claim without a channel passes.
    pub fn check_channel(&self, channel: Option<&Channel>) -> Result<(), ApiError> {
        match channel {
            Some(channel) if !self.channels.contains(channel) => {
                Err(ApiError::malformed("channel").because("is not one of this stack's channels".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

impl OperatorIssuer {
    fn from_variables(given: &Variables<'_>) -> Result<Self, ConfigError> {
        let kinds = ["at+jwt", "any"];
        Ok(OperatorIssuer {
            issuer: given.required("OPERATOR_ISSUER")?,
            audience: given.required("OPERATOR_AUDIENCE")?,
            jwks_url: given.required("OPERATOR_JWKS_URL")?,
            province_claim: given.required("OPERATOR_PROVINCE_CLAIM")?,
            cities_claim: given.required("OPERATOR_CITIES_CLAIM")?,
            access_tokens_only: given.either("OPERATOR_TOKEN_TYPE", kinds, "is neither at+jwt nor any")?,
            acr_values: given.list("OPERATOR_ACR", "is no list of texts")?,
        })
    }
}

impl MessageLimits {
    fn from_variables(given: &Variables<'_>) -> Result<Option<Self>, ConfigError> {
        let limits = MessageLimits {
            per_source_hour: given.parsed("OTP_PER_SOURCE_HOUR", "is no number of messages")?,
            per_stack_hour: given.parsed("OTP_PER_STACK_HOUR", "is no number of messages")?,
        };
        let apply = given.either("SEND_LIMITS", ["on", "off"], "is neither on nor off")?;
        Ok(apply.then_some(limits))
    }
}

/// The trusted front; `None` when no header is named. A header without networks is refused: anybody could
/// write it.
fn front(given: &Variables<'_>) -> Result<Option<TrustedFront>, ConfigError> {
    let networks: BTreeSet<ipnet::IpNet> =
        given.list("FRONT_NETWORKS", "is no list of networks like 203.0.113.0/24")?;
    let Some(header) = given.maybe_empty("FRONT_HEADER")? else { return Ok(None) };
    let header = header.parse().map_err(|_| ConfigError { name: "FRONT_HEADER", problem: "is no header's name" })?;
    if networks.is_empty() {
        return Err(ConfigError { name: "FRONT_NETWORKS", problem: "is not set, but FRONT_HEADER is" });
    }
    Ok(Some(TrustedFront { header, networks: networks.into_iter().collect() }))
}

#[cfg(test)]
mod tests;
