//! What is shown of endpoints and deliveries.

use mealticket_domain::{
    Timestamp,
    ids::IdError,
    webhook::{Answer, Endpoint, EndpointId, MessageId},
};
use mealticket_store::deliveries::{Attempt, Delivery};
use serde::Serialize;

/// An endpoint; its secrets are shown when they are made, and not again.
#[derive(Serialize)]
pub(crate) struct EndpointView {
    endpoint_id: String,
    url: String,
    events: Vec<&'static str>,
    version: u32,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    off_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    off_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    /// Until when the secret before the newest signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_until: Option<Timestamp>,
}

/// An endpoint with a secret that is new.
#[derive(Serialize)]
pub(crate) struct NewSecretView {
    #[serde(flatten)]
    pub(crate) endpoint: EndpointView,
    pub(crate) secret: String,
}

#[derive(Serialize)]
pub(crate) struct DeliveryView<'a> {
    delivery_id: String,
    merchant_id: &'a str,
    endpoint_id: &'a str,
    message_id: &'a str,
    r#type: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<Timestamp>,
    attempts: Vec<AttemptView>,
    body: &'a str,
}

#[derive(Serialize)]
struct AttemptView {
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    duration_ms: u32,
}

impl EndpointView {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        let previous = endpoint.secrets.iter().rev().nth(1);
        EndpointView {
            endpoint_id: endpoint.id.to_string(),
            url: endpoint.url.clone(),
            events: endpoint.subscribed.iter().map(|kind| kind.as_str()).collect(),
            version: endpoint.version,
            state: if endpoint.off.is_none() { "on" } else { "off" },
            off_at: endpoint.off.map(|off| off.at),
            off_reason: endpoint.off.map(|off| off.reason.as_str()),
            failing_since: endpoint.failing_since,
            previous_secret_until: previous.and_then(|secret| secret.until),
        }
    }
}

impl<'a> DeliveryView<'a> {
    pub(crate) fn new(delivery: &'a Delivery) -> Self {
        DeliveryView {
            delivery_id: delivery_id(&delivery.endpoint, &delivery.message.id),
            merchant_id: delivery.merchant.as_str(),
            endpoint_id: delivery.endpoint.as_str(),
            message_id: delivery.message.id.as_str(),
            r#type: delivery.message.kind.as_str(),
            outcome: delivery.outcome.as_str(),
            given_up: delivery.given_up.as_deref(),
            next_at: delivery.next_at,
            attempts: delivery.attempts.iter().map(AttemptView::new).collect(),
            body: &delivery.message.body,
        }
    }
}

impl AttemptView {
    fn new(attempt: &Attempt) -> Self {
        let (status, failure) = match attempt.answer {
            Answer::Status { status, .. } => (Some(status), None),
            Answer::Failed(failure) => (None, Some(failure.as_str())),
        };
        AttemptView { at: attempt.at, status, failure, duration_ms: attempt.duration_ms }
    }
}

const PREFIX: &str = "dlv_";

/// A delivery's id: `dlv_`, the endpoint's name and the message's.
pub(crate) fn delivery_id(endpoint: &EndpointId, message: &MessageId) -> String {
    let (endpoint, message) =
        (endpoint.as_str().trim_start_matches("end_"), message.as_str().trim_start_matches("msg_"));
    format!("{PREFIX}{endpoint}_{message}")
}

/// The endpoint and the message of a delivery's id.
pub(crate) fn read_delivery_id(id: &str) -> Result<(EndpointId, MessageId), IdError> {
    let (endpoint, message) = id.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(IdError)?;
    Ok((format!("end_{endpoint}").parse()?, format!("msg_{message}").parse()?))
}
