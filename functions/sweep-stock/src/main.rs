//! The Lambda function `sweep-stock`: see the library beside this file.

use lambda_runtime::Error;
use mealticket_api::run;
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (store, sdk) = run::start().await?;
    let streams = sweep_stock::streams(&sdk);
    run::serve_events(move |_: Value| {
        let (store, streams) = (store.clone(), streams.clone());
        async move { Ok(sweep_stock::sweep(&store, &streams).await?) }
    })
    .await
}
