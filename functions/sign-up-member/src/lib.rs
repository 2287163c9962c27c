//! Sign-up and sign-in: a phone proves itself by a one-time code, and gets a session that survives lost answers.
//!
//! Known and unknown phones get the same answers until the code is right.

#![warn(clippy::wildcard_enum_match_arm)]

mod challenge;
mod proof;
mod session;
mod sign_up;

use mealticket_api::{ApiError, Request, Response, Route, Who};

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { members: Members, identities: Identities, stock: Stock }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// What anyone can ask. Only signing out needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Send a one-time code to a phone.
    Challenge,
    /// Become a member.
    SignUp,
    /// Sign in, or continue a session.
    BeginSession,
    /// Sign out.
    EndSession,
}

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[
    Route::new("POST /v1/otp-challenges", Ask::Challenge, Who::Anybody),
    Route::new("POST /v1/members", Ask::SignUp, Who::Anybody),
    Route::new("POST /v1/sessions", Ask::BeginSession, Who::Anybody),
    Route::new("DELETE /v1/sessions", Ask::EndSession, Who::Member),
];

/// Answers one request of an app.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    match request.route(ROUTES)?.route.ask {
        Ask::Challenge => challenge::send_challenge(&deps, &request).await,
        Ask::SignUp => sign_up::sign_up_member(&deps, &request).await,
        Ask::BeginSession => session::begin_session(&deps, &request).await,
        Ask::EndSession => session::end_session(&deps, &request).await,
    }
}
