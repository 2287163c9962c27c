//! The Lambda function `read-statements`: see the library beside this file.

use mealticket_api::run::{WarmUp, serve};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    serve(WarmUp::Catalog, read_statements::handle).await
}
