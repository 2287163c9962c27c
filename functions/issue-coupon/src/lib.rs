//! 领券: a member claims a coupon of a campaign.
//!
//! The rule is [`mealticket_domain::claim`], and its one write [`mealticket_store::Members::claim`]. Here the request
//! is read and the outcome is answered.

#![warn(clippy::wildcard_enum_match_arm)]

use mealticket_api::{
    ApiError, Code, Request, Response, Route, Success, Who, json, refusals, vault::Vault, views::CouponView,
};
use mealticket_domain::{Campaign, CampaignNo, Channel, ClaimRequest, Coupon, Fingerprint, ShareCode};
use mealticket_store::members::ClaimOutcome;
use serde::Deserialize;
use std::sync::Arc;

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { members: Members, catalog: Catalog, stock: Stock }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// What a member can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// One coupon of a campaign.
    Claim,
}

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[Route::new("POST /v1/campaigns/{campaign_id}/claims", Ask::Claim, Who::Member)];

/// The body of a claim. Both fields may be absent; any other field is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimCouponRequest {
    channel: Option<String>,
    share_code: Option<String>,
}

/// Claims one coupon for the member who asks, exactly once for each idempotency key.
///
/// Refusals, in order: `unauthenticated`, `body_too_large`, `malformed_request`, `idempotency_key_missing`,
/// `campaign_not_found`, `idempotency_key_reused`, `campaign_ended`, `campaign_paused`, `not_started`, `not_eligible`,
/// `limit_reached`, and when there is no unit `day_stock_exhausted`, `stock_settling` or `sold_out`.
///
/// When it answers 201, the coupon is durable. A repeat with the same key gets the same answer, also after the
/// campaign has ended or is sold out. Refusals are not stored, so the same key may succeed later. After 503 the same
/// key finds out what happened.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let asked_of = request.route(ROUTES)?;
    let Ask::Claim = asked_of.route.ask;
    let principal = deps.member(&request)?;
    let raw: ClaimCouponRequest = json::read(request.body()?)?;
    let channel: Option<Channel> = json::parsed_if("channel", raw.channel.as_deref())?;
    deps.stack.config.check_channel(channel.as_ref())?;
    let share_code: Option<ShareCode> = json::parsed_if("share_code", raw.share_code.as_deref())?;
    let key = request.idempotency_key()?;
    let campaign = public_campaign(&deps, asked_of.path("campaign_id", Code::CampaignNotFound)?).await?;

    let asked = ClaimRequest {
        member: principal.member,
        key: key.hash(&Vault::principal(principal.member), "claim"),
        fingerprint: Fingerprint::of(&[
            channel.as_ref().map(Channel::as_str),
            share_code.as_ref().map(ShareCode::as_str),
        ]),
        attributes: principal.attributes,
        channel,
        share: share_code.map(|code| deps.stack.vault.share(code)),
        key_version: deps.stack.codes.newest_version(),
        now: deps.now(),
    };
    match deps.members.claim(&deps.catalog, &deps.stock, &campaign, &asked).await? {
        ClaimOutcome::Claimed(coupon) => answer(&deps, &coupon, Success::First).await,
        ClaimOutcome::Replayed(coupon) => answer(&deps, &coupon, Success::Replayed).await,
        ClaimOutcome::KeyReused => Err(Code::IdempotencyKeyReused.into()),
        ClaimOutcome::Refused(refusal) => Err(refusals::claim(refusal, asked.now)),
        ClaimOutcome::NotEligible(failed) => Err(refusals::not_eligible(&failed, request.language())),
        ClaimOutcome::LimitReached(limit) => Err(refusals::limit_reached(limit)),
        ClaimOutcome::NoUnit(none) => Err(refusals::no_unit(none, asked.now)),
    }
}

/// A campaign that members may see, or `campaign_not_found`.
async fn public_campaign(deps: &Deps, no: CampaignNo) -> Result<Arc<Campaign>, ApiError> {
    let missing = || ApiError::from(Code::CampaignNotFound);
    let campaign = deps.catalog.read_campaign(no).await?;
    campaign.filter(|campaign| campaign.state.is_public()).ok_or_else(missing)
}

/// 201 with the coupon as it was claimed. A repeat shows the first answer, whatever has happened to the coupon since.
async fn answer(deps: &Deps, coupon: &Coupon, success: Success) -> Result<Response, ApiError> {
    let terms = deps.catalog.read_terms(coupon.key.campaign, coupon.terms_version).await?;
    Ok(Response::created(&CouponView::as_claimed(&deps.stack, coupon, &terms))?.of(success))
}
