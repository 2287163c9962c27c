//! Reports: a merchant's system says what happened at its tills, signed as Standard Webhooks (回调).
//!
//! The handler verifies the signature before it reads anything in the body. Then it records the report,
//! makes its effect durable, and only then answers. A sender that gets 202 need not send again, and one that
//! sends again changes nothing.
//!
//! A report that breaks a rule is accepted and recorded as a discrepancy. It never changes a coupon wrongly.

#![warn(clippy::wildcard_enum_match_arm)]

mod effect;
mod event;

use effect::Webhook;
use event::Event;
use mealticket_api::{
    ApiError, Code, Request, Response, Route, Who,
    vault::Sealed,
    webhook::{self, ACTIVE_KEYS_MAX, Headers, ID_HEADER, SIGNATURE_HEADER, SenderKey, TIMESTAMP_HEADER},
};
use mealticket_domain::{MerchantId, terms::sha256};
use mealticket_store::{
    AttributePath,
    catalog::{MerchantRecord, WebhookSecretItem},
    messages::{Receipt, Received},
};
use serde::Serialize;
use std::sync::Arc;

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { members: Members, catalog: Catalog, messages: Messages }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// What a merchant's system can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Here is what happened.
    Report,
}

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] =
    &[Route::new("POST /v1/merchants/{merchant_id}/callbacks", Ask::Report, Who::Reporter)];

/// The body of every 202. It says nothing of what the report came to.
#[derive(Serialize)]
struct ReceivedView {
    received: bool,
}

const RECEIVED: ReceivedView = ReceivedView { received: true };

/// Takes one report.
///
/// Refusals, in order: `body_too_large`, `signature_invalid` (401, the same for every defect), `malformed_request`, and
/// `webhook_id_reused` (409) when the same id came with another body. A report that breaks a rule is not refused.
///
/// When it answers 202, the receipt is durable, and so is the effect: a redemption, a reversal, or a discrepancy. A
/// crash before that leaves the receipt open, and the next delivery repeats the effect, which happens once. A repeat
/// gets 202 and changes nothing, but settles a discrepancy that another delivery left.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let asked = request.route(ROUTES)?;
    let Ask::Report = asked.route.ask;
    let body = request.body()?;
    let (merchant, webhook_id) = signed_by(&deps, &request, asked.path_text("merchant_id")).await?;
    let event = Event::read(body)?;

    let path = AttributePath::report_body(&merchant.merchant.id, &webhook_id);
    let receipt = Receipt {
        merchant: &merchant.merchant.id,
        webhook_id: &webhook_id,
        event_type: event.kind(),
        body_sha256: sha256(body),
        body_sealed: deps.stack.vault.seal(Sealed::WebhookBody, &path, body)?,
        received_at: deps.now(),
    };
    let webhook = |received_at| Webhook { merchant: &merchant, id: &webhook_id, received_at };
    match deps.messages.receive(&receipt).await? {
        Received::IdReused => Err(Code::WebhookIdReused.into()),
        Received::DoneBefore { received_at } => {
            effect::settle_if_done(&deps, &webhook(received_at), &event).await?;
            Response::accepted(&RECEIVED)
        }
        Received::EffectIsDue { received_at } => {
            effect::take_effect(&deps, &webhook(received_at), &event).await?;
            deps.messages.finish_receipt(&merchant.merchant.id, &webhook_id).await?;
            Response::accepted(&RECEIVED)
        }
    }
}

/// The merchant whose secret signed the report, and the report's `webhook-id`.
///
/// There is one refusal for every defect. A stranger learns nothing, not even whether the merchant
/// exists. The defect is logged.
async fn signed_by(
    deps: &Deps,
    request: &Request,
    merchant_id: &str,
) -> Result<(Arc<MerchantRecord>, String), ApiError> {
    let invalid = || ApiError::from(Code::SignatureInvalid);
    let id: MerchantId = merchant_id.parse().map_err(|_| invalid())?;
    let merchant = deps.catalog.read_merchant(&id).await?.ok_or_else(invalid)?;
    let keys = keys(deps, &merchant)?;
    let headers = Headers {
        id: request.header(ID_HEADER),
        timestamp: request.header(TIMESTAMP_HEADER),
        signature: request.header(SIGNATURE_HEADER),
    };
    match webhook::verify(headers, request.body()?, &keys, deps.now()) {
        Ok(webhook_id) => Ok((merchant, webhook_id.to_owned())),
        Err(defect) => {
            tracing::info!(merchant = %id, %defect, "a webhook was refused");
            Err(invalid())
        }
    }
}

/// The two newest of the merchant's keys. A third is an old one that somebody forgot to remove.
///
/// A secret that does not open is a fault of ours, not of the sender.
fn keys(deps: &Deps, merchant: &MerchantRecord) -> Result<Vec<SenderKey>, ApiError> {
    let open = |secret: &WebhookSecretItem| {
        let path = AttributePath::webhook_secret(&merchant.merchant.id, secret.number);
        let plain = deps.stack.vault.open(Sealed::WebhookSecret, &path, &secret.sealed)?;
        SenderKey::read(&String::from_utf8(plain).ok()?).ok()
    };
    let newest = merchant.webhook_secrets.iter().rev().take(ACTIVE_KEYS_MAX);
    let keys: Option<Vec<SenderKey>> = newest.map(open).collect();
    keys.ok_or_else(|| ApiError::internal("a webhook secret does not open"))
}
