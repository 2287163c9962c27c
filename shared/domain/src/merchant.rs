//! Who redeems: a merchant and its stores (C1).

use crate::{
    ids::{IdError, MerchantId, StoreId},
    limits::STORE_NO_BYTES_MAX,
    text::{TextError, visible_ascii},
};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A merchant as the catalog has it. Its keys and secrets are not part of it: `shared/store` keeps those
/// beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merchant {
    /// Also the `iss` of its tokens, and the owner of its campaigns.
    pub id: MerchantId,
    /// The name that people read, in any script. Nothing is decided by it.
    pub name: String,
    /// 紧密型 or 普通: how close the merchant works with the operator.
    pub tier: MerchantTier,
    /// 直供, 代理 or 中介: on whose account it supplies.
    pub supply: SupplyContract,
    /// Its stores, in the order of their ids. Only these can redeem.
    pub stores: Vec<Store>,
}

/// How close a merchant works with the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MerchantTier {
    /// 紧密型: works closely with the operator.
    Close,
    /// 普通: every other merchant.
    Ordinary,
}

/// On whose account a merchant supplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupplyContract {
    /// 直供: on its own account.
    Direct,
    /// 代理: as somebody's agent.
    Agent,
    /// 中介: as a broker between others.
    Broker,
}

impl MerchantTier {
    /// The name in the table and in JSON.
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
    /// The name in the table and in JSON.
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

/// A store (门店): a merchant's shop, with a till.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Our id. It is unique in the province, and what redemptions and sheets hold.
    pub store_id: StoreId,
    /// The merchant's own number: 1 to 32 visible ASCII characters, unique within the merchant.
    pub store_no: String,
    /// The name on the door, for people.
    pub name: String,
    /// The city it stands in. [`StoreScope::InCities`](crate::terms::StoreScope::InCities) compares it letter
    /// by letter.
    pub city: String,
}

impl Store {
    /// Checks the merchant's own number: 1 to 32 visible ASCII characters. The ids check themselves when they
    /// are read.
    pub fn check(&self) -> Result<(), TextError> {
        visible_ascii(&self.store_no, STORE_NO_BYTES_MAX)
    }
}

impl Merchant {
    /// The store of this id, `sto_…`; `None` when it is not this merchant's.
    pub fn store(&self, id: &str) -> Option<&Store> {
        self.stores.iter().find(|store| store.store_id.as_str() == id)
    }

    /// The store of this number of the merchant's own; `None` when the merchant has no such store.
    pub fn store_by_no(&self, store_no: &str) -> Option<&Store> {
        self.stores.iter().find(|store| store.store_no == store_no)
    }
}
