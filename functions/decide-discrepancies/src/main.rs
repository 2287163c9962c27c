//! The Lambda function `decide-discrepancies`: see the library beside this file.

use mealticket_api::run::{WarmUp, serve};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    serve(WarmUp::Catalog, decide_discrepancies::handle).await
}
