//! What clients see of members, campaigns and coupons. The names are API.md's.

pub mod delivery;
pub mod statement;

use crate::{deps::Stack, problem::ApiError};
use mealticket_domain::{Benefit, Campaign, Coupon, Price, Terms, Timestamp};
use mealticket_store::{AttributePath, members::Profile};
use serde::Serialize;

/// A member.
#[derive(Debug, Serialize)]
pub struct MemberView {
    member_id: String,
    phone_masked: String,
    tier: Option<String>,
    brand: Option<String>,
    city: Option<String>,
    lifecycle_stage: Option<&'static str>,
    joined_at: String,
}

impl MemberView {
    /// A member as itself sees it.
    pub fn new(stack: &Stack, profile: &Profile) -> Result<Self, ApiError> {
        let attributes = &profile.attributes;
        Ok(MemberView {
            member_id: stack.ids.member_id(profile.member),
            phone_masked: stack
                .vault
                .open_phone(&AttributePath::phone_of_member(profile.member), &profile.phone_sealed)?
                .masked(),
            tier: attributes.tier.clone(),
            brand: attributes.brand.clone(),
            city: attributes.city.clone(),
            lifecycle_stage: attributes.lifecycle_stage.map(|stage| stage.as_str()),
            joined_at: profile.joined_at.to_string(),
        })
    }
}

/// A campaign.
#[derive(Debug, Serialize)]
pub struct CampaignView {
    campaign_id: String,
    name: String,
    benefit: Benefit,
    price: Price,
    starts_at: String,
    ends_at: String,
    per_member_limit: u8,
    remaining_hint: &'static str,
    terms: TermsView,
}

/// The words of a campaign and their proof.
#[derive(Debug, Serialize)]
pub struct TermsView {
    version: u32,
    text: String,
    sha256: String,
}

/// Units left below which a campaign is shown as `few`: one in twenty, and ten at least.
const FEW_SHARE: u64 = 20;
/// See [`FEW_SHARE`].
const FEW_MIN: u64 = 10;

impl CampaignView {
    /// A campaign with a hint of what is left of it.
    pub fn new(campaign: &Campaign, remaining: u64) -> Self {
        let terms = &campaign.terms;
        CampaignView {
            campaign_id: campaign.no.to_string(),
            name: terms.name.clone(),
            benefit: terms.benefit.clone(),
            price: terms.price.clone(),
            starts_at: terms.starts_at.to_string(),
            ends_at: terms.ends_at.to_string(),
            per_member_limit: terms.per_member_limit,
            remaining_hint: remaining_hint(remaining, campaign.stock),
            terms: TermsView {
                version: terms.version,
                text: terms.text.clone(),
                sha256: campaign.terms_sha256.to_string(),
            },
        }
    }
}

fn remaining_hint(remaining: u64, stock: u64) -> &'static str {
    match remaining {
        0 => "none",
        few if few <= FEW_MIN.max(stock / FEW_SHARE) && few < stock => "few",
        _ => "plenty",
    }
}

/// A coupon.
#[derive(Serialize)]
pub struct CouponView {
    coupon_id: String,
    code: Option<String>,
    status: &'static str,
    campaign_id: String,
    benefit: Benefit,
    uses_left: u8,
    valid_from: String,
    valid_until: String,
    claimed_at: String,
    terms_sha256: String,
}

impl CouponView {
    /// A coupon as its holder sees it at `now`, under the terms it was claimed with. The code is made here, from the place
    /// of the coupon and the key; it is stored nowhere.
    pub fn new(stack: &Stack, coupon: &Coupon, terms: &Terms, now: Timestamp) -> Self {
        CouponView {
            coupon_id: stack.ids.coupon_id(coupon.key),
            code: stack.codes.code(coupon.key, coupon.key_version).map(|code| code.expose()),
            status: coupon.status(now).as_str(),
            campaign_id: coupon.key.campaign.to_string(),
            benefit: terms.benefit.clone(),
            uses_left: coupon.uses_left,
            valid_from: coupon.valid_from.to_string(),
            valid_until: coupon.valid_until.to_string(),
            claimed_at: coupon.claimed_at.to_string(),
            terms_sha256: coupon.terms_sha256.to_string(),
        }
    }

    /// A coupon as the answer to its claim showed it: the same bytes, however late. Only a code whose key was dropped after a
    /// leak is another one.
    pub fn as_claimed(stack: &Stack, coupon: &Coupon, terms: &Terms) -> Self {
        Self::new(stack, &coupon.clone().as_claimed(terms), terms, coupon.claimed_at)
    }
}

/// A list.
#[derive(Serialize)]
pub struct ListView<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; opaque.
    pub next: Option<String>,
}
