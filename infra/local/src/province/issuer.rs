//! The operator's identity provider on one machine. It publishes its keys as OpenID Connect does.

use crate::{
    Result, StackError,
    key_file::{KeyFile, OperatorSecrets},
};
use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;

/// A running identity provider. It ends with the runtime that it was started in.
#[derive(Clone)]
pub struct Issuer {
    address: SocketAddr,
    keys: Arc<Mutex<Published>>,
}

/// The published keys, and whether the provider answers at all.
struct Published {
    keys: Vec<Value>,
    is_down: bool,
    asked: u64,
}

impl Issuer {
    /// Starts a provider on any free port, with the keys of this file.
    pub async fn start(keys: &KeyFile) -> Result<Self> {
        let failed = |error: std::io::Error| StackError::caused("the identity provider", error);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let published = Published { keys: vec![keys.operators()?.jwk()?], is_down: false, asked: 0 };
        let issuer = Issuer { address: listener.local_addr().map_err(failed)?, keys: Arc::new(Mutex::new(published)) };
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks.json", get(key_set))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(issuer)
    }

    /// The `iss` of the provider's tokens: its own URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL of the published keys.
    pub fn jwks_url(&self) -> String {
        jwks_url(&self.url())
    }

    fn with<T>(&self, body: impl FnOnce(&mut Published) -> T) -> T {
        body(&mut self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes another key beside the others, as a provider does before it uses a new key.
    pub fn publish(&self, key: &OperatorSecrets) -> Result<()> {
        let jwk = key.jwk()?;
        self.with(|published| published.keys.push(jwk));
        Ok(())
    }

    /// Publishes any JSON as a key, also a malformed one.
    pub fn publish_raw(&self, jwk: Value) {
        self.with(|published| published.keys.push(jwk));
    }

    /// Withdraws the key with this id.
    pub fn withdraw(&self, kid: &str) {
        self.with(|published| published.keys.retain(|key| key["kid"] != kid));
    }

    /// Makes requests for the keys fail with 503, or succeed again.
    pub fn set_down(&self, is_down: bool) {
        self.with(|published| published.is_down = is_down);
    }

    /// How often the keys were asked for, also in vain.
    pub fn asked(&self) -> u64 {
        self.with(|published| published.asked)
    }
}

/// The URL of the keys of the identity provider at `url`.
pub fn jwks_url(url: &str) -> String {
    format!("{url}/jwks.json")
}

async fn configuration(State(issuer): State<Issuer>) -> Json<Value> {
    Json(json!({
        "issuer": issuer.url(), "jwks_uri": issuer.jwks_url(), "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["EdDSA"],
    }))
}

async fn key_set(State(issuer): State<Issuer>) -> std::result::Result<Json<Value>, axum::http::StatusCode> {
    issuer.with(|published| {
        published.asked += 1;
        if published.is_down {
            return Err(axum::http::StatusCode::SERVICE_UNAVAILABLE);
        }
        Ok(Json(json!({ "keys": published.keys })))
    })
}
