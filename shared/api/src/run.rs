//! From an event to an answer, and from a process to a function.
//!
//! A function's `main.rs` calls these. They read the configuration, build the handles, and run until the
//! platform ends the process.

use crate::{
    config::{Config, SecretsSource},
    deps::{Deps, Stack},
    problem::ApiError,
    request::Request,
    response::Response,
    secrets::Secrets,
    telemetry,
};
use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use mealticket_domain::CampaignNo;
use mealticket_store::{Budget, Handles, Tables};
use serde::{Serialize, de::DeserializeOwned};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long one attempt at a table call may take.
///
/// DynamoDB answers in milliseconds or not at all, and a loaded laptop in less than two seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection to AWS may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a function that answers HTTP until its environment ends.
///
/// The same binary serves one request at a time or many at once, as the platform asks
/// (`AWS_LAMBDA_MAX_CONCURRENCY`).
///
/// Errors: the configuration or the secrets are not usable. The process then ends before its first request.
pub async fn serve<T, H, F>(warm_up: WarmUp, handle: H) -> Result<(), Error>
where
    T: Handles,
    H: Fn(Deps<T>, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, ApiError>> + Send,
{
    let all = start_with_all_tables().await?;
    warm_up.ask(&all.tables).await;
    if warm_up == WarmUp::CatalogAndStock {
        // The units that it has leased and not spent are wanted elsewhere at once, not when the lease has
        // been swept.
        let stock = all.tables.stock.clone();
        lambda_runtime::spawn_graceful_shutdown_handler(move || async move { stock.return_unspent().await }).await;
    }
    let deps = all.narrowed::<T>();
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<ApiGatewayV2httpRequest>| {
        let (deps, handle) = (deps.clone(), handle.clone());
        async move { Ok::<ApiGatewayV2httpResponse, Error>(answer(&deps, event.payload, handle).await.into_event()) }
    }))
    .await
}

/// The tables and the SDK's settings, for a function that nobody asks over HTTP. It reads no secret.
///
/// Errors: the configuration is not usable.
pub async fn start<T: Handles>() -> Result<(T, SdkConfig), Error> {
    let config = Config::from_env()?;
    telemetry::start(config.log_level);
    let sdk = sdk_config().await;
    Ok((T::of(&Tables::new(client(&sdk), config.tables, config.clock)), sdk))
}

/// The tables and the stack, for a function that needs its keys and answers no HTTP.
///
/// Errors: the configuration or the secrets are not usable.
pub async fn start_with_keys<T: Handles>() -> Result<Deps<T>, Error> {
    Ok(start_with_all_tables().await?.narrowed())
}

/// The stack with handles of all tables. They are narrowed before a handler gets them.
async fn start_with_all_tables() -> Result<Deps<Tables>, Error> {
    let config = Config::from_env()?;
    telemetry::start(config.log_level);
    let secrets = read_secrets(&config.secrets).await?;
    let tables = Tables::new(client(&sdk_config().await), config.tables.clone(), config.clock.clone());
    Ok(Deps { tables, stack: Arc::new(Stack::new(config, &secrets)?) })
}

/// Runs a function on events of one kind until its environment ends.
///
/// A handler's error is logged here, with its causes, and returned as the event's: the platform tries the
/// event again.
pub async fn serve_events<E, A, H, F>(handle: H) -> Result<(), Error>
where
    E: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
    H: Fn(E) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<A, Error>> + Send,
{
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<E>| {
        let handle = handle.clone();
        async move {
            let outcome = Box::pin(handle(event.payload)).await;
            if let Err(error) = &outcome {
                tracing::error!(request_id = event.context.request_id, causes = causes(error.as_ref()), "failed");
            }
            outcome
        }
    }))
    .await
}

/// An error and what caused it, on one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// One cheap request while the environment starts, when it has a whole processor.
///
/// So the TLS handshake is done before the first request comes. It asks for something that the function's
/// role allows and that nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarmUp {
    /// It asks for a phone's member.
    Identities,
    /// It asks for a campaign.
    Catalog,
    /// It asks for a campaign. When the environment ends, it returns the stock that it has leased and not
    /// spent.
    CatalogAndStock,
}

impl WarmUp {
    /// Asks. What is answered is of no interest: the first request will meet what is wrong.
    async fn ask(self, tables: &Tables) {
        match self {
            WarmUp::Identities => drop(tables.identities.find_member_of_phone(&[0; 32]).await),
            WarmUp::Catalog | WarmUp::CatalogAndStock => {
                if let Ok(no) = CampaignNo::try_from(0) {
                    drop(tables.catalog.read_campaign(no).await);
                }
            }
        }
    }
}

/// Answers one event: the handler's success, or its refusal in the client's language.
///
/// It gives the handler tables whose calls end within ten seconds, and logs the request once. It never fails:
/// a refusal is an answer.
pub async fn answer<T, H, F>(deps: &Deps<T>, event: ApiGatewayV2httpRequest, handle: H) -> Response
where
    T: Handles,
    H: Fn(Deps<T>, Request) -> F,
    F: Future<Output = Result<Response, ApiError>>,
{
    let began = Instant::now();
    let request = Request::from_event(event);
    let budget = Budget::of_one_request();
    let deps = Deps { tables: deps.tables.within(&budget), stack: Arc::clone(&deps.stack) };
    let (language, request_id) = (request.language(), request.request_id().to_owned());
    let outcome = Box::pin(handle(deps, request)).await;
    log(&outcome, &request_id, began, budget.capacity());
    outcome.unwrap_or_else(|error| Response::problem(&error, language, &request_id))
}

/// Logs one line of a request: its id, status, code, duration and table requests.
///
/// A refusal with causes is an error, with the whole chain. Everything else is information.
fn log(outcome: &Result<Response, ApiError>, request_id: &str, began: Instant, capacity: mealticket_store::Capacity) {
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (status, code) = match outcome {
        Ok(response) => (response.status(), "ok"),
        Err(error) => (error.code().status(), error.code().as_str()),
    };
    let causes = outcome.as_ref().err().and_then(ApiError::causes);
    let status = status.as_u16();
    match causes {
        Some(causes) => {
            tracing::error!(
                request_id,
                status,
                code,
                duration_ms,
                table.requests = capacity.requests,
                causes,
                "failed"
            );
        }
        None => tracing::info!(request_id, status, code, duration_ms, table.requests = capacity.requests, "answered"),
    }
}

/// A DynamoDB client for `mealticket_store`, with the settings of this SDK.
pub fn client(sdk: &SdkConfig) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(sdk)
}

/// The settings that every AWS client has in common.
///
/// None retries by itself, because `shared/store` must know what was tried.
async fn sdk_config() -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .load()
        .await
}

/// Reads the stack's keys. Errors name the file and the defect, and never a key.
async fn read_secrets(source: &SecretsSource) -> Result<Secrets, Error> {
    match source {
        SecretsSource::File(path) => {
            let document = tokio::task::block_in_place(|| std::fs::read_to_string(path));
            let document = document.map_err(|error| format!("SECRETS_FILE {}: {error}", path.display()))?;
            Ok(Secrets::from_json(&document)?)
        }
        SecretsSource::Manager(_) => {
            Err("Secrets Manager is read from the first deployment on; set SECRETS_FILE".into())
        }
    }
}
