#![doc = include_str!("../README.md")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is test code: a broken world must stop the test"
)]

pub mod deliveries;
pub mod faults;
pub mod hot;
pub mod ledger;
pub mod models;
pub mod partitions;
pub mod races;
pub mod report;
pub mod rules;
pub mod simulator;
pub mod wire;
