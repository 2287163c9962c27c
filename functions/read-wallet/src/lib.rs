//! What a member sees: the wallet in one call (一点看全), coupons, campaigns, and the member's own profile.
//! Nothing is changed here.

#![warn(clippy::wildcard_enum_match_arm)]

mod campaigns;
mod coupons;
mod wallet;

use mealticket_api::{ApiError, Code, Request, Response, Route, Who, auth::member::MemberPrincipal, views::MemberView};
use mealticket_domain::Timestamp;

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { members: Members, catalog: Catalog, stock: Stock }
}

/// What the function is given: its tables, the stack's keys and settings, and the clock.
pub type Deps = mealticket_api::Deps<Handles>;

/// What a member can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The member's own profile.
    ReadMember,
    /// Everything at a glance.
    ReadWallet,
    /// The member's coupons, by page.
    ListCoupons,
    /// One of the member's coupons.
    ReadCoupon,
    /// The public campaigns.
    ListCampaigns,
    /// One public campaign.
    ReadCampaign,
}

/// The function's routes, as `infra/template.yaml` has them.
pub const ROUTES: &[Route<Ask>] = &[
    Route::new("GET /v1/members/me", Ask::ReadMember, Who::Member),
    Route::new("GET /v1/wallet", Ask::ReadWallet, Who::Member),
    Route::new("GET /v1/coupons", Ask::ListCoupons, Who::Member),
    Route::new("GET /v1/coupons/{coupon_id}", Ask::ReadCoupon, Who::Member),
    Route::new("GET /v1/campaigns", Ask::ListCampaigns, Who::Member),
    Route::new("GET /v1/campaigns/{campaign_id}", Ask::ReadCampaign, Who::Member),
];

/// A member who reads, at one moment. The statuses of coupons in one answer are of this moment.
struct Reader<'a> {
    deps: &'a Deps,
    principal: MemberPrincipal,
    now: Timestamp,
}

/// Answers one request of a member's app. Every route refuses with `unauthenticated` before anything else.
pub async fn handle(deps: Deps, request: Request) -> Result<Response, ApiError> {
    let asked = request.route(ROUTES)?;
    let reader = Reader { deps: &deps, principal: deps.member(&request)?, now: deps.now() };
    match asked.route.ask {
        Ask::ReadMember => read_member(&reader).await,
        Ask::ReadWallet => wallet::read_wallet(&reader, &request).await,
        Ask::ListCoupons => coupons::list_coupons(&reader, &request).await,
        Ask::ReadCoupon => coupons::read_coupon(&reader, asked.path_text("coupon_id")).await,
        Ask::ListCampaigns => campaigns::list_campaigns(&reader, &request).await,
        Ask::ReadCampaign => {
            campaigns::read_campaign(&reader, asked.path("campaign_id", Code::CampaignNotFound)?).await
        }
    }
}

/// The member's own profile. Refused with `member_not_found` when the token's member has no profile.
async fn read_member(reader: &Reader<'_>) -> Result<Response, ApiError> {
    let profile = reader.deps.members.read_profile(reader.principal.member).await?;
    let profile = profile.ok_or_else(|| ApiError::from(Code::MemberNotFound))?;
    Response::ok(&MemberView::new(&reader.deps.stack, &profile)?)
}
