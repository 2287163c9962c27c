//! What a till sees. Rendered from the coupon's facts alone, so that a replay is the first answer, byte for byte.

use crate::till::Till;
use mealticket_api::{ApiError, Response, Success};
use mealticket_domain::{Coupon, HoldTag, OrderNo, presentation::Presentation};
use serde::Serialize;

/// A redemption as its answer shows it. `uses_left` is as it was right after it.
#[derive(Debug, Serialize)]
pub(crate) struct RedemptionView {
    redemption_id: String,
    coupon_id: String,
    redeemed_at: String,
    discount_fen: u64,
    payable_fen: u64,
    uses_left: u8,
}

/// A hold as its answer shows it. `proof` shows later that the code was presented for this order.
#[derive(Debug, Serialize)]
pub(crate) struct HoldView {
    hold_id: String,
    held_until: String,
    proof: String,
}

/// A reversal as its answer shows it. `coupon_status` is as it was right after it.
#[derive(Debug, Serialize)]
pub(crate) struct ReversalView {
    reversal_id: String,
    coupon_status: &'static str,
    reversed_at: String,
}

/// A redemption as it is looked up later, with its reversal when it was undone.
#[derive(Debug, Serialize)]
pub(crate) struct RecordView {
    #[serde(flatten)]
    redemption: RedemptionView,
    store_id: String,
    order: OrderView,
    cashier: Option<String>,
    reversal: Option<ReversalView>,
}

/// The merchant's order.
#[derive(Debug, Serialize)]
struct OrderView {
    order_no: String,
    amount_fen: u64,
}

impl RedemptionView {
    fn new(till: &Till<'_>, coupon: &Coupon, index: usize) -> Option<Self> {
        let redemption = coupon.redemptions.get(index)?;
        let ids = &till.deps.stack.ids;
        Some(RedemptionView {
            redemption_id: ids.redemption_id(coupon.key, index),
            coupon_id: ids.coupon_id(coupon.key),
            redeemed_at: redemption.at.to_string(),
            discount_fen: redemption.discount.get(),
            payable_fen: redemption.amount.less(redemption.discount).get(),
            uses_left: coupon.uses_left_after(index),
        })
    }

    /// 201 with redemption `index`.
    pub(crate) fn answer(
        till: &Till<'_>,
        coupon: &Coupon,
        index: usize,
        success: Success,
    ) -> Result<Response, ApiError> {
        let view = Self::new(till, coupon, index).ok_or_else(|| ApiError::internal("a redemption vanished"))?;
        Ok(Response::created(&view)?.of(success))
    }
}

impl HoldView {
    /// 201 with the coupon's newest hold, which is this order's, placed with a code of this key version.
    pub(crate) fn answer(
        till: &Till<'_>,
        coupon: &Coupon,
        key_version: u16,
        order_no: &OrderNo,
        success: Success,
    ) -> Result<Response, ApiError> {
        let hold = coupon.hold.as_ref().ok_or_else(|| ApiError::internal("a hold vanished"))?;
        let hold_id = till.deps.stack.ids.hold_id(coupon.key, HoldTag::of(hold.order));
        // From the hold's own facts: a replay has the same bytes.
        let shown = Presentation { key_version, at: hold.at, held_until: Some(hold.until) };
        let proof = till.proof(coupon.key, order_no, &shown);
        let view = HoldView { hold_id, held_until: hold.until.to_string(), proof };
        Ok(Response::created(&view)?.of(success))
    }
}

impl ReversalView {
    fn new(till: &Till<'_>, coupon: &Coupon, index: usize) -> Option<Self> {
        let reversal = coupon.redemptions.get(index)?.reversal.as_ref()?;
        Some(ReversalView {
            reversal_id: till.deps.stack.ids.reversal_id(coupon.key, index),
            coupon_status: reversal.status.as_str(),
            reversed_at: reversal.at.to_string(),
        })
    }

    /// 201 with the reversal of redemption `index`.
    pub(crate) fn answer(
        till: &Till<'_>,
        coupon: &Coupon,
        index: usize,
        success: Success,
    ) -> Result<Response, ApiError> {
        let view = Self::new(till, coupon, index).ok_or_else(|| ApiError::internal("a reversal vanished"))?;
        Ok(Response::created(&view)?.of(success))
    }
}

impl RecordView {
    /// Redemption `index` with all that the merchant has sent about it.
    pub(crate) fn new(till: &Till<'_>, coupon: &Coupon, index: usize) -> Option<Self> {
        let redemption = coupon.redemptions.get(index)?;
        Some(RecordView {
            redemption: RedemptionView::new(till, coupon, index)?,
            store_id: redemption.store_id.to_string(),
            order: OrderView { order_no: redemption.order_no.to_string(), amount_fen: redemption.amount.get() },
            cashier: redemption.cashier.as_ref().map(ToString::to_string),
            reversal: ReversalView::new(till, coupon, index),
        })
    }
}
