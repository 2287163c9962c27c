//! A client of the API, for the demo and the journeys: an app and a till in one.

use crate::{Result, StackError};
use reqwest::{Method, header::HeaderMap};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Sends requests to one stack. A clone is cheap.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

/// A request that is being built.
#[derive(Clone)]
pub struct Call {
    client: Client,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

/// A response, and how long it took.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as text.
    pub text: String,
    /// The body as JSON; null when it is no JSON.
    pub json: Value,
    /// The time from the request to the whole response.
    pub took: Duration,
}

impl Client {
    /// A client of the API at `base`. It uses no proxy and waits 60 s at most.
    pub fn new(base: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build();
        let http = http.map_err(|error| StackError::caused("an HTTP client", error))?;
        Ok(Client { base: base.to_owned(), http })
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// A POST request with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).header("content-type", "application/json").body(body.to_string())
    }

    /// A DELETE request.
    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// A request with any method.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call { client: self.clone(), method, path: path.to_owned(), headers: Vec::new(), body: None }
    }
}

impl Call {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Adds an idempotency key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The request line and the body, for a person to read.
    pub fn shown(&self) -> String {
        let body = self.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        format!("{} {} {body}", self.method, self.path).trim_end().to_owned()
    }

    /// Sends the request. Fails when no response comes; a refusal is a response.
    pub async fn send(&self) -> Result<Reply> {
        let began = Instant::now();
        let mut request = self.client.http.request(self.method.clone(), format!("{}{}", self.client.base, self.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let failed = |error: reqwest::Error| StackError::caused(self.shown(), error);
        let reply = request.send().await.map_err(failed)?;
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let text = reply.text().await.map_err(failed)?;
        let json = serde_json::from_str(&text).unwrap_or_default();
        Ok(Reply { status, headers, text, json, took: began.elapsed() })
    }
}

impl Reply {
    /// The text at a JSON pointer of the body; empty when there is none.
    pub fn text_at(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The whole number at a JSON pointer of the body; zero when there is none.
    pub fn number_at(&self, pointer: &str) -> u64 {
        self.json.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
    }

    /// Whether the response repeats the response to an earlier request.
    pub fn is_replayed(&self) -> bool {
        self.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
    }
}
