//! The Lambda function `issue-coupon`: see the library beside this file.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    mealticket_api::run::serve(issue_coupon::handle).await
}
