//! `POST /v1/members`: a proven phone becomes a member, or is shown to be one.

use crate::{
    Deps,
    proof::{self, ProofRequest},
    session::{self, SessionView},
};
use mealticket_api::{ApiError, Request, Response, json, views::MemberView};
use mealticket_domain::{Channel, IdCipher, MemberAttributes, MemberNo, Phone, text::visible_ascii};
use mealticket_store::{
    AttributePath,
    identities::{Newcomer, SignedUp},
    members::Profile,
};
use serde::{Deserialize, Serialize};

/// The body of a sign-up. `inviter` may be absent; any other field is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignUpMemberRequest {
    proof: ProofRequest,
    channel: String,
    inviter: Option<String>,
    consent: ConsentRequest,
}

/// The versions that the member agreed to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsentRequest {
    terms_version: String,
    privacy_version: String,
}

/// The member, and its first session.
#[derive(Serialize)]
struct SignUpView {
    member: MemberView,
    session: SessionView,
}

/// Bytes of a version that a member agrees to.
const VERSION_BYTES_MAX: usize = 32;

/// Makes a proven phone a member: 201 for a new one, 200 for one who was there. The proof is spent
/// on the session either way.
///
/// Refusals, in order: `body_too_large`, `malformed_request`, `otp_expired`, `otp_wrong`. When it answers, the phone's
/// index, the profile and the session are durable. A repeat with the same proof gets the same member and session,
/// until the session is used.
pub(crate) async fn sign_up_member(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    let raw: SignUpMemberRequest = json::read(request.body()?)?;
    let channel: Channel = json::parsed("channel", &raw.channel)?;
    deps.stack.config.check_channel(Some(&channel))?;
    version("consent.terms_version", &raw.consent.terms_version)?;
    version("consent.privacy_version", &raw.consent.privacy_version)?;
    let inviter = raw.inviter.as_deref().map(|id| inviter(deps, id)).transpose()?.flatten();
    let proven = proof::check(deps, &raw.proof).await?;

    let phone_hash = deps.stack.vault.phone_hash(&proven.phone);
    let newcomer = ProvenNewcomer { deps, phone: &proven.phone, channel, inviter, consent: &raw.consent };
    match deps.identities.sign_up(&deps.members, &deps.stock, &phone_hash, &newcomer).await? {
        SignedUp::Joined(member) => Response::created(&view(deps, &member, proven.family_id).await?),
        SignedUp::KnownAlready(member) => Response::ok(&view(deps, &member, proven.family_id).await?),
    }
}

/// The holder of a proven phone, and what the sign-up says of it.
struct ProvenNewcomer<'a> {
    deps: &'a Deps,
    phone: &'a Phone,
    channel: Channel,
    inviter: Option<MemberNo>,
    consent: &'a ConsentRequest,
}

impl Newcomer for ProvenNewcomer<'_> {
    type Error = ApiError;

    fn profile(&self, member: MemberNo, attributes: MemberAttributes) -> Result<Profile, ApiError> {
        let path = AttributePath::phone_of_member(member);
        Ok(Profile {
            member,
            phone_sealed: self.deps.stack.vault.seal_phone(&path, self.phone)?,
            joined_at: self.deps.now(),
            channel: self.channel.clone(),
            inviter: self.inviter,
            terms_version: self.consent.terms_version.clone(),
            privacy_version: self.consent.privacy_version.clone(),
            attributes,
            sessions_valid_from: None,
        })
    }

    fn has_phone_of(&self, profile: &Profile) -> Result<bool, ApiError> {
        has_phone(self.deps, profile, self.phone)
    }
}

/// Whether a profile is of this phone.
///
/// A phone's index can name a number that another phone's member has: `stock` was restored to an earlier time, and gave
/// the number again.
pub(crate) fn has_phone(deps: &Deps, profile: &Profile, phone: &Phone) -> Result<bool, ApiError> {
    let path = AttributePath::phone_of_member(profile.member);
    Ok(deps.stack.vault.open_phone(&path, &profile.phone_sealed)? == *phone)
}

/// The member as it stands, with the session that the proof begins.
async fn view(deps: &Deps, profile: &Profile, family_id: [u8; 16]) -> Result<SignUpView, ApiError> {
    let session = session::first(deps, profile, family_id).await?;
    Ok(SignUpView { member: MemberView::new(&deps.stack, profile)?, session })
}

/// Refuses a version that is not 1 to 32 visible ASCII characters.
fn version(field: &str, text: &str) -> Result<(), ApiError> {
    visible_ascii(text, VERSION_BYTES_MAX).map_err(|error| ApiError::malformed(field).because(error.to_string()))
}

/// The inviter, whose id is checked for its form alone. Whether there is such a member is not asked.
///
/// An id that is well formed and none of ours invites nobody: a torn link keeps nobody from signing up.
fn inviter(deps: &Deps, id: &str) -> Result<Option<MemberNo>, ApiError> {
    if !IdCipher::is_member_id(id) {
        return Err(ApiError::malformed("inviter"));
    }
    Ok(deps.stack.ids.member(id).ok())
}
