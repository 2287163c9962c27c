//! The merchants' server. It receives our messages, verifies them as a merchant should, and can be made to behave
//! badly.

use crate::{Result, StackError};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::LOCATION, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use mealticket_api::webhook::{self, Headers, ID_HEADER, SIGNATURE_HEADER, SenderKey, TIMESTAMP_HEADER};
use mealticket_domain::{Timestamp, webhook::EndpointId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// How an endpoint of the merchants' server answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// 204 when the signature is good, and 401 otherwise.
    #[default]
    Good,
    /// This status, whatever the signature.
    Status(u16),
    /// 503, with a `Retry-After` of these seconds.
    Wait(u32),
    /// Never an answer: the connection stays open.
    Hang,
    /// A redirect to the metadata service of cloud machines.
    Redirect,
    /// 200, with a body that comes a byte at a time and never ends.
    Drip,
    /// 200, with a body of a hundred megabytes.
    Flood,
}

/// A message as it arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The message's id (`webhook-id`).
    pub id: String,
    /// When it was signed, by its own header.
    pub sent_at: Timestamp,
    /// How many signatures its header has.
    pub signatures: usize,
    /// Whether one of the signatures was made with the secret that the merchant trusts.
    pub is_genuine: bool,
    /// The body, as text.
    pub body: String,
}

#[derive(Default)]
struct Known {
    behaviours: HashMap<String, Behaviour>,
    keys: HashMap<String, SenderKey>,
    arrivals: HashMap<String, Vec<Arrival>>,
}

/// The merchants' server. It ends when this value is dropped.
pub struct Receiver {
    address: String,
    known: Arc<Mutex<Known>>,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Starts the server on a free port of 127.0.0.1.
    pub async fn start() -> Result<Self> {
        let broken = |error: std::io::Error| StackError::caused("the merchants' server", error);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(broken)?;
        let address = listener.local_addr().map_err(broken)?.to_string();
        let known = Arc::<Mutex<Known>>::default();
        let router = Router::new().route("/webhooks/{endpoint}", post(receive)).with_state(Arc::clone(&known));
        let serving = tokio::spawn(async move {
            // The server ends with its task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Receiver { address, known, serving })
    }

    /// The URL of an endpoint.
    pub fn url(&self, endpoint: &EndpointId) -> String {
        format!("http://{}/webhooks/{endpoint}", self.address)
    }

    /// Makes an endpoint trust this secret: a message signed with it is genuine. A text that is no secret changes
    /// nothing.
    pub fn trust(&self, endpoint: &EndpointId, secret: &str) {
        if let Ok(key) = SenderKey::read(secret) {
            lock(&self.known).keys.insert(endpoint.to_string(), key);
        }
    }

    /// Makes an endpoint behave like this from now on.
    pub fn behave(&self, endpoint: &EndpointId, behaviour: Behaviour) {
        lock(&self.known).behaviours.insert(endpoint.to_string(), behaviour);
    }

    /// The messages that came to an endpoint, in order.
    pub fn arrivals(&self, endpoint: &EndpointId) -> Vec<Arrival> {
        lock(&self.known).arrivals.get(endpoint.as_str()).cloned().unwrap_or_default()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(
    State(known): State<Arc<Mutex<Known>>>,
    Path(endpoint): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (behaviour, is_genuine) = note(&known, &endpoint, &headers, &body);
    match behaviour {
        Behaviour::Good if is_genuine => StatusCode::NO_CONTENT.into_response(),
        Behaviour::Good => StatusCode::UNAUTHORIZED.into_response(),
        Behaviour::Status(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND).into_response(),
        Behaviour::Wait(seconds) => {
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, seconds.to_string())]).into_response()
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Redirect => {
            (StatusCode::FOUND, [(LOCATION, "http://169.254.169.254/latest/meta-data/")]).into_response()
        }
        Behaviour::Drip => {
            Body::new(Endless { every: Some(Duration::from_millis(200)), left: u64::MAX }).into_response()
        }
        Behaviour::Flood => Body::new(Endless { every: None, left: 100 << 20 }).into_response(),
    }
}

/// Records a message. Returns how to behave, and whether the message is genuine.
///
/// The time of the check is the message's own. The stack's clock may be moved, and only the signature matters here.
fn note(known: &Mutex<Known>, endpoint: &str, headers: &HeaderMap, body: &[u8]) -> (Behaviour, bool) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let sent_at = header(TIMESTAMP_HEADER).and_then(|text| text.parse().ok()).and_then(Timestamp::from_unix_seconds);
    let sent_at = sent_at.unwrap_or(Timestamp::MIN);
    let (id, signature) = (header(ID_HEADER), header(SIGNATURE_HEADER));
    let mut known = lock(known);
    let read = Headers { id, timestamp: header(TIMESTAMP_HEADER), signature };
    let keys: Vec<SenderKey> = known.keys.get(endpoint).cloned().into_iter().collect();
    let arrival = Arrival {
        id: id.unwrap_or_default().to_owned(),
        sent_at,
        signatures: signature.map_or(0, |signature| signature.split(' ').count()),
        is_genuine: webhook::verify(read, body, &keys, sent_at).is_ok(),
        body: String::from_utf8_lossy(body).into_owned(),
    };
    let is_genuine = arrival.is_genuine;
    known.arrivals.entry(endpoint.to_owned()).or_default().push(arrival);
    (known.behaviours.get(endpoint).copied().unwrap_or_default(), is_genuine)
}

/// A body that comes slowly, or one that is large.
struct Endless {
    every: Option<Duration>,
    left: u64,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::result::Result<http_body::Frame<Bytes>, Self::Error>>> {
        const BLOCK: &[u8] = &[b'.'; 4_096];
        if self.left == 0 {
            return std::task::Poll::Ready(None);
        }
        let Some(every) = self.every else {
            self.left = self.left.saturating_sub(BLOCK.len() as u64);
            return std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(BLOCK)))));
        };
        // Sends one byte, and wakes the task again after a while.
        let waker = context.waker().clone();
        if self.left.is_multiple_of(2) {
            self.left -= 1;
            return std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(b".")))));
        }
        self.left -= 1;
        tokio::spawn(async move {
            tokio::time::sleep(every).await;
            waker.wake();
        });
        std::task::Poll::Pending
    }
}
