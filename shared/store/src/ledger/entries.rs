//! A page's entries, packed: each name once for a page, numbers in as few bytes as they need.
//!
//! The format is that of `postcard`, which is fixed. An entry of a usual order takes some 60 bytes; as
//! attributes it would take 300.

use super::packing::{Names, named};
use mealticket_domain::{
    CouponKey, Share,
    journal::{Entry, EntryKind, EventId},
    settlement::{Account, Postings},
};
use serde::{Deserialize, Serialize};

/// The bytes' layout. Its fields are in the order in which they are written, and never change.
#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    #[serde(borrow)]
    merchants: Vec<&'a str>,
    accounts: Vec<String>,
    #[serde(borrow)]
    entries: Vec<PackedEntry<'a>>,
}

/// One entry. Merchants and accounts are numbers in the page's lists of names.
#[derive(Serialize, Deserialize)]
struct PackedEntry<'a> {
    member: u64,
    campaign: u32,
    ordinal: u8,
    index: u8,
    kind: u8,
    at: i64,
    merchant: u32,
    store: &'a str,
    order_no: &'a str,
    amount: u64,
    discount: u64,
    channel: Option<&'a str>,
    share_code: Option<&'a str>,
    settlement: u32,
    postings: Vec<(u32, i64)>,
}

/// The bytes of a page's entries; `None` when they cannot be packed, which no entry that the domain makes does.
pub(crate) fn pack(entries: &[Entry]) -> Option<Vec<u8>> {
    let (mut merchants, mut accounts) = (Names::new(), Names::new());
    let packed = entries.iter().map(|entry| PackedEntry {
        member: entry.event.coupon.member.get(),
        campaign: entry.event.coupon.campaign.get(),
        ordinal: entry.event.coupon.ordinal.get(),
        index: entry.event.index,
        kind: entry.event.kind.number(),
        at: entry.at.unix_seconds(),
        merchant: merchants.number(&entry.merchant.as_str()),
        store: entry.store.as_str(),
        order_no: entry.order_no.as_str(),
        amount: entry.amount.get(),
        discount: entry.discount.get(),
        channel: entry.channel.as_ref().map(|channel| channel.as_str()),
        share_code: entry.share.as_ref().and_then(Share::unverified).map(|code| code.as_str()),
        settlement: entry.settlement_version,
        postings: entry.postings.amounts().map(|(account, fen)| (accounts.number(account), fen)).collect(),
    });
    let packed = packed.collect();
    let accounts = accounts.in_order().iter().map(ToString::to_string).collect();
    let mut bytes =
        postcard::to_allocvec(&Packed { merchants: merchants.in_order(), accounts, entries: packed }).ok()?;
    let partners = partners(entries);
    if !partners.is_empty() {
        bytes.extend(postcard::to_allocvec(&partners).ok()?);
    }
    Some(bytes)
}

/// The entries that a partner brought about, by their number, and the partner.
///
/// They follow the rest. A release that does not know them reads the rest and ignores what follows. This release does
/// the same with what a later one adds.
type Partners<'a> = Vec<(u32, &'a str)>;

fn partners(entries: &[Entry]) -> Partners<'_> {
    let numbered = (0..).zip(entries);
    numbered.filter_map(|(number, entry)| Some((number, entry.share.as_ref()?.partner()?.as_str()))).collect()
}

/// The entries of these bytes; `None` when they are not what [`pack`] writes.
pub(crate) fn unpack(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (packed, rest): (Packed<'_>, _) = postcard::take_from_bytes(bytes).ok()?;
    let accounts = packed.accounts.iter().map(|name| name.parse().ok()).collect::<Option<Vec<Account>>>()?;
    let entries = packed.entries.iter().map(|entry| read(entry, &packed.merchants, &accounts));
    let mut entries = entries.collect::<Option<Vec<Entry>>>()?;
    let partners: Partners<'_> = if rest.is_empty() { Vec::new() } else { postcard::take_from_bytes(rest).ok()?.0 };
    for (number, partner) in partners {
        entries.get_mut(usize::try_from(number).ok()?)?.share = Some(Share::Partner(partner.parse().ok()?));
    }
    Some(entries)
}

fn read(packed: &PackedEntry<'_>, merchants: &[&str], accounts: &[Account]) -> Option<Entry> {
    let mut postings = Postings::default();
    for (account, fen) in &packed.postings {
        postings.add(named(accounts, *account)?.clone(), *fen);
    }
    let coupon = CouponKey {
        member: packed.member.try_into().ok()?,
        campaign: packed.campaign.try_into().ok()?,
        ordinal: packed.ordinal.try_into().ok()?,
    };
    Some(Entry {
        event: EventId { coupon, index: packed.index, kind: EntryKind::of(packed.kind)? },
        at: mealticket_domain::Timestamp::from_unix_seconds(packed.at)?,
        merchant: named(merchants, packed.merchant)?.parse().ok()?,
        store: packed.store.parse().ok()?,
        order_no: packed.order_no.parse().ok()?,
        amount: packed.amount.try_into().ok()?,
        discount: packed.discount.try_into().ok()?,
        channel: packed.channel.map(str::parse).transpose().ok()?,
        share: packed.share_code.map(str::parse).transpose().ok()?.map(Share::Unverified),
        settlement_version: packed.settlement,
        postings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mealticket_domain::{Fen, Timestamp};

    fn entry(index: u8, share: Option<Share>) -> Entry {
        let coupon = CouponKey {
            member: 7u64.try_into().unwrap(),
            campaign: 1u32.try_into().unwrap(),
            ordinal: 0u8.try_into().unwrap(),
        };
        let mut postings = Postings::default();
        postings.add(Account::ProvinceSubsidy, 500);
        postings.add(Account::MerchantPayable, -500);
        Entry {
            event: EventId { coupon, index, kind: EntryKind::Redemption },
            at: Timestamp::MIN,
            merchant: "mch_tea".parse().unwrap(),
            store: "sto_tea01".parse().unwrap(),
            order_no: "A-1".parse().unwrap(),
            amount: Fen::try_from(2_500).unwrap(),
            discount: Fen::try_from(500).unwrap(),
            channel: Some("app".parse().unwrap()),
            share,
            settlement_version: 1,
            postings,
        }
    }

    #[test]
    fn partners_follow_the_entries_so_that_a_release_that_does_not_know_them_reads_the_rest() {
        let partner = || Some(Share::Partner("ptn_teahouse".parse().unwrap()));
        let text = || Some(Share::Unverified("s-7Qm2".parse().unwrap()));
        let entries = [entry(0, partner()), entry(1, text()), entry(2, None), entry(3, partner())];
        let bytes = pack(&entries).unwrap();
        assert_eq!(unpack(&bytes).unwrap(), entries);
        // As the release before reads them.
        let before: Packed<'_> = postcard::from_bytes(&bytes).unwrap();
        let shares: Vec<Option<&str>> = before.entries.iter().map(|entry| entry.share_code).collect();
        assert_eq!(shares, [None, Some("s-7Qm2"), None, None]);
        // As it wrote them: nothing follows.
        let plain = pack(&entries[1..3]).unwrap();
        assert_eq!(postcard::to_allocvec(&postcard::from_bytes::<Packed<'_>>(&plain).unwrap()).unwrap(), plain);
        assert_eq!(unpack(&plain).unwrap(), entries[1..3]);
        // Cut short, it is no page of ours. What a later release adds behind is ignored.
        for length in 0..bytes.len() {
            assert_ne!(unpack(&bytes[..length]).as_deref(), Some(&entries[..]), "cut to {length}");
        }
        assert_eq!(unpack(&bytes[..bytes.len() - 1]), None);
        assert_eq!(unpack(&[bytes.as_slice(), &[0xff; 3]].concat()).unwrap(), entries);
    }
}
