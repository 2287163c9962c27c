//! What one execution environment holds of a campaign's stock. All of it is in memory; nothing here asks a table.

use super::shards::Seen;
use crate::table::clock::{Clock, Moment};
use mealticket_domain::{
    CampaignNo, LeaseId, ProvinceDay, Timestamp,
    stock::{AfterReturn, HAND_OUT_SECONDS, LEASE_SECONDS, LEASE_UNITS_MAX, Lease, Shard},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Why there is no unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoUnit {
    /// Every unit is spent, and none can come back.
    SoldOut,
    /// The last units are leased. Some may come back.
    Settling,
    /// The day's quota is spent. The next day has its own.
    DayExhausted,
}

impl NoUnit {
    /// How long an environment answers it from memory, at most. What may change by itself is asked again sooner.
    fn remembered_for(self) -> Duration {
        match self {
            NoUnit::SoldOut | NoUnit::DayExhausted => Duration::from_secs(2),
            NoUnit::Settling => Duration::from_millis(500),
        }
    }
}

/// What reserving a unit came to.
#[derive(Debug)]
pub enum Reserved {
    /// A unit for the claim. The caller must settle it.
    Unit(Reservation),
    /// There is none, for this reason.
    NoUnit(NoUnit),
}

impl Reserved {
    /// The unit, when there is one.
    pub fn unit(self) -> Option<Reservation> {
        match self {
            Reserved::Unit(unit) => Some(unit),
            Reserved::NoUnit(_) => None,
        }
    }
}

/// Which leases an environment writes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandBack {
    /// Those that it has finished with: nothing unspent in them, or ten seconds old.
    Finished,
    /// All of them, also what it could still spend: the environment ends.
    Everything,
}

/// The time over which demand is counted, by whichever clock is ahead. A lease is for as many claims as came in the
/// last two seconds.
const DEMAND_OVER: Duration = Duration::from_secs(2);

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}

/// A lease of this environment.
#[derive(Debug)]
struct Held {
    id: LeaseId,
    shard: u16,
    lease: Lease,
    /// When it was taken, by the clock that a freeze stops. The lease's own instants are by the clock
    /// that a freeze does not stop.
    began: Instant,
    counts: Mutex<Counts>,
}

/// Where the units of a lease are. Their sum is the lease's units.
#[derive(Debug)]
struct Counts {
    /// Units that nobody has reserved.
    unspent: u64,
    /// Units that requests under way have reserved.
    in_flight: u64,
    /// Units that are coupons.
    spent: u64,
    /// Units whose coupon may be there, or may still come.
    unknown: u64,
    /// Its return has been written, or may have been. Nothing of it is spent any more.
    closing: bool,
}

impl Held {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its units are still given to claims: for ten seconds, by whichever clock is ahead.
    fn is_handed_out(&self, wall: Timestamp) -> bool {
        wall < self.lease.from.plus_seconds(HAND_OUT_SECONDS) && self.began.elapsed() < seconds(HAND_OUT_SECONDS)
    }

    /// Whether a write that spends one of its units may still be signed: for thirty seconds, by
    /// whichever clock is ahead.
    fn is_alive(&self, wall: Timestamp) -> bool {
        wall < self.lease.until && self.began.elapsed() < seconds(LEASE_SECONDS)
    }

    /// Reserves a unit, if the lease has one for this day. True when it did.
    fn take(&self, wall: Timestamp, day: Option<ProvinceDay>) -> bool {
        let of_the_day = day.is_none_or(|day| day == self.lease.from.province_day());
        let mut counts = self.counts();
        let free = counts.unspent > 0 && !counts.closing && of_the_day && self.is_handed_out(wall);
        if free {
            counts.unspent -= 1;
            counts.in_flight += 1;
        }
        free
    }

    /// The return that this lease is due for, if it is. From then on nothing of it is spent.
    fn begin_closing(&self, wall: Timestamp, which: HandBack) -> Option<Closing> {
        let mut counts = self.counts();
        let finished =
            counts.closing || which == HandBack::Everything || counts.unspent == 0 || !self.is_handed_out(wall);
        if counts.in_flight > 0 || !finished {
            return None;
        }
        counts.closing = true;
        Some(Closing { id: self.id, kept: counts.spent + counts.unknown, then: after_return(counts.unknown) })
    }
}

/// A lease with units of unknown outcome stays open for the sweep.
fn after_return(unknown: u64) -> AfterReturn {
    if unknown > 0 { AfterReturn::Open } else { AfterReturn::Closed }
}

/// A return that is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    id: LeaseId,
    kept: u64,
    then: AfterReturn,
}

impl Closing {
    /// The shard after it. Applied twice, it returns the units once.
    pub(super) fn apply(&self, shard: &Shard) -> Shard {
        shard.returned(self.id, self.kept, self.then)
    }
}

/// One reserved unit.
///
/// The caller marks it [`spent`](Reservation::spent) or [gives it back](Reservation::give_back). A reservation that is
/// dropped counts as spent until the sweep has proof.
#[derive(Debug)]
#[must_use = "a reserved unit is spent or given back"]
pub struct Reservation {
    held: Arc<Held>,
    settled: bool,
}

impl Reservation {
    /// The lease's id. The coupon that spends the unit carries it.
    pub fn lease_id(&self) -> LeaseId {
        self.held.id
    }

    /// Whether a write that spends the unit may still be signed. Asked before every attempt.
    pub(crate) fn is_alive(&self, wall: Timestamp) -> bool {
        self.held.is_alive(wall)
    }

    /// The unit is a coupon now.
    pub fn spent(self) {
        self.settle(|counts| counts.spent += 1);
    }

    /// No coupon has spent the unit and none will. Another claim of this environment may take it.
    pub fn give_back(self) {
        self.settle(|counts| counts.unspent += 1);
    }

    /// Moves the unit from `in_flight`, once.
    fn settle(mut self, count: impl FnOnce(&mut Counts)) {
        self.settled = true;
        let mut counts = self.held.counts();
        counts.in_flight -= 1;
        count(&mut counts);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.settled {
            let mut counts = self.held.counts();
            counts.in_flight -= 1;
            counts.unknown += 1;
        }
    }
}

/// One campaign's stock as this environment has it.
#[derive(Default)]
pub(crate) struct Desk {
    /// What was last seen of the shards. Whoever writes to them holds the lock, so an environment
    /// takes one lease at a time.
    pub(super) leasing: tokio::sync::Mutex<Seen>,
    front: Mutex<Front>,
}

#[derive(Default)]
struct Front {
    held: Vec<Arc<Held>>,
    /// When the latest claims came: at most as many as a lease can be sized for.
    claims: VecDeque<Moment>,
    /// The last refusal.
    refusal: Option<Refusal>,
    /// Whether a task returns what runs out.
    tended: bool,
}

/// A refusal that is remembered for a moment.
#[derive(Clone, Copy)]
struct Refusal {
    reason: NoUnit,
    /// What a day has used up is there again on the next.
    of_day: ProvinceDay,
    since: Moment,
    remembered_for: Duration,
}

impl Desk {
    fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a claim as demand.
    pub(super) fn count_claim(&self, clock: &Clock) {
        let mut front = self.front();
        if front.claims.len() as u64 >= LEASE_UNITS_MAX {
            front.claims.pop_front();
        }
        front.claims.push_back(clock.moment());
    }

    /// Claims of the last two seconds, at most as many as a lease can be sized for.
    pub(super) fn demand(&self, clock: &Clock) -> u64 {
        self.front().claims.iter().filter(|at| clock.age(at) < DEMAND_OVER).count() as u64
    }

    /// The answer that needs no table: a unit of a lease that is handed out, or a refusal that is fresh.
    pub(super) fn at_once(&self, clock: &Clock, day: Option<ProvinceDay>) -> Option<Reserved> {
        let (wall, front) = (clock.now(), self.front());
        if let Some(held) = front.held.iter().find(|held| held.take(wall, day)) {
            return Some(Reserved::Unit(Reservation { held: Arc::clone(held), settled: false }));
        }
        let refusal = front.refusal?;
        let counts = clock.age(&refusal.since) < refusal.remembered_for && refusal.of_day == wall.province_day();
        counts.then_some(Reserved::NoUnit(refusal.reason))
    }

    /// Remembers a refusal for a moment. The jitter keeps environments from asking all at once.
    pub(super) fn remember(&self, reason: NoUnit, of_day: ProvinceDay, clock: &Clock) {
        let remembered_for = reason.remembered_for().mul_f64(0.5 + fastrand::f64() / 2.0);
        self.front().refusal = Some(Refusal { reason, of_day, since: clock.moment(), remembered_for });
    }

    /// Keeps a new lease and reserves its first unit.
    pub(super) fn hold(&self, id: LeaseId, shard: u16, lease: Lease, began: Instant) -> Reservation {
        let counts = Counts { unspent: lease.units - 1, in_flight: 1, spent: 0, unknown: 0, closing: false };
        let held = Arc::new(Held { id, shard, lease, began, counts: Mutex::new(counts) });
        let mut front = self.front();
        front.refusal = None;
        front.held.push(Arc::clone(&held));
        Reservation { held, settled: false }
    }

    /// The returns that are due on a shard.
    pub(super) fn begin_closing(&self, shard: u16, wall: Timestamp, which: HandBack) -> Vec<Closing> {
        let front = self.front();
        let of_shard = front.held.iter().filter(|held| held.shard == shard);
        of_shard.filter_map(|held| held.begin_closing(wall, which)).collect()
    }

    /// These returns are in the table. The environment forgets their leases.
    pub(super) fn closed(&self, closings: &[Closing]) {
        self.front().held.retain(|held| closings.iter().all(|closing| closing.id != held.id));
    }

    /// The shards on which this environment has leases.
    pub(super) fn shards_with_leases(&self) -> BTreeSet<u16> {
        self.front().held.iter().map(|held| held.shard).collect()
    }

    /// Whether the caller is the one to tend this desk. True for one caller at a time.
    pub(super) fn begin_tending(&self) -> bool {
        !std::mem::replace(&mut self.front().tended, true)
    }

    /// Whether nothing is left to tend. A dead lease that could not be returned is the sweep's from now on.
    pub(super) fn end_tending(&self, wall: Timestamp) -> bool {
        let mut front = self.front();
        front.held.retain(|held| held.is_alive(wall) || held.counts().in_flight > 0);
        front.tended = !front.held.is_empty();
        !front.tended
    }
}

/// The desks of one environment, one for each campaign that was claimed here.
#[derive(Default)]
pub(crate) struct Desks(Mutex<BTreeMap<CampaignNo, Arc<Desk>>>);

impl Desks {
    pub(super) fn desk(&self, campaign: CampaignNo) -> Arc<Desk> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(campaign).or_default())
    }

    pub(super) fn desks(&self) -> Vec<(CampaignNo, Arc<Desk>)> {
        let desks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        desks.iter().map(|(campaign, desk)| (*campaign, Arc::clone(desk))).collect()
    }
}

#[cfg(test)]
mod tests;
