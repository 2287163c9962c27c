//! What a till sends, read and resolved: which store, which coupon, for which order.

use crate::Deps;
use mealticket_api::{
    ApiError, Code, Subject, json,
    locate::{Located, locate, own_campaign},
    refusals,
};
use mealticket_domain::{
    Campaign, Cashier, CouponCode, CouponKey, Fen, HoldId, NamedHold, Order, OrderNo, Store, limits::HOLD_SECONDS_MAX,
    presentation::Presentation,
};
use mealticket_store::catalog::MerchantRecord;
use serde::Deserialize;
use std::sync::Arc;

/// The merchant that asks, and when.
pub(crate) struct Till<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) merchant: &'a MerchantRecord,
    pub(crate) now: mealticket_domain::Timestamp,
}

/// A code, a store and an order, as sent. The store is named by our id or by the merchant's own
/// number, and not by both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedeemCodeRequest {
    code: String,
    store_id: Option<String>,
    store_no: Option<String>,
    order: OrderRequest,
    hold_id: Option<String>,
    cashier: Option<String>,
}

/// The same for a hold, which names no hold and no cashier.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldCodeRequest {
    code: String,
    store_id: Option<String>,
    store_no: Option<String>,
    order: OrderRequest,
    #[serde(default, deserialize_with = "json::whole_if")]
    hold_seconds: Option<i64>,
}

/// For how long a till holds that does not say: ten minutes.
const HOLD_SECONDS: i64 = 600;

/// The merchant's order, with its amount in fen, above 0.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderRequest {
    order_no: String,
    #[serde(deserialize_with = "json::whole")]
    amount_fen: u64,
}

/// The same, with its fields checked.
pub(crate) struct Presented {
    pub(crate) typed: String,
    pub(crate) store: StoreName,
    pub(crate) order: Order,
    pub(crate) hold_id: Option<HoldId>,
    pub(crate) cashier: Option<Cashier>,
}

/// A store as the till names it.
pub(crate) enum StoreName {
    /// By our id.
    Ours(String),
    /// By the merchant's own number.
    Merchants(String),
}

impl Presented {
    /// Reads a till's body, or refuses it with `malformed_request`. Only its form is judged here: a code that is no
    /// code is not found, and not malformed.
    pub(crate) fn read(body: &[u8]) -> Result<Self, ApiError> {
        Self::check(json::read(body)?)
    }

    /// Reads the body of a hold, and for how many seconds it is: 1 to 3 600.
    pub(crate) fn read_hold(body: &[u8]) -> Result<(Self, i64), ApiError> {
        let HoldCodeRequest { code, store_id, store_no, order, hold_seconds } = json::read(body)?;
        let seconds = hold_seconds.unwrap_or(HOLD_SECONDS);
        let presented =
            Self::check(RedeemCodeRequest { code, store_id, store_no, order, hold_id: None, cashier: None })?;
        if !(1..=HOLD_SECONDS_MAX).contains(&seconds) {
            return Err(ApiError::malformed("hold_seconds"));
        }
        Ok((presented, seconds))
    }

    /// Checks the fields, in the order in which they are refused.
    fn check(raw: RedeemCodeRequest) -> Result<Self, ApiError> {
        let store = match (raw.store_id, raw.store_no) {
            (Some(id), None) => StoreName::Ours(id),
            (None, Some(store_no)) => StoreName::Merchants(store_no),
            (Some(_), Some(_)) => return Err(ApiError::malformed("store_no")),
            (None, None) => return Err(ApiError::malformed("store_id")),
        };
        if raw.order.amount_fen == 0 {
            return Err(ApiError::malformed("order.amount_fen"));
        }
        let amount = Fen::try_from(raw.order.amount_fen).map_err(|_| ApiError::malformed("order.amount_fen"))?;
        Ok(Presented {
            typed: raw.code,
            store,
            order: Order { order_no: json::parsed("order.order_no", &raw.order.order_no)?, amount },
            hold_id: json::parsed_if("hold_id", raw.hold_id.as_deref())?,
            cashier: json::parsed_if("cashier", raw.cashier.as_deref())?,
        })
    }
}

impl Till<'_> {
    /// The merchant's store by either name, or `store_not_found`.
    pub(crate) fn store(&self, name: &StoreName) -> Result<&Store, ApiError> {
        let merchant = &self.merchant.merchant;
        let store = match name {
            StoreName::Ours(id) => merchant.store(id),
            StoreName::Merchants(store_no) => merchant.store_by_no(store_no),
        };
        store.ok_or_else(|| Code::StoreNotFound.into())
    }

    /// The coupon that a typed code names, without a call to the table of coupons.
    ///
    /// Another province's code is `other_province`. Malformed, unknown and another merchant's codes
    /// are all `code_not_found`.
    pub(crate) async fn locate(&self, typed: &str) -> Result<Located, ApiError> {
        let code: CouponCode = typed.parse().map_err(|_| ApiError::from(Code::CodeNotFound))?;
        let codes = &self.deps.stack.codes;
        if code.province() != codes.province() {
            return Err(refusals::other_province(&self.deps.stack, code.province()));
        }
        let located = locate(&self.deps.catalog, &self.merchant.merchant.id, codes.locate(&code)).await?;
        located.ok_or_else(|| Code::CodeNotFound.into())
    }

    /// The hold that an id names, if it is one of the coupon that the code names.
    pub(crate) fn named(&self, hold: &HoldId, key: CouponKey) -> NamedHold {
        match self.deps.stack.ids.hold(hold.as_str()) {
            Ok((of, tag)) if of == key => NamedHold::OfThisCoupon(tag),
            _ => NamedHold::OfNone,
        }
    }

    /// The campaign of a coupon, when this merchant redeems it.
    pub(crate) async fn own_campaign(&self, key: CouponKey) -> Result<Option<Arc<Campaign>>, ApiError> {
        own_campaign(&self.deps.catalog, &self.merchant.merchant.id, key).await
    }

    /// The proof that a code of this coupon was presented to this merchant for this order.
    pub(crate) fn proof(&self, coupon: CouponKey, order_no: &OrderNo, shown: &Presentation) -> String {
        let subject = Subject { merchant: &self.merchant.merchant.id, coupon, order_no };
        self.deps.stack.vault.proof(subject, shown)
    }

    /// The principal in the scope of an idempotency key. Two merchants' keys never meet.
    pub(crate) fn principal(&self) -> &str {
        self.merchant.merchant.id.as_str()
    }
}
