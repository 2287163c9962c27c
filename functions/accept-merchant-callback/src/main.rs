//! The Lambda function `accept-merchant-callback`: see the library beside this file.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    mealticket_api::run::serve(accept_merchant_callback::handle).await
}
