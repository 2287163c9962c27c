//! What a callback says. Unknown types and unknown fields are accepted: a merchant's system may be newer than we are.

use mealticket_api::{ApiError, json};
use serde::Deserialize;
use serde_json::Value;

/// A report of a type that has an effect, or of any other.
#[derive(Debug)]
pub(crate) enum Event {
    /// A coupon was redeemed at the merchant's till.
    Redeemed(RedeemedReport),
    /// Something that has no effect here yet. Recorded as it came.
    Other(String),
}

/// Recorded when a known type's data are not what that type has.
const MALFORMED: &str = "malformed";

/// `coupon.redeemed`.
#[derive(Debug, Deserialize)]
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

#[derive(Debug, Deserialize)]
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
        let envelope: Envelope = json::read(body)?;
        mealticket_domain::text::visible_ascii(&envelope.kind, KIND_BYTES_MAX)
            .map_err(|_| ApiError::malformed("type"))?;
        if envelope.kind != "coupon.redeemed" {
            return Ok(Event::Other(envelope.kind));
        }
        let data = serde_json::to_vec(&envelope.data).map_err(|_| ApiError::malformed("data"))?;
        json::read(&data).map(Event::Redeemed).map_err(|error| {
            let field = error.field("field").unwrap_or(MALFORMED).to_owned();
            ApiError::malformed(&format!("data.{field}"))
        })
    }

    /// The type on the wire.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Event::Redeemed(_) => "coupon.redeemed",
            Event::Other(kind) => kind,
        }
    }
}
