//! What operators see of endpoints.

use mealticket_domain::{MerchantId, Timestamp, webhook::Endpoint};
use serde::Serialize;

/// An endpoint. Its secrets are shown when they are made, and not again. `state` is `on` or `off`.
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

/// An endpoint in a list of more than one merchant's endpoints.
#[derive(Serialize)]
pub(crate) struct EndpointInTroubleView {
    merchant_id: String,
    #[serde(flatten)]
    endpoint: EndpointView,
}

/// An endpoint, with its secret when this request has made it.
#[derive(Serialize)]
pub(crate) struct NewSecretView {
    #[serde(flatten)]
    pub(crate) endpoint: EndpointView,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
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

impl EndpointInTroubleView {
    pub(crate) fn new(merchant: &MerchantId, endpoint: &Endpoint) -> Self {
        EndpointInTroubleView { merchant_id: merchant.to_string(), endpoint: EndpointView::new(endpoint) }
    }
}
