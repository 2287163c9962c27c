//! `stock`: a campaign's units, leased and spent from memory, and blocks of member numbers.

mod desk;
pub(crate) mod keys;
mod leases;
mod numbers;
mod shards;
mod sweep;

pub use desk::{NoUnit, Reservation, Reserved};
pub use sweep::Fenced;

use crate::table::cache::Aging;
use mealticket_domain::CampaignNo;

/// What one environment has leased, and what it remembers of the rest. All of it is lost with the environment: units
/// come back by the sweep, and a block of numbers is a gap.
#[derive(Default)]
pub(crate) struct Leased {
    desks: desk::Desks,
    numbers: numbers::NumberBlock,
    remaining: Aging<CampaignNo, u64>,
}
