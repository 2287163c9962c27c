//! Invokes functions through cargo-lambda's emulator of the Invoke API.

use crate::{Result, StackError};
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than any function of the template may run, and longer than API Gateway waits.
const TIMEOUT: Duration = Duration::from_secs(910);

/// A client of the emulator.
#[derive(Clone)]
pub struct Runtime {
    url: String,
    http: reqwest::Client,
}

impl Runtime {
    /// A client of the emulator at `url`.
    pub fn new(url: String) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
        Ok(Runtime { url, http: http.map_err(|error| StackError::caused("the client of the functions", error))? })
    }

    /// The emulator's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Invokes a function with an event, as Lambda's own API does. Returns `None` when no reply came back.
    pub async fn invoke(&self, function: &str, event: &Value) -> Option<Value> {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.url);
        let reply = self.http.post(url).json(event).send().await.ok()?;
        reply.json().await.ok()
    }

    /// Invokes a function with an event. Returns `None` when no reply came back, or when the reply is a function's
    /// error.
    pub async fn succeed(&self, function: &str, event: &Value) -> Option<Value> {
        self.invoke(function, event).await.filter(|reply| reply.get("errorType").is_none())
    }
}

/// An event for a route that no function has. A function that answers it with 404 is up.
pub(crate) fn http_probe() -> Value {
    json!({
        "version": "2.0", "routeKey": "GET /", "rawPath": "/", "rawQueryString": "", "headers": {},
        "requestContext": { "http": { "method": "GET", "path": "/", "sourceIp": "127.0.0.1" }, "timeEpoch": 0 },
        "isBase64Encoded": false,
    })
}
