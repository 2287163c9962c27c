//! Every refusal: its stable code, its status, and whether a retry helps. The only place that chooses a status.
//!
//! The statuses are chosen by what the caller does next: 401 get a token, 400 mend the request, 404 check the id, 409 tell
//! the person, 410 tell the person that it is over, 422 use another key, 429 wait, 503 send the same again.

use crate::wording::{self, Language};
use http::StatusCode;
use mealticket_domain::Timestamp;
use mealticket_store::StoreError;
use serde_json::{Map, Value, json};
use std::error::Error;

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
    /// No unit of use is left.
    CodeAlreadyRedeemed = "code_already_redeemed", CONFLICT, Never;
    /// Redeemed and reversed too often.
    RedemptionLimit = "redemption_limit", CONFLICT, Never;
    /// Another till holds it.
    CodeHeld = "code_held", CONFLICT, After;
    /// The hold no longer counts.
    HoldLapsed = "hold_lapsed", CONFLICT, Never;
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
    /// No unit is left.
    SoldOut = "sold_out", GONE, Never;
    /// Too many one-time codes.
    TooManyMessages = "too_many_messages", TOO_MANY_REQUESTS, After;
    /// The tables did not answer.
    TemporarilyUnavailable = "temporarily_unavailable", SERVICE_UNAVAILABLE, SameKey;
    /// A fault of ours.
    Internal = "internal", INTERNAL_SERVER_ERROR, SameKey;
}

/// A refusal on its way out: what the client may know, and, apart from it, what the log needs. It has no `Display`, so that
/// the one cannot be printed where the other is meant.
#[derive(Debug)]
pub struct ApiError {
    code: Code,
    fields: Map<String, Value>,
    retry_after_seconds: Option<u32>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        ApiError { code, fields: Map::new(), retry_after_seconds: None, cause: None }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let code = if error.is_retryable() { Code::TemporarilyUnavailable } else { Code::Internal };
        ApiError { cause: Some(Box::new(error)), ..code.into() }.retry_after_if_unavailable()
    }
}

impl ApiError {
    /// A request that is not what the route expects; `field` names the part, `.` the whole.
    pub fn malformed(field: &str) -> Self {
        ApiError::from(Code::MalformedRequest).with("field", field)
    }

    /// A fault of ours. The reason is for the log alone.
    pub fn internal(reason: &'static str) -> Self {
        ApiError { cause: Some(reason.into()), ..Code::Internal.into() }
    }

    /// Something we depend on does not answer. The reason is for the log alone.
    pub fn unavailable(reason: &'static str) -> Self {
        ApiError { cause: Some(reason.into()), ..Code::TemporarilyUnavailable.into() }.retry_after_if_unavailable()
    }

    /// Adds a fact that the client may know.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Adds an instant that the client may know.
    #[must_use]
    pub fn at(self, name: &str, at: Timestamp) -> Self {
        self.with(name, at.to_string())
    }

    /// Adds the reason why a field is malformed. Reasons state the rule, never the value.
    #[must_use]
    pub fn because(self, reason: String) -> Self {
        self.with("reason", reason)
    }

    /// Says when to come back.
    #[must_use]
    pub fn retry_at(mut self, at: Timestamp, now: Timestamp) -> Self {
        self.retry_after_seconds = u32::try_from(at.seconds_since(now).max(1)).ok();
        self
    }

    fn retry_after_if_unavailable(mut self) -> Self {
        self.retry_after_seconds = (self.code == Code::TemporarilyUnavailable).then_some(1);
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The `Retry-After` header.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after_seconds
    }

    /// A fact's text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// The whole chain of causes, for the log.
    pub fn causes(&self) -> Option<String> {
        let mut next: Option<&dyn Error> = Some(self.cause.as_deref()?);
        let mut chain = Vec::new();
        while let Some(error) = next {
            chain.push(error.to_string());
            next = error.source();
        }
        Some(chain.join(": "))
    }

    /// The problem document.
    pub fn document(&self, language: Language, request_id: &str) -> Value {
        let mut document = json!({
            "type": format!("https://mealticket.example/problems/{}", self.code.as_str()),
            "title": wording::title(self.code, language),
            "status": self.code.status().as_u16(),
            "detail": wording::detail(self.code, &self.fields, language),
            "code": self.code.as_str(),
            "retry": self.code.retry().as_str(),
            "request_id": request_id,
        });
        if let Some(members) = document.as_object_mut() {
            for (name, value) in &self.fields {
                members.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_refusal_is_a_5xx_but_the_two_that_say_so() {
        for code in Code::ALL {
            let server = matches!(code, Code::TemporarilyUnavailable | Code::Internal);
            assert_eq!(code.status().is_server_error(), server, "{code:?}");
        }
    }

    #[test]
    fn every_code_has_words_in_both_languages() {
        for code in Code::ALL {
            let document = |language| ApiError::from(*code).document(language, "r");
            let (zh, en) = (document(Language::Zh), document(Language::En));
            for word in ["title", "detail"] {
                assert!(!zh[word].as_str().unwrap().is_ascii(), "{code:?}");
                assert!(en[word].as_str().unwrap().is_ascii(), "{code:?} {}", en[word]);
            }
            assert_eq!(zh["code"], en["code"]);
        }
    }

    #[test]
    fn a_cause_never_reaches_the_client() {
        let error = ApiError::internal("the secret reason");
        assert!(!error.document(Language::En, "r").to_string().contains("secret reason"));
        assert_eq!(error.causes().as_deref(), Some("the secret reason"));
    }
}
