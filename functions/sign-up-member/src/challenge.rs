//! `POST /v1/otp-challenges`: six digits to a phone. The answer is the same whether or not the phone is known.

use mealticket_api::{ApiError, Code, Deps, Request, Response, json, random};
use mealticket_domain::{Phone, Timestamp};
use mealticket_store::challenges::{Challenge, Quota, QuotaScope, Quotum};
use serde::{Deserialize, Serialize};

/// A code's life (NIST SP 800-63B asks for at most ten minutes, OWASP ASVS 6.5.5 likewise).
const LIFE_SECONDS: i64 = 5 * 60;
/// Messages to one phone in a day of the province, and the seconds between two.
const PHONE_PER_DAY: u32 = 10;
/// See [`PHONE_PER_DAY`].
const PHONE_GAP_SECONDS: i64 = 60;
/// Messages for one source address in an hour.
const SOURCE_PER_HOUR: u32 = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendChallengeRequest {
    phone: String,
}

#[derive(Serialize)]
struct ChallengeView {
    challenge_id: String,
    expires_at: String,
}

/// Sends a one-time code and answers with the name to present it under.
pub(crate) async fn send_challenge(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    let raw: SendChallengeRequest = json::read(request.body()?)?;
    let phone: Phone = json::parsed("phone", &raw.phone)?;
    let now = deps.now();
    let (id, otp) = (random::name()?, random::six_digits()?);
    if deps.stack.config.send_limits {
        within_limits(deps, &phone, request.source_ip(), &id, now).await?;
    }
    let vault = &deps.stack.vault;
    let challenge = Challenge {
        otp_hash: vault.otp_hash(&id, &otp),
        phone_sealed: vault.seal_phone(&phone)?,
        expires_at: now.plus_seconds(LIFE_SECONDS),
        id,
    };
    deps.store.put_challenge(&challenge).await?;
    deps.stack.sms.send_otp(&phone, &otp)?;
    Response::created(&ChallengeView { challenge_id: challenge.id, expires_at: challenge.expires_at.to_string() })
}

async fn within_limits(
    deps: &Deps,
    phone: &Phone,
    source_ip: &str,
    message: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let day = now.province_day();
    let hour = now.unix_seconds().div_euclid(3600);
    let by_source = Quota {
        scope: QuotaScope::Source,
        messages_max: SOURCE_PER_HOUR,
        window: hour,
        window_until: now.plus_seconds((hour + 1) * 3600 - now.unix_seconds()),
        gap_seconds: 0,
    };
    let by_phone = Quota {
        scope: QuotaScope::Phone,
        messages_max: PHONE_PER_DAY,
        window: day.number(),
        window_until: day.plus_days(1).starts_at(),
        gap_seconds: PHONE_GAP_SECONDS,
    };
    let vault = &deps.stack.vault;
    // The source's first: who has used up an address's messages must not use up other people's phones as well.
    for (quota, hash) in [(by_source, vault.source_hash(source_ip)), (by_phone, vault.phone_hash(phone))] {
        if let Quotum::Exhausted { retry_at } = deps.store.take_quota(quota, &hash, message, now).await? {
            return Err(ApiError::from(Code::TooManyMessages).retry_at(retry_at, now));
        }
    }
    Ok(())
}
