//! A proxy before the tables. It does to calls and answers what networks do.

use axum::{
    Router,
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Response, StatusCode},
};
use http_body::Frame;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{net::TcpListener, sync::Notify};

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The call is done, and the answer is lost on the way: the connection breaks.
    LoseAnswer,
    /// The call is done, and the answer is a 500.
    FailAfter,
    /// The call is not done, and the answer is a throttle.
    Throttle,
    /// The call is not done, and no answer comes: the connection breaks.
    LoseRequest,
    /// No answer comes. The call is done this much later.
    LandLate(Duration),
    /// The stream answers that it no longer has the records that were asked for.
    Trimmed,
    /// The call waits until [`Faults::let_go`], and is done then.
    Hold,
    /// The call is done and answered in time.
    Pass,
}

/// A running proxy. Calls of an operation meet the fates planned for it, in order. Other calls pass.
pub struct Faults {
    /// The URL at which the tables are reached through the proxy.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    tables: String,
    http: reqwest::Client,
    plan: Mutex<VecDeque<(&'static str, Fate)>>,
    nth: Mutex<Option<(usize, Fate, bool)>>,
    seen: Mutex<Vec<Seen>>,
    came: Notify,
    let_go: Notify,
}

/// A call that went through the proxy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The operation, like `PutItem`.
    pub operation: String,
    /// The table's name.
    pub table: String,
}

impl Faults {
    /// Starts a proxy before the tables at `tables`.
    pub async fn before(tables: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let shared = Arc::new(Shared {
            tables: tables.to_owned(),
            http,
            plan: Mutex::default(),
            nth: Mutex::default(),
            seen: Mutex::default(),
            came: Notify::new(),
            let_go: Notify::new(),
        });
        let app = Router::new().fallback(meet).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Faults { url, shared }
    }

    /// Plans a fate for the next call of `operation` that has none yet.
    pub fn next(&self, operation: &'static str, fate: Fate) {
        self.shared.plan.lock().unwrap().push_back((operation, fate));
    }

    /// Plans a fate for call number `n`, counted from 0, whatever the operation.
    pub fn nth(&self, n: usize, fate: Fate) {
        *self.shared.nth.lock().unwrap() = Some((n, fate, false));
    }

    /// Plans a fate for call number `n` and for every later one.
    pub fn from_nth(&self, n: usize, fate: Fate) {
        *self.shared.nth.lock().unwrap() = Some((n, fate, true));
    }

    /// Forgets every fate that was planned and not yet met.
    pub fn calm(&self) {
        self.shared.plan.lock().unwrap().clear();
        *self.shared.nth.lock().unwrap() = None;
    }

    /// Waits until the proxy holds a call.
    pub async fn held(&self) {
        self.shared.came.notified().await;
    }

    /// Lets the held call go on.
    pub fn let_go(&self) {
        self.shared.let_go.notify_one();
    }

    /// Returns the calls since the last `seen`, in order.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    /// Whether every planned fate was met.
    pub fn all_met(&self) -> bool {
        self.shared.plan.lock().unwrap().is_empty()
    }
}

impl Shared {
    fn fate_of(&self, operation: &str, body: &[u8]) -> Fate {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        let table = self.table_of(&body);
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(Seen { operation: operation.to_owned(), table });
            seen.len() - 1
        };
        if let Some((n, fate, and_later)) = *self.nth.lock().unwrap()
            && (number == n || (and_later && number > n))
        {
            return fate;
        }
        let mut plan = self.plan.lock().unwrap();
        let at = plan.iter().position(|(planned, _)| *planned == operation);
        at.and_then(|at| plan.remove(at)).map_or(Fate::Pass, |(_, fate)| fate)
    }

    /// The table that a call is about. A call of the stream names it inside an ARN, or goes on where the last call was.
    fn table_of(&self, body: &serde_json::Value) -> String {
        let in_arn = || body["StreamArn"].as_str()?.split('/').nth(1);
        let named = body["TableName"].as_str().or_else(in_arn).map(str::to_owned);
        let last = || self.seen.lock().unwrap().last().map(|seen| seen.table.clone());
        named.or_else(last).unwrap_or_default()
    }

    async fn forward(&self, headers: HeaderMap, body: Bytes) -> Response<Body> {
        let reply = self.http.post(&self.tables).headers(headers).body(body).send().await.unwrap();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = reply.status();
        response.headers_mut().extend(reply.headers().clone());
        *response.body_mut() = Body::from(reply.bytes().await.unwrap());
        response
    }
}

async fn meet(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let fate = shared.fate_of(target.rsplit('.').next().unwrap_or_default(), &body);
    let mut headers = parts.headers.clone();
    headers.remove("host");
    match fate {
        Fate::Pass => shared.forward(headers, body).await,
        Fate::Hold => {
            shared.came.notify_one();
            shared.let_go.notified().await;
            shared.forward(headers, body).await
        }
        Fate::LoseAnswer => {
            shared.forward(headers, body).await;
            broken()
        }
        Fate::FailAfter => {
            shared.forward(headers, body).await;
            own_error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
        }
        Fate::Throttle => own_error(StatusCode::BAD_REQUEST, "ThrottlingException"),
        Fate::Trimmed => own_error(StatusCode::BAD_REQUEST, "TrimmedDataAccessException"),
        Fate::LoseRequest => broken(),
        Fate::LandLate(delay) => {
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                shared.forward(headers, body).await;
            });
            broken()
        }
    }
}

fn own_error(status: StatusCode, kind: &str) -> Response<Body> {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"planned"}}"#);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
}

/// An answer that breaks off before its end, because the connection is closed.
fn broken() -> Response<Body> {
    Response::new(Body::new(Broken))
}

struct Broken;

impl HttpBody for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        Poll::Ready(Some(Err(std::io::Error::other("planned"))))
    }
}
