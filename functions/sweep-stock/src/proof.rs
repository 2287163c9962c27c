//! Proof of how many units of a lease are coupons.

use mealticket_domain::{
    CampaignNo, LeaseId, Timestamp,
    journal::{StreamShard, Tally},
};
use mealticket_store::{
    Ledger, StoreError,
    ledger::Journal,
    members::{ShardOfStream, Stream, StreamError, Tailed},
};

/// Why there is no proof. The leases wait for the next sweep.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// The journal did not answer.
    #[error("the journal")]
    Journal(#[from] StoreError),
    /// The stream did not answer, or no longer has what is not in the journal.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A record that was set aside, or that the stream has in an unreadable form, may be a claim.
    /// Finance must have it posted.
    #[error("shard {0} has records that were set aside")]
    SetAside(StreamShard),
}

/// The claims since some time. None is missing.
pub(crate) struct Proof(Tally);

impl Proof {
    /// Counts every claim written at `since` or later: from the journal up to each shard's mark, and
    /// from the stream after it.
    pub(crate) async fn since(ledger: &Ledger, stream: &Stream, since: Timestamp) -> Result<Self, NoProof> {
        let mut tally = Tally::default();
        for of_stream in stream.shards().await? {
            let shard = &of_stream.shard;
            // The mark belongs to these pages. A mark of a later query would hide what was posted in between.
            let journal = ledger.read_tallies(shard, since).await?;
            let asides = journal.pages.iter().flat_map(|page| page.asides(shard));
            for (id, _) in asides.filter(|(_, aside)| aside.may_be_a_claim()) {
                match ledger.read_posted_aside(&id).await? {
                    Some(page) => tally.add(&page.tally),
                    None => return Err(NoProof::SetAside(shard.clone())),
                }
            }
            journal.pages.iter().for_each(|page| tally.add(&page.tally));
            count_after(stream, &of_stream, &journal, &mut tally).await?;
        }
        Ok(Proof(tally))
    }

    /// How many coupons carry this lease.
    pub(crate) fn claims_of(&self, campaign: CampaignNo, lease: LeaseId) -> u64 {
        self.0.claims_of(campaign, lease)
    }
}

/// Counts what the stream has after the journal's mark.
async fn count_after(
    stream: &Stream,
    shard: &ShardOfStream,
    journal: &Journal,
    tally: &mut Tally,
) -> Result<(), NoProof> {
    let mut may_miss_a_claim = false;
    let mark = journal.mark.as_ref().map(|mark| &mark.to);
    let take = |tailed: Tailed| match tailed {
        Tailed::Content(content) => tally.count(&content),
        Tailed::UnreadableChange => {}
        Tailed::Unreadable => may_miss_a_claim = true,
    };
    stream.for_each_after(shard, mark, take).await?;
    if may_miss_a_claim { Err(NoProof::SetAside(shard.shard.clone())) } else { Ok(()) }
}
