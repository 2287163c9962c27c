//! What clients see of members, campaigns and coupons: the JSON of answers. The names are API.md's.
//!
//! Instants are RFC 3339 in UTC, and amounts are whole fen.

pub mod delivery;
pub mod statement;

use crate::{deps::Stack, problem::ApiError};
use mealticket_domain::{Benefit, Campaign, Coupon, Price, Terms, Timestamp};
use mealticket_store::{AttributePath, members::Profile};
use serde::Serialize;

/// A member, as itself sees it.
#[derive(Debug, Serialize)]
pub struct MemberView {
    /// `mem_…`: the only name of a member that clients see.
    member_id: String,
    /// The first three and last four digits: `138****8000`. The whole number is never shown.
    phone_masked: String,
    /// What the operator knows of the member; `null` until it does.
    tier: Option<String>,
    brand: Option<String>,
    city: Option<String>,
    /// `newcomer`, `stable` or `leaving`; `null` until the operator says.
    lifecycle_stage: Option<&'static str>,
    /// When the member signed up.
    joined_at: String,
}

impl MemberView {
    /// A member, from its profile. 500 when the sealed phone does not open.
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

/// A campaign, as members see it.
#[derive(Debug, Serialize)]
pub struct CampaignView {
    /// `cmp_…`, which is public.
    campaign_id: String,
    name: String,
    benefit: Benefit,
    price: Price,
    starts_at: String,
    /// First instant at which no member may claim any more.
    ends_at: String,
    /// Coupons that one member may claim, 1 to 64.
    per_member_limit: u8,
    /// `plenty`, `few` or `none`: never the number of units.
    remaining_hint: &'static str,
    terms: TermsView,
}

/// The words of a campaign and their proof.
#[derive(Debug, Serialize)]
pub struct TermsView {
    version: u32,
    text: String,
    /// The hash of the terms document: 64 hexadecimal digits.
    sha256: String,
}

/// Units left up to which a campaign is shown as `few`: one in twenty, and ten at least.
const FEW_SHARE: u64 = 20;
/// See [`FEW_SHARE`].
const FEW_MIN: u64 = 10;

impl CampaignView {
    /// A campaign with a hint of what is left of it. `remaining` is the number of units left.
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

/// The hint for so many units left of a stock. A campaign that has its whole stock is never `few`.
fn remaining_hint(remaining: u64, stock: u64) -> &'static str {
    match remaining {
        0 => "none",
        few if few <= FEW_MIN.max(stock / FEW_SHARE) && few < stock => "few",
        _ => "plenty",
    }
}

/// A coupon, as its holder sees it. It has no `Debug`: the code is in it.
#[derive(Serialize)]
pub struct CouponView {
    /// `cpn_…`: safe to show, because it redeems nothing.
    coupon_id: String,
    /// The code to show at the till; `null` when the stack no longer has its key.
    code: Option<String>,
    /// The status at the time of the answer. It is derived and not stored.
    status: &'static str,
    campaign_id: String,
    benefit: Benefit,
    /// Units of use left.
    uses_left: u8,
    valid_from: String,
    /// First instant at which it can no longer be used.
    valid_until: String,
    claimed_at: String,
    /// The hash of the terms that the member was shown, as proof.
    terms_sha256: String,
}

impl CouponView {
    /// A coupon as its holder sees it at `now`, under the terms it was claimed with.
    ///
    /// The code is made here, from the coupon's key and the cipher key. It is stored nowhere.
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

    /// A coupon as the answer to its claim showed it: the same bytes, however late.
    ///
    /// Only the code differs, when its cipher key was dropped after a leak.
    pub fn as_claimed(stack: &Stack, coupon: &Coupon, terms: &Terms) -> Self {
        Self::new(stack, &coupon.clone().as_claimed(terms), terms, coupon.claimed_at)
    }
}

/// A page of a list.
#[derive(Serialize)]
pub struct ListView<T> {
    /// The items of the page, in the list's own order.
    pub items: Vec<T>,
    /// The `cursor` of the next page; `null` when none follows. Its form may change, so clients only send it
    /// back.
    pub next: Option<String>,
}
