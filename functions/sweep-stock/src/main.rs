//! The Lambda function `sweep-stock`: see the library beside this file.

use lambda_runtime::Error;
use mealticket_api::run;
use mealticket_store::{Handles as _, Tables};
use serde_json::Value;
use sweep_stock::Handles;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (all, sdk) = run::start::<Tables>().await?;
    let (tables, stream) = (Handles::of(&all), all.members.stream(sweep_stock::streams(&sdk)));
    run::serve_events(move |_: Value| {
        let (tables, stream) = (tables.clone(), stream.clone());
        async move { Ok(sweep_stock::sweep(&tables, &stream).await?) }
    })
    .await
}
