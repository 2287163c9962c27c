//! The Lambda function `sign-up-member`: see the library beside this file.

use mealticket_api::run::{WarmUp, serve};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    serve(WarmUp::Identities, sign_up_member::handle).await
}
