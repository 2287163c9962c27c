//! A page of the journal as an item.

use super::{counts, entries};
use crate::{
    ledger::keys,
    table::{
        attributes::{Item, Reader, binary, instant, item, number, text},
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    CampaignNo, LeaseId,
    journal::{Counts, Page, SetAside, StreamShard, Tally, Uses},
};
use std::collections::BTreeMap;

/// The page's version. Readers refuse a newer one instead of guessing.
const SCHEMA: u8 = 1;

/// Bytes of a lease's count in a page: its id and four more.
const CLAIMS_BYTES: usize = 20;

/// The item of a page. `StoreError::Corrupt` when entries or counts cannot be packed, which none
/// that the domain makes does.
pub(super) fn page_item(shard: &StreamShard, page: &Page) -> Result<Item, StoreError> {
    let unpackable = |attribute| StoreError::Corrupt { item: "journal page", attribute };
    let entries = entries::pack(&page.entries).ok_or_else(|| unpackable("entries"))?;
    let counts = counts::pack(&page.counts).ok_or_else(|| unpackable("counts"))?;
    let claims = page.tally.claims.iter().map(|(campaign, leases)| (campaign.get().to_string(), claims_blob(leases)));
    let uses = page.tally.uses.iter().map(|(campaign, uses)| {
        let counts = vec![number(uses.redemptions), number(uses.reversals)];
        (campaign.get().to_string(), AttributeValue::L(counts))
    });
    Ok(keys::journal_page(shard, page.no).with(item([
        ("schema", Some(number(SCHEMA))),
        ("to_seq", Some(text(page.to.as_str()))),
        ("records", Some(number(page.records))),
        ("first_at", Some(instant(page.first_at))),
        ("last_at", Some(instant(page.last_at))),
        ("claims", Some(AttributeValue::M(claims.collect()))),
        ("uses", Some(AttributeValue::M(uses.collect()))),
        ("counts", Some(binary(&counts))),
        ("entries", Some(binary(&entries))),
        ("aside", Some(AttributeValue::L(page.aside.iter().map(aside_map).collect()))),
    ])))
}

/// A campaign's claims: each lease's id and its count, one after the other. As named attributes they would
/// cost three times as much.
fn claims_blob(leases: &BTreeMap<LeaseId, u32>) -> AttributeValue {
    let bytes: Vec<u8> =
        leases.iter().flat_map(|(lease, claims)| [&lease.0[..], &claims.to_be_bytes()].concat()).collect();
    binary(&bytes)
}

fn aside_map(aside: &SetAside) -> AttributeValue {
    AttributeValue::M(item([
        ("event_id", aside.event_id.as_ref().map(text)),
        ("reason", Some(text(&aside.reason))),
        ("raw", Some(text(&aside.raw))),
    ]))
}

/// A whole page.
pub(super) fn read_page(item: &Item) -> Result<Page, StoreError> {
    let read = Reader::new(item, "journal page");
    Ok(Page {
        counts: counts::unpack(read.bytes("counts")?).ok_or_else(|| read.corrupt("counts"))?,
        entries: entries::unpack(read.bytes("entries")?).ok_or_else(|| read.corrupt("entries"))?,
        ..read_tally(item)?
    })
}

/// A page without its entries and its counts, which are most of it.
pub(super) fn read_tally(item: &Item) -> Result<Page, StoreError> {
    let read = Reader::new(item, "journal page");
    if read.number::<u8>("schema")? != SCHEMA {
        return Err(read.corrupt("schema"));
    }
    let mut tally = Tally::default();
    for (name, value) in read.map("claims")? {
        let leases = value.as_b().ok().and_then(|blob| read_claims(blob.as_ref()));
        tally.claims.insert(campaign(name, &read)?, leases.ok_or_else(|| read.corrupt("claims"))?);
    }
    for (name, value) in read.map("uses")? {
        let counts: Option<Vec<u32>> =
            value.as_l().ok().map(|list| list.iter().filter_map(|n| n.as_n().ok()?.parse().ok()).collect());
        let Some([redemptions, reversals]) = counts.as_deref() else { return Err(read.corrupt("uses")) };
        let uses = Uses { redemptions: *redemptions, reversals: *reversals };
        tally.uses.insert(campaign(name, &read)?, uses);
    }
    Ok(Page {
        no: keys::read_journal_page(read.str("sk")?).ok_or_else(|| read.corrupt("sk"))?,
        to: read.parsed("to_seq")?,
        records: read.number("records")?,
        first_at: read.instant("first_at")?,
        last_at: read.instant("last_at")?,
        tally,
        counts: Counts::default(),
        entries: Vec::new(),
        aside: read.maps("aside")?.into_iter().map(read_aside).collect::<Result<_, _>>()?,
    })
}

fn campaign(name: &str, read: &Reader<'_>) -> Result<CampaignNo, StoreError> {
    let no = name.parse::<u32>().ok().and_then(|no| CampaignNo::try_from(no).ok());
    no.ok_or_else(|| read.corrupt("campaign"))
}

/// The claims that [`claims_blob`] has written; `None` when the bytes are not whole entries.
fn read_claims(bytes: &[u8]) -> Option<BTreeMap<LeaseId, u32>> {
    let (entries, rest) = bytes.as_chunks::<CLAIMS_BYTES>();
    let entry = |entry: &[u8; CLAIMS_BYTES]| {
        let (lease, claims) = entry.split_first_chunk::<16>()?;
        Some((LeaseId(*lease), u32::from_be_bytes(claims.try_into().ok()?)))
    };
    if rest.is_empty() { entries.iter().map(entry).collect() } else { None }
}

fn read_aside(map: &Item) -> Result<SetAside, StoreError> {
    let read = Reader::new(map, "record set aside");
    Ok(SetAside {
        event_id: read.optional("event_id", |read, name| read.str(name).map(str::to_owned))?,
        reason: read.str("reason")?.to_owned(),
        raw: read.str("raw")?.to_owned(),
    })
}
