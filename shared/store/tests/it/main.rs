//! What the tables guarantee, shown against the real engine in this process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at what they did not expect"
)]

mod books;
mod capacity;
mod claims;
mod freezes;
mod holds;
mod leases;
mod limits;
mod lost_answers;
mod races;
mod redemptions;
mod sessions;
mod sign_up;
mod size;
