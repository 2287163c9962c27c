//! 扫库存: units go back to stock that were leased by environments which ended without returning them.
//!
//! A lease is settled only after its fence, when nothing that spends it can be accepted any more. It is settled
//! only with proof of how many of its units are coupons. Each coupon carries its lease, the journal counts
//! them, and the sweep reads every shard of the stream from its mark to the tip. Without proof a lease waits,
//! and its units stay spent.

#![warn(clippy::wildcard_enum_match_arm)]

mod proof;

use aws_config::{SdkConfig, retry::RetryConfig};
use aws_sdk_dynamodbstreams::Client;
use mealticket_domain::stock::FENCE_SECONDS;
use mealticket_store::{StoreError, members::Stream, stock::Fenced};
pub use proof::NoProof;
use proof::Proof;
use serde::Serialize;

mealticket_store::handles! {
    /// The tables that this function reaches.
    pub struct Handles { catalog: Catalog, stock: Stock, ledger: Ledger }
}

/// Seconds after which a lease's claims may have left the stream, which keeps them for 24 hours. Four hours less,
/// because the sweep itself takes time and clocks differ. Older leases wait for the rebuild from the coupons.
const PROVABLE_SECONDS: i64 = 20 * 3600;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Leases that were settled.
    pub leases: u64,
    /// Units that came back to stock.
    pub units: u64,
    /// Leases that are too old for proof from the stream. They stay open, and are logged as an error.
    pub too_old: u64,
    /// Leases of which the journal has more claims than units. Something is very wrong: the sweep logs an error and
    /// touches nothing of them.
    pub disputed: u64,
}

/// Why a sweep ended early. What was settled before stays settled, and the next sweep goes on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The tables did not answer.
    #[error("the sweep stopped")]
    Store(#[from] StoreError),
    /// Leases wait, because how many of their units were spent is not known.
    #[error("leases wait for proof")]
    NoProof(#[from] NoProof),
}

/// A client of the stream. It only reads, so it may retry by itself.
pub fn streams(sdk: &SdkConfig) -> Client {
    let config = aws_sdk_dynamodbstreams::config::Builder::from(sdk);
    Client::from_conf(config.retry_config(RetryConfig::standard()).build())
}

/// Settles every lease that is fenced by the tables' clock, when there is proof.
///
/// Each lease is settled once, also beside another sweep, and the stock never becomes larger than it was laid out.
/// Without a fenced lease it reads neither the journal nor the stream. A campaign that cannot be read, or whose stock
/// cannot, is logged as an error, and its leases wait.
///
/// Errors: [`SweepError`]. One record that may be a claim and cannot be read is enough for `NoProof`;
/// then nothing is settled.
pub async fn sweep(tables: &Handles, stream: &Stream) -> Result<Swept, SweepError> {
    let now = tables.stock.clock().now();
    let mut swept = Swept::default();
    let mut fenced: Vec<Fenced> = Vec::new();
    for campaign in tables.catalog.list_campaigns().await?.iter() {
        match tables.stock.list_fenced_leases(campaign.no, now).await {
            Ok(leases) => fenced.extend(leases),
            // One campaign's trouble is not that of the others.
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(campaign = %campaign.no, %error, "a campaign cannot be read");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let provable = |lease: &Fenced| now.seconds_since(lease.lease.from) <= PROVABLE_SECONDS;
    swept.too_old = fenced.iter().filter(|lease| !provable(lease)).count() as u64;
    fenced.retain(provable);
    if let Some(oldest) = fenced.iter().map(|lease| lease.lease.from).min() {
        // An environment's clock may be as wrong as a signature may be old, and no more: the table
        // would accept nothing else.
        let proof = Proof::since(&tables.ledger, stream, oldest.plus_seconds(-FENCE_SECONDS)).await?;
        for lease in &fenced {
            let spent = proof.claims_of(lease.campaign, lease.id);
            if spent > lease.lease.units {
                tracing::error!(campaign = %lease.campaign, lease = %lease.id, spent, units = lease.lease.units, "disputed");
                swept.disputed += 1;
                continue;
            }
            swept.units += tables.stock.settle(lease, spent).await?;
            swept.leases += 1;
        }
    }
    if swept.too_old > 0 {
        tracing::error!(leases = swept.too_old, "leases are too old for proof from the stream");
    }
    tracing::info!(leases = swept.leases, units = swept.units, "swept");
    Ok(swept)
}
