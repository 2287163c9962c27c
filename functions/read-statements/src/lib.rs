//! 看结算单: merchants read their statements and daily bills, and answer their statements.
//!
//! Nothing here moves money. `fold-books` has folded what is shown. A merchant's answer is one guarded write.

#![warn(clippy::wildcard_enum_match_arm)]

mod bills;
mod spreadsheet;
mod statements;
mod views;

use mealticket_api::{ApiError, Request, Response, Route, Who};

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { catalog: Catalog, ledger: Ledger }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// What a merchant can ask of its books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Its statements, the newest first.
    ListStatements,
    /// One of them, with its lines.
    ReadStatement,
    /// The same as a spreadsheet.
    ExportStatement,
    /// The statement is right.
    ConfirmStatement,
    /// It is not.
    DisputeStatement,
    /// The orders that are booked on a day.
    ReadBill,
    /// The same as a spreadsheet.
    ExportBill,
}

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[
    Route::new("GET /v1/statements", Ask::ListStatements, Who::Merchant),
    Route::new("GET /v1/statements/{statement_id}", Ask::ReadStatement, Who::Merchant),
    Route::new("GET /v1/statements/{statement_id}/csv", Ask::ExportStatement, Who::Merchant),
    Route::new("POST /v1/statements/{statement_id}/confirm", Ask::ConfirmStatement, Who::Merchant),
    Route::new("POST /v1/statements/{statement_id}/dispute", Ask::DisputeStatement, Who::Merchant),
    Route::new("GET /v1/daily-bills/{date}", Ask::ReadBill, Who::Merchant),
    Route::new("GET /v1/daily-bills/{date}/csv", Ask::ExportBill, Who::Merchant),
];

/// Answers one request of a merchant's server. Every route refuses with `unauthenticated` before anything else.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let asked = request.route(ROUTES)?;
    let merchant = deps.merchant(&request).await?;
    let reader = statements::Reader { deps: &deps, merchant: &merchant };
    let (statement, date) = (asked.path_text("statement_id"), asked.path_text("date"));
    match asked.route.ask {
        Ask::ListStatements => reader.list(&request).await,
        Ask::ReadStatement => reader.read(&request, statement).await,
        Ask::ExportStatement => reader.export(&request, statement).await,
        Ask::ConfirmStatement => reader.confirm(&request, statement).await,
        Ask::DisputeStatement => reader.dispute(&request, statement).await,
        Ask::ReadBill => bills::read_bill(&reader, &request, date).await,
        Ask::ExportBill => bills::export_bill(&reader, &request, date).await,
    }
}
