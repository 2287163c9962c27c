//! `POST /v1/otp-challenges`: six digits to a phone. The answer is the same whether or not the phone is known.

use crate::Deps;
use mealticket_api::{ApiError, Code, Request, Response, config::MessageLimits, json, random};
use mealticket_domain::{Phone, Timestamp, otp::guesses_allowed};
use mealticket_store::{
    AttributePath,
    identities::{Challenge, Quota, QuotaScope, Quotum},
};
use serde::{Deserialize, Serialize};

/// A code's life (NIST SP 800-63B asks for at most ten minutes, OWASP ASVS 6.5.5 likewise).
const LIFE_SECONDS: i64 = 5 * 60;
/// Messages to one phone in a day of the province.
const PHONE_PER_DAY: u32 = 10;
/// Seconds between two messages to one phone.
const PHONE_GAP_SECONDS: i64 = 60;
/// The stack's budget has one shard for each 3 600 messages an hour. That is one message a second for a shard, far
/// below the 1 000 writes a second that an item takes.
const SHARD_PER_HOUR: u32 = 3_600;
/// Shards of the stack's budget. Each has its part of the budget, so the stack refuses from
/// about 95 % of its budget on.
const SHARDS_MAX: u32 = 16;
/// From four fifths of the stack's budget on, a warning is logged, and an alarm is raised (`infra/template.yaml`).
const NEARLY_USED: (u32, u32) = (4, 5);

/// A mainland mobile number in E.164.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendChallengeRequest {
    phone: String,
}

/// The name under which the code is presented, and until when.
#[derive(Serialize)]
struct ChallengeView {
    challenge_id: String,
    expires_at: String,
}

/// Sends a one-time code, and answers with the name under which to present it. The code counts for five minutes.
///
/// Refusals, in order: `body_too_large`, `malformed_request`, `too_many_messages` with the time to ask again. When it
/// answers 201, the challenge is durable and the code was handed to the gateway. A repeat is another challenge with
/// another code, and takes another place in the quotas.
pub(crate) async fn send_challenge(deps: &Deps, request: &Request) -> Result<Response, ApiError> {
    let raw: SendChallengeRequest = json::read(request.body()?)?;
    let phone: Phone = json::parsed("phone", &raw.phone)?;
    let now = deps.now();
    let (id, otp) = (random::name()?, random::six_digits()?);
    let config = &deps.stack.config;
    let vault = &deps.stack.vault;
    let phone_hash = vault.phone_hash(&phone);
    if let Some(limits) = config.message_limits {
        let source = vault.source_hash(&request.source(config.front.as_ref()));
        within_limits(deps, limits, (&source, &phone_hash), &id, now).await?;
    }
    let failed = deps.identities.count_failed_challenges(&phone_hash, now).await?;
    let challenge = Challenge {
        otp_hash: vault.otp_hash(&id, &otp),
        phone_sealed: vault.seal_phone(&AttributePath::phone_of_challenge(&id), &phone)?,
        expires_at: now.plus_seconds(LIFE_SECONDS),
        guesses_max: guesses_allowed(failed),
        failed_before: failed > 0,
        id,
    };
    deps.identities.put_challenge(&challenge).await?;
    deps.stack.sms.send_otp(&phone, &otp)?;
    Response::created(&ChallengeView { challenge_id: challenge.id, expires_at: challenge.expires_at.to_string() })
}

/// Takes a place in every quota, or refuses with 429.
async fn within_limits(
    deps: &Deps,
    limits: MessageLimits,
    (source, phone): (&[u8; 32], &[u8; 32]),
    message: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let day = now.province_day();
    let hour = now.unix_seconds().div_euclid(3600);
    let hourly = |scope, messages_max| Quota {
        scope,
        messages_max,
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
    let shards = (limits.per_stack_hour / SHARD_PER_HOUR).clamp(1, SHARDS_MAX);
    let shard = u32::from(phone.first().copied().unwrap_or(0)) % shards;
    let part = limits.per_stack_hour.div_ceil(shards);
    let stack = [u8::try_from(shard).unwrap_or(0); 32];
    // The source's quota comes first: an address that has used up its messages must not use up other people's phones as
    // well. The stack's comes last: a request that is refused anyway must not use up its budget.
    let refused = |retry_at| Err(ApiError::from(Code::TooManyMessages).retry_at(retry_at, now));
    for (quota, hash) in [(hourly(QuotaScope::Source, limits.per_source_hour), source), (by_phone, phone)] {
        if let Quotum::Exhausted { retry_at } = deps.identities.take_quota(quota, hash, message, now).await? {
            return refused(retry_at);
        }
    }
    match deps.identities.take_quota(hourly(QuotaScope::Stack, part), &stack, message, now).await? {
        Quotum::Granted { messages } => {
            if is_nearly_used(messages, part) {
                tracing::warn!(messages, of = part, "the budget of one-time codes is nearly used");
            }
            Ok(())
        }
        Quotum::Exhausted { retry_at } => {
            tracing::error!(of = part, "the budget of one-time codes is used up");
            // Nothing was sent to the phone: our refusals must not use up its day.
            deps.identities.return_quota(by_phone, phone, message).await?;
            refused(retry_at)
        }
    }
}

/// Whether a shard's part of the budget is nearly used.
fn is_nearly_used(messages: u32, of: u32) -> bool {
    let (part, whole) = NEARLY_USED;
    u64::from(messages) * u64::from(whole) >= u64::from(of) * u64::from(part)
}
