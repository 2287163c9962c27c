//! Every key of `catalog`. The only file with a prefix of them.

use crate::table::key::Key;
use mealticket_domain::{CampaignNo, MerchantId, StoreId, webhook::EndpointId};

/// The directory of campaigns: one partition, a few hundred items, read as a whole and cached.
pub(crate) const CAMPAIGNS: &str = "CAMPAIGNS";
pub(crate) const CAMPAIGN: &str = "CAMPAIGN#";

pub(crate) fn campaign(no: CampaignNo) -> Key {
    Key::new(CAMPAIGNS, format!("{CAMPAIGN}{:07}", no.get()))
}

pub(crate) fn terms(no: CampaignNo, version: u32) -> Key {
    Key::new(format!("{CAMPAIGN}{}", no.get()), format!("TERMS#{version:05}"))
}

pub(crate) fn settlement(no: CampaignNo, version: u32) -> Key {
    Key::new(format!("{CAMPAIGN}{}", no.get()), format!("SETTLEMENT#{version:05}"))
}

pub(crate) fn merchant_partition(merchant: &MerchantId) -> String {
    format!("MERCHANT#{merchant}")
}

pub(crate) const MERCHANT_PROFILE: &str = "PROFILE";
pub(crate) const MERCHANT_STORE: &str = "STORE#";
pub(crate) const MERCHANT_KEY: &str = "KEY#";
pub(crate) const MERCHANT_SECRET: &str = "SECRET#";
pub(crate) const MERCHANT_ENDPOINT: &str = "ENDPOINT#";

pub(crate) fn merchant_profile(merchant: &MerchantId) -> Key {
    Key::new(merchant_partition(merchant), MERCHANT_PROFILE)
}

pub(crate) fn merchant_store(merchant: &MerchantId, store: &StoreId) -> Key {
    Key::new(merchant_partition(merchant), format!("{MERCHANT_STORE}{store}"))
}

pub(crate) fn merchant_key(merchant: &MerchantId, kid: &str) -> Key {
    Key::new(merchant_partition(merchant), format!("{MERCHANT_KEY}{kid}"))
}

pub(crate) fn merchant_secret(merchant: &MerchantId, number: u32) -> Key {
    Key::new(merchant_partition(merchant), format!("{MERCHANT_SECRET}{number:05}"))
}

pub(crate) fn merchant_endpoint(merchant: &MerchantId, endpoint: &EndpointId) -> Key {
    Key::new(merchant_partition(merchant), format!("{MERCHANT_ENDPOINT}{endpoint}"))
}
