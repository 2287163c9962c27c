//! `POST` and `DELETE /v1/sessions`: signing in, continuing a session, and signing out.

use crate::{
    Deps,
    proof::{self, ProofRequest},
    sign_up::has_phone,
};
use mealticket_api::{
    ApiError, Code, Request, Response,
    auth::{
        member::{ACCESS_SECONDS, MemberPrincipal},
        refresh::RefreshToken,
    },
    json,
};
use mealticket_domain::{MemberAttributes, MemberNo, session::Family};
use mealticket_store::{identities::Presented, members::Profile};
use serde::{Deserialize, Serialize};

/// Exactly one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BeginSessionRequest {
    refresh_token: Option<String>,
    proof: Option<ProofRequest>,
}

/// A session as its holder sees it. The access token counts for `expires_in` seconds; the refresh
/// token continues the session.
#[derive(Serialize)]
pub(crate) struct SessionView {
    access_token: String,
    refresh_token: String,
    expires_in: i64,
}

/// Continues a session, or signs a member in by a proof.
///
/// Refusals, in order: `body_too_large`, `malformed_request`, `session_revoked`, `otp_expired`, `otp_wrong`,
/// `member_not_found`. When it answers 201, the family is durable. A client that lost the answer may repeat: a proof
/// until its session is used, a refresh token until 60 seconds after its successor was first used.
pub(crate) async fn begin_session(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    let raw: BeginSessionRequest = json::read(request.body()?)?;
    let session = match (raw.refresh_token, raw.proof) {
        (Some(token), None) => refresh(deps, &token).await?,
        (None, Some(proof)) => sign_in(deps, &proof).await?,
        (Some(_), Some(_)) => return Err(ApiError::malformed("refresh_token")),
        (None, None) => return Err(ApiError::malformed("proof")),
    };
    Response::created(&session)
}

/// Signs out: it ends the family of the token that asks, and with `?all=true` every family of the member.
///
/// Refusals, in order: `unauthenticated`, `malformed_request`. When it answers 204, that is durable. Access tokens that
/// were given out end by themselves, within 15 minutes. Signing out twice is no error.
pub(crate) async fn end_session(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    let principal = deps.member(request)?;
    request.only_query(&["all"])?;
    let is_all = match request.query("all") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(ApiError::malformed("all")),
    };
    if is_all {
        deps.members.end_sessions(principal.member, deps.now()).await?;
    }
    deps.identities.revoke_session(&principal.family_id).await?;
    Ok(Response::no_content())
}

/// Continues a session. `session_revoked` for every token that does not: a stranger learns nothing more.
async fn refresh(deps: &Deps, text: &str) -> Result<SessionView, ApiError> {
    let revoked = || ApiError::from(Code::SessionRevoked);
    let token = RefreshToken::read(text, &deps.stack.vault).ok_or_else(revoked)?;
    match deps.identities.present_refresh(&token.family_id, token.generation, deps.now()).await? {
        Presented::Revoked => Err(revoked()),
        Presented::Accepted(family) => {
            let profile = deps.members.read_profile(family.member).await?.ok_or_else(revoked)?;
            if family.is_ended_by(profile.sessions_valid_from) {
                return Err(revoked());
            }
            view(deps, family.member, profile.attributes, token.next().ok_or_else(revoked)?)
        }
    }
}

/// Signs a member in. The phone is proven before `member_not_found` is answered.
async fn sign_in(deps: &Deps, proof: &ProofRequest) -> Result<SessionView, ApiError> {
    let proven = proof::check(deps, proof).await?;
    let member = deps.identities.find_member_of_phone(&deps.stack.vault.phone_hash(&proven.phone)).await?;
    let unknown = || ApiError::from(Code::MemberNotFound);
    let profile = deps.members.read_profile(member.ok_or_else(unknown)?).await?.ok_or_else(unknown)?;
    if !has_phone(deps, &profile, &proven.phone)? {
        // The next sign-up with this phone gets a number of its own.
        return Err(unknown());
    }
    first(deps, &profile, proven.family_id).await
}

/// The first session of a family. A proof that is presented again finds the family that it began. Once that family was
/// used, the proof is spent: `otp_expired`.
pub(crate) async fn first(deps: &Deps, profile: &Profile, family_id: [u8; 16]) -> Result<SessionView, ApiError> {
    let valid_from = profile.sessions_valid_from;
    let began_at = Family::begins_at(deps.now(), valid_from);
    if !deps.identities.begin_session(&family_id, profile.member, began_at, valid_from).await? {
        return Err(Code::OtpExpired.into());
    }
    view(deps, profile.member, profile.attributes.clone(), RefreshToken { family_id, generation: 0 })
}

/// The tokens of a session. The access token carries the member's attributes, sealed.
fn view(
    deps: &Deps,
    member: MemberNo,
    attributes: MemberAttributes,
    token: RefreshToken,
) -> Result<SessionView, ApiError> {
    let stack = &deps.stack;
    let principal = MemberPrincipal { member, family_id: token.family_id, attributes };
    Ok(SessionView {
        access_token: stack.member_tokens.issue(&principal, &stack.ids, &stack.vault, deps.now())?,
        refresh_token: token.expose(&stack.vault),
        expires_in: ACCESS_SECONDS,
    })
}
