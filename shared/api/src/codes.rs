//! Every refusal: its stable code, its status, and whether a retry helps. The only place that chooses a status.
//!
//! The statuses are chosen by what the caller does next: 401 get a token, 400 mend the request, 404 check the id, 409 tell
//! the person, 410 tell the person that it is over, 422 use another key, 429 wait, 503 send the same again.

use crate::language::Language;
use http::StatusCode;

/// Whether the same request may succeed when it is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will not.
    Never,
    /// Send it again at once, with the same idempotency key.
    SameKey,
    /// Send it again later, with the same idempotency key.
    After,
}

impl Retry {
    /// The name on the wire.
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
        /// A refusal's stable name. Never reworded once published; `docs/ERRORS.md` lists them by route.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The status.
            pub const fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)* }
            }

            /// Whether a retry helps.
            pub const fn retry(self) -> Retry {
                match self { $(Code::$variant => Retry::$retry,)* }
            }

            /// Its short name for people, the same for every occurrence.
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
    /// No token, or none that is good here.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, Never, "请先登录", "Not signed in";
    /// Not the code that was sent.
    OtpWrong = "otp_wrong", UNAUTHORIZED, Never, "验证码不正确", "Wrong one-time code";
    /// The code's time is over, or it was used.
    OtpExpired = "otp_expired", UNAUTHORIZED, Never, "验证码已失效", "One-time code no longer valid";
    /// The refresh token's family is gone.
    SessionRevoked = "session_revoked", UNAUTHORIZED, Never, "登录已失效", "Session is over";
    /// A webhook's signature, time stamp or id is not good.
    SignatureInvalid = "signature_invalid", UNAUTHORIZED, Never, "签名无效", "Signature not valid";
    /// Over 64 KiB.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, Never, "请求内容过大", "Request too large";
    /// Not the JSON or the parameters that are expected.
    MalformedRequest = "malformed_request", BAD_REQUEST, Never, "请求格式不正确", "Malformed request";
    /// The header is required.
    IdempotencyKeyMissing = "idempotency_key_missing", BAD_REQUEST, Never, "缺少幂等键", "Idempotency key missing";
    /// No such route in this function.
    RouteNotFound = "route_not_found", NOT_FOUND, Never, "没有这个接口", "No such route";
    /// No such member.
    MemberNotFound = "member_not_found", NOT_FOUND, Never, "会员不存在", "No such member";
    /// No such campaign, or not public.
    CampaignNotFound = "campaign_not_found", NOT_FOUND, Never, "活动不存在", "No such campaign";
    /// No such coupon of this member.
    CouponNotFound = "coupon_not_found", NOT_FOUND, Never, "券不存在", "No such coupon";
    /// No such store of this merchant.
    StoreNotFound = "store_not_found", NOT_FOUND, Never, "门店不存在", "No such store";
    /// Unknown, malformed, or another merchant's coupon: all alike.
    CodeNotFound = "code_not_found", NOT_FOUND, Never, "券码无效", "Code not found";
    /// No such redemption of this merchant.
    RedemptionNotFound = "redemption_not_found", NOT_FOUND, Never, "核销记录不存在", "No such redemption";
    /// Signed in, and not for this: the role is missing.
    Forbidden = "forbidden", FORBIDDEN, Never, "没有权限", "Not allowed";
    /// No such statement of this merchant.
    StatementNotFound = "statement_not_found", NOT_FOUND, Never, "结算单不存在", "No such statement";
    /// The day is not closed yet.
    BillNotReady = "bill_not_ready", CONFLICT, After, "账单尚未生成", "Bill not ready";
    /// The statement is confirmed.
    StatementConfirmed = "statement_confirmed", CONFLICT, Never, "结算单已确认", "Statement confirmed";
    /// The statement is disputed for another reason.
    StatementDisputed = "statement_disputed", CONFLICT, Never, "结算单已有异议", "Statement disputed";
    /// No such record was put aside.
    RecordNotFound = "record_not_found", NOT_FOUND, Never, "记录不存在", "No such record";
    /// The record still cannot be read.
    RecordUnreadable = "record_unreadable", CONFLICT, Never, "记录仍无法读取", "Record still not readable";
    /// No such merchant.
    MerchantNotFound = "merchant_not_found", NOT_FOUND, Never, "商户不存在", "No such merchant";
    /// No such endpoint of this merchant.
    EndpointNotFound = "endpoint_not_found", NOT_FOUND, Never, "通知地址不存在", "No such endpoint";
    /// No attempt of that name was made.
    DeliveryNotFound = "delivery_not_found", NOT_FOUND, Never, "通知记录不存在", "No such delivery";
    /// The endpoint's id is another's.
    EndpointExists = "endpoint_exists", CONFLICT, Never, "通知地址编号已存在", "Endpoint exists";
    /// The merchant has as many endpoints as it may.
    EndpointLimit = "endpoint_limit", CONFLICT, Never, "通知地址过多", "Too many endpoints";
    /// No such discrepancy.
    DiscrepancyNotFound = "discrepancy_not_found", NOT_FOUND, Never, "差异记录不存在", "No such discrepancy";
    /// The report does not say enough to be paid by.
    DiscrepancyNotAcceptable = "discrepancy_not_acceptable", CONFLICT, Never, "差异无法接受", "Discrepancy cannot be accepted";
    /// It was decided otherwise.
    DiscrepancyDecided = "discrepancy_decided", CONFLICT, Never, "差异已有结论", "Discrepancy decided otherwise";
    /// Somebody else changed the endpoint.
    EndpointChanged = "endpoint_changed", CONFLICT, Never, "通知地址已变更", "Endpoint changed";
    /// It was sent again too often.
    ReplayLimit = "replay_limit", CONFLICT, Never, "通知重发次数已达上限", "Sent again too often";
    /// No such hold of this merchant.
    HoldNotFound = "hold_not_found", NOT_FOUND, Never, "占用记录不存在", "No such hold";
    /// Same key, other payload.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, Never, "幂等键已用于其他请求", "Idempotency key used for another request";
    /// Same webhook id, other body.
    WebhookIdReused = "webhook_id_reused", CONFLICT, Never, "通知编号已用于其他内容", "Webhook id used for another body";
    /// The code is of another province.
    OtherProvince = "other_province", CONFLICT, Never, "外省券码", "Code of another province";
    /// Taken back.
    CodeDeactivated = "code_deactivated", GONE, Never, "券已停用", "Coupon deactivated";
    /// Its validity is over.
    CodeExpired = "code_expired", GONE, Never, "券已过期", "Coupon expired";
    /// Its validity has not begun.
    NotYetValid = "not_yet_valid", CONFLICT, After, "券尚未生效", "Coupon not valid yet";
    /// No unit of use is left, or the order was reported with another amount.
    CodeAlreadyRedeemed = "code_already_redeemed", CONFLICT, Never, "券已使用", "Coupon already redeemed";
    /// Redeemed and reversed too often.
    RedemptionLimit = "redemption_limit", CONFLICT, Never, "券核销次数已达上限", "Coupon redeemed too often";
    /// Another till holds it.
    CodeHeld = "code_held", CONFLICT, After, "券正被占用", "Coupon held";
    /// The hold no longer counts.
    HoldLapsed = "hold_lapsed", CONFLICT, Never, "占用已失效", "Hold lapsed";
    /// Not at this hour.
    OutsideHours = "outside_hours", CONFLICT, After, "不在可用时段", "Not at this hour";
    /// Not for this store.
    StoreNotInScope = "store_not_in_scope", CONFLICT, Never, "本店不适用", "Not for this store";
    /// The order is too small.
    MinimumSpendNotMet = "minimum_spend_not_met", CONFLICT, Never, "未达使用门槛", "Minimum spend not met";
    /// Undone before.
    AlreadyReversed = "already_reversed", CONFLICT, Never, "已撤销", "Already reversed";
    /// Too late to undo.
    ReversalWindowClosed = "reversal_window_closed", CONFLICT, Never, "已过撤销期限", "Too late to reverse";
    /// The campaign is over.
    CampaignEnded = "campaign_ended", GONE, Never, "活动已结束", "Campaign over";
    /// The campaign rests.
    CampaignPaused = "campaign_paused", CONFLICT, After, "活动暂停", "Campaign paused";
    /// The campaign has not begun.
    NotStarted = "not_started", CONFLICT, After, "活动未开始", "Campaign not started";
    /// The member has all that anyone may have.
    LimitReached = "limit_reached", CONFLICT, Never, "已达领取上限", "Limit reached";
    /// The person, the channel or the time is not the campaign's.
    NotEligible = "not_eligible", FORBIDDEN, Never, "不符合领取条件", "Not eligible";
    /// The last units are being settled; some may come back.
    StockSettling = "stock_settling", CONFLICT, After, "库存结算中", "Stock being settled";
    /// The day's units are claimed.
    DayStockExhausted = "day_stock_exhausted", CONFLICT, After, "今日已抢光", "None left today";
    /// No unit is left.
    SoldOut = "sold_out", GONE, Never, "已抢光", "Sold out";
    /// Too many one-time codes.
    TooManyMessages = "too_many_messages", TOO_MANY_REQUESTS, After, "验证码发送过于频繁", "Too many messages";
    /// The tables did not answer.
    TemporarilyUnavailable = "temporarily_unavailable", SERVICE_UNAVAILABLE, SameKey, "系统繁忙", "Temporarily unavailable";
    /// A fault of ours.
    Internal = "internal", INTERNAL_SERVER_ERROR, SameKey, "系统错误", "Internal error";
}
