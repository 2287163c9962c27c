//! Merchants, with the keys and secrets by which we recognise their servers.

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

/// A merchant with the keys and secrets by which we recognise its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantRecord {
    /// The merchant, with its stores.
    pub merchant: Merchant,
    /// Its public keys, for the tokens that its servers sign. By key id.
    pub keys: Vec<MerchantKey>,
    /// The secrets and public keys by which we recognise its reports, newest last. The two newest count.
    pub webhook_secrets: Vec<WebhookSecretItem>,
}

/// A secret or public key for reports, as the table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSecretItem {
    /// Its number among the merchant's. A newer one has a greater number.
    pub number: u32,
    /// The secret. The caller seals it, bound to this merchant and number.
    pub sealed: Vec<u8>,
}

/// A registered public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantKey {
    /// The `kid` of tokens that are signed with it.
    pub kid: String,
    /// The one algorithm that it may be used with: `EdDSA`, `ES256` or `RS256`.
    pub algorithm: String,
    /// The key in PEM (SubjectPublicKeyInfo).
    pub public_pem: String,
}

impl Catalog {
    /// A merchant with its stores, keys and secrets, at most 30 seconds old; `None` when there is none. So a withdrawn
    /// key counts for up to 30 seconds.
    ///
    /// An unknown id is asked for every time. Cost: nothing while cached; then 1 Query, ½ R for each
    /// 4 KB, endpoints included.
    pub async fn read_merchant(&self, id: &MerchantId) -> Result<Option<Arc<MerchantRecord>>, StoreError> {
        if let Some(known) = self.cache.merchants.fresh(id, self.table.clock()) {
            return Ok(Some(known));
        }
        let since = self.table.clock().moment();
        let items = self.table.query_all(self.table.query_partition(keys::merchant_partition(id))).await;
        let Some(record) = read_merchant(id, &items?)? else { return Ok(None) };
        let record = Arc::new(record);
        self.cache.merchants.keep(id.clone(), Arc::clone(&record), since, jittered());
        Ok(Some(record))
    }

    /// Writes a merchant with its stores, keys and secrets. Safe to repeat; the last write of each item wins.
    ///
    /// It removes nothing: a key that is not in `record` stays. A crash in between leaves some items written, and a
    /// repeat writes the rest. Environments see the change within 30 seconds.
    ///
    /// Cost: 1 PutItem, 1 W, for each item.
    pub async fn put_merchant(&self, record: &MerchantRecord) -> Result<(), StoreError> {
        for item in merchant_items(record) {
            let call = self.table.put_item();
            self.table.put(call.set_item(Some(item))).await?;
        }
        Ok(())
    }
}

/// The items of a merchant, the profile first.
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

/// The merchant of its items; `None` without a profile. Items of other kinds, such as endpoints, are skipped.
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
