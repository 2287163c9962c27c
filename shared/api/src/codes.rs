//! Every refusal: its stable code, its status, and whether a retry helps. The only place that chooses a status.
//!
//! The statuses are chosen by what the caller does next: 401 get a token, 400 mend the request, 404 check the id, 409 tell
//! the person, 410 tell the person that it is over, 422 use another key, 429 wait, 503 send the same again.

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
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $retry:ident;)*) => {
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
        }
    };
}

codes! {
    /// No token, or none that is good here.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, Never;
    /// Not the code that was sent.
    OtpWrong = "otp_wrong", UNAUTHORIZED, Never;
    /// The code's time is over, or it was used.
    OtpExpired = "otp_expired", UNAUTHORIZED, Never;
    /// The refresh token's family is gone.
    SessionRevoked = "session_revoked", UNAUTHORIZED, Never;
    /// A webhook's signature, time stamp or id is not good.
    SignatureInvalid = "signature_invalid", UNAUTHORIZED, Never;
    /// Over 64 KiB.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, Never;
    /// Not the JSON or the parameters that are expected.
    MalformedRequest = "malformed_request", BAD_REQUEST, Never;
    /// The header is required.
    IdempotencyKeyMissing = "idempotency_key_missing", BAD_REQUEST, Never;
    /// No such route in this function.
    RouteNotFound = "route_not_found", NOT_FOUND, Never;
    /// No such member.
    MemberNotFound = "member_not_found", NOT_FOUND, Never;
    /// No such campaign, or not public.
    CampaignNotFound = "campaign_not_found", NOT_FOUND, Never;
    /// No such coupon of this member.
    CouponNotFound = "coupon_not_found", NOT_FOUND, Never;
    /// No such store of this merchant.
    StoreNotFound = "store_not_found", NOT_FOUND, Never;
    /// Unknown, malformed, or another merchant's coupon: all alike.
    CodeNotFound = "code_not_found", NOT_FOUND, Never;
    /// No such redemption of this merchant.
    RedemptionNotFound = "redemption_not_found", NOT_FOUND, Never;
    /// Signed in, and not for this: the role is missing.
    Forbidden = "forbidden", FORBIDDEN, Never;
    /// No such statement of this merchant.
    StatementNotFound = "statement_not_found", NOT_FOUND, Never;
    /// The day is not closed yet.
    BillNotReady = "bill_not_ready", CONFLICT, After;
    /// The statement is confirmed.
    StatementConfirmed = "statement_confirmed", CONFLICT, Never;
    /// The statement is disputed for another reason.
    StatementDisputed = "statement_disputed", CONFLICT, Never;
    /// No such record was put aside.
    RecordNotFound = "record_not_found", NOT_FOUND, Never;
    /// The record still cannot be read.
    RecordUnreadable = "record_unreadable", CONFLICT, Never;
    /// No such merchant.
    MerchantNotFound = "merchant_not_found", NOT_FOUND, Never;
    /// No such endpoint of this merchant.
    EndpointNotFound = "endpoint_not_found", NOT_FOUND, Never;
    /// No attempt of that name was made.
    DeliveryNotFound = "delivery_not_found", NOT_FOUND, Never;
    /// The endpoint's id is another's.
    EndpointExists = "endpoint_exists", CONFLICT, Never;
    /// The merchant has as many endpoints as it may.
    EndpointLimit = "endpoint_limit", CONFLICT, Never;
    /// No such discrepancy.
    DiscrepancyNotFound = "discrepancy_not_found", NOT_FOUND, Never;
    /// The report does not say enough to be paid by.
    DiscrepancyNotAcceptable = "discrepancy_not_acceptable", CONFLICT, Never;
    /// It was decided otherwise.
    DiscrepancyDecided = "discrepancy_decided", CONFLICT, Never;
    /// Somebody else changed the endpoint.
    EndpointChanged = "endpoint_changed", CONFLICT, Never;
    /// It was sent again too often.
    ReplayLimit = "replay_limit", CONFLICT, Never;
    /// No such hold of this merchant.
    HoldNotFound = "hold_not_found", NOT_FOUND, Never;
    /// Same key, other payload.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, Never;
    /// Same webhook id, other body.
    WebhookIdReused = "webhook_id_reused", CONFLICT, Never;
    /// The code is of another province.
    OtherProvince = "other_province", CONFLICT, Never;
    /// Taken back.
    CodeDeactivated = "code_deactivated", GONE, Never;
    /// Its validity is over.
    CodeExpired = "code_expired", GONE, Never;
    /// Its validity has not begun.
    NotYetValid = "not_yet_valid", CONFLICT, After;
    /// No unit of use is left, or the order was reported with another amount.
    CodeAlreadyRedeemed = "code_already_redeemed", CONFLICT, Never;
    /// Redeemed and reversed too often.
    RedemptionLimit = "redemption_limit", CONFLICT, Never;
    /// Another till holds it.
    CodeHeld = "code_held", CONFLICT, After;
    /// The hold no longer counts.
    HoldLapsed = "hold_lapsed", CONFLICT, Never;
    /// Not at this hour.
    OutsideHours = "outside_hours", CONFLICT, After;
    /// Not for this store.
    StoreNotInScope = "store_not_in_scope", CONFLICT, Never;
    /// The order is too small.
    MinimumSpendNotMet = "minimum_spend_not_met", CONFLICT, Never;
    /// Undone before.
    AlreadyReversed = "already_reversed", CONFLICT, Never;
    /// Too late to undo.
    ReversalWindowClosed = "reversal_window_closed", CONFLICT, Never;
    /// The campaign is over.
    CampaignEnded = "campaign_ended", GONE, Never;
    /// The campaign rests.
    CampaignPaused = "campaign_paused", CONFLICT, After;
    /// The campaign has not begun.
    NotStarted = "not_started", CONFLICT, After;
    /// The member has all that anyone may have.
    LimitReached = "limit_reached", CONFLICT, Never;
    /// The person, the channel or the time is not the campaign's.
    NotEligible = "not_eligible", FORBIDDEN, Never;
    /// The last units are being settled; some may come back.
    StockSettling = "stock_settling", CONFLICT, After;
    /// The day's units are claimed.
    DayStockExhausted = "day_stock_exhausted", CONFLICT, After;
    /// No unit is left.
    SoldOut = "sold_out", GONE, Never;
    /// Too many one-time codes.
    TooManyMessages = "too_many_messages", TOO_MANY_REQUESTS, After;
    /// The tables did not answer.
    TemporarilyUnavailable = "temporarily_unavailable", SERVICE_UNAVAILABLE, SameKey;
    /// A fault of ours.
    Internal = "internal", INTERNAL_SERVER_ERROR, SameKey;
}
