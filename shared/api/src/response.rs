//! What a function answers: a status, headers, and a body in JSON or CSV.
//!
//! Every answer with a body says `Cache-Control: no-store`: codes, tokens and money are in them.

use crate::{language::Language, problem::ApiError};
use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

/// Which success of a request with an idempotency key this is. The client sees the difference in a header
/// alone.
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

/// The header of an answer that was given before: `Idempotent-Replayed: true`.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

impl Response {
    /// A success with a JSON body. 500 when the body cannot be written as JSON.
    fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_string(body).map_err(|_| ApiError::internal("an answer could not be written"))?;
        let mut response = Response { status, headers: HeaderMap::new(), body };
        response.set(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// 200 with a JSON body: something was read, or done before.
    pub fn ok(body: &impl Serialize) -> Result<Self, ApiError> {
        Self::json(StatusCode::OK, body)
    }

    /// 201 with a JSON body: something is there that was not.
    pub fn created(body: &impl Serialize) -> Result<Self, ApiError> {
        Self::json(StatusCode::CREATED, body)
    }

    /// 202 with a JSON body: the request is received, whatever becomes of it.
    pub fn accepted(body: &impl Serialize) -> Result<Self, ApiError> {
        Self::json(StatusCode::ACCEPTED, body)
    }

    /// 200 with a CSV file (RFC 4180) of this name.
    ///
    /// `next` is the URL where the file goes on: it is sent as a `Link` header (RFC 8288).
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

    /// 204 without a body: it is done, and there is nothing to say.
    pub fn no_content() -> Self {
        Response { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: String::new() }
    }

    /// The answer with this success: a replayed one says so in a header.
    #[must_use]
    pub fn of(mut self, success: Success) -> Self {
        if success == Success::Replayed {
            self.set(REPLAYED, HeaderValue::from_static("true"));
        }
        self
    }

    /// A refusal as `application/problem+json` (RFC 9457), in the language of the client.
    ///
    /// It has `Retry-After` when the refusal knows when, and `WWW-Authenticate: Bearer` with a 401.
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

    /// Sets a header; an earlier value of the name goes.
    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// The HTTP status, for the log.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer as API Gateway takes it. An empty body is left out.
    pub fn into_event(self) -> ApiGatewayV2httpResponse {
        let mut event = ApiGatewayV2httpResponse::default();
        event.status_code = i64::from(self.status.as_u16());
        event.headers = self.headers;
        event.body = (!self.body.is_empty()).then(|| self.body.into());
        event
    }
}
