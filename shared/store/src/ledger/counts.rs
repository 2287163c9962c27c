//! A page's counts, packed (the wire format of `postcard`, as for entries): some ten bytes each.

use mealticket_domain::{
    ProvinceDay,
    journal::{Count, CountKey, Counts},
};

/// Campaign, channel, day, claims, lapses.
type Packed<'a> = (u32, Option<&'a str>, i64, u32, i32);

/// The bytes of a page's counts.
pub(super) fn pack(counts: &Counts) -> Option<Vec<u8>> {
    let packed = counts.iter().map(|(key, count)| {
        let channel = key.channel.as_ref().map(|channel| channel.as_str());
        (key.campaign.get(), channel, key.day.number(), count.claimed, count.lapsing)
    });
    postcard::to_allocvec(&packed.collect::<Vec<Packed<'_>>>()).ok()
}

/// The counts of these bytes; `None` when they are not what [`pack`] writes.
pub(super) fn unpack(bytes: &[u8]) -> Option<Counts> {
    let packed: Vec<Packed<'_>> = postcard::from_bytes(bytes).ok()?;
    let mut counts = Counts::default();
    for (campaign, channel, day, claimed, lapsing) in packed {
        let channel = channel.map(str::parse).transpose().ok()?;
        let key = CountKey { campaign: campaign.try_into().ok()?, channel, day: ProvinceDay::from_number(day)? };
        counts.insert(key, Count { claimed, lapsing });
    }
    Some(counts)
}
