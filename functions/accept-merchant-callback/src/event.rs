//! What a report says. Unknown types and unknown fields are accepted: a merchant's system may be newer than we are.

use mealticket_api::{ApiError, json};
use serde::Deserialize;
use serde_json::Value;

/// A report of a type that has an effect, or of any other type.
pub(crate) enum Event {
    /// A coupon was redeemed at the merchant's till.
    Redeemed(RedeemedReport),
    /// A redemption was undone at the merchant's side.
    Reversed(ReversedReport),
    /// A report whose data do not have its type's shape. It is a discrepancy: the sender need not repeat it.
    Malformed(&'static str),
    /// A type that has no effect here yet. It is recorded as it came.
    Other(String),
}

/// The type of a report that a coupon was redeemed.
pub(crate) const REDEEMED: &str = "coupon.redeemed";
/// The type of a report that a redemption was undone.
pub(crate) const REVERSED: &str = "coupon.reversed";

/// The data of `coupon.redeemed`. The coupon is named by its code, or by its id; the store by our id, or by
/// the merchant's own number.
#[derive(Deserialize)]
pub(crate) struct RedeemedReport {
    pub(crate) code: Option<String>,
    pub(crate) coupon_id: Option<String>,
    /// What a validation or a hold of this coupon and order gave the merchant. It counts beside a `coupon_id`.
    pub(crate) proof: Option<String>,
    pub(crate) store_id: Option<String>,
    pub(crate) store_no: Option<String>,
    pub(crate) order: OrderReport,
    pub(crate) redeemed_at: String,
    /// The merchant's own statement of who it is, when it makes one. Another merchant's id makes
    /// the report a discrepancy.
    pub(crate) merchant_id: Option<String>,
}

/// The data of `coupon.reversed`.
#[derive(Deserialize)]
pub(crate) struct ReversedReport {
    /// The redemption. A merchant that does not know this id names the coupon and the order.
    pub(crate) redemption_id: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) coupon_id: Option<String>,
    pub(crate) order_no: Option<String>,
    pub(crate) reason: String,
    /// The merchant's own statement of who it is, as in [`RedeemedReport`].
    pub(crate) merchant_id: Option<String>,
}

/// The merchant's order, with its amount in fen.
#[derive(Debug, Deserialize)]
pub(crate) struct OrderReport {
    pub(crate) order_no: String,
    #[serde(deserialize_with = "json::whole")]
    pub(crate) amount_fen: u64,
}

/// What every report has. Fields that we do not know are ignored.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[expect(dead_code, reason = "required of every event; the signed header is what counts")]
    timestamp: String,
    data: Value,
}

/// Bytes of a report's type.
const KIND_BYTES_MAX: usize = 64;

impl Event {
    /// Reads a signed body. Refused with `malformed_request`: what is not JSON, or lacks `type`, `timestamp` or `data`,
    /// or has a type that is no visible ASCII of 1 to 64 bytes. Such a body leaves no receipt.
    pub(crate) fn read(body: &[u8]) -> Result<Self, ApiError> {
        let envelope: Envelope = json::read_open(body)?;
        mealticket_domain::text::visible_ascii(&envelope.kind, KIND_BYTES_MAX)
            .map_err(|_| ApiError::malformed("type"))?;
        // Serde would take a list for an object, field by field.
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

    /// The type on the wire, as the receipt has it.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Event::Redeemed(_) => REDEEMED,
            Event::Reversed(_) => REVERSED,
            Event::Malformed(kind) => kind,
            Event::Other(kind) => kind,
        }
    }
}
