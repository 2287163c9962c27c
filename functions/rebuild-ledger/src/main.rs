//! The Lambda function `rebuild-ledger`: see the library beside this file.

use lambda_runtime::Error;
use mealticket_api::run;
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (tables, _) = run::start::<rebuild_ledger::Handles>().await?;
    run::serve_events(move |_: Value| {
        let tables = tables.clone();
        async move { Ok(rebuild_ledger::rebuild(&tables).await?) }
    })
    .await
}
