//! Endpoints: where a merchant wants its messages, and what they are signed with.

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

/// Parts of the due index, each worked by one run at a time.
///
/// One worker sends some hundreds of messages a second. Four are enough for a province's Spring Festival.
pub const DUE_SHARDS: u16 = 4;

/// For how long the old secret signs as well after a rotation: 24 hours.
pub const ROTATION_SECONDS: i64 = 86_400;

/// For how long an endpoint may only fail before it is switched off: five days.
pub const FAILING_SECONDS_MAX: i64 = 5 * 86_400;

/// Bytes of an endpoint's address, as it is registered.
const URL_BYTES_MAX: usize = 512;

/// Ports below this one are those of other services; 443 is the exception.
const PORT_MIN: u16 = 1_024;

/// An endpoint of a merchant, with its subscription and its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id, which no other merchant's endpoint has. See [`endpoint_id`].
    pub id: EndpointId,
    /// Its address, as it was registered. It is checked again before each attempt.
    pub url: String,
    /// The kinds of messages that it is sent.
    pub subscribed: BTreeSet<MessageKind>,
    /// Counts its changes. A request to change it names the version that its author has seen.
    pub version: u32,
    /// The secrets that messages to it are signed with, newest last. During a rotation there are two.
    pub secrets: Vec<EndpointSecret>,
    /// Since when it is switched off, and why; `None` when it is on.
    pub off: Option<SwitchedOff>,
    /// Since when every attempt failed; `None` when the last one succeeded.
    pub failing_since: Option<Timestamp>,
}

/// A secret that messages to an endpoint are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSecret {
    /// The secret, sealed by the caller: this crate never sees it.
    pub sealed: Vec<u8>,
    /// The version of the endpoint that it came with.
    ///
    /// A rotation whose answer was lost is repeated with its version, and finds its secret by that.
    pub since_version: u32,
    /// First instant at which it no longer signs; none for the newest.
    pub until: Option<Timestamp>,
}

/// Since when an endpoint is switched off, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwitchedOff {
    /// When it was switched off, by our clock.
    pub at: Timestamp,
    /// Why it was switched off.
    pub reason: OffReason,
}

/// Why an endpoint is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffReason {
    /// It answered 410.
    Gone,
    /// Every attempt failed for five days.
    Failing,
    /// An operator switched it off.
    Operator,
}

/// The id of the endpoint that a merchant calls by this name.
///
/// No two merchants' endpoints share an id, whatever they call them: what is due, sent and given up is kept
/// by it. It is 80 bits of a hash of both. `None` when the name is not 1 to 24 of `a–z 0–9`.
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

    /// The endpoint with a new secret, and the next version.
    ///
    /// The secret that was newest signs for 24 hours more, and no older one does.
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

    /// The secret that is newest; `None` only when the endpoint has none at all.
    pub fn newest(&self) -> Option<&EndpointSecret> {
        self.secrets.last()
    }

    /// Whether it has failed for [`FAILING_SECONDS_MAX`] at `now`, so that it is to be switched off.
    pub fn has_failed_too_long(&self, now: Timestamp) -> bool {
        self.failing_since.is_some_and(|since| now.seconds_since(since) >= FAILING_SECONDS_MAX)
    }
}

/// The address of an endpoint, checked as far as it can be without asking any server.
///
/// It is `https`, holds no credentials, and has a port that is for the web. Its host is a name or an address
/// of the public internet. What a name resolves to is checked when a message is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl(Url);

/// What is wrong with an endpoint's address. The message completes a sentence that begins with the field's
/// name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is no absolute URL of visible ASCII, or has more than 512 bytes.
    #[error("is not an absolute URL of at most 512 bytes")]
    Malformed,
    /// It is not encrypted.
    #[error("is not https")]
    NotHttps,
    /// It holds a user's name or a password.
    #[error("holds credentials")]
    Credentials,
    /// It holds a fragment, which is never sent.
    #[error("holds a fragment")]
    Fragment,
    /// It names a port of another service: one below 1024 other than 443.
    #[error("has a port that is neither 443 nor from 1024 on")]
    Port,
    /// Its host is an address or a name that is not on the public internet.
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
    /// At 127.0.0.1 as well, also unencrypted: for a stack on one machine.
    Loopback,
}

impl EndpointUrl {
    /// Reads an address. `http` or `https` to 127.0.0.1 is accepted on a network of `Loopback` alone.
    ///
    /// Other forms of an address (decimal, octal, hexadecimal, short) are read as browsers read them, and
    /// then judged.
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

    /// Whether its host is 127.0.0.1.
    pub fn is_here(&self) -> bool {
        self.0.host() == Some(Host::Ipv4(Ipv4Addr::LOCALHOST))
    }
}

/// Whether a name can be a public server's: it has a dot, and does not end like a private name.
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
