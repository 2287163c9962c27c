//! One table as one execution environment reaches it: the calls, and what the code of every table needs for them.

pub(crate) mod attributes;
pub(crate) mod budget;
pub(crate) mod cache;
pub(crate) mod calls;
pub(crate) mod clauses;
pub(crate) mod clock;
pub(crate) mod error;
pub(crate) mod key;
pub(crate) mod meter;

use aws_sdk_dynamodb::{
    Client,
    operation::{
        delete_item::builders::DeleteItemFluentBuilder, get_item::builders::GetItemFluentBuilder,
        put_item::builders::PutItemFluentBuilder, query::builders::QueryFluentBuilder,
        scan::builders::ScanFluentBuilder, update_item::builders::UpdateItemFluentBuilder,
    },
};
use budget::Budget;
use clock::Clock;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long one call goes on asking before it returns `StoreError::Unavailable`. A request's own
/// deadline can end it earlier.
const GIVE_UP_AFTER: Duration = Duration::from_secs(4);

/// One table. Clones reach the same table within the same budget.
#[derive(Clone)]
pub(crate) struct Table {
    client: Client,
    name: Arc<str>,
    clock: Clock,
    give_up_after: Duration,
    budget: Budget,
}

impl Table {
    /// The table of this name in the cloud. It asks nothing, not even whether the table is there.
    pub(crate) fn new(client: Client, name: &str, clock: Clock, budget: Budget) -> Self {
        Table { client, name: name.into(), clock, give_up_after: GIVE_UP_AFTER, budget }
    }

    /// The same table within another budget.
    pub(crate) fn within(&self, budget: &Budget) -> Self {
        Table { budget: budget.clone(), ..self.clone() }
    }

    /// The same table with another patience for each call.
    pub(crate) fn giving_up_after(&self, patience: Duration) -> Self {
        Table { give_up_after: patience, ..self.clone() }
    }

    /// The table's name in the cloud.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// When a call that begins now stops trying: after the table's patience, or at the request's
    /// deadline if that is earlier.
    pub(crate) fn give_up_at(&self) -> Instant {
        let give_up_at = Instant::now() + self.give_up_after;
        self.budget.answer_by().map_or(give_up_at, |answer_by| give_up_at.min(answer_by))
    }

    pub(crate) fn get_item(&self) -> GetItemFluentBuilder {
        self.client.get_item().table_name(&*self.name)
    }

    pub(crate) fn put_item(&self) -> PutItemFluentBuilder {
        self.client.put_item().table_name(&*self.name)
    }

    pub(crate) fn update_item(&self) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&*self.name)
    }

    pub(crate) fn delete_item(&self) -> DeleteItemFluentBuilder {
        self.client.delete_item().table_name(&*self.name)
    }

    pub(crate) fn query_items(&self) -> QueryFluentBuilder {
        self.client.query().table_name(&*self.name)
    }

    /// A scan, for the rebuild alone. Nothing that answers a request reads a whole table.
    #[expect(clippy::disallowed_methods, reason = "the rebuild is about every coupon there is")]
    pub(crate) fn scan_items(&self) -> ScanFluentBuilder {
        self.client.scan().table_name(&*self.name)
    }
}
