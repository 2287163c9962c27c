//! Every key of every table. The only file with a key prefix.

use crate::attributes::{Item, text};
use mealticket_domain::{CampaignNo, CouponKey, MemberNo, MerchantId, Ordinal, StoreId, journal::StreamShard};

/// A partition and sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Key { pk: pk.into(), sk: sk.into() }
    }

    /// The key's attributes alone.
    pub(crate) fn attributes(self) -> Item {
        Item::from([("pk".to_owned(), text(self.pk)), ("sk".to_owned(), text(self.sk))])
    }

    /// The item of this key and these attributes.
    pub(crate) fn with(self, attributes: Item) -> Item {
        let mut item = self.attributes();
        item.extend(attributes);
        item
    }
}

// members

pub(crate) fn member_partition(member: MemberNo) -> String {
    format!("MEMBER#{}", member.get())
}

/// The member that a partition key names, if it names one.
pub(crate) fn read_member(pk: &str) -> Option<MemberNo> {
    MemberNo::try_from(pk.strip_prefix("MEMBER#")?.parse::<u64>().ok()?).ok()
}

pub(crate) const PROFILE: &str = "PROFILE";

pub(crate) fn profile(member: MemberNo) -> Key {
    Key::new(member_partition(member), PROFILE)
}

/// All of a member's coupons.
pub(crate) const COUPONS: &str = "COUPON#";

/// A member's coupons of one campaign. Fixed widths, so that text order is number order.
pub(crate) fn coupons_of(campaign: CampaignNo) -> String {
    format!("{COUPONS}{:07}#", campaign.get())
}

pub(crate) fn coupon(key: CouponKey) -> Key {
    let sk = format!("{}{:02}", coupons_of(key.campaign), key.ordinal.get());
    Key::new(member_partition(key.member), sk)
}

/// The coupon that a key names, if it names one.
pub(crate) fn read_coupon(pk: &str, sk: &str) -> Option<CouponKey> {
    let (campaign, ordinal) = sk.strip_prefix(COUPONS)?.split_once('#')?;
    Some(CouponKey {
        member: read_member(pk)?,
        campaign: CampaignNo::try_from(campaign.parse::<u32>().ok()?).ok()?,
        ordinal: Ordinal::try_from(ordinal.parse::<u8>().ok()?).ok()?,
    })
}

// identities

/// The keyed hash of a phone, in hexadecimal.
fn phone_partition(phone_hash: &[u8; 32]) -> String {
    format!("PHONE#{}", hex(phone_hash))
}

pub(crate) fn phone_index(phone_hash: &[u8; 32]) -> Key {
    Key::new(phone_partition(phone_hash), "MEMBER")
}

/// What the operator knows of a number before anybody signs up with it.
pub(crate) fn phone_attributes(phone_hash: &[u8; 32]) -> Key {
    Key::new(phone_partition(phone_hash), "ATTRIBUTES")
}

pub(crate) fn challenge(challenge_id: &str) -> Key {
    Key::new(format!("OTP#{challenge_id}"), "CHALLENGE")
}

pub(crate) fn session_family(family_id: &[u8; 16]) -> Key {
    Key::new(format!("SESSION#{}", hex(family_id)), "FAMILY")
}

/// Whose messages are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaScope {
    /// A phone's.
    Phone,
    /// A source address's.
    Source,
}

/// A counter of messages sent, by phone or by source address.
pub(crate) fn send_quota(scope: QuotaScope, hash: &[u8; 32]) -> Key {
    let scope = match scope {
        QuotaScope::Phone => "PHONE",
        QuotaScope::Source => "SOURCE",
    };
    Key::new(format!("SENDS#{scope}#{}", hex(hash)), "QUOTA")
}

// catalog

/// The directory of campaigns: one partition, a few hundred items, read as a whole and cached.
pub(crate) const CAMPAIGNS: &str = "CAMPAIGNS";
pub(crate) const CAMPAIGN: &str = "CAMPAIGN#";

pub(crate) fn campaign(no: CampaignNo) -> Key {
    Key::new(CAMPAIGNS, format!("{CAMPAIGN}{:07}", no.get()))
}

pub(crate) fn terms(no: CampaignNo, version: u32) -> Key {
    Key::new(format!("{CAMPAIGN}{}", no.get()), format!("TERMS#{version:05}"))
}

pub(crate) fn settlement(no: CampaignNo, version: u32) -> Key {
    Key::new(format!("{CAMPAIGN}{}", no.get()), format!("SETTLEMENT#{version:05}"))
}

pub(crate) fn merchant_partition(merchant: &MerchantId) -> String {
    format!("MERCHANT#{merchant}")
}

pub(crate) const MERCHANT_PROFILE: &str = "PROFILE";
pub(crate) const MERCHANT_STORE: &str = "STORE#";
pub(crate) const MERCHANT_KEY: &str = "KEY#";
pub(crate) const MERCHANT_SECRET: &str = "SECRET#";

pub(crate) fn merchant_profile(merchant: &MerchantId) -> Key {
    Key::new(merchant_partition(merchant), MERCHANT_PROFILE)
}

pub(crate) fn merchant_store(merchant: &MerchantId, store: &StoreId) -> Key {
    Key::new(merchant_partition(merchant), format!("{MERCHANT_STORE}{store}"))
}

pub(crate) fn merchant_key(merchant: &MerchantId, kid: &str) -> Key {
    Key::new(merchant_partition(merchant), format!("{MERCHANT_KEY}{kid}"))
}

pub(crate) fn merchant_secret(merchant: &MerchantId, number: u32) -> Key {
    Key::new(merchant_partition(merchant), format!("{MERCHANT_SECRET}{number:05}"))
}

// stock

pub(crate) fn stock_partition(no: CampaignNo) -> String {
    format!("CAMPAIGN#{}", no.get())
}

pub(crate) const SHARD: &str = "SHARD#";

pub(crate) fn stock_shard(no: CampaignNo, shard: u16) -> Key {
    Key::new(stock_partition(no), format!("{SHARD}{shard:03}"))
}

/// The shard that a sort key names, if it names one.
pub(crate) fn read_stock_shard(sk: &str) -> Option<u16> {
    sk.strip_prefix(SHARD)?.parse().ok()
}

pub(crate) fn member_numbers() -> Key {
    Key::new("NUMBERS#MEMBER", "NEXT")
}

// ledger

pub(crate) fn journal_partition(shard: &StreamShard) -> String {
    format!("{SHARD}{shard}")
}

/// Twelve digits, so that text order is number order: a page a millisecond for thirty years.
pub(crate) fn journal_page(shard: &StreamShard, page: u64) -> Key {
    Key::new(journal_partition(shard), format!("{page:012}"))
}

/// The page that a sort key names, if it names one.
pub(crate) fn read_journal_page(sk: &str) -> Option<u64> {
    sk.parse().ok()
}

// messages

pub(crate) fn receipt(merchant: &MerchantId, webhook_id: &str) -> Key {
    Key::new(format!("WEBHOOK#{merchant}#{webhook_id}"), "RECEIPT")
}

pub(crate) fn discrepancy_partition(merchant: &MerchantId) -> String {
    format!("DISCREPANCIES#{merchant}")
}

/// By webhook id: the same event repeated is the same discrepancy.
pub(crate) fn discrepancy(merchant: &MerchantId, webhook_id: &str) -> Key {
    Key::new(discrepancy_partition(merchant), webhook_id)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
