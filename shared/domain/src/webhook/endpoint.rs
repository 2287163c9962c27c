//! Where a merchant wants to be told.

use super::{MessageKind, address::is_public};
use crate::{
    ids::{CROCKFORD, MerchantId},
    terms::sha256,
    timestamp::Timestamp,
};
use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};
use url::{Host, Url};

pub use crate::ids::EndpointId;

/// Parts of the due index, each worked by one run at a time. One worker sends some hundreds a second; four are a province's
/// Spring Festival.
pub const DUE_SHARDS: u16 = 4;

/// The old secret signs as well for 24 hours after a rotation.
pub const ROTATION_SECONDS: i64 = 86_400;

/// An endpoint that has only failed for five days is switched off.
pub const FAILING_SECONDS_MAX: i64 = 5 * 86_400;

/// Bytes of an endpoint's address.
const URL_BYTES_MAX: usize = 512;

/// Ports below this one are those of other services; 443 is the exception.
const PORT_MIN: u16 = 1_024;

/// An endpoint of a merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Its address, as it was registered.
    pub url: String,
    /// What it is told.
    pub subscribed: BTreeSet<MessageKind>,
    /// Counts its changes: who changes it says which one it has seen.
    pub version: u32,
    /// What messages to it are signed with, newest last, sealed by the caller.
    pub secrets: Vec<EndpointSecret>,
    /// Since when it is switched off, and why, if it is.
    pub off: Option<SwitchedOff>,
    /// Since when every attempt failed, if the last one did.
    pub failing_since: Option<Timestamp>,
}

/// A secret that an endpoint's messages are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSecret {
    /// Sealed by the caller.
    pub sealed: Vec<u8>,
    /// The version of the endpoint that it came with: who asks again for a rotation whose answer was lost finds it by that.
    pub since_version: u32,
    /// First instant at which it no longer signs; none for the newest.
    pub until: Option<Timestamp>,
}

/// That an endpoint is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwitchedOff {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: OffReason,
}

/// Why an endpoint is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffReason {
    /// It answered 410.
    Gone,
    /// It failed for five days.
    Failing,
    /// An operator did it.
    Operator,
}

/// The id of the endpoint that a merchant calls by this name: no two merchants' are the same, whatever they call them, because what
/// is due, sent and given up is kept by it. 80 bits of a hash.
pub fn endpoint_id(merchant: &MerchantId, name: &str) -> Option<EndpointId> {
    // A name is what an id could be.
    format!("end_{name}").parse::<EndpointId>().ok()?;
    let hash = sha256(format!("{merchant}/{name}").as_bytes());
    let symbol =
        |byte: &u8| CROCKFORD.get(usize::from(byte % 32)).map(|symbol| char::from(symbol.to_ascii_lowercase()));
    let text: Option<String> = hash.iter().take(16).map(symbol).collect();
    format!("end_{}", text?).parse().ok()
}

impl OffReason {
    /// The name in the table and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            OffReason::Gone => "gone",
            OffReason::Failing => "failing",
            OffReason::Operator => "operator",
        }
    }
}

impl FromStr for OffReason {
    type Err = crate::ids::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [OffReason::Gone, OffReason::Failing, OffReason::Operator];
        all.into_iter().find(|known| known.as_str() == text).ok_or(crate::ids::IdError)
    }
}

impl Endpoint {
    /// The secrets that sign now: the newest, and during a rotation the one before.
    pub fn signing(&self, now: Timestamp) -> impl Iterator<Item = &EndpointSecret> {
        self.secrets.iter().rev().filter(move |secret| secret.until.is_none_or(|until| now < until))
    }

    /// The endpoint with a new secret; the one that was newest signs for 24 hours more, and no other does.
    #[must_use]
    pub fn rotated(mut self, sealed: Vec<u8>, now: Timestamp) -> Self {
        let newest = self.secrets.pop();
        self.secrets.clear();
        self.secrets
            .extend(newest.map(|old| EndpointSecret { until: Some(now.plus_seconds(ROTATION_SECONDS)), ..old }));
        self.version += 1;
        self.secrets.push(EndpointSecret { sealed, since_version: self.version, until: None });
        self
    }

    /// The secret that is newest.
    pub fn newest(&self) -> Option<&EndpointSecret> {
        self.secrets.last()
    }

    /// Whether it has failed for so long that it is switched off.
    pub fn has_failed_too_long(&self, now: Timestamp) -> bool {
        self.failing_since.is_some_and(|since| now.seconds_since(since) >= FAILING_SECONDS_MAX)
    }
}

/// The address of an endpoint, checked as far as it can be without asking anybody: `https`, no credentials, a port that is
/// for the web, and a host that is a name of the public internet or a public address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl(Url);

/// What is wrong with an endpoint's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No address of the web.
    #[error("is not an absolute URL of at most 512 bytes")]
    Malformed,
    /// Not encrypted.
    #[error("is not https")]
    NotHttps,
    /// Holds a user's name or a password.
    #[error("holds credentials")]
    Credentials,
    /// Holds a fragment, which is never sent.
    #[error("holds a fragment")]
    Fragment,
    /// A port of another service.
    #[error("has a port that is neither 443 nor from 1024 on")]
    Port,
    /// An address or a name that is not on the public internet.
    #[error("is not on the public internet")]
    NotPublic,
}

/// Ends of names that no public server has (RFC 2606, 6761, 6762, 7686, 8375, ICANN's `internal`).
const PRIVATE_NAMES: [&str; 12] = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
    "test",
    "invalid",
    "onion",
];

/// Where endpoints may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointNetwork {
    /// On the public internet, as for every deployed stack.
    Internet,
    /// At 127.0.0.1 as well, unencrypted too: for a stack on one machine.
    Loopback,
}

impl EndpointUrl {
    /// Reads an address. On one machine, and there alone, `http` or `https` to 127.0.0.1 is one too.
    /// Forms of an address that are not the usual one (decimal, octal, hexadecimal, short) are read as browsers read them, and then judged.
    pub fn read(text: &str, network: EndpointNetwork) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| UrlError::Malformed)?;
        let host = url.host().ok_or(UrlError::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        let is_here = matches!(host, Host::Ipv4(address) if address == Ipv4Addr::LOCALHOST);
        if network == EndpointNetwork::Loopback && is_here && ["http", "https"].contains(&url.scheme()) {
            return Ok(EndpointUrl(url));
        }
        if url.scheme() != "https" {
            return Err(UrlError::NotHttps);
        }
        if url.port().is_some_and(|port| port < PORT_MIN && port != 443) {
            return Err(UrlError::Port);
        }
        let is_public = match host {
            Host::Domain(name) => is_public_name(name),
            Host::Ipv4(address) => is_public(IpAddr::V4(address)),
            Host::Ipv6(address) => is_public(IpAddr::V6(address)),
        };
        if is_public { Ok(EndpointUrl(url)) } else { Err(UrlError::NotPublic) }
    }

    /// The address as it is asked.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is this machine's own.
    pub fn is_here(&self) -> bool {
        self.0.host() == Some(Host::Ipv4(Ipv4Addr::LOCALHOST))
    }
}

fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let ends_with = |end: &&str| name == *end || name.strip_suffix(*end).is_some_and(|rest| rest.ends_with('.'));
    name.contains('.') && !PRIVATE_NAMES.iter().any(ends_with)
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
