//! Units of a campaign's stock (I1, I2), leased and spent from memory.
//!
//! The rule is [`mealticket_domain::stock`]; here are its writes. A unit is reserved before the coupon is put. It is
//! spent when the put was done, and given back when the put certainly was not. When nobody knows, it is left to the
//! sweep. So an error can make the stock smaller for a while, never larger.

use crate::{
    Stock,
    stock::{
        Leased,
        desk::{Desk, HandBack, Reserved},
        shards::{Seen, Swapped},
    },
    table::{Table, budget::Budget, calls::out_of_time, error::StoreError, error::WasApplied},
};
use mealticket_domain::{
    Campaign, CampaignNo, LeaseId, Timestamp,
    stock::{HAND_OUT_SECONDS, Lease, LeaseRequest},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::Instant;

/// The first pause after a lost race, which is another environment's success on the shard. It is doubled each time up
/// to the last, and jittered. So with 64 environments after one shard each gets its turn within a second or two.
const RACE_PAUSE_FIRST: Duration = Duration::from_millis(5);
/// The longest pause. See [`RACE_PAUSE_FIRST`].
const RACE_PAUSE_LAST: Duration = Duration::from_millis(320);

impl Stock {
    /// Takes one unit for a claim that counts to `now`: from this environment's leases, or else with a new lease.
    ///
    /// A lease is for as many claims as came in the last two seconds, at most 64. Its write also closes what the
    /// environment has finished with. Requests of one environment wait for one lease together.
    ///
    /// Outcomes: a unit, or why there is none. `SoldOut` and `DayExhausted` are remembered for up to two seconds,
    /// `Settling` for half a second. A refusal is never remembered into the next day.
    ///
    /// Cost: nothing from memory. A lease is 1 PutItem, 1 W; before the first one 1 Query of all shards, 1 to 3 R;
    /// a lost race is 1 W more.
    ///
    /// Errors: `Unavailable` when the lease or the races before it take too long, or when midnight passed and
    /// the campaign has a limit per day. With the same key the claim counts to the new day. `Corrupt` when
    /// the campaign has no shards.
    pub async fn reserve(&self, campaign: &Campaign, now: Timestamp) -> Result<Reserved, StoreError> {
        let desk = self.leased.desks.desk(campaign.no);
        desk.count_claim(self.table.clock());
        let day = campaign.terms.day_limit.map(|_| now.province_day());
        if let Some(answer) = desk.at_once(self.table.clock(), day) {
            return Ok(answer);
        }
        // One lease at a time: the claims that wait here are the demand that the lease is sized for.
        let mut seen = match self.table.budget().answer_by() {
            Some(by) => {
                tokio::time::timeout_at(by, desk.leasing.lock()).await.map_err(|_| out_of_time(WasApplied::No))?
            }
            None => desk.leasing.lock().await,
        };
        if let Some(answer) = desk.at_once(self.table.clock(), day) {
            return Ok(answer);
        }
        let answer = self.lease(campaign, &desk, &mut seen, now).await?;
        match &answer {
            Reserved::Unit(_) => self.tend(campaign.no, &desk),
            Reserved::NoUnit(refusal) => desk.remember(*refusal, now.province_day(), self.table.clock()),
        }
        Ok(answer)
    }

    /// Leases from a shard that has units, race after race, until the time is over. It reads all
    /// shards anew before it refuses.
    async fn lease(
        &self,
        campaign: &Campaign,
        desk: &Arc<Desk>,
        seen: &mut Seen,
        claimed_at: Timestamp,
    ) -> Result<Reserved, StoreError> {
        let id = LeaseId(fastrand::u128(..).to_be_bytes());
        let mut turns = Turns::new(self.table.give_up_at());
        loop {
            let now = self.table.clock().now();
            if campaign.terms.day_limit.is_some() && now.province_day() != claimed_at.province_day() {
                // Midnight came in between. With the same key, the claim counts to the new day.
                return Err(out_of_time(WasApplied::No));
            }
            let Some(shard) = seen.pick(campaign, now) else {
                self.hand_back_closable(campaign.no, desk, seen, HandBack::Finished).await?;
                *seen = self.look_at_shards(campaign.no).await?;
                if let Some(refusal) = seen.refusal(campaign, now)? {
                    return Ok(Reserved::NoUnit(refusal));
                }
                continue;
            };
            let request =
                LeaseRequest { id, demand: desk.demand(self.table.clock()), now, day_share: campaign.day_share(shard) };
            if let Some((lease, began)) = self.try_lease(campaign.no, desk, seen, shard, &request).await? {
                return Ok(Reserved::Unit(desk.hold(id, shard, lease, began)));
            }
            turns.wait().await?;
        }
    }

    /// One compare-and-set: it closes what this environment has finished with on the shard, and leases anew.
    ///
    /// `None` when the shard was not as we had seen it; now we have seen it.
    async fn try_lease(
        &self,
        campaign: CampaignNo,
        desk: &Desk,
        seen: &mut Seen,
        shard: u16,
        request: &LeaseRequest,
    ) -> Result<Option<(Lease, Instant)>, StoreError> {
        let Some(stands) = seen.shard(shard) else { return Ok(None) };
        let closings = desk.begin_closing(shard, self.table.clock().now(), HandBack::Finished);
        let returned = closings.iter().fold(stands.clone(), |shard, closing| closing.apply(&shard));
        let Some((next, lease)) = returned.leased(request) else {
            seen.forget(shard);
            return Ok(None);
        };
        // The clocks of the lease begin before it can be there.
        let began = Instant::now();
        match self.swap_shard(campaign, shard, stands.seq, next, seen).await? {
            Swapped::Done => {
                desk.closed(&closings);
                Ok(Some((lease, began)))
            }
            // The first answer was lost: our own lease stands there, as we wrote it.
            Swapped::Differs(stands) if stands.leases.contains_key(&request.id) => {
                desk.closed(&closings);
                Ok(stands.leases.get(&request.id).map(|lease| (*lease, began)))
            }
            Swapped::Differs(_) => Ok(None),
        }
    }

    /// Writes back leases of this environment, shard by shard. Each is one compare-and-set, repeated after a lost race.
    async fn hand_back_closable(
        &self,
        campaign: CampaignNo,
        desk: &Desk,
        seen: &mut Seen,
        which: HandBack,
    ) -> Result<(), StoreError> {
        for shard in desk.shards_with_leases() {
            let mut turns = Turns::new(self.table.give_up_at());
            loop {
                let closings = desk.begin_closing(shard, self.table.clock().now(), which);
                if closings.is_empty() {
                    break;
                }
                if seen.shard(shard).is_none() {
                    *seen = self.look_at_shards(campaign).await?;
                }
                let Some(stands) = seen.shard(shard) else { break };
                let next = closings.iter().fold(stands.clone(), |shard, closing| closing.apply(&shard));
                if next == stands {
                    desk.closed(&closings);
                    break;
                }
                if let Swapped::Done = self.swap_shard(campaign, shard, stands.seq, next, seen).await? {
                    desk.closed(&closings);
                    break;
                }
                turns.wait().await?;
            }
        }
        Ok(())
    }

    /// Returns every unit that is certainly unspent: for an environment that ends. A repeat finds nothing to return.
    ///
    /// It returns no error. What cannot be written is logged and waits for the sweep. Cost: 1 PutItem, 1 W, for
    /// each shard with open leases.
    pub async fn return_unspent(&self) {
        for (campaign, desk) in self.leased.desks.desks() {
            let mut seen = desk.leasing.lock().await;
            if let Err(error) = self.hand_back_closable(campaign, &desk, &mut seen, HandBack::Everything).await {
                tracing::warn!(%campaign, %error, "leased units wait for the sweep");
            }
        }
    }

    /// Makes sure that units come back when their lease has run out, also when no claim comes. One task for each
    /// campaign, every ten seconds, as long as the environment has leases of it.
    fn tend(&self, campaign: CampaignNo, desk: &Arc<Desk>) {
        if !desk.begin_tending() {
            return;
        }
        let (stock, desk) = (WeakStock::of(self), Arc::clone(desk));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(HAND_OUT_SECONDS.unsigned_abs())).await;
                let Some(stock) = stock.upgrade() else { return };
                let mut seen = desk.leasing.lock().await;
                // What cannot be written now is written the next time, with the next lease, or by the sweep.
                if let Err(error) = stock.hand_back_closable(campaign, &desk, &mut seen, HandBack::Finished).await {
                    tracing::debug!(%campaign, %error, "leased units are returned later");
                }
                if desk.end_tending(stock.clock().now()) {
                    return;
                }
            }
        });
    }
}

/// The stock for work that outlives a request and does not keep its environment alive. It has no deadline.
struct WeakStock {
    table: Table,
    leased: Weak<Leased>,
}

impl WeakStock {
    fn of(stock: &Stock) -> Self {
        WeakStock { table: stock.table.within(&Budget::unlimited()), leased: Arc::downgrade(&stock.leased) }
    }

    fn upgrade(&self) -> Option<Stock> {
        Some(Stock { table: self.table.clone(), leased: self.leased.upgrade()? })
    }
}

/// Lost races and the pauses after them.
pub(super) struct Turns {
    give_up_at: Instant,
    pause: Duration,
}

impl Turns {
    pub(super) fn new(give_up_at: Instant) -> Self {
        Turns { give_up_at, pause: RACE_PAUSE_FIRST }
    }

    /// Waits for the next turn. `StoreError::Unavailable` when there is no time for one; nothing was done then.
    pub(super) async fn wait(&mut self) -> Result<(), StoreError> {
        let pause = self.pause.mul_f64(fastrand::f64());
        if Instant::now() + pause >= self.give_up_at {
            return Err(out_of_time(WasApplied::No));
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(RACE_PAUSE_LAST);
        Ok(())
    }
}
