//! Every key of every table. The only file with a key prefix.

use crate::attributes::{Item, text};
use mealticket_domain::{
    CampaignNo, CouponKey, MemberNo, MerchantId, Ordinal, ProvinceDay, ProvinceMonth, StoreId, Timestamp,
    journal::StreamShard,
    statement::StatementId,
    webhook::{EndpointId, MessageId},
};

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

/// The challenges of a phone that failed since somebody last signed in with it.
pub(crate) fn failed_challenges(phone_hash: &[u8; 32]) -> Key {
    Key::new(phone_partition(phone_hash), "FAILED")
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
    /// The whole stack's, in shards that are counted apart.
    Stack,
}

/// A counter of messages sent: of a phone, a source address, or a shard of the stack's budget.
pub(crate) fn send_quota(scope: QuotaScope, hash: &[u8; 32]) -> Key {
    let scope = match scope {
        QuotaScope::Phone => "PHONE",
        QuotaScope::Source => "SOURCE",
        QuotaScope::Stack => "STACK",
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
pub(crate) const MERCHANT_ENDPOINT: &str = "ENDPOINT#";

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

pub(crate) fn merchant_endpoint(merchant: &MerchantId, endpoint: &EndpointId) -> Key {
    Key::new(merchant_partition(merchant), format!("{MERCHANT_ENDPOINT}{endpoint}"))
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

/// The shards that were posted to, by day: one partition, a write a day for each shard and environment.
pub(crate) const ACTIVE_SHARDS: &str = "SHARDS";

/// That a shard was posted to on a day, by the clock of whoever posted.
pub(crate) fn active_shard(day: ProvinceDay, shard: &StreamShard) -> Key {
    Key::new(ACTIVE_SHARDS, format!("{}{shard}", active_shards_of(day)))
}

/// A day's notes: the day in ten characters, so that text order is day order.
pub(crate) fn active_shards_of(day: ProvinceDay) -> String {
    format!("{day}#")
}

/// The shard of a note, if it names one.
pub(crate) fn read_active_shard(sk: &str) -> Option<StreamShard> {
    sk.split_once('#')?.1.parse().ok()
}

/// How far a shard is in the sheets.
pub(crate) fn folded_mark(shard: &StreamShard) -> Key {
    Key::new(format!("FOLDED#{shard}"), "MARK")
}

pub(crate) const FOLDS: &str = "FOLDS";

/// Twelve digits, as a page.
pub(crate) fn fold(no: u64) -> Key {
    Key::new(FOLDS, format!("{no:012}"))
}

pub(crate) fn sheets(merchant: &MerchantId) -> String {
    format!("SHEETS#{merchant}")
}

/// A part of a sheet: the day in ten characters, so that text order is day order.
pub(crate) fn sheet_part(merchant: &MerchantId, day: ProvinceDay, part: u16) -> Key {
    Key::new(sheets(merchant), format!("{day}#{part:03}"))
}

/// After all parts of a day: no digit is greater than a tilde.
pub(crate) fn sheets_end(day: ProvinceDay) -> String {
    format!("{day}#~")
}

pub(crate) fn lapses(merchant: &MerchantId) -> String {
    format!("LAPSES#{merchant}")
}

/// A part of a month's lapses.
pub(crate) fn lapses_part(merchant: &MerchantId, month: ProvinceMonth, part: u16) -> Key {
    Key::new(lapses(merchant), format!("{month}#{part:03}"))
}

/// After all parts of a month.
pub(crate) fn lapses_end(month: ProvinceMonth) -> String {
    format!("{month}#~")
}

/// The merchants that have sheets.
pub(crate) const BOOKED: &str = "BOOKED";

pub(crate) fn booked(merchant: &MerchantId) -> Key {
    Key::new(BOOKED, merchant.as_str())
}

/// The day of a part's sort key, if it names one.
pub(crate) fn read_sheet_day(sk: &str) -> Option<ProvinceDay> {
    sk.split_once('#')?.0.parse().ok()
}

pub(crate) fn bill(merchant: &MerchantId, day: ProvinceDay) -> String {
    format!("BILL#{merchant}#{day}")
}

pub(crate) fn bill_part(merchant: &MerchantId, day: ProvinceDay, fold: u64, chunk: usize) -> Key {
    Key::new(bill(merchant, day), format!("{fold:012}#{chunk:03}"))
}

/// The fold and the chunk of a bill's sort key, if it names them.
pub(crate) fn read_bill_part(sk: &str) -> Option<(u64, usize)> {
    let (fold, chunk) = sk.split_once('#')?;
    Some((fold.parse().ok()?, chunk.parse().ok()?))
}

pub(crate) const SET_ASIDE: &str = "SET_ASIDE";

pub(crate) fn set_aside(id: &str) -> Key {
    Key::new(SET_ASIDE, id)
}

pub(crate) const CLOSED_MONTHS: &str = "CLOSED_MONTHS";

pub(crate) fn closed_month(month: ProvinceMonth) -> Key {
    Key::new(CLOSED_MONTHS, month.to_string())
}

pub(crate) fn statements(merchant: &MerchantId) -> String {
    format!("STATEMENTS#{merchant}")
}

pub(crate) fn statement(id: &StatementId) -> Key {
    Key::new(statements(&id.merchant), id.month.to_string())
}

pub(crate) fn statement_answer(id: &StatementId) -> Key {
    Key::new(format!("ANSWERS#{}", id.merchant), id.month.to_string())
}

pub(crate) fn statement_lines(id: &StatementId) -> String {
    format!("LINES#{}#{}", id.merchant, id.month)
}

pub(crate) fn statement_chunk(id: &StatementId, chunk: usize) -> Key {
    Key::new(statement_lines(id), format!("{chunk:03}"))
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

/// Reversals that wait for a redemption of a coupon.
pub(crate) fn waiting_partition(place: CouponKey) -> String {
    let coupon = coupon(place);
    format!("WAITING#{}#{}", coupon.pk, coupon.sk)
}

pub(crate) fn waiting(place: CouponKey, merchant: &MerchantId, webhook_id: &str) -> Key {
    Key::new(waiting_partition(place), format!("{merchant}#{webhook_id}"))
}

/// What is due, by endpoint and time: an endpoint's own is read without passing by that of others.
pub(crate) fn due_partition(shard: u16) -> String {
    format!("DUE#{shard:02}")
}

/// Twelve digits, so that text order is time order. `name` keeps apart what is due in the same second.
pub(crate) fn due(shard: u16, endpoint: &EndpointId, at: Timestamp, attempt: u8, name: &str) -> Key {
    Key::new(due_partition(shard), format!("{endpoint}#{:012}#{attempt:02}#{name}", at.unix_seconds()))
}

/// After everything of an endpoint that is due by `at`: no digit and no letter is greater than a tilde.
pub(crate) fn due_end(endpoint: &EndpointId, at: Timestamp) -> String {
    format!("{endpoint}#{:012}#~", at.unix_seconds())
}

/// After everything of the endpoint that is named so.
pub(crate) fn due_end_of(name: &str) -> String {
    format!("{name}#~")
}

/// The name of the endpoint in a due entry's sort key, and the second, if it is one.
pub(crate) fn read_due(sk: &str) -> (&str, Option<Timestamp>) {
    let mut parts = sk.split('#');
    let name = parts.next().unwrap_or_default();
    let at = parts.next().and_then(|at| Timestamp::from_unix_seconds(at.parse().ok()?));
    (name, at)
}

/// Who works a part of the due index.
pub(crate) fn due_worker(shard: u16) -> Key {
    Key::new(format!("DUE_WORKER#{shard:02}"), "LEASE")
}

pub(crate) fn deliveries(endpoint: &EndpointId) -> String {
    format!("DELIVERIES#{endpoint}")
}

/// By message, whose name begins with its time.
pub(crate) fn delivery(endpoint: &EndpointId, message: &MessageId) -> Key {
    Key::new(deliveries(endpoint), message.as_str())
}

/// Endpoints that failed or were switched off, of all merchants.
pub(crate) const ENDPOINTS_IN_TROUBLE: &str = "ENDPOINTS_IN_TROUBLE";

pub(crate) fn endpoint_in_trouble(endpoint: &EndpointId) -> Key {
    Key::new(ENDPOINTS_IN_TROUBLE, endpoint.as_str())
}

pub(crate) const DEAD_LETTERS: &str = "DEAD_LETTERS";

pub(crate) fn dead_letter(endpoint: &EndpointId, message: &MessageId) -> Key {
    Key::new(DEAD_LETTERS, format!("{endpoint}#{message}"))
}

/// All dead letters of an endpoint.
pub(crate) fn dead_letters_of(endpoint: &EndpointId) -> String {
    format!("{endpoint}#")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
