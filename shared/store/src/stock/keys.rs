//! Every key of `stock`. The only file with a prefix of them.

use crate::table::key::Key;
use mealticket_domain::CampaignNo;

/// All shards of a campaign's stock: at most 32 items, read by one query.
pub(crate) fn stock_partition(no: CampaignNo) -> String {
    format!("CAMPAIGN#{}", no.get())
}

/// The beginning of a shard's sort key.
pub(crate) const SHARD: &str = "SHARD#";

/// One shard. Three digits, so that text order is number order.
pub(crate) fn stock_shard(no: CampaignNo, shard: u16) -> Key {
    Key::new(stock_partition(no), format!("{SHARD}{shard:03}"))
}

/// The shard that a sort key names, if it names one.
pub(crate) fn read_stock_shard(sk: &str) -> Option<u16> {
    sk.strip_prefix(SHARD)?.parse().ok()
}

/// The counter of member numbers. One item for the whole province.
pub(crate) fn member_numbers() -> Key {
    Key::new("NUMBERS#MEMBER", "NEXT")
}
