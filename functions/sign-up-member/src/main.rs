//! The Lambda function `sign-up-member`: see the library beside this file.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    mealticket_api::run::serve(sign_up_member::handle).await
}
