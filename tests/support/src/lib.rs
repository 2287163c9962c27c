//! Worlds for tests: the real tables of the template in a real engine, a clock that stands still, and a proxy that
//! loses answers. Each test owns its world.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is test code: a broken world must stop the test"
)]

pub mod courier;
pub mod faults;
pub mod stream;
pub mod world;

pub use courier::ScriptedCourier;
pub use faults::{Fate, Faults, Seen};
pub use world::World;
