//! `GET /v1/wallet`: coupons held, campaigns to claim, campaigns to redeem with points, in one call.

use crate::{Reader, campaigns, coupons};
use mealticket_api::{
    ApiError, Request, Response,
    views::{CampaignView, CouponView},
};
use mealticket_domain::{Campaign, CampaignNo, Coupon, CouponKey, Price};
use serde::Serialize;
use std::collections::HashMap;

/// Usable coupons that are shown at once (API.md).
const COUPONS_MAX: usize = 200;
/// Coupons that one query reads. 200 of about 500 bytes are 100 KB, 12.5 read units.
const PAGE: u16 = 200;
/// Pages that are read at most. A member with more than 2 000 coupons, most of them used up,
/// goes on with `coupons_next`.
const PAGES_MAX: usize = 10;

/// The wallet. Nothing can be redeemed with points yet.
#[derive(Serialize)]
struct WalletView {
    coupons: Vec<CouponView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coupons_next: Option<String>,
    claimable: Vec<CampaignView>,
    redeemable_with_points: Vec<CampaignView>,
    points: u64,
}

/// A member's coupons, as far as one wallet goes.
struct Held {
    usable: Vec<Coupon>,
    counts: HashMap<CampaignNo, u8>,
    next: Option<CouponKey>,
}

/// Everything at a glance: at most 200 usable coupons, and the campaigns that the member could claim.
///
/// Refused with `malformed_request`: any parameter. It is eventually consistent, and the units left are hints. A
/// claim decides by itself.
pub(crate) async fn read_wallet(reader: &Reader<'_>, request: &Request) -> Result<Response, ApiError> {
    request.only_query(&[])?;
    let held = held(reader).await?;
    let mut shown = Vec::with_capacity(held.usable.len());
    for coupon in &held.usable {
        shown.push(coupons::view(reader, coupon).await?);
    }
    Response::ok(&WalletView {
        coupons: shown,
        coupons_next: held.next.map(|key| reader.deps.stack.ids.coupon_id(key)),
        claimable: claimable(reader, &held.counts).await?,
        redeemable_with_points: Vec::new(),
        points: 0,
    })
}

/// Reads the member's coupons until 200 are usable, or ten pages are read, or all are.
async fn held(reader: &Reader<'_>) -> Result<Held, ApiError> {
    let mut held = Held { usable: Vec::new(), counts: HashMap::new(), next: None };
    for _ in 0..PAGES_MAX {
        let page = reader.deps.members.list_coupons(reader.principal.member, held.next, PAGE).await?;
        held.next = page.next;
        for coupon in page.coupons {
            *held.counts.entry(coupon.key.campaign).or_default() += 1;
            if held.usable.len() == COUPONS_MAX {
                held.next = held.usable.last().map(|last| last.key);
                return Ok(held);
            }
            if coupon.status(reader.now).is_usable_now_or_later() {
                held.usable.push(coupon);
            }
        }
        if held.next.is_none() {
            break;
        }
    }
    Ok(held)
}

/// Campaigns that are open and free, that this member has not used up, and that are not known to be sold out.
async fn claimable(reader: &Reader<'_>, counts: &HashMap<CampaignNo, u8>) -> Result<Vec<CampaignView>, ApiError> {
    let mut views = Vec::new();
    for campaign in reader.deps.catalog.list_campaigns().await?.iter() {
        let mine = counts.get(&campaign.no).copied().unwrap_or(0);
        if is_claimable(campaign, mine, reader.now) && reader.deps.stock.hint_remaining(campaign.no).await? > 0 {
            views.push(campaigns::view(reader, campaign).await?);
        }
    }
    Ok(views)
}

/// Whether the campaign is open, free, and not used up by this member. The campaign's rule is not asked.
fn is_claimable(campaign: &Campaign, mine: u8, now: mealticket_domain::Timestamp) -> bool {
    campaign.open_for_claims(now).is_ok()
        && campaign.terms.price == Price::Free
        && mine < campaign.terms.per_member_limit
}
