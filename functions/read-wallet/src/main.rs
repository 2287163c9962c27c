//! The Lambda function `read-wallet`: see the library beside this file.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    mealticket_api::run::serve(read_wallet::handle).await
}
