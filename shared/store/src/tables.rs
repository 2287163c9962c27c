//! The handles of the tables, and which of them a function is given.

use crate::{
    catalog, ledger, stock,
    table::{Table, budget::Budget, clock::Clock, meter::Capacity},
};
use aws_sdk_dynamodb::Client;
use std::{sync::Arc, time::Duration};

/// The names of the tables in the cloud, as the template gives them to the functions.
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

/// Profiles and coupons.
#[derive(Clone)]
pub struct Members {
    pub(crate) table: Table,
}

/// Phones, one-time codes and sessions.
#[derive(Clone)]
pub struct Identities {
    pub(crate) table: Table,
}

/// Campaigns, terms, merchants and their endpoints. Clones share what they remember of it.
#[derive(Clone)]
pub struct Catalog {
    pub(crate) table: Table,
    pub(crate) cache: Arc<catalog::Cache>,
}

/// Units of stock and blocks of member numbers. Clones share what their environment has leased.
#[derive(Clone)]
pub struct Stock {
    pub(crate) table: Table,
    pub(crate) leased: Arc<stock::Leased>,
}

/// The journal, the sheets, bills and statements. Clones share how far each shard is posted.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) table: Table,
    pub(crate) marks: Arc<ledger::Marks>,
}

/// Reports received, messages on their way, discrepancies.
#[derive(Clone)]
pub struct Messages {
    pub(crate) table: Table,
}

/// The handles that a function is given. Made by [`handles!`](crate::handles).
pub trait Handles: Clone + Send + Sync + 'static {
    /// The tables' names in the template and in `docs/DATA-MODEL.md`, without the stack's prefix.
    const TABLES: &'static [&'static str];

    /// These handles out of all.
    fn of(tables: &Tables) -> Self;

    /// The same handles within another budget.
    #[must_use]
    fn within(&self, budget: &Budget) -> Self;

    /// The clock that leases end by, and everything else.
    fn clock(&self) -> &Clock;
}

/// Declares a function's handles: `handles! { pub struct Handles { members: Members } }`. What is not declared here, the function cannot
/// reach; a test holds it equal to the function's role in the template.
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
    /// All tables, as one execution environment reaches them. Cheap to clone; clones share caches, leases and number blocks.
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
    /// An environment's handles. The client must not retry by itself: a retry that hides a lost answer would make an unknown outcome look
    /// like a refusal.
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

    /// The same handles; each call gives up after `patience`, and not after four seconds.
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

    /// The same handles for one request: with a meter of its own, and a time by which they stop asking.
    #[must_use]
    pub fn for_one_request(&self) -> Self {
        self.within(&Budget::of_one_request())
    }

    /// A function's handles out of these.
    pub fn narrowed<H: Handles>(&self) -> H {
        H::of(self)
    }

    /// What was asked of DynamoDB through these handles so far.
    pub fn capacity(&self) -> Capacity {
        self.members.table.budget().capacity()
    }
}

/// What every handle can do.
macro_rules! reaches_its_table {
    ($($handle:ident),+) => {
        $(
            impl $handle {
                /// The same table within another budget.
                #[must_use]
                pub fn within(&self, budget: &Budget) -> Self {
                    let mut handle = self.clone();
                    handle.table = self.table.within(budget);
                    handle
                }

                /// The clock that leases end by, and everything else.
                pub fn clock(&self) -> &Clock {
                    self.table.clock()
                }
            }
        )+
    };
}

reaches_its_table!(Members, Identities, Catalog, Stock, Ledger, Messages);
