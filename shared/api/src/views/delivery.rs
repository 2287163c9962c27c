//! What merchants and operators see of deliveries.

use mealticket_domain::{
    Timestamp,
    ids::IdError,
    webhook::{Answer, EndpointId, MessageId},
};
use mealticket_store::messages::{Attempt, Delivery};
use serde::Serialize;

/// A message to an endpoint, with its attempts.
#[derive(Serialize)]
pub struct DeliveryView<'a> {
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

impl<'a> DeliveryView<'a> {
    /// A delivery as it stands.
    pub fn new(delivery: &'a Delivery) -> Self {
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
pub fn delivery_id(endpoint: &EndpointId, message: &MessageId) -> String {
    let (endpoint, message) =
        (endpoint.as_str().trim_start_matches("end_"), message.as_str().trim_start_matches("msg_"));
    format!("{PREFIX}{endpoint}_{message}")
}

/// The endpoint and the message of a delivery's id.
pub fn read_delivery_id(id: &str) -> Result<(EndpointId, MessageId), IdError> {
    let (endpoint, message) = id.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(IdError)?;
    Ok((format!("end_{endpoint}").parse()?, format!("msg_{message}").parse()?))
}
