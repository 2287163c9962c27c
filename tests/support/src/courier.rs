//! A courier that sends nothing. It records the messages that it gets, and answers by a script.

use deliver_webhooks::courier::{Courier, SignedHeaders};
use mealticket_domain::webhook::{Answer, EndpointUrl};
use std::sync::{Mutex, PoisonError};

/// An attempt, as the endpoint would have seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The endpoint's URL.
    pub url: String,
    /// The header `webhook-id`.
    pub id: String,
    /// The header `webhook-timestamp`.
    pub timestamp: String,
    /// The header `webhook-signature`.
    pub signature: String,
    /// The body, as text.
    pub body: String,
}

/// Chooses the answer to an attempt.
pub type Script = dyn Fn(&Posted) -> Answer + Send + Sync;

/// Records every attempt, and answers it by its script.
pub struct ScriptedCourier {
    script: Box<Script>,
    posted: Mutex<Vec<Posted>>,
}

impl ScriptedCourier {
    /// A courier with this script.
    pub fn new(script: impl Fn(&Posted) -> Answer + Send + Sync + 'static) -> Self {
        ScriptedCourier { script: Box::new(script), posted: Mutex::default() }
    }

    /// A courier that answers every attempt with this status.
    pub fn answering(status: u16) -> Self {
        Self::new(move |_| Answer::Status { status, retry_after: None })
    }

    /// The attempts so far, in order.
    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Courier for ScriptedCourier {
    async fn post(&self, url: &EndpointUrl, headers: SignedHeaders, body: &str) -> Answer {
        let [id, timestamp, signature] = headers.map(|(_, value)| value);
        let posted = Posted { url: url.to_string(), id, timestamp, signature, body: body.to_owned() };
        let answer = (self.script)(&posted);
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).push(posted);
        answer
    }
}
