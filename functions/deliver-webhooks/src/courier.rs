//! Over the network and back: one attempt, with bounds on everything that the other side decides.

use mealticket_domain::webhook::{Answer, EndpointUrl, Failure, RETRY_AFTER_SECONDS_MAX, is_public};
use reqwest::{
    Certificate, Client, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_TYPE, DATE, RETRY_AFTER},
    redirect::Policy,
};
use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

/// An attempt is over after 15 seconds (Standard Webhooks: 15 to 30).
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// A connection takes at most five of them.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of an answer's body is read, so that the connection can be used again. Nothing depends on it.
const BODY_BYTES_MAX: usize = 16 * 1_024;
/// How long the body is read.
const BODY_TIMEOUT: Duration = Duration::from_millis(500);
/// Connections to one host that wait to be used again.
const IDLE_CONNECTIONS: usize = 8;

/// The three headers of a message, with their names.
pub type SignedHeaders = [(&'static str, String); 3];

/// Carries messages to endpoints.
pub trait Courier: Send + Sync + 'static {
    /// One attempt. It ends within [`ATTEMPT_TIMEOUT`], and every failure is an answer.
    fn post(&self, url: &EndpointUrl, headers: SignedHeaders, body: &str) -> impl Future<Output = Answer> + Send;
}

/// The addresses of a name, or why they could not be found.
pub type Looked = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds the addresses of names.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of a name.
    fn look_up(&self, name: &str) -> Looked;
}

/// The system's resolver.
pub struct System;

impl Lookup for System {
    fn look_up(&self, name: &str) -> Looked {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Sends over HTTPS to addresses of the public internet alone. It follows no redirect and uses no proxy.
///
/// It looks a name up once for a connection, checks every address that the name has, and connects to one of those. A
/// name that has another address a moment later gains nothing.
pub struct HttpCourier {
    client: Client,
}

impl HttpCourier {
    /// A courier that asks `lookup` for addresses, and ends an attempt after `timeout`. The error
    /// is that of the TLS set-up.
    pub fn new(lookup: impl Lookup, timeout: Duration) -> Result<Self, reqwest::Error> {
        Self::trusting(lookup, timeout, [])
    }

    /// The same, which trusts these roots (DER) besides the system's. For tests, whose servers have
    /// certificates of their own.
    pub fn trusting(
        lookup: impl Lookup,
        timeout: Duration,
        roots: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<Self, reqwest::Error> {
        let roots: Vec<Certificate> =
            roots.into_iter().map(|der| Certificate::from_der(&der)).collect::<Result<_, _>>()?;
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .user_agent("Mealticket-Webhooks/1")
            .dns_resolver(Arc::new(PublicOnly(Arc::new(lookup))))
            .tls_certs_merge(roots)
            .build()?;
        Ok(HttpCourier { client })
    }
}

impl Courier for HttpCourier {
    async fn post(&self, url: &EndpointUrl, headers: SignedHeaders, body: &str) -> Answer {
        let mut request = self.client.post(url.as_str()).header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match request.body(body.to_owned()).send().await {
            Ok(response) => {
                let answer = Answer::Status { status: response.status().as_u16(), retry_after: wait_asked(&response) };
                // What comes after the head decides nothing, also if it never ends.
                let _ = tokio::time::timeout(BODY_TIMEOUT, read_some(response)).await;
                answer
            }
            Err(error) => Answer::Failed(failure(&error)),
        }
    }
}

/// Reads the body up to its bound.
async fn read_some(mut response: Response) {
    let mut bytes = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes += chunk.len();
        if bytes > BODY_BYTES_MAX {
            return;
        }
    }
}

/// The seconds of `Retry-After`: a number, or the time from the answer's own date to another (RFC 9110, 10.2.3). `None`
/// for a success, and for 410.
fn wait_asked(response: &Response) -> Option<i64> {
    if response.status().is_success() || response.status() == StatusCode::GONE {
        return None;
    }
    let header = |name| response.headers().get(name)?.to_str().ok().map(str::trim);
    let text = header(RETRY_AFTER)?;
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let now = httpdate::parse_http_date(header(DATE)?).ok()?;
            httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?.as_secs()
        }
    };
    Some(i64::try_from(seconds).unwrap_or(i64::MAX).min(RETRY_AFTER_SECONDS_MAX))
}

/// Which failure an error of the HTTP library is. Its own words are not stored.
fn failure(error: &reqwest::Error) -> Failure {
    let mut cause = error.source();
    while let Some(error) = cause {
        match error.downcast_ref::<NotAsked>() {
            Some(NotAsked::Unresolved) => return Failure::Unresolved,
            Some(NotAsked::AddressRefused) => return Failure::AddressRefused,
            None => cause = error.source(),
        }
    }
    match error {
        error if error.is_timeout() => Failure::TimedOut,
        error if error.is_connect() => Failure::NotConnected,
        _ => Failure::Broken,
    }
}

/// Why nothing was sent to a name.
#[derive(Debug, Clone, Copy)]
enum NotAsked {
    Unresolved,
    AddressRefused,
}

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAsked::Unresolved => "the name has no address",
            NotAsked::AddressRefused => "the name has an address that is not on the public internet",
        })
    }
}

impl Error for NotAsked {}

/// A resolver that refuses names with an address that is not public.
struct PublicOnly<L>(Arc<L>);

impl<L: Lookup> Resolve for PublicOnly<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.0);
        Box::pin(async move {
            let found = lookup.look_up(name.as_str()).await.map_err(|_| NotAsked::Unresolved)?;
            // One private address makes the name suspect, whatever the others are.
            if let Some(address) = found.iter().find(|address| !is_public(**address)) {
                tracing::warn!(name = name.as_str(), %address, "an endpoint's name leads to an address that is not public");
                return Err(NotAsked::AddressRefused.into());
            }
            if found.is_empty() {
                return Err(NotAsked::Unresolved.into());
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
