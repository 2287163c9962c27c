//! The Lambda function `deliver-webhooks`: see the library beside this file.

use deliver_webhooks::courier::{ATTEMPT_TIMEOUT, HttpCourier, System};
use lambda_runtime::Error;
use mealticket_api::run;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let deps = run::start_with_keys::<deliver_webhooks::Handles>().await?;
    let courier = Arc::new(HttpCourier::new(System, ATTEMPT_TIMEOUT)?);
    run::serve_events(move |shift| {
        let (deps, courier) = (deps.clone(), Arc::clone(&courier));
        async move { Ok(deliver_webhooks::work(&deps, &courier, shift).await?) }
    })
    .await
}
