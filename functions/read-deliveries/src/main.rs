//! The Lambda function `read-deliveries`: see the library beside this file.

use mealticket_api::run::{WarmUp, serve};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    serve(WarmUp::Catalog, read_deliveries::handle).await
}
