//! An API Gateway v2 event, read once and bounded.
//!
//! Nothing else sees the event. A handler asks this type for the parts of the request that it needs, and gets
//! each one checked or as a refusal.

use crate::{
    codes::Code,
    language::Language,
    problem::ApiError,
    route::{Asked, Route},
};
use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, Method};
use ipnet::{IpNet, Ipv6Net};
use mealticket_domain::IdempotencyKey;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Bytes of a body: API.md's 64 KiB.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a cursor: ours have under 200.
///
/// Without a bound, a number with a thousand zeros before it would be one.
const CURSOR_BYTES_MAX: usize = 1_024;

/// Items of a page when the client does not say: 50.
const PAGE_DEFAULT: u16 = 50;
/// Items of a page at most: 100.
const PAGE_MAX: u16 = 100;

/// What stands before the API and says where a request comes from, like a content delivery network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedFront {
    /// The header that it writes.
    ///
    /// It holds one address, or a list at whose end the front has added the one that it saw.
    pub header: http::HeaderName,
    /// The networks that its own requests come from.
    ///
    /// The header is believed from there alone: anybody else can write it as well.
    pub networks: Vec<IpNet>,
}

impl TrustedFront {
    /// Whether an address is one of the front's own.
    fn is_from(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// An address with a port or without.
///
/// CloudFront writes an IPv6 address and its port without brackets. Of one that is written in full, the port
/// is the ninth part.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse().ok().map(|with_port: SocketAddr| with_port.ip());
    let without_brackets = || {
        let (address, port) = text.rsplit_once(':')?;
        port.parse::<u16>().ok().and_then(|_| address.parse::<Ipv6Addr>().ok()).map(IpAddr::V6)
    };
    text.parse().ok().or_else(with_port).or_else(without_brackets)
}

/// One request. It has no `Debug`: a token and a body are in it.
#[derive(Clone)]
pub struct Request {
    method: Method,
    /// The path, as the gateway gives it.
    path: String,
    /// The query's parameters, decoded, in their order. A name may come more than once.
    query: Vec<(String, String)>,
    headers: HeaderMap,
    /// The body's bytes, or the refusal that asking for them gives.
    body: Result<Vec<u8>, Code>,
    /// The address that the gateway saw. Behind a front it is the front's.
    source_ip: String,
    /// The gateway's id of the request.
    request_id: String,
}

impl Request {
    /// Reads an event. It never fails.
    ///
    /// A body that is too large, or is not what it says it is, becomes a refusal that [`Request::body`]
    /// returns.
    pub fn from_event(event: ApiGatewayV2httpRequest) -> Self {
        let context = event.request_context;
        let query = event.raw_query_string.unwrap_or_default();
        Request {
            method: context.http.method,
            path: event.raw_path.or(context.http.path).unwrap_or_default(),
            // Not `queryStringParameters`: the gateway joins repeated values with commas there, and an order number may
            // hold a comma.
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            body: match is_unasked(&event.headers) {
                true => Err(Code::MalformedRequest),
                false => body(event.body.unwrap_or_default(), event.is_base64_encoded),
            },
            headers: event.headers,
            source_ip: context.http.source_ip.unwrap_or_default(),
            request_id: context.request_id.unwrap_or_default(),
        }
    }

    /// The function's route that this request is for, with the values in its path. 404 `route_not_found` when
    /// it is none.
    ///
    /// The path is matched here, not taken from `routeKey`: the plain local runtime does not fill that.
    pub fn route<'a, A: Copy>(&'a self, routes: &[Route<A>]) -> Result<Asked<'a, A>, ApiError> {
        let fits = |route: &Route<A>| {
            let (method, template) = route.key.split_once(' ')?;
            let parameters = (self.method.as_str() == method).then(|| path_parameters(template, &self.path))??;
            Some(Asked { route: *route, parameters })
        };
        routes.iter().find_map(fits).ok_or_else(|| ApiError::from(Code::RouteNotFound))
    }

    /// The bytes of the body, at most 64 KiB.
    ///
    /// 413 `body_too_large` for a larger one. 400 when it is no base64, or a page of a browser sent something
    /// other than JSON.
    pub fn body(&self) -> Result<&[u8], ApiError> {
        self.body.as_deref().map_err(|code| ApiError::from(*code))
    }

    /// A header's text: the first of this name. A header that is not visible ASCII counts as absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The first value of a query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The `limit` of a list: 1 to 100, and 50 when it is left out. 400 for anything else, a leading zero
    /// included.
    pub fn page_limit(&self) -> Result<u16, ApiError> {
        let Some(text) = self.query("limit") else { return Ok(PAGE_DEFAULT) };
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        let limit = text.parse().ok().filter(|limit| plain && (1..=PAGE_MAX).contains(limit));
        limit.ok_or_else(|| ApiError::malformed("limit"))
    }

    /// Refuses query parameters that the route does not know, with 400 and their name.
    ///
    /// A `cursor` that is empty, or longer than any that a list has given, is refused as well.
    pub fn only_query(&self, known: &[&str]) -> Result<(), ApiError> {
        let is_refused = |(name, value): &&(String, String)| {
            !known.contains(&name.as_str()) || (name == "cursor" && !(1..=CURSOR_BYTES_MAX).contains(&value.len()))
        };
        match self.query.iter().find(is_refused) {
            Some((name, _)) => Err(ApiError::malformed(name)),
            None => Ok(()),
        }
    }

    /// The client's idempotency key.
    ///
    /// 400 `idempotency_key_missing` without the header. 400 `malformed_request` when it is not 16 to 255
    /// visible ASCII characters.
    pub fn idempotency_key(&self) -> Result<IdempotencyKey, ApiError> {
        const HEADER: &str = "idempotency-key";
        if !self.headers.contains_key(HEADER) {
            return Err(ApiError::from(Code::IdempotencyKeyMissing));
        }
        let key = self.header(HEADER).and_then(|text| text.parse().ok());
        key.ok_or_else(|| ApiError::malformed("Idempotency-Key"))
    }

    /// The bearer token (RFC 6750), if one is sent. It is not verified here.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }

    /// The language that the client wants words in.
    pub fn language(&self) -> Language {
        Language::accepted(self.header("accept-language"))
    }

    /// Where the request came from, as one subscriber's: a text to count by.
    ///
    /// It is an IPv4 address, or the first 64 bits of an IPv6 address, of which a subscriber has all. Behind
    /// a trusted front it is the last address in the front's header that is not the front's own.
    pub fn source(&self, front: Option<&TrustedFront>) -> String {
        let Some(mut source) = address(&self.source_ip) else { return self.source_ip.clone() };
        if let Some(front) = front.filter(|front| front.is_from(source)) {
            let values = self.headers.get_all(&front.header).iter().filter_map(|value| value.to_str().ok());
            let said: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
            let others = said.iter().rev().map_while(|text| address(text));
            source = others.into_iter().find(|address| !front.is_from(*address)).unwrap_or(source);
        }
        match source.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => Ipv6Net::new(address, 64).map_or(address, |net| net.network()).to_string(),
        }
    }

    /// The gateway's id of this request. The log and the problem document have it.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }
}

/// Whether a page of a browser sends something other than JSON.
///
/// A browser sends such a request without a preflight. So any page could make each visitor's browser ask for
/// one-time codes.
fn is_unasked(headers: &HeaderMap) -> bool {
    let content_type =
        headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let is_json = kind.eq_ignore_ascii_case("application/json");
    headers.contains_key(http::header::ORIGIN) && !is_json
}

/// The bytes of an event's body, or the refusal of one that is too large or no base64.
fn body(text: String, is_base64: bool) -> Result<Vec<u8>, Code> {
    // Base64 carries three bytes in four: a longer text cannot be a body within the bound.
    if text.len() > BODY_BYTES_MAX.div_ceil(3) * 4 {
        return Err(Code::BodyTooLarge);
    }
    let bytes = if is_base64 { STANDARD.decode(text).map_err(|_| Code::MalformedRequest)? } else { text.into_bytes() };
    if bytes.len() > BODY_BYTES_MAX { Err(Code::BodyTooLarge) } else { Ok(bytes) }
}

/// The values of a template's `{parameters}` in a path, when the path fits it. An empty value fits none.
fn path_parameters<'a>(template: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    let mut parameters = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameters),
            (Some(part), Some(value)) if part.starts_with('{') && !value.is_empty() => parameters.push(value),
            (Some(part), Some(value)) if part == value => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_value_keeps_its_commas_and_is_decoded_once() {
        let event: ApiGatewayV2httpRequest = serde_json::from_value(serde_json::json!({
            "rawPath": "/", "rawQueryString": "order_no=A%2CB,C&code=44%2541+x",
            "requestContext": { "http": { "method": "GET" } },
        }))
        .unwrap();
        let request = Request::from_event(event);
        assert_eq!((request.query("order_no"), request.query("code")), (Some("A,B,C"), Some("44%41 x")));
        assert!(request.only_query(&["code"]).is_err());
        for (cursor, is_one) in [("0", true), (&"0".repeat(1_024), true), (&"0".repeat(1_025), false), ("", false)] {
            let event = serde_json::json!({ "rawPath": "/", "rawQueryString": format!("cursor={cursor}"),
                "requestContext": { "http": { "method": "GET" } } });
            let request = Request::from_event(serde_json::from_value(event).unwrap());
            assert_eq!(request.only_query(&["cursor"]).is_ok(), is_one, "{}", cursor.len());
        }
    }

    #[test]
    fn a_trusted_fronts_header_is_believed_from_the_front_alone() {
        let front = TrustedFront {
            header: http::HeaderName::from_static("x-forwarded-for"),
            networks: vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::/48".parse().unwrap()],
        };
        let source = |source_ip: &str, header: &str, front: Option<&TrustedFront>| {
            let event: ApiGatewayV2httpRequest = serde_json::from_value(serde_json::json!({
                "rawPath": "/", "headers": { "x-forwarded-for": header },
                "requestContext": { "http": { "method": "GET", "sourceIp": source_ip } },
            }))
            .unwrap();
            Request::from_event(event).source(front)
        };
        for (source_ip, header, is) in [
            ("203.0.113.9", "198.51.100.7", "198.51.100.7"),
            // What the client itself has written stands before what the front has seen.
            ("203.0.113.9", "10.0.0.1, 198.51.100.7", "198.51.100.7"),
            ("203.0.113.9", "198.51.100.7, 203.0.113.8", "198.51.100.7"),
            ("203.0.113.9", "198.51.100.7:4711", "198.51.100.7"),
            ("203.0.113.9", "::ffff:198.51.100.7", "198.51.100.7"),
            ("2001:db8::1", "2001:db9:1:2:3:4:5:6", "2001:db9:1:2::"),
            ("2001:db8::1", "[2001:db9:1:2::6]:4711", "2001:db9:1:2::"),
            ("2001:db8::1", "2001:db9:1:2:3:4:5:6:4711", "2001:db9:1:2::"),
            ("2001:db8::1", "2001:db9:1:2::6:47110", "2001:db9:1:2::"),
            // Nothing that can be believed: all of them count as the front's.
            ("203.0.113.9", "unknown", "203.0.113.9"),
            ("203.0.113.9", "198.51.100.7, unknown", "203.0.113.9"),
            ("203.0.113.9", "", "203.0.113.9"),
            // Not from the front: anybody can write a header.
            ("198.51.100.8", "198.51.100.7", "198.51.100.8"),
        ] {
            assert_eq!(source(source_ip, header, Some(&front)), is, "{source_ip} {header}");
        }
        assert_eq!(source("203.0.113.9", "198.51.100.7", None), "203.0.113.9");
        assert_eq!(source("2001:db9:1:2:ffff::1", "", None), "2001:db9:1:2::");
        assert_eq!(source("nowhere", "", None), "nowhere");
    }

    #[test]
    fn a_web_page_sends_json_or_nothing() {
        let read = |headers: serde_json::Value| {
            let event = serde_json::json!({ "rawPath": "/", "headers": headers, "body": "{}",
                "requestContext": { "http": { "method": "POST" } } });
            Request::from_event(serde_json::from_value(event).unwrap()).body().is_ok()
        };
        assert!(read(serde_json::json!({})), "a program need not say");
        assert!(read(serde_json::json!({ "content-type": "text/plain" })));
        for json in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(
                read(serde_json::json!({ "origin": "https://h5.operator.example", "content-type": json })),
                "{json}"
            );
        }
        for other in ["text/plain", "text/plain; application/json", "multipart/form-data; boundary=x", ""] {
            assert!(!read(serde_json::json!({ "origin": "https://evil.example", "content-type": other })), "{other}");
        }
        assert!(!read(serde_json::json!({ "origin": "https://evil.example" })));
    }

    #[test]
    fn a_path_fits_its_template_part_by_part() {
        let template = "/v1/redemptions/{redemption_id}/reversals";
        assert_eq!(path_parameters(template, "/v1/redemptions/rdm_1/reversals"), Some(vec!["rdm_1"]));
        for path in ["/v1/redemptions//reversals", "/v1/redemptions/rdm_1", "/v1/redemptions/a/b/reversals", "", "/"] {
            assert_eq!(path_parameters(template, path), None, "{path}");
        }
    }

    #[test]
    fn a_body_is_bounded_on_both_sides_in_either_encoding() {
        let exact = "x".repeat(BODY_BYTES_MAX);
        assert_eq!(body(exact.clone(), false).map(|b| b.len()), Ok(BODY_BYTES_MAX));
        assert_eq!(body(STANDARD.encode(&exact), true).map(|b| b.len()), Ok(BODY_BYTES_MAX));
        let over = "x".repeat(BODY_BYTES_MAX + 1);
        assert_eq!(body(over.clone(), false), Err(Code::BodyTooLarge));
        assert_eq!(body(STANDARD.encode(&over), true), Err(Code::BodyTooLarge));
        assert_eq!(body("not base64!".into(), true), Err(Code::MalformedRequest));
    }
}
