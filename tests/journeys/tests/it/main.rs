//! Requests as clients make them, answered by the handlers in this process. `cargo stack test` also runs the ignored
//! tests, which ask a whole province over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at what they did not expect"
)]

mod attempt;
mod bad_input;
mod books;
mod contract;
mod documents;
mod errors;
mod events;
mod journal;
mod one_time_codes;
mod operators;
mod outages;
mod privacy;
mod province;
mod reports;
mod schemathesis;
mod shares;
mod story;
mod tokens;
mod webhooks;
mod who;
