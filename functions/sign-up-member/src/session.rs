//! `POST` and `DELETE /v1/sessions`.

use crate::{
    Deps,
    proof::{self, ProofRequest},
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BeginSessionRequest {
    refresh_token: Option<String>,
    proof: Option<ProofRequest>,
}

/// A session as its holder sees it.
#[derive(Serialize)]
pub(crate) struct SessionView {
    access_token: String,
    refresh_token: String,
    expires_in: i64,
}

/// Goes on with a session, or signs a member in by a proof.
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

/// Signs out: the family of the token that asks is gone, and with `?all=true` every family of the member. Access tokens that were given
/// out end by themselves, within 15 minutes. Signing out twice is no error.
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

async fn sign_in(deps: &Deps, proof: &ProofRequest) -> Result<SessionView, ApiError> {
    let proven = proof::check(deps, proof).await?;
    let member = deps.identities.find_member_of_phone(&deps.stack.vault.phone_hash(&proven.phone)).await?;
    let unknown = || ApiError::from(Code::MemberNotFound);
    let profile = deps.members.read_profile(member.ok_or_else(unknown)?).await?.ok_or_else(unknown)?;
    first(deps, &profile, proven.family_id).await
}

/// The first session of a family. A proof that is presented again finds the family it began; once that was used, the proof
/// is spent.
pub(crate) async fn first(deps: &Deps, profile: &Profile, family_id: [u8; 16]) -> Result<SessionView, ApiError> {
    let valid_from = profile.sessions_valid_from;
    let began_at = Family::begins_at(deps.now(), valid_from);
    if !deps.identities.begin_session(&family_id, profile.member, began_at, valid_from).await? {
        return Err(Code::OtpExpired.into());
    }
    view(deps, profile.member, profile.attributes.clone(), RefreshToken { family_id, generation: 0 })
}

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
