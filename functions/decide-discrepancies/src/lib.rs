//! 差异处理: the operator's finance staff look at reports that broke a rule, and decide whether the merchant
//! gets its money all the same.
//!
//! A decision stands. An accepted report posts one adjustment to the journal, once for each order.

#![warn(clippy::wildcard_enum_match_arm)]

mod discrepancies;
mod views;

use mealticket_api::{ApiError, Request, Response, Route, Who, auth::operator::Role};

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { members: Members, catalog: Catalog, ledger: Ledger, messages: Messages }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// What an operator can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A merchant's reports that broke a rule.
    ListDiscrepancies,
    /// The merchant gets its money all the same.
    AcceptDiscrepancy,
    /// The merchant does not get it.
    RejectDiscrepancy,
}

/// The roles that may see discrepancies.
const BOOK_READERS: Who = Who::of_province(&[Role::Finance, Role::Auditor]);
/// The role that may decide about them: a decision moves money.
const BOOK_KEEPERS: Who = Who::of_province(&[Role::Finance]);

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[
    Route::new("GET /v1/admin/discrepancies", Ask::ListDiscrepancies, BOOK_READERS),
    Route::new("POST /v1/admin/discrepancies/{discrepancy_id}/accept", Ask::AcceptDiscrepancy, BOOK_KEEPERS),
    Route::new("POST /v1/admin/discrepancies/{discrepancy_id}/reject", Ask::RejectDiscrepancy, BOOK_KEEPERS),
];

/// Answers one request of an operator's page.
///
/// Every route refuses in this order: `unauthenticated`, `forbidden`, then the body or the
/// parameters, then what it names.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let asked = request.route(ROUTES)?;
    let operator = deps.operator(&request, asked.route.who).await?;
    let id = asked.path_text("discrepancy_id");
    match asked.route.ask {
        Ask::ListDiscrepancies => discrepancies::list_discrepancies(&deps, &request).await,
        Ask::AcceptDiscrepancy => discrepancies::accept_discrepancy(&deps, &request, &operator, id).await,
        Ask::RejectDiscrepancy => discrepancies::reject_discrepancy(&deps, &request, &operator, id).await,
    }
}
