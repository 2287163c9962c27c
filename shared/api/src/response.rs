//! What a function answers.

use crate::{language::Language, problem::ApiError};
use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

/// Which success of a request with an idempotency key this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    /// The first: this request has done it.
    First,
    /// An earlier request with the same key has done it.
    Replayed,
}

/// A status, headers and a body. It has no `Debug`: a code or a token may be in it.
#[derive(Clone)]
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

impl Response {
    /// A success with a JSON body.
    fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_string(body).map_err(|_| ApiError::internal("an answer could not be written"))?;
        let mut response = Response { status, headers: HeaderMap::new(), body };
        response.set(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// 200 with a JSON body.
    pub fn ok(body: &impl Serialize) -> Result<Self, ApiError> {
        Self::json(StatusCode::OK, body)
    }

    /// 201 with a JSON body.
    pub fn created(body: &impl Serialize) -> Result<Self, ApiError> {
        Self::json(StatusCode::CREATED, body)
    }

    /// 202 with a JSON body.
    pub fn accepted(body: &impl Serialize) -> Result<Self, ApiError> {
        Self::json(StatusCode::ACCEPTED, body)
    }

    /// 200 with a CSV file (RFC 4180) of this name; `next` is where the file goes on.
    pub fn csv(body: String, name: &str, next: Option<&str>) -> Result<Self, ApiError> {
        let value = |text: String| HeaderValue::try_from(text).map_err(|_| ApiError::internal("a header's value"));
        let mut response = Response { status: StatusCode::OK, headers: HeaderMap::new(), body };
        response.set(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
        response.set(header::CONTENT_DISPOSITION, value(format!("attachment; filename=\"{name}\""))?);
        response.set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(next) = next {
            response.set(header::LINK, value(format!("<{next}>; rel=\"next\""))?);
        }
        Ok(response)
    }

    /// 204 without a body.
    pub fn no_content() -> Self {
        Response { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: String::new() }
    }

    /// The answer of this success: one that is replayed says so in a header.
    #[must_use]
    pub fn of(mut self, success: Success) -> Self {
        if success == Success::Replayed {
            self.set(REPLAYED, HeaderValue::from_static("true"));
        }
        self
    }

    /// A refusal as `application/problem+json` (RFC 9457).
    pub fn problem(error: &ApiError, language: Language, request_id: &str) -> Self {
        let mut response = Response {
            status: error.code().status(),
            headers: HeaderMap::new(),
            body: error.document(language, request_id).to_string(),
        };
        response.set(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.set(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        response.set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = error.retry_after_seconds() {
            response.set(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if response.status == StatusCode::UNAUTHORIZED {
            response.set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer as API Gateway takes it.
    pub fn into_event(self) -> ApiGatewayV2httpResponse {
        let mut event = ApiGatewayV2httpResponse::default();
        event.status_code = i64::from(self.status.as_u16());
        event.headers = self.headers;
        event.body = (!self.body.is_empty()).then(|| self.body.into());
        event
    }
}
