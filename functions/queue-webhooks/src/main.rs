//! The Lambda function `queue-webhooks`: see the library beside this file.

use lambda_runtime::Error;
use mealticket_api::run;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let deps = run::start_with_keys::<queue_webhooks::Handles>().await?;
    run::serve_events(move |batch| {
        let deps = deps.clone();
        async move { queue_webhooks::handle(&deps, batch).await }
    })
    .await
}
