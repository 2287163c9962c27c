//! Stock (库存) without a hot item (I2): **units are leased, and a unit that is not proved unspent stays
//! spent.**
//!
//! A campaign's stock lies on shards. An execution environment leases (租约) some units of a shard with one
//! write and spends them from memory. So a hot campaign is served at the table's speed and not at one item's.
//! Only counts are leased: units have no numbers.
//!
//! Every change of a shard is a pure function here and one compare-and-set on [`Shard::seq`] in the table. So
//! a write that lands late can change nothing.
//!
//! What holds after every change, whoever crashes: `remaining + leased ≤ share`, and each leased unit is one
//! coupon at most.

use crate::timestamp::{ProvinceDay, Timestamp};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Seconds in which a lease's units are handed out. A lease is sized for two seconds of claims; five times
/// that.
pub const HAND_OUT_SECONDS: i64 = 10;

/// Seconds until a lease is dead: nothing that spends it is signed any more.
///
/// They are 10 s of handing out, then a request's own deadline of 10 s with a last attempt of 2 s
/// (`mealticket_store::ANSWER_WITHIN`). The rest is for a slow machine.
pub const LEASE_SECONDS: i64 = 30;

/// Seconds after its death in which a request that was signed before may still be accepted.
///
/// AWS refuses a signature that is more than 5 minutes old, as a rule, and 15 at the most (SigV4, "Elements
/// of a request").
pub const FENCE_SECONDS: i64 = 15 * 60;

/// Units of one lease at the most.
///
/// 64 claims for one more write are 1.6 % on top. What a crash locks up for a quarter of an hour is small.
pub const LEASE_UNITS_MAX: u64 = 64;

/// A lease takes at most this part of what its shard has left.
///
/// So units are leased one by one near the end. Nobody waits for what another environment keeps and does not
/// spend.
pub const LEASE_PART: u64 = 16;

/// What becomes of a lease in the shard's item when its units are returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterReturn {
    /// It stays, with the units that were kept, for the sweep: whether they were spent is not known.
    Open,
    /// It is gone: every unit that was kept is a coupon.
    Closed,
}

/// Leases that one shard has open at once.
///
/// An entry has about 60 bytes, so 1 000 are 60 KB, far inside an item's 400 KB. There are more environments
/// on one of a campaign's shards only when something is very wrong.
pub const LEASES_PER_SHARD_MAX: usize = 1_000;

/// Identifies a lease: 16 random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub [u8; 16]);

/// Thirty-two hexadecimal digits.
impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads exactly what `Display` writes: capitals are refused.
impl FromStr for LeaseId {
    type Err = crate::ids::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().ok_or(crate::ids::IdError)?;
        Ok(LeaseId(number.to_be_bytes()))
    }
}

/// Units that an environment may spend, or may have spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// How many it has. Returned units are not counted.
    pub units: u64,
    /// When it was taken. Its units count to the province's day of this instant.
    pub from: Timestamp,
    /// First instant at which nothing that spends it is signed any more.
    pub until: Timestamp,
}

impl Lease {
    /// Whether no request that spends it can be accepted any more: its death and [`FENCE_SECONDS`] are over.
    ///
    /// Only then may the sweep count its coupons and return the rest.
    pub fn is_fenced(&self, now: Timestamp) -> bool {
        now >= self.until.plus_seconds(FENCE_SECONDS)
    }
}

/// What was leased on a day, when the campaign limits a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DayQuota {
    /// The province's day that the quota is of.
    pub day: ProvinceDay,
    /// Units leased on that day and not returned. What is left follows from it and from the limit as it is now. `None` in
    /// what older releases wrote: then `left` stands, whatever the limit is now.
    pub taken: Option<u64>,
    /// Units that were left of the limit as it was at the last lease.
    pub left: u64,
}

impl DayQuota {
    /// Units left of a limit.
    fn left_of(&self, share: u64) -> u64 {
        self.taken.map_or(self.left, |taken| share.saturating_sub(taken))
    }

    /// The quota after a lease while there is no limit.
    fn with_unlimited(self, day: ProvinceDay, units: u64) -> Self {
        if self.day != day {
            return self;
        }
        DayQuota { taken: self.taken.map(|taken| taken + units), left: self.left.saturating_sub(units), ..self }
    }

    /// The quota after a lease under a limit that leaves room for it.
    fn with_leased(day: ProvinceDay, before: Option<&DayQuota>, share: u64, units: u64) -> Self {
        let before = before.filter(|quota| quota.day == day);
        let left = before.map_or(share, |quota| quota.left_of(share));
        let taken = before.map_or(0, |quota| quota.taken.unwrap_or(share.saturating_sub(left)));
        DayQuota { day, taken: Some(taken + units), left: left - units }
    }
}

/// One shard of a campaign's stock: one item of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Shard {
    /// Counts the changes. Every write compares it with the one it has read, and sets the next.
    pub seq: u64,
    /// Units that nobody has leased.
    pub remaining: u64,
    /// The day's quota, once there was a day with one.
    pub day: Option<DayQuota>,
    /// The leases that are open: each of their units may be a coupon.
    pub leases: BTreeMap<LeaseId, Lease>,
}

/// A lease as an environment asks for it.
#[derive(Debug, Clone, Copy)]
pub struct LeaseRequest {
    /// The id of the new lease, which nobody has used before.
    pub id: LeaseId,
    /// This environment's claims of the last two seconds: about as many units are wanted.
    pub demand: u64,
    /// When, by the wall clock.
    pub now: Timestamp,
    /// The shard's share of the campaign's limit per day, if it has one.
    pub day_share: Option<u64>,
}

impl Shard {
    /// A new shard with its share of the stock, and no lease.
    pub fn with_units(units: u64) -> Self {
        Shard { remaining: units, ..Shard::default() }
    }

    /// Units that may be leased on `today`: what remains, and of that no more than the day's quota has left.
    pub fn available(&self, today: ProvinceDay, day_share: Option<u64>) -> u64 {
        day_share.map_or(self.remaining, |share| self.remaining.min(self.left_of(today, share)))
    }

    /// What is left of a day's quota. A day that is over has nothing left: a clock that runs behind leases
    /// nothing.
    fn left_of(&self, today: ProvinceDay, share: u64) -> u64 {
        match self.day {
            Some(quota) if quota.day == today => quota.left_of(share),
            Some(quota) if quota.day > today => 0,
            _ => share,
        }
    }

    /// The shard after a lease, and the lease.
    ///
    /// It takes at least one unit. It takes at most the demand, [`LEASE_UNITS_MAX`] and the [`LEASE_PART`]th
    /// part of what is there. `None` when no unit is there, or when too many leases are open.
    ///
    /// Units of a lease count to its day. Of a campaign with a limit per day nobody spends them on another.
    #[must_use]
    pub fn leased(&self, request: &LeaseRequest) -> Option<(Shard, Lease)> {
        let today = request.now.province_day();
        let available = self.available(today, request.day_share);
        let units = request.demand.min(LEASE_UNITS_MAX).min(available / LEASE_PART).max(1);
        if available == 0 || self.leases.len() >= LEASES_PER_SHARD_MAX {
            return None;
        }
        let lease = Lease { units, from: request.now, until: request.now.plus_seconds(LEASE_SECONDS) };
        let mut shard = self.clone();
        shard.seq += 1;
        shard.remaining -= units;
        shard.day = match request.day_share {
            Some(share) => Some(DayQuota::with_leased(today, self.day.as_ref(), share, units)),
            // No limit now. Should there be one again today, it counts these too.
            None => self.day.map(|quota| quota.with_unlimited(today, units)),
        };
        shard.leases.insert(request.id, lease);
        Some((shard, lease))
    }

    /// The shard after all units of a lease but `kept` are given back. Those were spent, or may be.
    ///
    /// A lease that is not there changes nothing. One that has no more than `kept` units gives none back. So
    /// returning twice returns once.
    #[must_use]
    pub fn returned(&self, id: LeaseId, kept: u64, then: AfterReturn) -> Shard {
        let mut shard = self.clone();
        let Some(lease) = shard.leases.get_mut(&id) else {
            return shard;
        };
        let back = lease.units.saturating_sub(kept);
        let day = lease.from.province_day();
        lease.units -= back;
        if then == AfterReturn::Closed {
            shard.leases.remove(&id);
        }
        shard.seq += 1;
        shard.remaining += back;
        if let Some(quota) = shard.day.as_mut().filter(|quota| quota.day == day) {
            quota.left += back;
            quota.taken = quota.taken.map(|taken| taken.saturating_sub(back));
        }
        shard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noon() -> Timestamp {
        "2026-11-22T04:00:00Z".parse().unwrap()
    }

    fn ask(id: u8, demand: u64) -> LeaseRequest {
        LeaseRequest { id: LeaseId([id; 16]), demand, now: noon(), day_share: None }
    }

    #[test]
    fn a_lease_is_as_large_as_the_demand_and_never_more_than_a_sixteenth() {
        for (remaining, demand, units) in [
            (10_000, 1, 1),
            (10_000, 0, 1),
            (10_000, 40, 40),
            (10_000, 500, 64),
            (320, 500, 20),
            (16, 500, 1),
            (15, 500, 1),
            (1, 500, 1),
        ] {
            let (shard, lease) = Shard::with_units(remaining).leased(&ask(1, demand)).unwrap();
            assert_eq!((lease.units, shard.remaining), (units, remaining - units), "{remaining} {demand}");
            assert_eq!(shard.seq, 1);
        }
        assert_eq!(Shard::with_units(0).leased(&ask(1, 1)), None);
    }

    #[test]
    fn a_return_gives_back_once_and_only_what_is_not_kept() {
        let (shard, _) = Shard::with_units(320).leased(&ask(1, 20)).unwrap();
        let id = LeaseId([1; 16]);
        let marked = shard.returned(id, 5, AfterReturn::Open);
        assert_eq!((marked.remaining, marked.leases[&id].units), (315, 5));
        assert_eq!(marked.returned(id, 5, AfterReturn::Open).remaining, 315);
        assert_eq!(marked.returned(id, 9, AfterReturn::Open).remaining, 315);
        let settled = marked.returned(id, 3, AfterReturn::Closed);
        assert_eq!((settled.remaining, settled.leases.len()), (317, 0));
        assert_eq!(settled.returned(id, 0, AfterReturn::Closed), settled);
    }

    #[test]
    fn a_day_has_its_own_quota_and_a_return_goes_to_the_day_it_came_from() {
        let ask = |id: u8, now: Timestamp| LeaseRequest { now, day_share: Some(2), ..ask(id, 1) };
        let tomorrow = noon().province_day().plus_days(1).starts_at();
        let (one, _) = Shard::with_units(100).leased(&ask(1, noon())).unwrap();
        let (two, _) = one.leased(&ask(2, noon())).unwrap();
        assert_eq!(two.leased(&ask(3, noon())), None);
        assert!(two.returned(LeaseId([2; 16]), 0, AfterReturn::Closed).leased(&ask(3, noon())).is_some());
        let (next, _) = two.leased(&ask(4, tomorrow)).unwrap();
        let back = next.returned(LeaseId([1; 16]), 0, AfterReturn::Closed);
        assert_eq!((back.remaining, back.day.unwrap().left_of(2)), (98, 1));
        assert_eq!(next.leased(&ask(5, noon())), None, "a clock that runs behind leases nothing");
    }

    #[test]
    fn a_changed_limit_counts_at_once_and_with_what_was_leased_before() {
        let ask = |id: u8, share| LeaseRequest { day_share: Some(share), ..ask(id, 1) };
        let mut shard = Shard::with_units(100);
        for id in 1..=8 {
            shard = shard.leased(&ask(id, 10)).unwrap().0;
        }
        let left = |shard: &Shard, share| shard.available(noon().province_day(), Some(share));
        assert_eq!([5, 8, 9, 10, 50].map(|share| left(&shard, share)), [0, 0, 1, 2, 42]);
        assert_eq!(shard.leased(&ask(9, 8)), None);
        let back = shard.returned(LeaseId([1; 16]), 0, AfterReturn::Closed);
        assert_eq!([5, 8, 10].map(|share| left(&back, share)), [0, 1, 3]);
        // Taken away and set again: what was leased in between counts.
        let (free, _) = back.leased(&LeaseRequest { day_share: None, ..ask(10, 0) }).unwrap();
        assert_eq!([8, 10].map(|share| left(&free, share)), [0, 2]);
        // Lowered and raised again: nothing is forgotten.
        let (next, _) = back.leased(&ask(9, 8)).unwrap();
        assert_eq!([8, 10].map(|share| left(&next, share)), [0, 2]);
    }

    #[test]
    fn a_quota_of_an_older_release_stands_until_midnight() {
        let day = noon().province_day();
        let shard = Shard { day: Some(DayQuota { day, taken: None, left: 3 }), ..Shard::with_units(100) };
        assert_eq!(shard.available(day, Some(10)), 3);
        let (next, _) = shard.leased(&LeaseRequest { day_share: Some(10), ..ask(1, 1) }).unwrap();
        assert_eq!((next.available(day, Some(10)), next.available(day, Some(12))), (2, 4));
    }

    #[test]
    fn a_lease_is_fenced_only_when_no_signature_of_its_life_counts() {
        let lease = Lease { units: 1, from: noon(), until: noon().plus_seconds(LEASE_SECONDS) };
        assert!(!lease.is_fenced(lease.until.plus_seconds(FENCE_SECONDS - 1)));
        assert!(lease.is_fenced(lease.until.plus_seconds(FENCE_SECONDS)));
    }

    #[test]
    fn a_lease_id_reads_back_what_it_writes() {
        let id = LeaseId(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "00", "+0000000000000000000000000000000", "0000000000000000000000000000000G"] {
            assert!(text.parse::<LeaseId>().is_err(), "{text}");
        }
    }

    proptest! {
        /// Whatever is leased and returned in whatever order, no unit appears and none is lost.
        #[test]
        fn units_are_conserved(stock in 0u64..5_000, steps in prop::collection::vec((0u8..6, 0u64..80, any::<bool>()), 0..40)) {
            let mut shard = Shard::with_units(stock);
            let mut kept = 0;
            for (id, figure, take) in steps {
                if take {
                    // An id is never used twice.
                    let fresh = LeaseId([id, u8::try_from(shard.seq % 251).unwrap(), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
                    let request = LeaseRequest { id: fresh, demand: figure, now: noon(), day_share: None };
                    if !shard.leases.contains_key(&fresh) && let Some((next, _)) = shard.leased(&request) {
                        shard = next;
                    }
                } else if let Some((id, lease)) = shard.leases.iter().nth(usize::from(id)).map(|(id, lease)| (*id, *lease)) {
                    kept += figure.min(lease.units);
                    shard = shard.returned(id, figure, AfterReturn::Closed);
                }
                let leased: u64 = shard.leases.values().map(|lease| lease.units).sum();
                prop_assert_eq!(shard.remaining + leased + kept, stock);
            }
        }
    }
}
