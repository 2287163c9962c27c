//! The Lambda function `issue-coupon`: see the library beside this file.

use mealticket_api::run::{WarmUp, serve};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    serve(WarmUp::CatalogAndStock, issue_coupon::handle).await
}
