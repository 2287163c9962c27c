//! Who redeems: a merchant and its stores (C1).

use crate::{
    ids::{IdError, MerchantId, StoreId},
    limits::STORE_NO_BYTES_MAX,
    text::{TextError, visible_ascii},
};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A merchant as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merchant {
    /// Its id, also the `iss` of its tokens.
    pub id: MerchantId,
    /// The name that people read.
    pub name: String,
    /// 紧密型 or 普通.
    pub tier: MerchantTier,
    /// 直供, 代理 or 中介.
    pub supply: SupplyContract,
    /// Its stores, in the order of their ids.
    pub stores: Vec<Store>,
}

/// How close a merchant works with the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MerchantTier {
    /// 紧密型.
    Close,
    /// 普通.
    Ordinary,
}

/// On whose account a merchant supplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupplyContract {
    /// 直供.
    Direct,
    /// 代理.
    Agent,
    /// 中介.
    Broker,
}

impl MerchantTier {
    /// The name in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            MerchantTier::Close => "close",
            MerchantTier::Ordinary => "ordinary",
        }
    }
}

impl FromStr for MerchantTier {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        [MerchantTier::Close, MerchantTier::Ordinary].into_iter().find(|known| known.as_str() == text).ok_or(IdError)
    }
}

impl SupplyContract {
    /// The name in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            SupplyContract::Direct => "direct",
            SupplyContract::Agent => "agent",
            SupplyContract::Broker => "broker",
        }
    }
}

impl FromStr for SupplyContract {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        [SupplyContract::Direct, SupplyContract::Agent, SupplyContract::Broker]
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or(IdError)
    }
}

/// A place with a till.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Our id.
    pub store_id: StoreId,
    /// The merchant's own number, 1 to 32 visible ASCII characters, unique within the merchant.
    pub store_no: String,
    /// The name on the door.
    pub name: String,
    /// The city it stands in.
    pub city: String,
}

impl Store {
    /// Checks the merchant's own number.
    pub fn check(&self) -> Result<(), TextError> {
        visible_ascii(&self.store_no, STORE_NO_BYTES_MAX)
    }
}

impl Merchant {
    /// The store by our id.
    pub fn store(&self, id: &str) -> Option<&Store> {
        self.stores.iter().find(|store| store.store_id.as_str() == id)
    }

    /// The store by the merchant's own number.
    pub fn store_by_no(&self, store_no: &str) -> Option<&Store> {
        self.stores.iter().find(|store| store.store_no == store_no)
    }
}
