//! The Lambda function `fold-books`: see the library beside this file.

use lambda_runtime::Error;
use mealticket_api::run;
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (store, _) = run::start().await?;
    run::serve_events(move |_: Value| {
        let store = store.clone();
        async move { Ok(fold_books::work(&store).await?) }
    })
    .await
}
