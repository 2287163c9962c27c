//! What is shown of endpoints and deliveries.

use mealticket_api::{Deps, webhook::ID_BYTES_MAX};
use mealticket_domain::{
    Coupon, MerchantId, Timestamp,
    ids::IdError,
    webhook::{Answer, Endpoint, EndpointId, MessageId},
};
use mealticket_store::{
    deliveries::{Attempt, Delivery},
    messages::Discrepancy,
};
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

/// An endpoint in a list of more than one merchant's.
#[derive(Serialize)]
pub(crate) struct EndpointInTroubleView {
    merchant_id: String,
    #[serde(flatten)]
    endpoint: EndpointView,
}

/// An endpoint, with its secret when it is new.
#[derive(Serialize)]
pub(crate) struct NewSecretView {
    #[serde(flatten)]
    pub(crate) endpoint: EndpointView,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
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

impl EndpointInTroubleView {
    pub(crate) fn new(merchant: &MerchantId, endpoint: &Endpoint) -> Self {
        EndpointInTroubleView { merchant_id: merchant.to_string(), endpoint: EndpointView::new(endpoint) }
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

/// A report that broke a rule: what it says, and what we have.
#[derive(Serialize)]
pub(crate) struct DiscrepancyView {
    discrepancy_id: String,
    state: &'static str,
    r#type: String,
    reason: String,
    received_at: Timestamp,
    reported: ReportedView,
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<KnownView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
}

#[derive(Serialize)]
struct ReportedView {
    coupon_id: Option<String>,
    store_id: Option<String>,
    order_no: Option<String>,
    amount_fen: Option<u64>,
    redeemed_at: Option<Timestamp>,
}

/// The coupon as it stands.
#[derive(Serialize)]
struct KnownView {
    status: &'static str,
    valid_from: Timestamp,
    valid_until: Timestamp,
    redemptions: Vec<RedemptionView>,
}

#[derive(Serialize)]
struct RedemptionView {
    redemption_id: String,
    redeemed_at: Timestamp,
    store_id: String,
    order_no: String,
    amount_fen: u64,
    discount_fen: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reversed_at: Option<Timestamp>,
}

impl DiscrepancyView {
    pub(crate) fn new(deps: &Deps, merchant: &MerchantId, found: &Discrepancy, coupon: Option<&Coupon>) -> Self {
        DiscrepancyView {
            discrepancy_id: discrepancy_id(merchant, &found.webhook_id),
            state: match (&found.decision, found.settled_at) {
                (Some(decision), _) if decision.accepted && !decision.is_posted => "accepting",
                (Some(decision), _) if decision.accepted => "accepted",
                (Some(_), _) => "rejected",
                (None, Some(_)) => "settled",
                (None, None) => "open",
            },
            r#type: found.event_type.clone(),
            reason: found.reason.clone(),
            received_at: found.received_at,
            reported: ReportedView {
                coupon_id: found.coupon_id.clone(),
                store_id: found.store_id.as_ref().map(ToString::to_string),
                order_no: found.order_no.clone(),
                amount_fen: found.amount.map(|amount| amount.get()),
                redeemed_at: found.redeemed_at,
            },
            known: coupon.map(|coupon| KnownView::new(deps, coupon)),
            settled_at: found.settled_at,
            decided_at: found.decision.as_ref().map(|decision| decision.at),
            decided_by: found.decision.as_ref().map(|decision| decision.by.clone()),
        }
    }
}

impl KnownView {
    fn new(deps: &Deps, coupon: &Coupon) -> Self {
        let redemptions = coupon.redemptions.iter().enumerate().map(|(index, spent)| RedemptionView {
            redemption_id: deps.stack.ids.redemption_id(coupon.key, index),
            redeemed_at: spent.at,
            store_id: spent.store_id.to_string(),
            order_no: spent.order_no.to_string(),
            amount_fen: spent.amount.get(),
            discount_fen: spent.discount.get(),
            reversed_at: spent.reversal.as_ref().map(|reversal| reversal.at),
        });
        KnownView {
            status: coupon.status(deps.now()).as_str(),
            valid_from: coupon.valid_from,
            valid_until: coupon.valid_until,
            redemptions: redemptions.collect(),
        }
    }
}

const DISCREPANCY_PREFIX: &str = "dsc_";

/// A discrepancy's id: `dsc_`, the merchant's name and the webhook's id.
pub(crate) fn discrepancy_id(merchant: &MerchantId, webhook_id: &str) -> String {
    format!("{DISCREPANCY_PREFIX}{}_{webhook_id}", merchant.as_str().trim_start_matches("mch_"))
}

/// The merchant and the webhook of a discrepancy's id.
pub(crate) fn read_discrepancy_id(id: &str) -> Result<(MerchantId, String), IdError> {
    let (merchant, webhook_id) =
        id.strip_prefix(DISCREPANCY_PREFIX).and_then(|rest| rest.split_once('_')).ok_or(IdError)?;
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if webhook_id.is_empty() || webhook_id.len() > ID_BYTES_MAX || !webhook_id.bytes().all(known) {
        return Err(IdError);
    }
    Ok((format!("mch_{merchant}").parse()?, webhook_id.to_owned()))
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
