//! From a code or a coupon's id to the coupon's place, for the merchant who redeems it.

use crate::problem::ApiError;
use mealticket_domain::{Campaign, CouponKey, MerchantId};
use mealticket_store::Catalog;
use std::sync::Arc;

/// Where a code or an id leads.
pub struct Located {
    /// The coupon's place.
    pub key: CouponKey,
    /// The key that the code was made with.
    pub key_version: u16,
    /// The coupon's campaign.
    pub campaign: Arc<Campaign>,
}

/// The first of these places whose campaign this merchant redeems. The coupon table is not asked.
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

/// The campaign of a coupon's place, when this merchant redeems it.
pub async fn own_campaign(
    catalog: &Catalog,
    merchant: &MerchantId,
    key: CouponKey,
) -> Result<Option<Arc<Campaign>>, ApiError> {
    let campaign = catalog.read_campaign(key.campaign).await?;
    Ok(campaign.filter(|campaign| campaign.merchant_id == *merchant))
}
