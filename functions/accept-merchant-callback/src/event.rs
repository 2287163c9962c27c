//! What a callback says. Unknown types and unknown fields are accepted: a merchant's system may be newer than we are.

use mealticket_api::{ApiError, json};
use serde::Deserialize;
use serde_json::Value;

/// A report of a type that has an effect, or of any other.
pub(crate) enum Event {
    /// A coupon was redeemed at the merchant's till.
    Redeemed(RedeemedReport),
    /// A `coupon.redeemed` whose data are not what that type has: a discrepancy, not an error of the sender's to repeat.
    MalformedRedeemed,
    /// Something that has no effect here yet. Recorded as it came.
    Other(String),
}

/// The type that has an effect.
const REDEEMED: &str = "coupon.redeemed";

/// `coupon.redeemed`.
#[derive(Deserialize)]
pub(crate) struct RedeemedReport {
    pub(crate) code: Option<String>,
    pub(crate) coupon_id: Option<String>,
    pub(crate) store_id: Option<String>,
    pub(crate) store_no: Option<String>,
    pub(crate) order: OrderReport,
    pub(crate) redeemed_at: String,
    /// The merchant's own statement of who it is, when it makes one.
    pub(crate) merchant_id: Option<String>,
}

/// The merchant's order.
#[derive(Debug, Deserialize)]
pub(crate) struct OrderReport {
    pub(crate) order_no: String,
    pub(crate) amount_fen: u64,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[expect(dead_code, reason = "required of every event; the signed header is what counts")]
    timestamp: String,
    data: Value,
}

/// Bytes of an event type.
const KIND_BYTES_MAX: usize = 64;

impl Event {
    /// Reads a signed body.
    pub(crate) fn read(body: &[u8]) -> Result<Self, ApiError> {
        let envelope: Envelope = json::read_open(body)?;
        mealticket_domain::text::visible_ascii(&envelope.kind, KIND_BYTES_MAX)
            .map_err(|_| ApiError::malformed("type"))?;
        if envelope.kind != REDEEMED {
            return Ok(Event::Other(envelope.kind));
        }
        // An order given as a list would be taken for an object, field by field.
        let is_object = envelope.data.get("order").is_some_and(Value::is_object);
        let report = serde_json::from_value(envelope.data).ok().filter(|_| is_object);
        Ok(report.map_or(Event::MalformedRedeemed, Event::Redeemed))
    }

    /// The type on the wire.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Event::Redeemed(_) | Event::MalformedRedeemed => REDEEMED,
            Event::Other(kind) => kind,
        }
    }
}
