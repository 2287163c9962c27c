//! `catalog`: campaigns with their frozen terms, merchants with the keys and secrets of their
//! servers, and their endpoints.
//!
//! It changes a few times a day and is asked thousands of times a second, so each environment remembers what it has
//! read. Endpoints are the exception: they are always read as they stand.

mod campaigns;
mod endpoints;
pub(crate) mod keys;
mod merchants;
mod records;

pub use campaigns::Published;
pub use merchants::{MerchantKey, MerchantRecord, WebhookSecretItem};
pub use records::{Priced, ReadError};

use crate::table::cache::Aging;
use mealticket_domain::{Campaign, CampaignNo, MerchantId, Terms, eligibility::Rule, settlement::SettlementTerms};
use std::sync::Arc;

/// What one environment remembers of the catalog.
#[derive(Default)]
pub(crate) struct Cache {
    campaigns: Aging<CampaignNo, Arc<Campaign>>,
    directory: Aging<(), Arc<Vec<Arc<Campaign>>>>,
    merchants: Aging<MerchantId, Arc<MerchantRecord>>,
    rules: Aging<(CampaignNo, u32), Arc<Rule>>,
    settlements: Aging<(CampaignNo, u32), Arc<SettlementTerms>>,
    terms: Aging<(CampaignNo, u32), Arc<Terms>>,
}
