//! A page's entries, packed: names once for a page, numbers in as few bytes as they need (the wire format of `postcard`,
//! which is fixed). An entry of a usual order takes some 60 bytes; as attributes it would take 300.

use super::packing::{Names, named};
use mealticket_domain::{
    CouponKey,
    journal::{Entry, EntryKind, EventId},
    settlement::{Account, Postings},
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    #[serde(borrow)]
    merchants: Vec<&'a str>,
    accounts: Vec<String>,
    #[serde(borrow)]
    entries: Vec<PackedEntry<'a>>,
}

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
        share_code: entry.share_code.as_ref().map(|code| code.as_str()),
        settlement: entry.settlement_version,
        postings: entry.postings.amounts().map(|(account, fen)| (accounts.number(account), fen)).collect(),
    });
    let entries = packed.collect();
    let accounts = accounts.in_order().iter().map(ToString::to_string).collect();
    postcard::to_allocvec(&Packed { merchants: merchants.in_order(), accounts, entries }).ok()
}

/// The entries of these bytes; `None` when they are not what [`pack`] writes.
pub(crate) fn unpack(bytes: &[u8]) -> Option<Vec<Entry>> {
    let packed: Packed<'_> = postcard::from_bytes(bytes).ok()?;
    let accounts = packed.accounts.iter().map(|name| name.parse().ok()).collect::<Option<Vec<Account>>>()?;
    packed.entries.iter().map(|entry| read(entry, &packed.merchants, &accounts)).collect()
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
        share_code: packed.share_code.map(str::parse).transpose().ok()?,
        settlement_version: packed.settlement,
        postings,
    })
}
