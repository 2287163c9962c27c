//! From a code or a coupon's id to the coupon's key, for the merchant who redeems it.

use crate::problem::ApiError;
use mealticket_domain::{Campaign, CouponKey, MerchantId};
use mealticket_store::Catalog;
use std::sync::Arc;

/// The coupon that a code or an id leads to. Nobody has looked yet whether it exists.
pub struct Located {
    /// The coupon's key.
    pub key: CouponKey,
    /// The version of the cipher key that the code was made with.
    pub key_version: u16,
    /// The coupon's campaign, which this merchant redeems.
    pub campaign: Arc<Campaign>,
}

/// The first of these keys whose campaign this merchant redeems. The coupon's table is not asked.
///
/// `None` for a code that names nothing here and for another merchant's coupon: the caller answers both
/// alike.
pub async fn locate(
    catalog: &Catalog,
    merchant: &MerchantId,
    keys: Vec<(CouponKey, u16)>,
) -> Result<Option<Located>, ApiError> {
    for (key, key_version) in keys {
        if let Some(campaign) = own_campaign(catalog, merchant, key).await? {
            return Ok(Some(Located { key, key_version, campaign }));
        }
    }
    Ok(None)
}

/// The campaign of a coupon's key, when this merchant redeems it. 503 when the catalog does not answer.
pub async fn own_campaign(
    catalog: &Catalog,
    merchant: &MerchantId,
    key: CouponKey,
) -> Result<Option<Arc<Campaign>>, ApiError> {
    let campaign = catalog.read_campaign(key.campaign).await?;
    Ok(campaign.filter(|campaign| campaign.merchant_id == *merchant))
}
