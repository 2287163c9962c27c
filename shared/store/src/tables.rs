//! The handles of the tables, and which of them a function gets.
//!
//! A handle reaches one table. Each public method of a handle is one access pattern, or a sequence of them, and a row
//! of `docs/DATA-MODEL.md`. The docs of the methods use its units:
//!
//! - **R** is one strongly consistent read of up to 4 KB. An eventually consistent read of 4 KB costs ½ R.
//! - **W** is one write of up to 1 KB. A write whose condition fails costs its W too, which DynamoDB does not report.
//!
//! Every method that asks a table can return three errors. The docs of a method name further cases only.
//!
//! - `StoreError::Unavailable`: the table did not answer within four seconds, or the request ran out of its ten. The
//!   caller may send the same request again.
//! - `StoreError::Corrupt`: an item lacks an attribute, or has one of the wrong kind. The error names both.
//! - `StoreError::Unexpected`: the table refused the call itself, and no earlier attempt may have been applied.

use crate::{
    catalog, ledger, stock,
    table::{Table, budget::Budget, clock::Clock, meter::Capacity},
};
use aws_sdk_dynamodb::Client;
use std::{sync::Arc, time::Duration};

/// The names of the tables in the cloud, as the template gives them to the functions. With a stack's prefix,
/// unlike [`Handles::TABLES`].
#[derive(Debug, Clone)]
pub struct TableNames {
    /// `members`: profiles and coupons.
    pub members: String,
    /// `identities`: phones, one-time codes, sessions.
    pub identities: String,
    /// `catalog`: campaigns, terms, merchants, endpoints.
    pub catalog: String,
    /// `stock`: units and number blocks.
    pub stock: String,
    /// `ledger`: the journal, the sheets, bills and statements.
    pub ledger: String,
    /// `messages`: reports received, messages sent, discrepancies.
    pub messages: String,
}

/// Profiles and coupons. A member's whole world is one item collection, so one query reads it.
/// Clones reach the same table.
#[derive(Clone)]
pub struct Members {
    pub(crate) table: Table,
}

/// Phones, one-time codes, quotas of messages, and session families. All of them are found by a
/// keyed hash or a random id.
#[derive(Clone)]
pub struct Identities {
    pub(crate) table: Table,
}

/// Campaigns, terms, merchants and their endpoints. Clones share a cache: what an environment reads here it remembers
/// for up to 30 seconds, and frozen terms for a day.
#[derive(Clone)]
pub struct Catalog {
    pub(crate) table: Table,
    pub(crate) cache: Arc<catalog::Cache>,
}

/// Units of stock and blocks of member numbers. Clones share the leases and the block that their environment holds, so
/// each unit and each number is given out once.
#[derive(Clone)]
pub struct Stock {
    pub(crate) table: Table,
    pub(crate) leased: Arc<stock::Leased>,
}

/// The journal, the sheets, bills and statements. Clones share how far their environment has posted each shard.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) table: Table,
    pub(crate) marks: Arc<ledger::Marks>,
}

/// Reports received, messages on their way, discrepancies. Nothing of it is cached.
#[derive(Clone)]
pub struct Messages {
    pub(crate) table: Table,
}

/// The handles that a function gets. [`handles!`](crate::handles) declares them.
pub trait Handles: Clone + Send + Sync + 'static {
    /// The tables' names in the template and in `docs/DATA-MODEL.md`, without the stack's prefix. A test compares them
    /// with the function's role.
    const TABLES: &'static [&'static str];

    /// These handles out of all. They share the caches, leases and budget of `tables`.
    fn of(tables: &Tables) -> Self;

    /// The same handles within another budget: its meter counts their calls, and its deadline ends them.
    #[must_use]
    fn within(&self, budget: &Budget) -> Self;

    /// The clock of the environment. Leases end by it, conditions compare with it, and a handler reads `now` from it.
    fn clock(&self) -> &Clock;
}

/// Declares a function's handles: `handles! { pub struct Handles { members: Members } }`.
///
/// The function cannot reach a table that is not declared here. A test holds the declaration equal to the
/// function's role in the template.
#[macro_export]
macro_rules! handles {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($table:ident: $handle:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone)]
        $vis struct $name {
            $(
                #[doc = concat!("The table `", stringify!($table), "`.")]
                pub $table: $crate::$handle,
            )+
        }

        impl $crate::Handles for $name {
            const TABLES: &'static [&'static str] = &[$(stringify!($table)),+];

            fn of(tables: &$crate::Tables) -> Self {
                $name { $($table: tables.$table.clone()),+ }
            }

            fn within(&self, budget: &$crate::Budget) -> Self {
                $name { $($table: self.$table.within(budget)),+ }
            }

            fn clock(&self) -> &$crate::Clock {
                let [clock, ..] = [$(self.$table.clock()),+];
                clock
            }
        }

        $(
            impl AsRef<$crate::$handle> for $name {
                fn as_ref(&self) -> &$crate::$handle {
                    &self.$table
                }
            }
        )+
    };
}

handles! {
    /// All tables, as one execution environment reaches them. Clones are cheap, and share caches,
    /// leases and number blocks.
    pub struct Tables {
        members: Members,
        identities: Identities,
        catalog: Catalog,
        stock: Stock,
        ledger: Ledger,
        messages: Messages,
    }
}

impl Tables {
    /// An environment's handles, without a deadline. It asks the tables nothing.
    ///
    /// The client must not retry by itself. A retry that hides a lost answer would make an unknown
    /// outcome look like a refusal.
    pub fn new(client: Client, names: TableNames, clock: Clock) -> Self {
        let budget = Budget::unlimited();
        let table = |name: &str| Table::new(client.clone(), name, clock.clone(), budget.clone());
        Tables {
            members: Members { table: table(&names.members) },
            identities: Identities { table: table(&names.identities) },
            catalog: Catalog { table: table(&names.catalog), cache: Arc::default() },
            stock: Stock { table: table(&names.stock), leased: Arc::default() },
            ledger: Ledger { table: table(&names.ledger), marks: Arc::default() },
            messages: Messages { table: table(&names.messages) },
        }
    }

    /// The same handles. Each call gives up after `patience` instead of four seconds, with `StoreError::Unavailable`.
    /// Tests use it to see what follows without waiting.
    #[must_use]
    pub fn giving_up_after(mut self, patience: Duration) -> Self {
        for table in [
            &mut self.members.table,
            &mut self.identities.table,
            &mut self.catalog.table,
            &mut self.stock.table,
            &mut self.ledger.table,
            &mut self.messages.table,
        ] {
            *table = table.giving_up_after(patience);
        }
        self
    }

    /// The same handles for one request: with a meter of its own, and a deadline of
    /// [`ANSWER_WITHIN`](crate::ANSWER_WITHIN). Call it once for each request, when the request arrives.
    #[must_use]
    pub fn for_one_request(&self) -> Self {
        self.within(&Budget::of_one_request())
    }

    /// A function's handles out of these. They share this value's meter and deadline.
    pub fn narrowed<H: Handles>(&self) -> H {
        H::of(self)
    }

    /// Requests and units of all the calls that these handles and their clones have made within this budget. A refused
    /// condition is counted as a request without a unit.
    pub fn capacity(&self) -> Capacity {
        self.members.table.budget().capacity()
    }
}

/// What every handle can do.
macro_rules! reaches_its_table {
    ($($handle:ident),+) => {
        $(
            impl $handle {
                /// The same table within another budget. Caches, leases and marks stay shared.
                #[must_use]
                pub fn within(&self, budget: &Budget) -> Self {
                    let mut handle = self.clone();
                    handle.table = self.table.within(budget);
                    handle
                }

                /// The clock of the environment. Leases end by it, and so does everything else.
                pub fn clock(&self) -> &Clock {
                    self.table.clock()
                }
            }
        )+
    };
}

reaches_its_table!(Members, Identities, Catalog, Stock, Ledger, Messages);
