//! The proof that nothing is issued or redeemed one time too many, as far as it goes: a simulator that runs the real handlers
//! through every accident a network has, models that are searched exhaustively, and a bench whose limits are DynamoDB's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is test code: a broken world must stop the test"
)]

pub mod faults;
pub mod hot;
pub mod models;
pub mod partitions;
pub mod races;
pub mod report;
pub mod rules;
pub mod simulator;
pub mod wire;
