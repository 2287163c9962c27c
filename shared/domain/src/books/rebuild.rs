//! The rebuild (S3): the books made anew from the coupons alone, and compared with the journal, **entry by
//! entry, to the fen**.
//!
//! Both sides have as many entries as there were redemptions and reversals, and neither fits into memory. So
//! each side is first added up in **buckets** of members, in any order. A bucket is the number of entries,
//! their sums by account, and a sum of their hashes. Buckets that agree hold the same entries. Of those that
//! do not, the entries themselves are compared.

use crate::{
    ids::MemberNo,
    journal::{Counts, Entry, EventId},
    settlement::Postings,
    terms::sha256,
};
use std::collections::BTreeMap;

/// Buckets of members on each side.
///
/// A thousand of at most ten accounts are 200 KB. One bucket of ten million members has ten thousand of them.
pub const BUCKETS: usize = 1_024;

/// Entries, of both sides together, that are compared one by one in one reading of both.
///
/// 500 000 × some 700 bytes are 350 MB. One bucket may have more: a province of a hundred million redemptions
/// has a hundred thousand in each.
pub const COMPARED_MAX: u64 = 500_000;

/// Differences that are listed one by one; the others are only counted.
pub const TOLD_MAX: usize = 1_000;

/// The bucket of a member: its number modulo [`BUCKETS`]. All entries of one member are in one bucket.
pub fn bucket_of(member: MemberNo) -> usize {
    usize::try_from(member.get() % (BUCKETS as u64)).unwrap_or(0)
}

/// What the entries of a bucket come to. The order in which they were added makes no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    /// How many entries were added.
    pub entries: u64,
    /// Their sums by account, in fen.
    pub postings: Postings,
    /// The sum of their hashes, modulo 2¹²⁸.
    ///
    /// That two different sets have one sum is as likely as guessing 128 bits.
    hashes: u128,
}

impl Digest {
    /// Adds an entry: its count, its postings, and the first 128 bits of its SHA-256.
    pub fn add(&mut self, entry: &Entry) {
        self.entries += 1;
        self.postings.post(&entry.postings);
        let hash = sha256(format!("{entry:?}").as_bytes());
        let (first, _) = hash.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        self.hashes = self.hashes.wrapping_add(u128::from_be_bytes(*first));
    }
}

/// One side of the comparison: what the coupons come to, or what the journal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    buckets: Vec<Digest>,
    /// What it counts for the sheets: claims and lapses.
    pub counts: Counts,
}

impl Default for Side {
    fn default() -> Self {
        Side { buckets: vec![Digest::default(); BUCKETS], counts: Counts::default() }
    }
}

impl Side {
    /// Adds an entry to the bucket of its member.
    pub fn add(&mut self, entry: &Entry) {
        if let Some(bucket) = self.buckets.get_mut(bucket_of(entry.event.coupon.member)) {
            bucket.add(entry);
        }
    }

    /// All buckets together: how many entries, and their sums by account.
    pub fn total(&self) -> (u64, Postings) {
        let mut postings = Postings::default();
        self.buckets.iter().for_each(|bucket| postings.post(&bucket.postings));
        (self.buckets.iter().map(|bucket| bucket.entries).sum(), postings)
    }

    /// The numbers of the buckets in which the two sides differ, in groups that each fit into memory.
    ///
    /// A group has at most [`COMPARED_MAX`] entries, or one bucket.
    pub fn differing(&self, other: &Side) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut entries = 0;
        for (number, (one, two)) in self.buckets.iter().zip(&other.buckets).enumerate() {
            if one == two {
                continue;
            }
            entries += one.entries + two.entries;
            match groups.last_mut() {
                Some(group) if entries <= COMPARED_MAX => group.push(number),
                _ => {
                    entries = one.entries + two.entries;
                    groups.push(vec![number]);
                }
            }
        }
        groups
    }
}

/// How the journal differs from the coupons in one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The coupons come to it, and the journal does not have it.
    Missing(Box<Entry>),
    /// The journal has it, and no coupon comes to it.
    Unfounded(Box<Entry>),
    /// Both have an entry of this event, and the two are not equal.
    Different {
        /// The entry that the coupons come to.
        coupons: Box<Entry>,
        /// The entry that the journal has.
        journal: Box<Entry>,
    },
    /// The journal has an entry of this event more than once; this is one that is too many.
    Repeated(Box<Entry>),
}

/// Entries of the buckets that differ, from both sides, held in memory.
#[derive(Debug, Default)]
pub struct Comparison {
    coupons: BTreeMap<EventId, Entry>,
    journal: BTreeMap<EventId, Entry>,
    repeated: Vec<Entry>,
}

impl Comparison {
    /// Adds an entry that a coupon comes to. Each event of a coupon comes once.
    pub fn of_coupons(&mut self, entry: Entry) {
        self.coupons.insert(entry.event, entry);
    }

    /// Adds an entry of the journal. A second one of the same event is a [`Difference::Repeated`].
    pub fn of_journal(&mut self, entry: Entry) {
        if let Some(known) = self.journal.insert(entry.event, entry) {
            self.repeated.push(known);
        }
    }

    /// How the two sides differ: first what is repeated, then missing and different by event, then unfounded.
    pub fn differences(mut self) -> Vec<Difference> {
        let mut differences: Vec<_> =
            self.repeated.into_iter().map(|entry| Difference::Repeated(Box::new(entry))).collect();
        for (event, coupons) in self.coupons {
            match self.journal.remove(&event) {
                None => differences.push(Difference::Missing(Box::new(coupons))),
                Some(journal) if journal == coupons => {}
                Some(journal) => {
                    differences.push(Difference::Different { coupons: Box::new(coupons), journal: Box::new(journal) })
                }
            }
        }
        differences.extend(self.journal.into_values().map(|entry| Difference::Unfounded(Box::new(entry))));
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::CouponEvent,
        redemption::tests::{coupon, redeemed},
        settlement::SettlementTerms,
    };

    fn entry(member: u64, discount: u64) -> Entry {
        let terms: SettlementTerms =
            serde_json::from_str(r#"{ "funded_by": { "province": 100 }, "pays_merchant": "discount" }"#).unwrap();
        let mut coupon = redeemed(coupon(), 1);
        coupon.key.member = member.try_into().unwrap();
        coupon.redemptions[0].discount = discount.try_into().unwrap();
        Entry::of(&coupon, CouponEvent::Redeemed(0), &"mch_luckytea".parse().unwrap(), &terms).unwrap()
    }

    fn side(entries: &[Entry]) -> Side {
        let mut side = Side::default();
        entries.iter().for_each(|entry| side.add(entry));
        side
    }

    #[test]
    fn sides_agree_in_any_order_and_a_difference_is_in_its_bucket() {
        let entries: Vec<Entry> = (0..50).map(|member| entry(member, 500)).collect();
        let mut reversed = entries.clone();
        reversed.reverse();
        assert_eq!(side(&entries).differing(&side(&reversed)), Vec::<Vec<usize>>::new());
        assert_eq!(side(&entries).differing(&side(&entries[1..])), [[0]]);
        // The same sums in another entry, and one entry twice.
        let mut other = entries.clone();
        other[7].order_no = "X".parse().unwrap();
        assert_eq!(side(&entries).differing(&side(&other)), [[7]]);
        other = entries.clone();
        other.push(entries[9].clone());
        assert_eq!(side(&entries).differing(&side(&other)), [[9]]);
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        let mut comparison = Comparison::default();
        for member in [1, 2, 3] {
            comparison.of_coupons(entry(member, 500));
        }
        comparison.of_journal(entry(2, 400));
        for member in [3, 3, 4] {
            comparison.of_journal(entry(member, 500));
        }
        let listed: Vec<_> = comparison
            .differences()
            .into_iter()
            .map(|difference| match difference {
                Difference::Missing(entry) => ("missing", entry.event.coupon.member.get()),
                Difference::Unfounded(entry) => ("unfounded", entry.event.coupon.member.get()),
                Difference::Different { journal, .. } => ("different", journal.event.coupon.member.get()),
                Difference::Repeated(entry) => ("repeated", entry.event.coupon.member.get()),
            })
            .collect();
        assert_eq!(listed, [("repeated", 3), ("missing", 1), ("different", 2), ("unfounded", 4)]);
    }
}
