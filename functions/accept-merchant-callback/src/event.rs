//! What a callback says. Unknown types and unknown fields are accepted: a merchant's system may be newer than we are.

use mealticket_api::{ApiError, json};
use serde::Deserialize;
use serde_json::Value;

/// A report of a type that has an effect, or of any other.
pub(crate) enum Event {
    /// A coupon was redeemed at the merchant's till.
    Redeemed(RedeemedReport),
    /// A redemption was undone at the merchant's side.
    Reversed(ReversedReport),
    /// A report whose data are not what its type has: a discrepancy, not an error of the sender's to repeat.
    Malformed(&'static str),
    /// Something that has no effect here yet. Recorded as it came.
    Other(String),
}

/// The types that have an effect.
pub(crate) const REDEEMED: &str = "coupon.redeemed";
pub(crate) const REVERSED: &str = "coupon.reversed";

/// `coupon.redeemed`.
#[derive(Deserialize)]
pub(crate) struct RedeemedReport {
    pub(crate) code: Option<String>,
    pub(crate) coupon_id: Option<String>,
    /// What a validation or a hold of this coupon and order has given the merchant; beside a `coupon_id`.
    pub(crate) proof: Option<String>,
    pub(crate) store_id: Option<String>,
    pub(crate) store_no: Option<String>,
    pub(crate) order: OrderReport,
    pub(crate) redeemed_at: String,
    /// The merchant's own statement of who it is, when it makes one.
    pub(crate) merchant_id: Option<String>,
}

/// `coupon.reversed`.
#[derive(Deserialize)]
pub(crate) struct ReversedReport {
    /// The redemption; or the coupon and the order, for a merchant that has not heard of the id.
    pub(crate) redemption_id: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) coupon_id: Option<String>,
    pub(crate) order_no: Option<String>,
    pub(crate) reason: String,
    /// The merchant's own statement of who it is, when it makes one.
    pub(crate) merchant_id: Option<String>,
}

/// The merchant's order.
#[derive(Debug, Deserialize)]
pub(crate) struct OrderReport {
    pub(crate) order_no: String,
    #[serde(deserialize_with = "json::whole")]
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
        // A list would be taken for an object, field by field.
        let is_object = |value: Option<&Value>| value.is_some_and(Value::is_object);
        let data = envelope.data;
        Ok(match envelope.kind.as_str() {
            REDEEMED => {
                let sound = is_object(data.get("order"));
                let report = serde_json::from_value(data).ok().filter(|_| sound);
                report.map_or(Event::Malformed(REDEEMED), Event::Redeemed)
            }
            REVERSED => {
                let sound = is_object(Some(&data));
                let report = serde_json::from_value(data).ok().filter(|_| sound);
                report.map_or(Event::Malformed(REVERSED), Event::Reversed)
            }
            _ => Event::Other(envelope.kind),
        })
    }

    /// The type on the wire.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Event::Redeemed(_) => REDEEMED,
            Event::Reversed(_) => REVERSED,
            Event::Malformed(kind) => kind,
            Event::Other(kind) => kind,
        }
    }
}
