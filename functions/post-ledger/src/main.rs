//! The Lambda function `post-ledger`: see the library beside this file.

use lambda_runtime::Error;
use mealticket_api::run;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (tables, _) = run::start::<post_ledger::Handles>().await?;
    run::serve_events(move |batch| {
        let tables = tables.clone();
        async move { post_ledger::handle(&tables, batch).await }
    })
    .await
}
