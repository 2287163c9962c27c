//! 看账: the operator's finance staff read the journal, every merchant's statements, and what campaigns came to.
//!
//! Nothing here moves money. `fold-books` has folded what is shown. One request writes: a record that was set aside is
//! posted after all, by one guarded write.

#![warn(clippy::wildcard_enum_match_arm)]

mod journal;
mod metrics;
mod statements;
mod views;

use mealticket_api::{ApiError, Code, Request, Response, Route, Who, auth::operator::Role};

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { catalog: Catalog, ledger: Ledger, messages: Messages }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// What an operator can ask of the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// What a campaign came to.
    ReadMetrics,
    /// The entries of a merchant and day.
    ReadJournal,
    /// Records that were set aside.
    ListSetAsides,
    /// One of them is to be posted after all.
    PostSetAside,
    /// A merchant's statements, or all of a month.
    ListStatements,
}

/// The roles that may read what campaigns came to.
const METRICS_READERS: Who = Who::of_province(&[Role::ProvinceAdmin, Role::Finance, Role::Auditor]);
/// The roles that may read the books.
const BOOK_READERS: Who = Who::of_province(&[Role::Finance, Role::Auditor]);
/// The role that may have a record posted.
const BOOK_KEEPERS: Who = Who::of_province(&[Role::Finance]);

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[
    Route::new("GET /v1/admin/metrics", Ask::ReadMetrics, METRICS_READERS),
    Route::new("GET /v1/admin/journal", Ask::ReadJournal, BOOK_READERS),
    Route::new("GET /v1/admin/journal/set-asides", Ask::ListSetAsides, BOOK_READERS),
    Route::new("POST /v1/admin/journal/set-asides/{event_id}/post", Ask::PostSetAside, BOOK_KEEPERS),
    Route::new("GET /v1/admin/statements", Ask::ListStatements, BOOK_READERS),
];

/// Answers one request of an operator's page.
///
/// Every route refuses in this order: `unauthenticated`, `forbidden`, then the body or the
/// parameters, then what it names.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let asked = request.route(ROUTES)?;
    let operator = deps.operator(&request, asked.route.who).await?;
    match asked.route.ask {
        Ask::ReadMetrics => metrics::read_metrics(&deps, &request).await,
        Ask::ReadJournal => journal::read_journal(&deps, &request).await,
        Ask::ListSetAsides => journal::list_set_asides(&deps, &request).await,
        Ask::PostSetAside => {
            let event_id: String = asked.path("event_id", Code::RecordNotFound)?;
            journal::post_set_aside(&deps, &request, &operator, &event_id).await
        }
        Ask::ListStatements => statements::list_statements(&deps, &request).await,
    }
}
