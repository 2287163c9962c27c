//! A refusal on its way to the client: a problem document (RFC 9457), and, apart from it, what the log needs.
//!
//! ```text
//! { "status": 409, "code": "code_held", "retry": "after", "title": "Coupon held",
//!   "detail": "The coupon is held for another order until …", "held_until": "…", "request_id": "…", "type": "…" }
//! ```

use crate::{codes::Code, language::Language, wording};
use mealticket_domain::Timestamp;
use mealticket_store::StoreError;
use serde_json::{Map, Value, json};
use std::error::Error;

/// A refusal: what the client may know, and, apart from it, what the log needs.
///
/// It has no `Display`, so that the one cannot be printed where the other is meant.
#[derive(Debug)]
pub struct ApiError {
    code: Code,
    /// The facts that the client may know, as members of the document.
    fields: Map<String, Value>,
    /// What `Retry-After` says, in seconds.
    retry_after_seconds: Option<u32>,
    /// Why it came about. It is logged and never sent.
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        ApiError { code, fields: Map::new(), retry_after_seconds: None, cause: None }
    }
}

/// 503 when trying again may help, 500 otherwise. The store's error is the cause, for the log.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let code = if error.is_retryable() { Code::TemporarilyUnavailable } else { Code::Internal };
        ApiError { cause: Some(Box::new(error)), ..code.into() }.retry_after_if_unavailable()
    }
}

impl ApiError {
    /// 400: a request that is not what the route expects. `field` names the part by its path, `.` the whole.
    pub fn malformed(field: &str) -> Self {
        ApiError::from(Code::MalformedRequest).with("field", field)
    }

    /// 500: a fault of ours. The reason is for the log alone.
    pub fn internal(reason: &'static str) -> Self {
        ApiError { cause: Some(reason.into()), ..Code::Internal.into() }
    }

    /// 503: something that we depend on does not answer. The reason is for the log alone.
    pub fn unavailable(reason: &'static str) -> Self {
        ApiError { cause: Some(reason.into()), ..Code::TemporarilyUnavailable.into() }.retry_after_if_unavailable()
    }

    /// Adds a fact that the client may know, under this name. A fact never replaces a member of the document
    /// itself.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Adds an instant that the client may know, in RFC 3339.
    #[must_use]
    pub fn at(self, name: &str, at: Timestamp) -> Self {
        self.with(name, at.to_string())
    }

    /// Adds the reason why a field is malformed. Reasons state the rule, never the value.
    #[must_use]
    pub fn because(self, reason: String) -> Self {
        self.with("reason", reason)
    }

    /// Says when to come back: `Retry-After` in seconds from `now`, at least one.
    #[must_use]
    pub fn retry_at(mut self, at: Timestamp, now: Timestamp) -> Self {
        self.retry_after_seconds = u32::try_from(at.seconds_since(now).max(1)).ok();
        self
    }

    /// Says to come back in one second when the code is `temporarily_unavailable`.
    fn retry_after_if_unavailable(mut self) -> Self {
        self.retry_after_seconds = (self.code == Code::TemporarilyUnavailable).then_some(1);
        self
    }

    /// The refusal's stable name, which decides its status.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The seconds of the `Retry-After` header; `None` leaves the header out.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after_seconds
    }

    /// The text of a fact; `None` when there is none of this name, or it is no text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// The whole chain of causes on one line, for the log. The client never sees it.
    pub fn causes(&self) -> Option<String> {
        let mut next: Option<&dyn Error> = Some(self.cause.as_deref()?);
        let mut chain = Vec::new();
        while let Some(error) = next {
            chain.push(error.to_string());
            next = error.source();
        }
        Some(chain.join(": "))
    }

    /// The problem document of RFC 9457, with `code`, `retry`, `request_id` and the facts beside its own
    /// members.
    pub fn document(&self, language: Language, request_id: &str) -> Value {
        let mut document = json!({
            "type": format!("https://mealticket.example/problems/{}", self.code.as_str()),
            "title": self.code.title(language),
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
