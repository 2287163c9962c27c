#![doc = include_str!("../README.md")]

pub mod catalog;
pub mod identities;
pub mod ledger;
pub mod members;
pub mod messages;
mod path;
pub mod stock;
mod table;
mod tables;

pub use path::AttributePath;
pub use table::{
    budget::{ANSWER_WITHIN, Budget},
    clock::{Clock, Moment},
    error::{StoreError, WasApplied},
    meter::Capacity,
};
pub use tables::{Catalog, Handles, Identities, Ledger, Members, Messages, Stock, TableNames, Tables};
