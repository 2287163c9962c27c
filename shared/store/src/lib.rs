#![doc = include_str!("../README.md")]

mod attributes;
pub mod books;
mod cache;
mod calls;
pub mod catalog;
pub mod challenges;
pub mod claim;
mod clauses;
pub mod clock;
pub mod coupons;
pub mod deliveries;
pub mod endpoints;
mod error;
pub mod hold;
mod items;
mod keys;
pub mod ledger;
pub mod members;
pub mod merchants;
pub mod messages;
mod meter;
mod path;
pub mod rebuild;
pub mod redeem;
pub mod reverse;
pub mod sessions;
pub mod statements;
pub mod stock;
pub mod stream;
pub mod waiting;

pub use clock::Clock;
pub use error::{StoreError, WasApplied};
pub use items::coupon::item_bytes;
pub use meter::{Capacity, Meter};
pub use path::AttributePath;

use aws_sdk_dynamodb::Client;
use mealticket_domain::MerchantId;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::Instant;

/// The names of the tables, as the template gives them to the functions.
#[derive(Debug, Clone)]
pub struct Tables {
    /// `members`: profiles and coupons.
    pub members: String,
    /// `identities`: phones, one-time codes, sessions.
    pub identities: String,
    /// `catalog`: campaigns, terms, merchants.
    pub catalog: String,
    /// `stock`: units and number blocks.
    pub stock: String,
    /// `ledger`: the journal's pages.
    pub ledger: String,
    /// `messages`: webhooks received and sent, discrepancies.
    pub messages: String,
}

/// How long one store call goes on asking before it answers "unavailable".
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(4);

/// How long all the calls of one request may go on. The last attempt may begin just before and take its own 2 s:
/// 10 + 2 s, and the function's 15 s leave time to answer 503 `same_key`.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Access to the tables. Cheap to clone; clones share caches and number blocks.
#[derive(Clone)]
pub struct Store {
    client: Client,
    tables: Arc<Tables>,
    meter: Arc<Meter>,
    give_up_after: Duration,
    answer_by: Option<Instant>,
    clock: Clock,
    shared: Arc<Shared>,
}

/// What one execution environment remembers between requests.
#[derive(Default)]
struct Shared {
    catalog: catalog::Cache,
    merchants: cache::Aging<MerchantId, Arc<merchants::MerchantRecord>>,
    member_numbers: members::NumberBlock,
    stock: stock::desk::Desks,
    marks: ledger::Marks,
}

impl Store {
    /// A store over these tables. The client must not retry by itself (see [`calls`]): a retry that hides a lost answer
    /// would make an unknown outcome look like a refusal.
    pub fn new(client: Client, tables: Tables, clock: Clock) -> Self {
        Store {
            client,
            tables: Arc::new(tables),
            meter: Arc::default(),
            give_up_after: GIVE_UP_AFTER,
            answer_by: None,
            clock,
            shared: Arc::default(),
        }
    }

    /// The same store with another patience.
    #[must_use]
    pub fn giving_up_after(mut self, patience: Duration) -> Self {
        self.give_up_after = patience;
        self
    }

    /// The same store for one request: with a meter of its own, and a time by which it stops asking.
    #[must_use]
    pub fn for_one_request(&self) -> Self {
        Store { meter: Arc::default(), answer_by: Some(Instant::now() + ANSWER_WITHIN), ..self.clone() }
    }

    /// The clock that leases end by, and everything else.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The same store for work that outlives a request and ends with the environment.
    fn weak(&self) -> WeakStore {
        let store = Store { meter: Arc::default(), answer_by: None, shared: Arc::default(), ..self.clone() };
        WeakStore { store, shared: Arc::downgrade(&self.shared) }
    }

    /// What was asked of DynamoDB through this meter so far.
    pub fn capacity(&self) -> Capacity {
        self.meter.capacity()
    }
}

/// A store that does not keep its environment alive.
struct WeakStore {
    store: Store,
    shared: Weak<Shared>,
}

impl WeakStore {
    fn upgrade(&self) -> Option<Store> {
        Some(Store { shared: self.shared.upgrade()?, ..self.store.clone() })
    }
}
