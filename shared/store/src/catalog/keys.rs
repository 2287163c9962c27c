//! Every key of `catalog`. The only file with a prefix of them.

use crate::table::key::Key;
use mealticket_domain::{CampaignNo, MerchantId, StoreId, webhook::EndpointId};

/// The directory of campaigns: one partition of a few hundred items, read as a whole and cached.
pub(crate) const CAMPAIGNS: &str = "CAMPAIGNS";
/// The beginning of a campaign's sort key in the directory, and of its own partition.
pub(crate) const CAMPAIGN: &str = "CAMPAIGN#";

/// A campaign in the directory. Seven digits, so that text order is number order.
pub(crate) fn campaign(no: CampaignNo) -> Key {
    Key::new(CAMPAIGNS, format!("{CAMPAIGN}{:07}", no.get()))
}

/// A frozen version of a campaign's terms.
pub(crate) fn terms(no: CampaignNo, version: u32) -> Key {
    Key::new(format!("{CAMPAIGN}{}", no.get()), format!("TERMS#{version:05}"))
}

/// A frozen version of a campaign's settlement terms.
pub(crate) fn settlement(no: CampaignNo, version: u32) -> Key {
    Key::new(format!("{CAMPAIGN}{}", no.get()), format!("SETTLEMENT#{version:05}"))
}

/// All items of a merchant: profile, stores, keys, secrets, endpoints.
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

/// A registered public key of a merchant, by its key id.
pub(crate) fn merchant_key(merchant: &MerchantId, kid: &str) -> Key {
    Key::new(merchant_partition(merchant), format!("{MERCHANT_KEY}{kid}"))
}

/// A secret or public key for a merchant's reports. Five digits, so that the newest is last.
pub(crate) fn merchant_secret(merchant: &MerchantId, number: u32) -> Key {
    Key::new(merchant_partition(merchant), format!("{MERCHANT_SECRET}{number:05}"))
}

/// An endpoint to which a merchant's messages go.
pub(crate) fn merchant_endpoint(merchant: &MerchantId, endpoint: &EndpointId) -> Key {
    Key::new(merchant_partition(merchant), format!("{MERCHANT_ENDPOINT}{endpoint}"))
}
