//! The Lambda function `post-ledger`: see the library beside this file.

use lambda_runtime::Error;
use mealticket_api::run;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (store, _) = run::start().await?;
    run::serve_events(move |batch| {
        let store = store.clone();
        async move { post_ledger::handle(&store, batch).await }
    })
    .await
}
