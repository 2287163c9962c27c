//! The seed province, checked by the rules of the real catalog and put into the tables.

use crate::{Result, StackError, key_file::KeyFile, receiver::Receiver, yaml};
use mealticket_api::vault::{Sealed, Vault};
use mealticket_domain::{
    BenefitId, Campaign, CampaignNo, CampaignState, MemberAttributes, Merchant, MerchantId, Phone, Store as Shop,
    Terms,
    merchant::{MerchantTier, SupplyContract},
    settlement::SettlementTerms,
    webhook::{Endpoint, EndpointId, EndpointSecret, MessageKind},
};
use mealticket_store::{
    AttributePath, Tables,
    catalog::{MerchantKey, MerchantRecord, Published, WebhookSecretItem},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::Path;

/// A province to play with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// Its merchants.
    pub merchants: Vec<SeedMerchant>,
    known_numbers: Vec<KnownNumber>,
    /// Its campaigns.
    pub campaigns: Vec<SeedCampaign>,
}

/// A merchant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedMerchant {
    /// Its id.
    pub id: MerchantId,
    /// Its name.
    pub name: String,
    tier: MerchantTier,
    supply: SupplyContract,
    /// Its stores.
    pub stores: Vec<Shop>,
    /// Where it is told by webhooks: names of endpoints on the merchants' server here, each told everything.
    #[serde(default)]
    pub endpoints: Vec<EndpointId>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownNumber {
    phone: String,
    attributes: MemberAttributes,
}

/// A campaign in its first version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedCampaign {
    no: u32,
    benefit_id: BenefitId,
    merchant_id: MerchantId,
    state: String,
    stock: u64,
    settlement: SettlementTerms,
    terms: Map<String, Value>,
}

impl Seed {
    /// Reads a seed file.
    pub fn read(path: &Path) -> Result<Self> {
        serde_json::from_value(yaml::read(path)?).map_err(|error| StackError::caused(path.display(), error))
    }

    /// The ids of its merchants.
    pub fn merchant_ids(&self) -> Vec<&MerchantId> {
        self.merchants.iter().map(|merchant| &merchant.id).collect()
    }

    /// The campaigns, each checked.
    pub fn campaigns(&self) -> Result<Vec<Campaign>> {
        self.campaigns.iter().map(|campaign| self.campaign(campaign)).collect()
    }

    fn campaign(&self, seed: &SeedCampaign) -> Result<Campaign> {
        let broken = |problem: &dyn std::fmt::Display| StackError(format!("seed campaign {}: {problem}", seed.no));
        let mut document = seed.terms.clone();
        document.insert("version".to_owned(), 1.into());
        let terms: Terms = serde_json::from_value(document.into()).map_err(|error| broken(&error))?;
        let no = CampaignNo::try_from(seed.no).map_err(|error| broken(&error))?;
        let state: CampaignState = seed.state.parse().map_err(|_| broken(&"its state is none"))?;
        if !self.merchants.iter().any(|merchant| merchant.id == seed.merchant_id) {
            return Err(broken(&"its merchant is not in the seed"));
        }
        let campaign = Campaign {
            no,
            benefit_id: seed.benefit_id.clone(),
            merchant_id: seed.merchant_id.clone(),
            state,
            stock: seed.stock,
            stock_shards: Campaign::shards_for(seed.stock),
            terms_sha256: terms.hash(no).map_err(|error| broken(&error))?,
            terms,
            settlement_version: 2,
        };
        seed.settlement.check().map_err(|error| broken(&error))?;
        campaign.check().map_err(|error| broken(&error))?;
        Ok(campaign)
    }

    /// Puts the seed into the tables. Stock that is laid out is left as it is, so a second load changes nothing that matters.
    pub async fn load(&self, tables: &Tables, keys: &KeyFile) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| StackError(format!("the seed could not be loaded: {error}"));
        let vault = Vault::new(&keys.stack).map_err(|_| failed(&"the seal key"))?;
        for merchant in &self.merchants {
            tables.catalog.put_merchant(&record(merchant, keys, &vault)?).await.map_err(|error| failed(&error))?;
        }
        for (campaign, seed) in self.campaigns()?.iter().zip(&self.campaigns) {
            tables.stock.lay_out_stock(campaign).await.map_err(|error| failed(&error))?;
            let put = tables.catalog.put_campaign(campaign, &seed.settlement);
            if put.await.map_err(|error| failed(&error))? == Published::FrozenVersionDiffers {
                let no = campaign.no;
                return Err(StackError(format!(
                    "{no}: the seed differs from the terms published in this data directory"
                )));
            }
        }
        for known in &self.known_numbers {
            let phone: Phone = known.phone.parse().map_err(|error| failed(&error))?;
            let hash = vault.phone_hash(&phone);
            let put = tables.identities.put_operators_attributes(&hash, &known.attributes);
            put.await.map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

impl Seed {
    /// Registers the merchants' endpoints, at the addresses that `receiver` has this time. What an endpoint has become since it was
    /// first registered stays.
    pub async fn load_endpoints(&self, tables: &Tables, keys: &KeyFile, receiver: &Receiver) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| StackError(format!("an endpoint could not be loaded: {error}"));
        let vault = Vault::new(&keys.stack).map_err(|_| failed(&"the seal key"))?;
        for merchant in &self.merchants {
            let secret = keys.merchant(merchant.id.as_str())?.endpoint_secret.as_deref();
            for id in &merchant.endpoints {
                let secret = secret.ok_or_else(|| failed(&"the key file has no secret for it"))?;
                let sealed = vault.seal(
                    Sealed::EndpointSecret,
                    &AttributePath::endpoint_secret(&merchant.id, id),
                    secret.as_bytes(),
                );
                let sealed = sealed.map_err(|_| failed(&"its secret"))?;
                let endpoint = Endpoint {
                    id: id.clone(),
                    url: receiver.url(id),
                    subscribed: MessageKind::ALL.into(),
                    version: 1,
                    secrets: vec![EndpointSecret { sealed, since_version: 1, until: None }],
                    off: None,
                    failing_since: None,
                };
                receiver.trust(id, secret);
                let standing =
                    tables.catalog.add_endpoint(&merchant.id, &endpoint).await.map_err(|error| failed(&error))?;
                if let Some(standing) = standing {
                    let seen = standing.version;
                    let moved = Endpoint { url: endpoint.url, version: seen + 1, ..standing };
                    tables.catalog.change_endpoint(&merchant.id, seen, &moved).await.map_err(|error| failed(&error))?;
                }
            }
        }
        Ok(())
    }
}

fn record(merchant: &SeedMerchant, keys: &KeyFile, vault: &Vault) -> Result<MerchantRecord> {
    let secrets = keys.merchant(merchant.id.as_str())?;
    for store in &merchant.stores {
        store.check().map_err(|error| StackError(format!("seed store {}: store_no {error}", store.store_id)))?;
    }
    let path = AttributePath::webhook_secret(&merchant.id, 0);
    let sealed = vault.seal(Sealed::WebhookSecret, &path, secrets.webhook_secret.as_bytes());
    let sealed = sealed.map_err(|_| StackError("a webhook secret could not be sealed".to_owned()))?;
    Ok(MerchantRecord {
        merchant: Merchant {
            id: merchant.id.clone(),
            name: merchant.name.clone(),
            tier: merchant.tier,
            supply: merchant.supply,
            stores: merchant.stores.clone(),
        },
        keys: vec![MerchantKey {
            kid: secrets.kid.clone(),
            algorithm: "EdDSA".to_owned(),
            public_pem: secrets.public_pem()?,
        }],
        webhook_secrets: vec![WebhookSecretItem { number: 0, sealed }],
    })
}
