//! The Lambda function `accept-merchant-callback`: see the library beside this file.

use mealticket_api::run::{WarmUp, serve};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    serve(WarmUp::Catalog, accept_merchant_callback::handle).await
}
