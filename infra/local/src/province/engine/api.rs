//! DynamoDB's HTTP API over the engine, for programs on this machine and for no web page.
//!
//! The engine's own server answers every origin (`Access-Control-Allow-Origin: *`) and has no switch for it. So we
//! serve the tables here. A request with an `Origin` comes from a web page and is refused. A foreign `Host` is refused
//! too: a page can point a name of its own at this address.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header},
};
use dynoxide::{Database, DynoxideError};
use serde::{Serialize, de::DeserializeOwned};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// DynamoDB's own limit on the size of a request.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The content type that the SDKs send and expect.
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

#[derive(Clone)]
struct Served {
    database: Database,
    address: SocketAddr,
}

/// Serves the engine until the task ends.
pub(super) async fn serve(listener: TcpListener, database: Database, address: SocketAddr) {
    let app = Router::new().fallback(front).with_state(Served { database, address });
    // It ends with the runtime; there is nobody left to notify.
    let _ = axum::serve(listener, app).await;
}

async fn front(State(served): State<Served>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if !is_from_a_program(&parts.headers, served.address) {
        return reply(
            StatusCode::FORBIDDEN,
            r#"{"message":"the tables answer programs on this machine alone"}"#.to_owned(),
        );
    }
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    match (parts.method, target) {
        (Method::GET, None) => reply(StatusCode::OK, r#"{"healthy":true}"#.to_owned()),
        (Method::POST, Some(target)) => match to_bytes(body, BODY_BYTES_MAX).await {
            Ok(body) => {
                let (status, json) = answer(&served.database, target, &body);
                reply(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), json)
            }
            Err(_) => reply(StatusCode::PAYLOAD_TOO_LARGE, r#"{"message":"Request Entity Too Large"}"#.to_owned()),
        },
        _ => reply(StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#.to_owned()),
    }
}

/// True when the request comes from a program.
///
/// When a page of another origin makes a request, every browser sends `Origin` with it. The one exception is a plain
/// GET, which changes nothing here and shows nothing.
fn is_from_a_program(headers: &HeaderMap, address: SocketAddr) -> bool {
    let own = [address.to_string(), format!("localhost:{}", address.port())];
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let is_own = host.is_some_and(|host| own.iter().any(|own| own.eq_ignore_ascii_case(host)));
    is_own && hosts.next().is_none() && !headers.contains_key(header::ORIGIN)
}

fn reply(status: StatusCode, json: String) -> Response<Body> {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

/// The engine's response to a request: the status and the JSON document.
pub fn answer(database: &Database, target: &str, body: &[u8]) -> (u16, String) {
    fn run<Q: DeserializeOwned, A: Serialize>(
        body: &[u8],
        operation: impl FnOnce(Q) -> dynoxide::Result<A>,
    ) -> dynoxide::Result<String> {
        let request = serde_json::from_slice(body);
        let request = request.map_err(|error| DynoxideError::ValidationException(error.to_string()))?;
        serde_json::to_string(&operation(request)?)
            .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
    }
    let answered = match target.rsplit('.').next().unwrap_or_default() {
        "GetItem" => run(body, |request| database.get_item(request)),
        "PutItem" => run(body, |request| database.put_item(request)),
        "UpdateItem" => run(body, |request| database.update_item(request)),
        "DeleteItem" => run(body, |request| database.delete_item(request)),
        "Query" => run(body, |request| database.query(request)),
        "Scan" => run(body, |request| database.scan(request)),
        "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
        "TransactGetItems" => run(body, |request| database.transact_get_items(request)),
        "TransactWriteItems" => run(body, |request| database.transact_write_items(request)),
        "ExecuteStatement" => run(body, |request| database.execute_statement(request)),
        "CreateTable" => run(body, |request| database.create_table(request)),
        "UpdateTable" => run(body, |request| database.update_table(request)),
        "DeleteTable" => run(body, |request| database.delete_table(request)),
        "DescribeTable" => run(body, |request| database.describe_table(request)),
        "ListTables" => run(body, |request| database.list_tables(request)),
        "UpdateTimeToLive" => run(body, |request| database.update_time_to_live(request)),
        "DescribeTimeToLive" => run(body, |request| database.describe_time_to_live(request)),
        "ListStreams" => run(body, |request| database.list_streams(request)),
        "DescribeStream" => run(body, |request| database.describe_stream(request)),
        "GetShardIterator" => run(body, |request| database.get_shard_iterator(request)),
        "GetRecords" => run(body, |request| database.get_records(request)),
        other => Err(DynoxideError::ValidationException(format!("not served: {other}"))),
    };
    answered.map_or_else(|error| (error.status_code(), error.to_json()), |json| (200, json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use reqwest::header::{HOST, ORIGIN};

    /// Sends what a page of any origin can send by itself.
    #[tokio::test]
    async fn the_tables_answer_programs_and_no_web_page() {
        let engine = Engine::start(0, None, &[]).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let ask = |operation: &str| {
            let request = http.post(engine.url()).header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
            request.header("content-type", CONTENT_TYPE).body("{}")
        };
        let list = || ask("ListTables");
        assert_eq!(list().send().await.unwrap().status(), 200);
        let port = engine.url().rsplit(':').next().unwrap().to_owned();
        let asks_before = http.request(Method::OPTIONS, engine.url()).header("access-control-request-method", "POST");
        for refused in [
            list().header(ORIGIN, "https://evil.example"),
            list().header(ORIGIN, "null"),
            list().header(ORIGIN, engine.url()),
            list().header(HOST, format!("rebound.example:{port}")),
            asks_before.header(ORIGIN, "https://evil.example"),
            http.get(engine.url()).header(ORIGIN, "https://evil.example"),
        ] {
            let answered = refused.send().await.unwrap();
            assert_eq!(answered.status(), 403);
            assert!(answered.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
        }
        assert_eq!(ask("Nonsense").send().await.unwrap().status(), 400);
    }

    #[test]
    fn a_request_of_a_web_page_is_told_from_a_programs() {
        let address: SocketAddr = "127.0.0.1:8781".parse().unwrap();
        for (host, origin, is_programs) in [
            (Some("127.0.0.1:8781"), None, true),
            (Some("LocalHost:8781"), None, true),
            (Some("127.0.0.1:8781"), Some("https://evil.example"), false),
            (Some("127.0.0.1:8781"), Some("http://127.0.0.1:8781"), false),
            (Some("127.0.0.1:8781"), Some("null"), false),
            (Some("evil.example:8781"), None, false),
            (Some("127.0.0.1"), None, false),
            (Some("127.0.0.1:80"), None, false),
            (None, None, false),
        ] {
            let mut headers = HeaderMap::new();
            host.map(|host| headers.insert(header::HOST, host.parse().unwrap()));
            origin.map(|origin| headers.insert(header::ORIGIN, origin.parse().unwrap()));
            assert_eq!(is_from_a_program(&headers, address), is_programs, "{host:?} {origin:?}");
        }
        let mut twice = HeaderMap::new();
        twice.append(header::HOST, "127.0.0.1:8781".parse().unwrap());
        twice.append(header::HOST, "evil.example".parse().unwrap());
        assert!(!is_from_a_program(&twice, address));
    }
}
