//! Every key of `messages`. The only file with a prefix of them.

use crate::{members, table::key::Key};
use mealticket_domain::{
    CouponKey, MerchantId, Timestamp,
    webhook::{EndpointId, MessageId},
};

/// The receipt of a report. Ids of different merchants never meet.
pub(crate) fn receipt(merchant: &MerchantId, webhook_id: &str) -> Key {
    Key::new(format!("WEBHOOK#{merchant}#{webhook_id}"), "RECEIPT")
}

/// All discrepancies of a merchant.
pub(crate) fn discrepancy_partition(merchant: &MerchantId) -> String {
    format!("DISCREPANCIES#{merchant}")
}

/// By webhook id: the same report repeated is the same discrepancy.
pub(crate) fn discrepancy(merchant: &MerchantId, webhook_id: &str) -> Key {
    Key::new(discrepancy_partition(merchant), webhook_id)
}

/// Reversals that wait for a redemption of a coupon.
pub(crate) fn waiting_partition(key: CouponKey) -> String {
    let coupon = members::keys::coupon(key);
    format!("WAITING#{}#{}", coupon.pk, coupon.sk)
}

/// A reversal that waits. The same report again has the same key.
pub(crate) fn waiting(key: CouponKey, merchant: &MerchantId, webhook_id: &str) -> Key {
    Key::new(waiting_partition(key), format!("{merchant}#{webhook_id}"))
}

/// What is due, by endpoint and time. The entries of one endpoint are read without passing those of others.
pub(crate) fn due_partition(shard: u16) -> String {
    format!("DUE#{shard:02}")
}

/// Twelve digits for the second, so that text order is time order. `name` keeps apart what is due in the same second.
pub(crate) fn due(shard: u16, endpoint: &EndpointId, at: Timestamp, attempt: u8, name: &str) -> Key {
    Key::new(due_partition(shard), format!("{endpoint}#{:012}#{attempt:02}#{name}", at.unix_seconds()))
}

/// After everything of an endpoint that is due by `at`: no digit and no letter is greater than a tilde.
pub(crate) fn due_end(endpoint: &EndpointId, at: Timestamp) -> String {
    format!("{endpoint}#{:012}#~", at.unix_seconds())
}

/// After everything of the endpoint of this name.
pub(crate) fn due_end_of(name: &str) -> String {
    format!("{name}#~")
}

/// The name of the endpoint in a due entry's sort key, and the second, if it is one.
pub(crate) fn read_due(sk: &str) -> (&str, Option<Timestamp>) {
    let mut parts = sk.split('#');
    let name = parts.next().unwrap_or_default();
    let at = parts.next().and_then(|at| Timestamp::from_unix_seconds(at.parse().ok()?));
    (name, at)
}

/// The lease of a part of the due index.
pub(crate) fn due_worker(shard: u16) -> Key {
    Key::new(format!("DUE_WORKER#{shard:02}"), "LEASE")
}

/// All deliveries to an endpoint, oldest first.
pub(crate) fn deliveries(endpoint: &EndpointId) -> String {
    format!("DELIVERIES#{endpoint}")
}

/// By message, whose name begins with its time.
pub(crate) fn delivery(endpoint: &EndpointId, message: &MessageId) -> Key {
    Key::new(deliveries(endpoint), message.as_str())
}

/// Endpoints that failed or were switched off, of all merchants.
pub(crate) const ENDPOINTS_IN_TROUBLE: &str = "ENDPOINTS_IN_TROUBLE";

pub(crate) fn endpoint_in_trouble(endpoint: &EndpointId) -> Key {
    Key::new(ENDPOINTS_IN_TROUBLE, endpoint.as_str())
}

/// Dead letters of all endpoints, by endpoint.
pub(crate) const DEAD_LETTERS: &str = "DEAD_LETTERS";

pub(crate) fn dead_letter(endpoint: &EndpointId, message: &MessageId) -> Key {
    Key::new(DEAD_LETTERS, format!("{endpoint}#{message}"))
}

/// All dead letters of an endpoint.
pub(crate) fn dead_letters_of(endpoint: &EndpointId) -> String {
    format!("{endpoint}#")
}
