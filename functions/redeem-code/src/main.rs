//! The Lambda function `redeem-code`: see the library beside this file.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    mealticket_api::run::serve(redeem_code::handle).await
}
