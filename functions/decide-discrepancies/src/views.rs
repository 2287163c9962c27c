//! What operators see of discrepancies.

use crate::Deps;
use mealticket_api::webhook::ID_BYTES_MAX;
use mealticket_domain::{Coupon, MerchantId, Timestamp, ids::IdError};
use mealticket_store::messages::Discrepancy;
use serde::Serialize;

/// A report that broke a rule: what it says, and what we have.
///
/// `state` is `open`, `settled` (what was missing came after all), `accepting` (decided, and not posted yet),
/// `accepted` or `rejected`.
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

/// What the report says, as far as it could be read.
#[derive(Serialize)]
struct ReportedView {
    coupon_id: Option<String>,
    store_id: Option<String>,
    order_no: Option<String>,
    amount_fen: Option<u64>,
    redeemed_at: Option<Timestamp>,
}

/// The coupon as it stands, with every redemption of it.
#[derive(Serialize)]
struct KnownView {
    status: &'static str,
    valid_from: Timestamp,
    valid_until: Timestamp,
    redemptions: Vec<RedemptionView>,
}

/// One redemption of the coupon, undone or not.
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

/// The beginning of every discrepancy's id.
const DISCREPANCY_PREFIX: &str = "dsc_";

/// A discrepancy's id: `dsc_`, the merchant's id without its prefix, and the `webhook-id`.
pub(crate) fn discrepancy_id(merchant: &MerchantId, webhook_id: &str) -> String {
    format!("{DISCREPANCY_PREFIX}{}_{webhook_id}", merchant.as_str().trim_start_matches("mch_"))
}

/// The merchant and the `webhook-id` of a discrepancy's id.
pub(crate) fn read_discrepancy_id(id: &str) -> Result<(MerchantId, String), IdError> {
    let (merchant, webhook_id) =
        id.strip_prefix(DISCREPANCY_PREFIX).and_then(|rest| rest.split_once('_')).ok_or(IdError)?;
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if webhook_id.is_empty() || webhook_id.len() > ID_BYTES_MAX || !webhook_id.bytes().all(known) {
        return Err(IdError);
    }
    Ok((format!("mch_{merchant}").parse()?, webhook_id.to_owned()))
}
