//! Merchants, with what their servers are recognised by.

use crate::{
    Catalog,
    catalog::keys,
    table::{
        attributes::{Item, Reader, binary, item, text},
        cache::jittered,
        error::StoreError,
    },
};
use mealticket_domain::{
    Merchant, MerchantId, Store as Shop,
    merchant::{MerchantTier, SupplyContract},
};
use std::sync::Arc;

/// A merchant with what its servers are recognised by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantRecord {
    /// The merchant.
    pub merchant: Merchant,
    /// Its public keys, by key id.
    pub keys: Vec<MerchantKey>,
    /// What its webhooks to us are recognised by, secrets and public keys, newest last.
    pub webhook_secrets: Vec<WebhookSecretItem>,
}

/// A webhook secret or public key as the table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSecretItem {
    /// Which of the merchant's: a newer one has a greater number.
    pub number: u32,
    /// Sealed by the caller, for this number.
    pub sealed: Vec<u8>,
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

impl Catalog {
    /// A merchant with its stores, keys and secrets, at most `FRESH_FOR` old: one query.
    pub async fn read_merchant(&self, id: &MerchantId) -> Result<Option<Arc<MerchantRecord>>, StoreError> {
        if let Some(known) = self.cache.merchants.fresh(id) {
            return Ok(Some(known));
        }
        let items = self.table.query_all(self.table.query_partition(keys::merchant_partition(id))).await;
        let Some(record) = read_merchant(id, &items?)? else { return Ok(None) };
        let record = Arc::new(record);
        self.cache.merchants.keep(id.clone(), Arc::clone(&record), jittered());
        Ok(Some(record))
    }

    /// Writes a merchant with its stores, keys and secrets.
    pub async fn put_merchant(&self, record: &MerchantRecord) -> Result<(), StoreError> {
        for item in merchant_items(record) {
            let call = self.table.put_item();
            self.table.put(call.set_item(Some(item))).await?;
        }
        Ok(())
    }
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
    let secrets = record.webhook_secrets.iter().map(|secret| {
        let sealed = item([("sealed", Some(binary(&secret.sealed)))]);
        keys::merchant_secret(&merchant.id, secret.number).with(sealed)
    });
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
        } else if let Some(number) = sk.strip_prefix(keys::MERCHANT_SECRET) {
            let number = number.parse().map_err(|_| read.corrupt("sk"))?;
            secrets.push(WebhookSecretItem { number, sealed: read.bytes("sealed")?.to_vec() });
        }
    }
    Ok(record.map(|mut record| {
        record.merchant.stores = stores;
        record.keys = keys_;
        record.webhook_secrets = secrets;
        record
    }))
}
