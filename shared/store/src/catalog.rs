//! The catalog: campaigns, their frozen terms, merchants. Cached per environment, because it changes a few times a day and
//! is asked thousands of times a second.

use crate::{
    Store,
    attributes::{Item, Reader, binary, item, number, text},
    calls::Write,
    clauses::IS_NEW,
    error::StoreError,
    keys,
};
use mealticket_domain::{
    Campaign, CampaignNo, Merchant, MerchantId, Store as Shop, Terms, TermsHash,
    merchant::{MerchantTier, SupplyContract},
};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// A change in the catalog is seen by every environment within this time; the docs promise it.
pub const FRESH_FOR: Duration = Duration::from_secs(30);
/// Entries of one kind kept at once. A province has hundreds of campaigns of about 2 KB; 4 096 are 8 MB of 256.
const ENTRIES_MAX: usize = 4_096;

/// What one environment remembers of the catalog.
#[derive(Default)]
pub(crate) struct Cache {
    campaigns: Aging<CampaignNo, Arc<Campaign>>,
    directory: Aging<(), Arc<Vec<Arc<Campaign>>>>,
    remaining: Aging<CampaignNo, u64>,
    merchants: Aging<MerchantId, Arc<MerchantRecord>>,
    terms: Aging<(CampaignNo, u32), Arc<Terms>>,
}

/// What publishing a campaign came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Its terms are the newest now.
    Newest,
    /// This version of its terms, or of its settlement terms, was published with other words: it needs the next version.
    FrozenVersionDiffers,
}

/// A merchant with what its servers are recognised by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantRecord {
    /// The merchant.
    pub merchant: Merchant,
    /// Its public keys, by key id.
    pub keys: Vec<MerchantKey>,
    /// Its webhook secrets, sealed by the caller, newest last.
    pub webhook_secrets: Vec<Vec<u8>>,
}

/// A registered public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantKey {
    /// The `kid` of tokens signed with it.
    pub kid: String,
    /// The one algorithm it may be used with: `EdDSA`, `ES256` or `RS256`.
    pub algorithm: String,
    /// The key in PEM (SubjectPublicKeyInfo).
    pub public_pem: String,
}

/// Values that grow old. A value is fresh for between half and the whole of [`FRESH_FOR`]: the jitter keeps environments
/// that started together from asking together.
struct Aging<K, V>(Mutex<HashMap<K, (Instant, V)>>);

impl<K, V> Default for Aging<K, V> {
    fn default() -> Self {
        Aging(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Aging<K, V> {
    fn fresh(&self, key: &K) -> Option<V> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|(until, _)| Instant::now() < *until).map(|(_, value)| value.clone())
    }

    fn keep(&self, key: K, value: V, fresh_for: Duration) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(key, (Instant::now() + fresh_for, value));
    }
}

fn jittered() -> Duration {
    FRESH_FOR.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Frozen things never change; they are only forgotten to bound memory.
const FROZEN: Duration = Duration::from_secs(86_400);

impl Store {
    /// A campaign, at most [`FRESH_FOR`] old. An unknown number is asked for every time: it is rare, and caching it would let
    /// a stranger fill the cache.
    pub async fn campaign(&self, no: CampaignNo) -> Result<Option<Arc<Campaign>>, StoreError> {
        if let Some(known) = self.shared.catalog.campaigns.fresh(&no) {
            return Ok(Some(known));
        }
        let call = self.client.get_item().table_name(&self.tables.catalog);
        let Some(item) = self.get(call.set_key(Some(keys::campaign(no).attributes()))).await? else {
            return Ok(None);
        };
        Ok(Some(self.remember(read_campaign(&item)?)))
    }

    /// Every campaign, at most [`FRESH_FOR`] old, in the order of their numbers.
    pub async fn campaigns(&self) -> Result<Arc<Vec<Arc<Campaign>>>, StoreError> {
        if let Some(known) = self.shared.catalog.directory.fresh(&()) {
            return Ok(known);
        }
        let call = self.query_prefix(&self.tables.catalog, keys::CAMPAIGNS.to_owned(), keys::CAMPAIGN);
        let items = self.query_all(call).await?;
        let campaigns = items.iter().map(|item| read_campaign(item).map(|campaign| self.remember(campaign)));
        let directory = Arc::new(campaigns.collect::<Result<Vec<_>, _>>()?);
        self.shared.catalog.directory.keep((), Arc::clone(&directory), jittered());
        Ok(directory)
    }

    fn remember(&self, campaign: Campaign) -> Arc<Campaign> {
        let campaign = Arc::new(campaign);
        let newest = ((campaign.no, campaign.terms.version), Arc::new(campaign.terms.clone()));
        self.shared.catalog.terms.keep(newest.0, newest.1, FROZEN);
        self.shared.catalog.campaigns.keep(campaign.no, Arc::clone(&campaign), jittered());
        campaign
    }

    /// Units left of a campaign's stock, at most [`FRESH_FOR`] old: a hint, not a promise.
    pub async fn remaining_hint(&self, no: CampaignNo) -> Result<u64, StoreError> {
        if let Some(known) = self.shared.catalog.remaining.fresh(&no) {
            return Ok(known);
        }
        let remaining = self.remaining(no).await?.unwrap_or(0);
        self.shared.catalog.remaining.keep(no, remaining, jittered());
        Ok(remaining)
    }

    /// A frozen version of a campaign's terms.
    pub async fn terms(&self, no: CampaignNo, version: u32) -> Result<Arc<Terms>, StoreError> {
        if let Some(known) = self.shared.catalog.terms.fresh(&(no, version)) {
            return Ok(known);
        }
        let call = self.client.get_item().table_name(&self.tables.catalog);
        // Strongly consistent: a version that a coupon names is there.
        let item = self.get(call.set_key(Some(keys::terms(no, version).attributes())).consistent_read(true)).await?;
        let item = item.ok_or(StoreError::Corrupt { item: "terms", attribute: "pk" })?;
        let terms = Arc::new(read_terms(&Reader::new(&item, "terms"))?);
        self.shared.catalog.terms.keep((no, version), Arc::clone(&terms), FROZEN);
        Ok(terms)
    }

    /// A merchant with its stores, keys and secrets, at most [`FRESH_FOR`] old: one query.
    pub async fn merchant(&self, id: &MerchantId) -> Result<Option<Arc<MerchantRecord>>, StoreError> {
        if let Some(known) = self.shared.catalog.merchants.fresh(id) {
            return Ok(Some(known));
        }
        let items = self.query_all(self.query_partition(&self.tables.catalog, keys::merchant_partition(id))).await;
        let Some(record) = read_merchant(id, &items?)? else { return Ok(None) };
        let record = Arc::new(record);
        self.shared.catalog.merchants.keep(id.clone(), Arc::clone(&record), jittered());
        Ok(Some(record))
    }

    /// Publishes a version of a campaign's terms and makes it the newest. A version is frozen: when it is there with other
    /// words, nothing is changed.
    pub async fn put_campaign(&self, campaign: &Campaign, settlement: &str) -> Result<Published, StoreError> {
        let document = |doc: String, sha: &TermsHash| -> Item {
            item([("document", Some(text(doc))), ("sha256", Some(binary(&sha.0)))])
        };
        let terms = terms_document(&campaign.terms)?;
        let frozen = keys::terms(campaign.no, campaign.terms.version).with(document(terms, &campaign.terms_sha256));
        let hash = TermsHash(mealticket_domain::terms::sha256(settlement.as_bytes()));
        let settled =
            keys::settlement(campaign.no, campaign.settlement_version).with(document(settlement.to_owned(), &hash));
        for item in [frozen, settled] {
            let sha = item.get("sha256").cloned();
            let call = self.client.put_item().table_name(&self.tables.catalog);
            let written = self.put(call.set_item(Some(item)).condition_expression(IS_NEW)).await?;
            if let Write::Refused(stands) = written
                && stands.and_then(|stands| stands.get("sha256").cloned()) != sha
            {
                return Ok(Published::FrozenVersionDiffers);
            }
        }
        let call = self.client.put_item().table_name(&self.tables.catalog);
        self.put(call.set_item(Some(campaign_item(campaign)?))).await.map(|_| Published::Newest)
    }

    /// Writes a merchant with its stores, keys and secrets.
    pub async fn put_merchant(&self, record: &MerchantRecord) -> Result<(), StoreError> {
        for item in merchant_items(record) {
            let call = self.client.put_item().table_name(&self.tables.catalog);
            self.put(call.set_item(Some(item))).await?;
        }
        Ok(())
    }
}

fn terms_document(terms: &Terms) -> Result<String, StoreError> {
    serde_json::to_string(terms).map_err(|source| StoreError::Unexpected { source: source.into() })
}

fn campaign_item(campaign: &Campaign) -> Result<Item, StoreError> {
    Ok(keys::campaign(campaign.no).with(item([
        ("benefit_id", Some(text(campaign.benefit_id.as_str()))),
        ("merchant_id", Some(text(campaign.merchant_id.as_str()))),
        ("campaign_state", Some(text(campaign.state.as_str()))),
        ("stock", Some(number(campaign.stock))),
        ("stock_shards", Some(number(campaign.stock_shards))),
        ("settlement_version", Some(number(campaign.settlement_version))),
        ("document", Some(text(terms_document(&campaign.terms)?))),
        ("sha256", Some(binary(&campaign.terms_sha256.0))),
    ])))
}

fn read_campaign(item: &Item) -> Result<Campaign, StoreError> {
    let read = Reader::new(item, "campaign");
    let no = read.str("sk")?.strip_prefix(keys::CAMPAIGN).and_then(|no| no.parse::<u32>().ok());
    Ok(Campaign {
        no: no.and_then(|no| CampaignNo::try_from(no).ok()).ok_or_else(|| read.corrupt("sk"))?,
        benefit_id: read.parsed("benefit_id")?,
        merchant_id: read.parsed("merchant_id")?,
        state: read.parsed("campaign_state")?,
        stock: read.number("stock")?,
        stock_shards: read.number("stock_shards")?,
        terms: read_terms(&read)?,
        terms_sha256: TermsHash(read.array("sha256")?),
        settlement_version: read.number("settlement_version")?,
    })
}

fn read_terms(read: &Reader<'_>) -> Result<Terms, StoreError> {
    serde_json::from_str(read.str("document")?).map_err(|_| read.corrupt("document"))
}

fn merchant_items(record: &MerchantRecord) -> Vec<Item> {
    let merchant = &record.merchant;
    let profile = keys::merchant_profile(&merchant.id).with(item([
        ("name", Some(text(&merchant.name))),
        ("tier", Some(text(merchant.tier.as_str()))),
        ("supply", Some(text(merchant.supply.as_str()))),
    ]));
    let stores = merchant.stores.iter().map(|store| {
        keys::merchant_store(&merchant.id, &store.store_id).with(item([
            ("store_no", Some(text(&store.store_no))),
            ("name", Some(text(&store.name))),
            ("city", Some(text(&store.city))),
        ]))
    });
    let keys_ = record.keys.iter().map(|key| {
        keys::merchant_key(&merchant.id, &key.kid)
            .with(item([("algorithm", Some(text(&key.algorithm))), ("public_pem", Some(text(&key.public_pem)))]))
    });
    let secrets = (0..)
        .zip(&record.webhook_secrets)
        .map(|(at, sealed)| keys::merchant_secret(&merchant.id, at).with(item([("sealed", Some(binary(sealed)))])));
    std::iter::once(profile).chain(stores).chain(keys_).chain(secrets).collect()
}

fn read_merchant(id: &MerchantId, items: &[Item]) -> Result<Option<MerchantRecord>, StoreError> {
    let mut record: Option<MerchantRecord> = None;
    let (mut stores, mut keys_, mut secrets) = (Vec::new(), Vec::new(), Vec::new());
    for item in items {
        let read = Reader::new(item, "merchant");
        let sk = read.str("sk")?;
        if sk == keys::MERCHANT_PROFILE {
            let merchant = Merchant {
                id: id.clone(),
                name: read.str("name")?.to_owned(),
                tier: read.parsed::<MerchantTier>("tier")?,
                supply: read.parsed::<SupplyContract>("supply")?,
                stores: Vec::new(),
            };
            record = Some(MerchantRecord { merchant, keys: Vec::new(), webhook_secrets: Vec::new() });
        } else if let Some(store) = sk.strip_prefix(keys::MERCHANT_STORE) {
            stores.push(Shop {
                store_id: store.parse().map_err(|_| read.corrupt("sk"))?,
                store_no: read.str("store_no")?.to_owned(),
                name: read.str("name")?.to_owned(),
                city: read.str("city")?.to_owned(),
            });
        } else if let Some(kid) = sk.strip_prefix(keys::MERCHANT_KEY) {
            keys_.push(MerchantKey {
                kid: kid.to_owned(),
                algorithm: read.str("algorithm")?.to_owned(),
                public_pem: read.str("public_pem")?.to_owned(),
            });
        } else if sk.starts_with(keys::MERCHANT_SECRET) {
            secrets.push(read.bytes("sealed")?.to_vec());
        }
    }
    Ok(record.map(|mut record| {
        record.merchant.stores = stores;
        record.keys = keys_;
        record.webhook_secrets = secrets;
        record
    }))
}
