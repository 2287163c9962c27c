//! Every refusal: its stable code, its status, and whether a retry helps. The only place that chooses a
//! status.
//!
//! The status says what the caller does next:
//!
//! - 400: mend the request. 401: get a token. 403: somebody else must ask. 404: check the id.
//! - 409: show the person why. 410: show the person that it is over. 422: use another key.
//! - 429: wait. 503: send the same again.

use crate::language::Language;
use http::StatusCode;

/// Whether the same request may succeed when it is sent again. A client decides by this, and never by the
/// words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will not, however often it is sent.
    Never,
    /// It may at once, with the same idempotency key. With a new key it could be done twice.
    SameKey,
    /// It may later, with the same idempotency key. `Retry-After` says when, if that is known.
    After,
}

impl Retry {
    /// The name on the wire: `retry` in the problem document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Retry::Never => "never",
            Retry::SameKey => "same_key",
            Retry::After => "after",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $retry:ident, $zh:literal, $en:literal;)*) => {
        /// A refusal's stable name. It is never reworded once published; `docs/ERRORS.md` lists them by
        /// route.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code, for the documents and the tests that compare them.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The HTTP status. It is the same for every occurrence.
            pub const fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)* }
            }

            /// Whether a retry helps. Each code has to say.
            pub const fn retry(self) -> Retry {
                match self { $(Code::$variant => Retry::$retry,)* }
            }

            /// Its short name for people, the same for every occurrence (RFC 9457, `title`).
            pub const fn title(self, language: Language) -> &'static str {
                let (zh, en) = match self { $(Code::$variant => ($zh, $en),)* };
                match language {
                    Language::Zh => zh,
                    Language::En => en,
                }
            }
        }
    };
}

codes! {
    /// No token, or none that is good here. It does not say what is wrong with it.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, Never, "请先登录", "Not signed in";
    /// Not the code that was sent. `tries_left` says how many guesses the challenge still takes.
    OtpWrong = "otp_wrong", UNAUTHORIZED, Never, "验证码不正确", "Wrong one-time code";
    /// No such challenge, its five minutes are over, or the session that it began is in use.
    OtpExpired = "otp_expired", UNAUTHORIZED, Never, "验证码已失效", "One-time code no longer valid";
    /// The refresh token's family is over: signed out, idle, too old, or given away by an old token.
    SessionRevoked = "session_revoked", UNAUTHORIZED, Never, "登录已失效", "Session is over";
    /// A report's signature, time stamp or id is not good. It does not say which.
    SignatureInvalid = "signature_invalid", UNAUTHORIZED, Never, "签名无效", "Signature not valid";
    /// A body over 64 KiB.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, Never, "请求内容过大", "Request too large";
    /// Not the JSON or the parameters that are expected. `field` names the part, `.` the whole.
    MalformedRequest = "malformed_request", BAD_REQUEST, Never, "请求格式不正确", "Malformed request";
    /// The route requires an `Idempotency-Key` header.
    IdempotencyKeyMissing = "idempotency_key_missing", BAD_REQUEST, Never, "缺少幂等键", "Idempotency key missing";
    /// The function has no such method and path.
    RouteNotFound = "route_not_found", NOT_FOUND, Never, "没有这个接口", "No such route";
    /// The token's member has no profile, or the proven phone is no member's.
    MemberNotFound = "member_not_found", NOT_FOUND, Never, "会员不存在", "No such member";
    /// No such campaign, or none that is public yet: both alike.
    CampaignNotFound = "campaign_not_found", NOT_FOUND, Never, "活动不存在", "No such campaign";
    /// No such coupon of this member. Another member's coupon is one that is not there.
    CouponNotFound = "coupon_not_found", NOT_FOUND, Never, "券不存在", "No such coupon";
    /// No such store of this merchant.
    StoreNotFound = "store_not_found", NOT_FOUND, Never, "门店不存在", "No such store";
    /// Unknown, malformed, or another merchant's coupon: all alike, so that guessing finds out nothing.
    CodeNotFound = "code_not_found", NOT_FOUND, Never, "券码无效", "Code not found";
    /// No such redemption of this merchant's coupons.
    RedemptionNotFound = "redemption_not_found", NOT_FOUND, Never, "核销记录不存在", "No such redemption";
    /// Signed in, but the role, the scope or the province is not the one for this.
    Forbidden = "forbidden", FORBIDDEN, Never, "没有权限", "Not allowed";
    /// No such statement, or another merchant's.
    StatementNotFound = "statement_not_found", NOT_FOUND, Never, "结算单不存在", "No such statement";
    /// The day is not closed yet. `ready_at` says when it will be.
    BillNotReady = "bill_not_ready", CONFLICT, After, "账单尚未生成", "Bill not ready";
    /// The statement is confirmed, so it can no longer be disputed.
    StatementConfirmed = "statement_confirmed", CONFLICT, Never, "结算单已确认", "Statement confirmed";
    /// The statement is disputed for another reason.
    StatementDisputed = "statement_disputed", CONFLICT, Never, "结算单已有异议", "Statement disputed";
    /// No such record was set aside.
    RecordNotFound = "record_not_found", NOT_FOUND, Never, "记录不存在", "No such record";
    /// The record that was set aside still cannot be read. `reason` says why.
    RecordUnreadable = "record_unreadable", CONFLICT, Never, "记录仍无法读取", "Record still not readable";
    /// No such merchant.
    MerchantNotFound = "merchant_not_found", NOT_FOUND, Never, "商户不存在", "No such merchant";
    /// The merchant has no such endpoint.
    EndpointNotFound = "endpoint_not_found", NOT_FOUND, Never, "通知地址不存在", "No such endpoint";
    /// No message of this id was ever due at this endpoint.
    DeliveryNotFound = "delivery_not_found", NOT_FOUND, Never, "通知记录不存在", "No such delivery";
    /// The name is taken by an endpoint with another address or other events.
    EndpointExists = "endpoint_exists", CONFLICT, Never, "通知地址编号已存在", "Endpoint exists";
    /// The merchant has as many endpoints as it may: eight.
    EndpointLimit = "endpoint_limit", CONFLICT, Never, "通知地址过多", "Too many endpoints";
    /// No such discrepancy.
    DiscrepancyNotFound = "discrepancy_not_found", NOT_FOUND, Never, "差异记录不存在", "No such discrepancy";
    /// Nothing can be paid by the report. It can be rejected.
    DiscrepancyNotAcceptable = "discrepancy_not_acceptable", CONFLICT, Never, "差异无法接受", "Discrepancy cannot be accepted";
    /// The discrepancy was decided the other way.
    DiscrepancyDecided = "discrepancy_decided", CONFLICT, Never, "差异已有结论", "Discrepancy decided otherwise";
    /// Somebody else changed the endpoint since it was read. Read it again first.
    EndpointChanged = "endpoint_changed", CONFLICT, Never, "通知地址已变更", "Endpoint changed";
    /// The message was sent again as often as it may be.
    ReplayLimit = "replay_limit", CONFLICT, Never, "通知重发次数已达上限", "Sent again too often";
    /// No such hold of this merchant's coupons.
    HoldNotFound = "hold_not_found", NOT_FOUND, Never, "占用记录不存在", "No such hold";
    /// The same idempotency key has succeeded with another payload.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, Never, "幂等键已用于其他请求", "Idempotency key used for another request";
    /// A report with the same id came with another body.
    WebhookIdReused = "webhook_id_reused", CONFLICT, Never, "通知编号已用于其他内容", "Webhook id used for another body";
    /// The code is of another province. `api` says where that province is asked.
    OtherProvince = "other_province", CONFLICT, Never, "外省券码", "Code of another province";
    /// The coupon was taken back.
    CodeDeactivated = "code_deactivated", GONE, Never, "券已停用", "Coupon deactivated";
    /// The coupon's validity is over, since `expired_at`.
    CodeExpired = "code_expired", GONE, Never, "券已过期", "Coupon expired";
    /// The coupon's validity has not begun; it will at `valid_from`.
    NotYetValid = "not_yet_valid", CONFLICT, After, "券尚未生效", "Coupon not valid yet";
    /// No unit of use is left, or the order was reported with another amount.
    CodeAlreadyRedeemed = "code_already_redeemed", CONFLICT, Never, "券已使用", "Coupon already redeemed";
    /// Redeemed and reversed too often.
    RedemptionLimit = "redemption_limit", CONFLICT, Never, "券核销次数已达上限", "Coupon redeemed too often";
    /// Another order holds the coupon until `held_until`.
    CodeHeld = "code_held", CONFLICT, After, "券正被占用", "Coupon held";
    /// The hold that the request names no longer counts. Without it, it may succeed.
    HoldLapsed = "hold_lapsed", CONFLICT, Never, "占用已失效", "Hold lapsed";
    /// The coupon may not be used at this hour; it may from `next_window`.
    OutsideHours = "outside_hours", CONFLICT, After, "不在可用时段", "Not at this hour";
    /// The coupon is not for this store of the merchant.
    StoreNotInScope = "store_not_in_scope", CONFLICT, Never, "本店不适用", "Not for this store";
    /// The order is below `minimum_fen`.
    MinimumSpendNotMet = "minimum_spend_not_met", CONFLICT, Never, "未达使用门槛", "Minimum spend not met";
    /// Another request has undone the redemption.
    AlreadyReversed = "already_reversed", CONFLICT, Never, "已撤销", "Already reversed";
    /// The time in which the redemption could be undone is over.
    ReversalWindowClosed = "reversal_window_closed", CONFLICT, Never, "已过撤销期限", "Too late to reverse";
    /// The campaign's window is over, or it was ended.
    CampaignEnded = "campaign_ended", GONE, Never, "活动已结束", "Campaign over";
    /// The campaign was paused. It may be opened again.
    CampaignPaused = "campaign_paused", CONFLICT, After, "活动暂停", "Campaign paused";
    /// The campaign's window has not begun; it will at `starts_at`.
    NotStarted = "not_started", CONFLICT, After, "活动未开始", "Campaign not started";
    /// The member has as many coupons as any member may have. `limit` says whether in all or in a day.
    LimitReached = "limit_reached", CONFLICT, Never, "已达领取上限", "Limit reached";
    /// The campaign's rule is not met. `failed_clause` names the clause, `explanation` has its words.
    NotEligible = "not_eligible", FORBIDDEN, Never, "不符合领取条件", "Not eligible";
    /// Every unit is leased, and some may come back within a moment.
    StockSettling = "stock_settling", CONFLICT, After, "库存结算中", "Stock being settled";
    /// The day's units are claimed. `retry_at` is the province's next midnight.
    DayStockExhausted = "day_stock_exhausted", CONFLICT, After, "今日已抢光", "None left today";
    /// Every unit is spent.
    SoldOut = "sold_out", GONE, Never, "已抢光", "Sold out";
    /// Too many one-time codes, for the phone, the source address or the whole stack.
    TooManyMessages = "too_many_messages", TOO_MANY_REQUESTS, After, "验证码发送过于频繁", "Too many messages";
    /// The tables, or something else that we depend on, did not answer.
    TemporarilyUnavailable = "temporarily_unavailable", SERVICE_UNAVAILABLE, SameKey, "系统繁忙", "Temporarily unavailable";
    /// A fault of ours. The cause is logged and never sent.
    Internal = "internal", INTERNAL_SERVER_ERROR, SameKey, "系统错误", "Internal error";
}
