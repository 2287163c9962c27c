//! Stands before the functions as API Gateway's HTTP API does. It has the template's routes, payload format 2.0 with
//! the true `routeKey`, and responses 404 and 413 of its own. It masks function errors, and limits the requests in
//! flight.

use crate::{
    runtime::Runtime,
    template::{CorsSpec, FunctionSpec, RouteSpec},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use mealticket_store::Clock;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::Semaphore};

/// Requests in flight for one function. cargo-lambda's emulator stops answering for ever at about one hundred.
const IN_FLIGHT_MAX: usize = 64;
/// API Gateway's own limit on the size of a payload: 10 MB.
const PAYLOAD_BYTES_MAX: usize = 10 * 1024 * 1024;
/// After this time API Gateway answers 503 by itself. A function whose own timeout is shorter ends earlier, with a 500.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The routes, the functions' limits, and the runtime that invokes them.
pub struct Gateway {
    routes: Vec<RouteSpec>,
    functions: HashMap<String, (Arc<Semaphore>, Duration)>,
    runtime: Runtime,
    clock: Clock,
    requests: AtomicU64,
    cors: CorsSpec,
}

impl Gateway {
    /// A gateway before these functions. It takes the routes and the CORS rules of the template.
    pub fn new(
        (routes, cors): (Vec<RouteSpec>, CorsSpec),
        functions: &[FunctionSpec],
        runtime: Runtime,
        clock: Clock,
    ) -> Self {
        let functions = functions.iter().map(|function| {
            let timeout = TIMEOUT.min(Duration::from_secs(function.timeout_seconds));
            (function.name.clone(), (Arc::new(Semaphore::new(IN_FLIGHT_MAX)), timeout))
        });
        Gateway { functions: functions.collect(), routes, runtime, clock, requests: AtomicU64::new(0), cors }
    }

    /// Serves until the process ends.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let Ok(address) = listener.local_addr() else { return };
        let app = Router::new()
            .fallback(answer)
            .with_state((self, address))
            .into_make_service_with_connect_info::<SocketAddr>();
        // The server ends with the runtime; there is nobody left to notify.
        let _ = axum::serve(listener, app).await;
    }

    fn route(&self, method: &str, path: &str) -> Option<(&RouteSpec, Map<String, Value>)> {
        let fits = |route: &'_ RouteSpec| {
            let (wanted, template) = route.key.split_once(' ')?;
            if wanted == method { path_parameters(template, path) } else { None }
        };
        // API Gateway prefers a literal part of a path to a parameter: `/v1/members/me` before `/v1/members/{id}`.
        let fitting = self.routes.iter().filter_map(|route| Some((route, fits(route)?)));
        fitting.min_by_key(|(_, parameters)| parameters.len())
    }

    fn event(&self, route: &RouteSpec, parameters: Map<String, Value>, request: &Incoming) -> Value {
        let number = self.requests.fetch_add(1, Relaxed);
        let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
        let user_agent = request.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let now = self.clock.now();
        let text = std::str::from_utf8(&request.body).ok();
        json!({
            "version": "2.0",
            "routeKey": route.key,
            "rawPath": path,
            "rawQueryString": query,
            "headers": joined_headers(&request.headers),
            "queryStringParameters": joined_query(query),
            "pathParameters": parameters,
            "requestContext": {
                "accountId": "000000000000", "apiId": "local", "domainName": "127.0.0.1", "domainPrefix": "local",
                "http": {
                    "method": request.method, "path": path, "protocol": "HTTP/1.1",
                    "sourceIp": request.source.ip().to_string(), "userAgent": user_agent.unwrap_or_default(),
                },
                "requestId": format!("local-{:x}-{number:x}", now.unix_seconds()),
                "routeKey": route.key, "stage": "$default", "time": now.to_string(),
                "timeEpoch": now.unix_seconds() * 1000,
            },
            "body": text.map_or_else(|| STANDARD.encode(&request.body), str::to_owned),
            "isBase64Encoded": text.is_none(),
        })
    }
}

struct Incoming {
    method: String,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
    source: SocketAddr,
}

/// Answers programs, and pages of the origins that may call the API. Other pages are refused.
async fn answer(
    State((gateway, address)): State<(Arc<Gateway>, SocketAddr)>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response<Body> {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return front(gateway, source, request).await;
    };
    let own = [format!("http://{address}"), format!("http://localhost:{}", address.port())];
    let cors = &gateway.cors;
    let is_allowed = own.iter().chain(&cors.origins).any(|allowed| origin == allowed.as_str());
    if !is_allowed {
        // API Gateway leaves this refusal to the browser. Here there is no ICP filing before the API, so no other
        // page's request is let in.
        return own_answer(StatusCode::FORBIDDEN, "Forbidden");
    }
    let asks_before =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match asks_before {
        true => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            cors.say(response.headers_mut(), header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods);
            cors.say(response.headers_mut(), header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers);
            response.headers_mut().insert(header::ACCESS_CONTROL_MAX_AGE, cors.max_age.into());
            response
        }
        false => {
            let gateway = Arc::clone(&gateway);
            let mut response = front(gateway, source, request).await;
            cors.say(response.headers_mut(), header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed);
            response
        }
    };
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    response
}

impl CorsSpec {
    fn say(&self, headers: &mut HeaderMap, name: HeaderName, values: &[String]) {
        if let Ok(value) = HeaderValue::from_str(&values.join(",")) {
            headers.insert(name, value);
        }
    }
}

async fn front(gateway: Arc<Gateway>, source: SocketAddr, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, PAYLOAD_BYTES_MAX).await else {
        return own_answer(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let method = parts.method.to_string();
    let incoming = Incoming { method, uri: parts.uri, headers: parts.headers, body: body.to_vec(), source };
    let Some((route, parameters)) = gateway.route(&incoming.method, incoming.uri.path()) else {
        return own_answer(StatusCode::NOT_FOUND, "Not Found");
    };
    let event = gateway.event(route, parameters, &incoming);
    let Some((places, timeout)) = gateway.functions.get(&route.function) else {
        return own_answer(StatusCode::NOT_FOUND, "Not Found");
    };
    let (places, timeout, function) = (Arc::clone(places), *timeout, route.function.clone());
    let asked = Arc::clone(&gateway);
    // The invocation is a task of its own. When a client goes away, its request still runs in the emulator, so its
    // permit stays taken.
    let invocation = tokio::spawn(async move {
        let _place = places.acquire_owned().await.ok()?;
        tokio::time::timeout(timeout, asked.runtime.invoke(&function, &event)).await.ok()?
    });
    match tokio::time::timeout(TIMEOUT, invocation).await.map(|joined| joined.unwrap_or_default()) {
        // A function's error, or its silence, stays in its log.
        Ok(reply) => reply
            .and_then(|reply| from_reply(&reply))
            .unwrap_or_else(|| own_answer(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")),
        Err(_) => own_answer(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
    }
}

/// A response of API Gateway's own.
fn own_answer(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({ "message": message }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Reads a function's reply in payload format 2.0. `None` for anything else, such as a function error.
fn from_reply(reply: &Value) -> Option<Response<Body>> {
    let status = u16::try_from(reply.get("statusCode")?.as_u64()?).ok()?;
    let text = reply.get("body").and_then(Value::as_str).unwrap_or_default();
    let is_base64 = reply.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or(false);
    let body = if is_base64 { STANDARD.decode(text).ok()? } else { text.as_bytes().to_vec() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in reply.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        response.headers_mut().insert(name, HeaderValue::from_str(value.as_str()?).ok()?);
    }
    Some(response)
}

fn path_parameters(template: &str, path: &str) -> Option<Map<String, Value>> {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut parameters = Map::new();
    for (part, value) in wanted.into_iter().zip(given) {
        match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !value.is_empty() => {
                parameters.insert(name.to_owned(), json!(value));
            }
            None if part == value => {}
            _ => return None,
        }
    }
    Some(parameters)
}

/// Writes names in small letters, and joins several values of one name by commas, as payload format 2.0 does.
fn joined_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        joined.entry(name.as_str().to_owned()).and_modify(|known| *known = format!("{known},{text}")).or_insert(text);
    }
    joined
}

fn joined_query(query: &str) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let text = value.into_owned();
        joined
            .entry(name.into_owned())
            .and_modify(|known| *known = format!("{known},{text}"))
            .or_insert_with(|| text.clone());
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{template::Template, workspace};
    use reqwest::header::ORIGIN;

    /// A gateway with the template's routes and no function behind them: every response is the gateway's own.
    async fn gateway(app_origins: &str) -> String {
        let mut template = Template::read(&workspace::template()).unwrap();
        if !app_origins.is_empty() {
            template.set("AppOrigins", app_origins.to_owned());
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let runtime = Runtime::new("http://127.0.0.1:9".to_owned()).unwrap();
        let routes = (template.routes().unwrap(), template.cors());
        tokio::spawn(Arc::new(Gateway::new(routes, &[], runtime, Clock::system())).serve(listener));
        url
    }

    #[tokio::test]
    async fn pages_of_the_stacks_own_origins_are_answered_and_others_are_refused() {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        for (app_origins, h5_status) in [("", 403), ("https://h5.operator.example,http://127.0.0.1:5173", 404)] {
            let url = gateway(app_origins).await;
            let get = || http.get(format!("{url}/nothing"));
            assert_eq!(get().send().await.unwrap().status(), 404, "a program");
            assert_eq!(get().header(ORIGIN, &url).send().await.unwrap().status(), 404, "a page of its own");
            for evil in
                ["https://evil.example", "null", "https://h5.operator.example.evil.example", "http://127.0.0.1:1"]
            {
                let refused = get().header(ORIGIN, evil).send().await.unwrap();
                assert_eq!(refused.status(), 403, "{evil}");
                assert!(!refused.headers().contains_key("access-control-allow-origin"), "{evil}");
            }
            let h5 = get().header(ORIGIN, "https://h5.operator.example").send().await.unwrap();
            assert_eq!(h5.status(), h5_status);
            let named = h5.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
            assert_eq!(named, (h5_status == 404).then_some("https://h5.operator.example"));
        }
    }

    #[tokio::test]
    async fn a_page_that_asks_before_it_calls_hears_what_the_template_says() {
        let url = gateway("https://h5.operator.example").await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let asks = |origin: &str| {
            let request = http.request(Method::OPTIONS, format!("{url}/v1/wallet")).header(ORIGIN, origin);
            request.header("access-control-request-method", "GET").send()
        };
        let reply = asks("https://h5.operator.example").await.unwrap();
        assert_eq!(reply.status(), 204);
        let says = |name: &str| reply.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(says("access-control-allow-origin"), "https://h5.operator.example");
        assert!(says("access-control-allow-headers").contains("authorization"));
        assert!(says("access-control-allow-headers").contains("idempotency-key"));
        assert!(says("access-control-allow-methods").contains("DELETE"));
        assert_eq!(says("access-control-max-age"), "600");
        assert!(!reply.headers().contains_key("access-control-allow-credentials"), "no cookie is taken");
        assert_eq!(asks("https://evil.example").await.unwrap().status(), 403);
    }
}
