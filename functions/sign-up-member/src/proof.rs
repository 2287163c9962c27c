//! A proof that somebody holds a phone.

use crate::Deps;
use mealticket_api::{ApiError, Code};
use mealticket_domain::Phone;
use mealticket_store::{AttributePath, identities::Guess};
use serde::Deserialize;

/// A proof as sent. The operator's number-verification token (一键登录) will be another variant.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ProofRequest {
    /// Six digits that were sent to the phone, and the challenge that they answer.
    SmsOtp { challenge_id: String, otp: String },
}

/// What a good proof proves, and the session that it begins. The same proof begins the same
/// session, until that is used.
pub(crate) struct Proven {
    /// The phone of the challenge.
    pub(crate) phone: Phone,
    /// The session family: a keyed hash of the challenge.
    pub(crate) family_id: [u8; 16],
}

/// Characters of a challenge id: 128 bits in base64url.
const CHALLENGE_ID_BYTES: usize = 22;

/// Checks a proof. The guess is counted before it is judged, so a wrong one is durable when it is refused.
///
/// Refusals, in order: `malformed_request` for what is not six digits, `otp_expired`, `otp_wrong` with `tries_left`.
/// The right code may be sent again, as long as the challenge counts. A right guess ends the memory of failed
/// challenges; a wrong one makes its challenge a failed one.
pub(crate) async fn check(deps: &Deps, proof: &ProofRequest) -> Result<Proven, ApiError> {
    let ProofRequest::SmsOtp { challenge_id, otp } = proof;
    if otp.len() != 6 || !otp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::malformed("proof.otp"));
    }
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if challenge_id.len() != CHALLENGE_ID_BYTES || !challenge_id.bytes().all(known) {
        return Err(Code::OtpExpired.into());
    }
    let vault = &deps.stack.vault;
    let path = AttributePath::phone_of_challenge(challenge_id);
    match deps.identities.judge_guess(challenge_id, vault.otp_hash(challenge_id, otp), deps.now()).await? {
        Guess::Right { phone_sealed, failed_before } => {
            let phone = vault.open_phone(&path, &phone_sealed)?;
            if failed_before {
                deps.identities.forget_failed_challenges(&vault.phone_hash(&phone)).await?;
            }
            Ok(Proven { phone, family_id: vault.family_of_challenge(challenge_id) })
        }
        Guess::Wrong { tries_left, phone_sealed } => {
            if let Some(phone_sealed) = phone_sealed {
                let phone_hash = vault.phone_hash(&vault.open_phone(&path, &phone_sealed)?);
                deps.identities.note_failed_challenge(&phone_hash, challenge_id, deps.now()).await?;
            }
            Err(ApiError::from(Code::OtpWrong).with("tries_left", tries_left))
        }
        Guess::Unknown => Err(Code::OtpExpired.into()),
    }
}
