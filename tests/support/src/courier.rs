//! A courier that sends nothing: it notes what it was given, and answers as it was told.

use deliver_webhooks::courier::{Courier, SignedHeaders};
use mealticket_domain::webhook::{Answer, EndpointUrl};
use std::sync::{Mutex, PoisonError};

/// An attempt as the endpoint would have seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Where.
    pub url: String,
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`.
    pub signature: String,
    /// The body.
    pub body: String,
}

/// How an attempt is answered.
pub type Script = dyn Fn(&Posted) -> Answer + Send + Sync;

/// Notes what it is given, and answers by a script.
pub struct ScriptedCourier {
    script: Box<Script>,
    posted: Mutex<Vec<Posted>>,
}

impl ScriptedCourier {
    /// A courier that answers so.
    pub fn new(script: impl Fn(&Posted) -> Answer + Send + Sync + 'static) -> Self {
        ScriptedCourier { script: Box::new(script), posted: Mutex::default() }
    }

    /// A courier that always brings this status.
    pub fn answering(status: u16) -> Self {
        Self::new(move |_| Answer::Status { status, retry_after: None })
    }

    /// What it was given, in order.
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
