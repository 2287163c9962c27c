//! Switches that are for one machine. They print one-time codes, lift limits, move the clock, and send
//! messages unencrypted.
//!
//! The same binary runs in the cloud. So a switch counts only in a process whose every AWS service is on this
//! machine. A process that has one and would reach a cloud ends at its start and names the switch.

use super::{ConfigError, Variables};
use std::{collections::BTreeMap, net::IpAddr};
use url::{Host, Url};

/// Each switch, with the value that makes it one for one machine. Without a value here, any value does.
const SWITCHES: [(&str, Option<&str>); 4] =
    [("SMS_GATEWAY", Some("print")), ("SEND_LIMITS", Some("off")), ("CLOCK_FILE", None), ("WEBHOOKS_TO", None)];

/// The addresses that the SDK asks: this one for every service, and one with a suffix for each.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";
/// With this set, the SDK ignores those addresses and asks AWS.
const IGNORES_ENDPOINTS: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

/// Refuses a switch for one machine unless `AWS_ENDPOINT_URL` and every `AWS_ENDPOINT_URL_…` is a loopback
/// address.
///
/// `AWS_ENDPOINT_URL` itself must be set. The error names the first switch.
pub(super) fn check(variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let given = Variables(variables);
    let is_thrown = |(name, value): &(&str, Option<&str>)| match value {
        Some(value) => given.optional(name) == Some(*value),
        None => given.optional(name).is_some(),
    };
    match SWITCHES.iter().find(|switch| is_thrown(switch)) {
        Some((name, _)) if !stays_here(&given) => Err(ConfigError {
            name,
            problem: "is for one machine: it counts only while AWS_ENDPOINT_URL and every AWS_ENDPOINT_URL_… \
                      is a loopback address",
        }),
        _ => Ok(()),
    }
}

/// Whether every AWS service that the process could ask is on this machine.
fn stays_here(given: &Variables<'_>) -> bool {
    let ignored = given.optional(IGNORES_ENDPOINTS).is_some_and(|value| !value.eq_ignore_ascii_case("false"));
    let special = format!("{ENDPOINT}_");
    let mut endpoints = given.0.iter().filter(|(name, _)| *name == ENDPOINT || name.starts_with(&special));
    !ignored && given.optional(ENDPOINT).is_some() && endpoints.all(|(_, url)| is_loopback(url))
}

/// Whether a URL's host is this machine: 127.0.0.0/8, `::1`, or `localhost` (RFC 6761).
fn is_loopback(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
