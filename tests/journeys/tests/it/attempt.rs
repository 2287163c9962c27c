//! A request to a handler, and the handler's response.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use mealticket_api::{Deps, Response, Who, run};
use mealticket_local::{template::Template, workspace};
use mealticket_store::Tables;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::OnceLock};

/// A request that is being built.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// A handler's response.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Attempt {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Attempt {
            method,
            path: path.into(),
            query: BTreeMap::new(),
            headers: BTreeMap::from([("x-forwarded-for".to_owned(), "203.0.113.7".to_owned())]),
            body: String::new(),
        }
    }

    pub(crate) fn post(path: impl Into<String>, body: &Value) -> Self {
        Attempt { body: body.to_string(), ..Attempt::new("POST", path) }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Attempt::new("GET", path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self { method: "DELETE", ..Self::get(path) }
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Changes the JSON body.
    pub(crate) fn change(mut self, change: impl FnOnce(&mut Map<String, Value>)) -> Self {
        let mut body: Value = serde_json::from_str(&self.body).unwrap();
        change(body.as_object_mut().unwrap());
        self.body = body.to_string();
        self
    }

    pub(crate) fn event(&self) -> Value {
        let encoded = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let query: Vec<String> = self.query.iter().map(|(n, v)| format!("{}={}", encoded(n), encoded(v))).collect();
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": self.path, "rawQueryString": query.join("&"),
            "headers": self.headers, "queryStringParameters": self.query,
            "requestContext": {
                "http": { "method": self.method, "path": self.path, "sourceIp": "203.0.113.7" },
                "requestId": "test", "timeEpoch": 0,
            },
            "body": self.body, "isBase64Encoded": false,
        })
    }

    /// Sends the request to the handler to which the template routes it.
    pub(crate) async fn send(&self, deps: &Deps<Tables>) -> Reply {
        invoke(deps, &function_of(self.method, &self.path), &self.event()).await
    }
}

/// Invokes the handler of a function with an event.
pub(crate) async fn invoke(deps: &Deps<Tables>, function: &str, event: &Value) -> Reply {
    let event: ApiGatewayV2httpRequest = serde_json::from_value(event.clone()).unwrap();
    let response = match function {
        "sign-up-member" => run::answer(&deps.narrowed(), event, sign_up_member::handle).await,
        "issue-coupon" => run::answer(&deps.narrowed(), event, issue_coupon::handle).await,
        "read-wallet" => run::answer(&deps.narrowed(), event, read_wallet::handle).await,
        "redeem-code" => run::answer(&deps.narrowed(), event, redeem_code::handle).await,
        "read-statements" => run::answer(&deps.narrowed(), event, read_statements::handle).await,
        "read-deliveries" => run::answer(&deps.narrowed(), event, read_deliveries::handle).await,
        "decide-discrepancies" => run::answer(&deps.narrowed(), event, decide_discrepancies::handle).await,
        "read-books" => run::answer(&deps.narrowed(), event, read_books::handle).await,
        "manage-webhooks" => run::answer(&deps.narrowed(), event, manage_webhooks::handle).await,
        "accept-merchant-callback" => run::answer(&deps.narrowed(), event, accept_merchant_callback::handle).await,
        other => panic!("no function {other}"),
    };
    reply(response)
}

fn reply(response: Response) -> Reply {
    let event = serde_json::to_value(response.into_event()).unwrap();
    let text = event["body"].as_str().unwrap_or_default().to_owned();
    let headers = event["headers"].as_object().cloned().unwrap_or_default();
    Reply {
        status: u16::try_from(event["statusCode"].as_u64().unwrap()).unwrap(),
        headers: headers.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned())).collect(),
        json: serde_json::from_str(&text).unwrap_or_default(),
        text,
    }
}

impl Reply {
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn is_replayed(&self) -> bool {
        self.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        for member in ["type", "title", "status", "detail", "code", "retry", "request_id"] {
            assert!(!self.json[member].is_null(), "{member} is missing: {}", self.text);
        }
        self
    }
}

/// The routes of the template: key and function.
pub(crate) fn routes() -> &'static Vec<(String, String)> {
    static ROUTES: OnceLock<Vec<(String, String)>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let routes = Template::read(&workspace::template()).unwrap().routes().unwrap();
        routes.into_iter().map(|route| (route.key, route.function)).collect()
    })
}

fn function_of(method: &str, path: &str) -> String {
    let fits = |key: &str| {
        let (wanted, template) = key.split_once(' ').unwrap();
        let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        let same = |(part, value): (&&str, &&str)| part.starts_with('{') || part == value;
        wanted == method && template.len() == path.len() && template.iter().zip(&path).all(same)
    };
    let fitting = routes().iter().filter(|(key, _)| fits(key));
    fitting.min_by_key(|(key, _)| key.matches('{').count()).unwrap().1.clone()
}

/// Every route of every function: its key, the function, and who may ask.
pub(crate) fn callers() -> Vec<(&'static str, &'static str, Who)> {
    let mut callers = Vec::new();
    macro_rules! of {
        ($($name:literal: $function:ident),+ $(,)?) => {
            $(callers.extend($function::ROUTES.iter().map(|route| (route.key, $name, route.who)));)+
        };
    }
    of! {
        "sign-up-member": sign_up_member,
        "issue-coupon": issue_coupon,
        "read-wallet": read_wallet,
        "redeem-code": redeem_code,
        "accept-merchant-callback": accept_merchant_callback,
        "read-statements": read_statements,
        "read-deliveries": read_deliveries,
        "read-books": read_books,
        "manage-webhooks": manage_webhooks,
        "decide-discrepancies": decide_discrepancies,
    }
    callers
}
