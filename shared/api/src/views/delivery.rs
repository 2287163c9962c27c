//! What merchants and operators see of deliveries: messages to endpoints, and how each attempt ended.

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
    /// `dlv_…`: see [`delivery_id`].
    delivery_id: String,
    merchant_id: &'a str,
    endpoint_id: &'a str,
    /// `msg_…`: the `webhook-id` of each attempt.
    message_id: &'a str,
    /// What the message is about, like `coupon.redeemed`.
    r#type: &'static str,
    outcome: &'static str,
    /// Why the message was given up without an attempt, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up: Option<&'a str>,
    /// When the next attempt is due, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<Timestamp>,
    attempts: Vec<AttemptView>,
    /// The bytes that each attempt sends, as text.
    body: &'a str,
}

/// One attempt: it has either a status or a failure.
#[derive(Serialize)]
struct AttemptView {
    at: Timestamp,
    /// The endpoint's HTTP status, if it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Why there was no answer, like `timed_out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    /// Milliseconds from the beginning of the attempt to its end.
    duration_ms: u32,
}

impl<'a> DeliveryView<'a> {
    /// A delivery as it stands, with all its attempts.
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

/// The prefix of a delivery's id.
const PREFIX: &str = "dlv_";

/// A delivery's id: `dlv_`, then the endpoint's id and the message's, each without its prefix, and `_`
/// between them.
pub fn delivery_id(endpoint: &EndpointId, message: &MessageId) -> String {
    let (endpoint, message) =
        (endpoint.as_str().trim_start_matches("end_"), message.as_str().trim_start_matches("msg_"));
    format!("{PREFIX}{endpoint}_{message}")
}

/// The endpoint and the message of a delivery's id. [`IdError`] when either is none.
pub fn read_delivery_id(id: &str) -> Result<(EndpointId, MessageId), IdError> {
    let (endpoint, message) = id.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(IdError)?;
    Ok((format!("end_{endpoint}").parse()?, format!("msg_{message}").parse()?))
}
