//! 看账: merchants read their statements and bills and answer them; finance reads the journal and the metrics.
//!
//! Nothing here moves money. What is shown was folded by `fold-books`; the two things that can be said, a merchant's answer
//! and that a record be posted after all, are each one guarded write.

mod bills;
mod journal;
mod metrics;
mod spreadsheet;
mod statements;
mod views;

use mealticket_api::{ApiError, Deps, Request, Response, Route, auth::operator::Role};

/// What can be asked of the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A merchant's statements.
    ListStatements,
    /// One of them.
    ReadStatement,
    /// The same as a spreadsheet.
    ExportStatement,
    /// It is right.
    ConfirmStatement,
    /// It is not.
    DisputeStatement,
    /// A day's orders.
    ReadBill,
    /// The same as a spreadsheet.
    ExportBill,
    /// What campaigns came to.
    ReadMetrics,
    /// The entries of a merchant and day.
    ReadJournal,
    /// Records that were put aside.
    ListSetAsides,
    /// One of them is to be posted after all.
    PostSetAside,
    /// Any merchant's statements, or a month's, for the operator.
    ListAllStatements,
}

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[
    ("GET /v1/statements", Ask::ListStatements),
    ("GET /v1/statements/{statement_id}", Ask::ReadStatement),
    ("GET /v1/statements/{statement_id}/csv", Ask::ExportStatement),
    ("POST /v1/statements/{statement_id}/confirm", Ask::ConfirmStatement),
    ("POST /v1/statements/{statement_id}/dispute", Ask::DisputeStatement),
    ("GET /v1/daily-bills/{date}", Ask::ReadBill),
    ("GET /v1/daily-bills/{date}/csv", Ask::ExportBill),
    ("GET /v1/admin/metrics", Ask::ReadMetrics),
    ("GET /v1/admin/journal", Ask::ReadJournal),
    ("GET /v1/admin/journal/set-asides", Ask::ListSetAsides),
    ("POST /v1/admin/journal/set-asides/{event_id}/post", Ask::PostSetAside),
    ("GET /v1/admin/statements", Ask::ListAllStatements),
];

/// Who may read what campaigns came to.
const METRICS_READERS: &[Role] = &[Role::ProvinceAdmin, Role::Finance, Role::Auditor];
/// Who may read the books.
const BOOK_READERS: &[Role] = &[Role::Finance, Role::Auditor];
/// Who may have something posted.
const BOOK_KEEPERS: &[Role] = &[Role::Finance];

/// Answers one request of a merchant's server or of an operator's page.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let (ask, _, parameters) = request.route(ROUTES)?;
    let id = parameters.first().copied().unwrap_or_default();
    match ask {
        Ask::ReadMetrics => {
            deps.operator(&request, METRICS_READERS).await?;
            metrics::read_metrics(&deps, &request).await
        }
        Ask::ReadJournal | Ask::ListSetAsides | Ask::ListAllStatements => {
            deps.operator(&request, BOOK_READERS).await?;
            match ask {
                Ask::ReadJournal => journal::read_journal(&deps, &request).await,
                Ask::ListSetAsides => journal::list_set_asides(&deps, &request).await,
                _ => statements::list_all(&deps, &request).await,
            }
        }
        Ask::PostSetAside => {
            let operator = deps.operator(&request, BOOK_KEEPERS).await?;
            journal::post_set_aside(&deps, &request, &operator, id).await
        }
        _ => {
            let merchant = deps.merchant(&request).await?;
            let reader = statements::Reader { deps: &deps, merchant: &merchant };
            match ask {
                Ask::ListStatements => reader.list(&request).await,
                Ask::ReadStatement => reader.read(&request, id).await,
                Ask::ExportStatement => reader.export(&request, id).await,
                Ask::ConfirmStatement => reader.confirm(&request, id).await,
                Ask::DisputeStatement => reader.dispute(&request, id).await,
                Ask::ReadBill => bills::read_bill(&reader, &request, id).await,
                _ => bills::export_bill(&reader, &request, id).await,
            }
        }
    }
}
