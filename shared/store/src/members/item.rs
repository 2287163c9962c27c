//! A coupon's item.
//!
//! Names are short because every write pays for them. A coupon with one redemption, one reversal and the
//! longest texts stays within 1 024 bytes (asserted in `tests/it/size.rs`), so claim, redemption and reversal
//! cost one write unit each.

use crate::{
    members::keys,
    table::{
        attributes::{Item, Reader, binary, instant, item, number, text},
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    Cashier, Coupon, Fen, Fingerprint, Hold, KeyHash, LeaseId, Reason, Redemption, Reversal, Share, TermsHash,
    limits::HOLD_SECONDS_MAX,
};

/// The item's version. Readers refuse a newer one instead of guessing.
const SCHEMA: u8 = 1;

/// The item of a coupon as it is claimed. Holds and the set `keys` come with later writes.
pub(crate) fn to_item(coupon: &Coupon) -> Item {
    keys::coupon(coupon.key).with(item([
        ("schema", Some(number(SCHEMA))),
        ("claimed_at", Some(instant(coupon.claimed_at))),
        ("claim", Some(asked(coupon.claim_key, coupon.claim_fingerprint))),
        ("channel", coupon.channel.as_ref().map(|channel| text(channel.as_str()))),
        ("partner", coupon.share.as_ref().and_then(Share::partner).map(|partner| text(partner.as_str()))),
        ("share_code", coupon.share.as_ref().and_then(Share::unverified).map(|code| text(code.as_str()))),
        ("lease_id", Some(binary(&coupon.lease_id.0))),
        ("terms_version", Some(number(coupon.terms_version))),
        ("terms_sha256", Some(binary(&coupon.terms_sha256.0))),
        ("settlement_version", Some(number(coupon.settlement_version))),
        ("key_version", Some(number(coupon.key_version))),
        ("valid_from", Some(instant(coupon.valid_from))),
        ("valid_until", Some(instant(coupon.valid_until))),
        ("uses_total", Some(number(coupon.uses_total))),
        ("uses_left", Some(number(coupon.uses_left))),
        ("redemptions", Some(AttributeValue::L(coupon.redemptions.iter().map(redemption_map).collect()))),
    ]))
}

/// The coupon of an item. `StoreError::Corrupt` names the attribute that is missing, mistyped or of another schema.
pub(crate) fn from_item(item: &Item) -> Result<Coupon, StoreError> {
    let read = Reader::new(item, "coupon");
    if read.number::<u8>("schema")? != SCHEMA {
        return Err(read.corrupt("schema"));
    }
    let key = keys::read_coupon(read.str("pk")?, read.str("sk")?).ok_or_else(|| read.corrupt("sk"))?;
    let hold = read.optional("held", |read, _| read_hold(read))?;
    let (claim_key, claim_fingerprint) = read_asked(&read, "claim")?;
    Ok(Coupon {
        key,
        claimed_at: read.instant("claimed_at")?,
        claim_key,
        claim_fingerprint,
        channel: read.optional("channel", Reader::parsed)?,
        share: read_share(&read)?,
        lease_id: LeaseId(read.array("lease_id")?),
        terms_version: read.number("terms_version")?,
        terms_sha256: TermsHash(read.array("terms_sha256")?),
        settlement_version: read.number("settlement_version")?,
        key_version: read.number("key_version")?,
        valid_from: read.instant("valid_from")?,
        valid_until: read.instant("valid_until")?,
        uses_total: read.number("uses_total")?,
        uses_left: read.number("uses_left")?,
        deactivated_at: read.optional("deactivated_at", Reader::instant)?,
        hold,
        redemptions: read.maps("redemptions")?.into_iter().map(redemption).collect::<Result<_, _>>()?,
    })
}

/// One redemption as an element of the list `redemptions`.
pub(crate) fn redemption_map(redemption: &Redemption) -> AttributeValue {
    AttributeValue::M(item([
        ("at", Some(instant(redemption.at))),
        ("key", Some(asked(redemption.key, redemption.fingerprint))),
        ("via", Some(text(redemption.source.as_str()))),
        ("store", Some(text(redemption.store_id.as_str()))),
        ("order", Some(text(redemption.order_no.as_str()))),
        ("amount", Some(number(redemption.amount.get()))),
        ("discount", Some(number(redemption.discount.get()))),
        ("cashier", redemption.cashier.as_ref().map(|cashier| text(cashier.as_str()))),
        ("reversal", redemption.reversal.as_ref().map(reversal_map)),
    ]))
}

/// The reversal inside a redemption's element.
pub(crate) fn reversal_map(reversal: &Reversal) -> AttributeValue {
    AttributeValue::M(item([
        ("at", Some(instant(reversal.at))),
        ("key", Some(asked(reversal.key, reversal.fingerprint))),
        ("reason", Some(text(reversal.reason.as_str()))),
        ("status", Some(text(reversal.status.as_str()))),
        ("before", Some(number(reversal.redemptions_before))),
    ]))
}

fn redemption(map: &Item) -> Result<Redemption, StoreError> {
    let read = Reader::new(map, "redemption");
    let money = |attribute| -> Result<Fen, StoreError> {
        Fen::try_from(read.number::<u64>(attribute)?).map_err(|_| read.corrupt(attribute))
    };
    let (key, fingerprint) = read_asked(&read, "key")?;
    Ok(Redemption {
        at: read.instant("at")?,
        key,
        fingerprint,
        source: read.parsed("via")?,
        store_id: read.parsed("store")?,
        order_no: read.parsed("order")?,
        amount: money("amount")?,
        discount: money("discount")?,
        cashier: read.optional("cashier", Reader::str)?.map(Cashier::from_table),
        reversal: read.optional("reversal", |read, name| reversal(read.map(name)?))?,
    })
}

fn reversal(map: &Item) -> Result<Reversal, StoreError> {
    let read = Reader::new(map, "reversal");
    let (key, fingerprint) = read_asked(&read, "key")?;
    Ok(Reversal {
        at: read.instant("at")?,
        key,
        fingerprint,
        reason: Reason::from_table(read.str("reason")?),
        status: read.parsed("status")?,
        redemptions_before: read.number("before")?,
    })
}

/// A request's key and fingerprint, one after the other in 32 bytes. One attribute's name less to pay for.
pub(crate) fn asked(key: KeyHash, fingerprint: Fingerprint) -> AttributeValue {
    binary(&[key.0, fingerprint.0].concat())
}

/// A hold's facts in 48 bytes. The order comes first, so that a condition can compare the beginning.
pub(crate) fn held(hold: &Hold) -> AttributeValue {
    binary(&[hold.order.0, hold.key.0, hold.fingerprint.0].concat())
}

/// Who brought the claim about. A partner comes first; an unverified text counts only without one.
fn read_share(read: &Reader<'_>) -> Result<Option<Share>, StoreError> {
    if let Some(partner) = read.optional("partner", Reader::parsed)? {
        return Ok(Some(Share::Partner(partner)));
    }
    Ok(read.optional("share_code", Reader::parsed)?.map(Share::Unverified))
}

/// The newest hold, whether or not it still counts.
fn read_hold(read: &Reader<'_>) -> Result<Hold, StoreError> {
    let all = read.array::<48>("held")?;
    let third = |at: usize| all.get(at..at + 16).and_then(|part| part.try_into().ok());
    let thirds = third(0).zip(third(16)).zip(third(32)).ok_or_else(|| read.corrupt("held"))?;
    let ((order, key), fingerprint) = thirds;
    let until = read.instant("held_to")?;
    // A release that knew no `held_at` may have written this hold over one that had it. Then that
    // instant is too far back.
    let earliest = until.plus_seconds(-HOLD_SECONDS_MAX);
    let at = read.optional("held_at", Reader::instant)?.unwrap_or(earliest).max(earliest);
    Ok(Hold {
        order: KeyHash(order),
        key: KeyHash(key),
        fingerprint: Fingerprint(fingerprint),
        at,
        until,
        ended: !read.has("hold_until"),
    })
}

/// The key and fingerprint that [`asked`] has written.
fn read_asked(read: &Reader<'_>, attribute: &'static str) -> Result<(KeyHash, Fingerprint), StoreError> {
    let both = read.array::<32>(attribute)?;
    let halves = both.split_first_chunk::<16>().and_then(|(key, rest)| Some((*key, rest.try_into().ok()?)));
    let (key, fingerprint) = halves.ok_or_else(|| read.corrupt(attribute))?;
    Ok((KeyHash(key), Fingerprint(fingerprint)))
}

/// Bytes of a coupon's item as DynamoDB counts them.
///
/// Names and texts count in UTF-8. A number has about one byte for two digits, and one more. A list or map has three
/// bytes, and one for each element (developer guide, "Item sizes and formats"). It asks nothing; tests hold the
/// largest coupon to the budget.
pub fn item_bytes(coupon: &Coupon) -> usize {
    let mut item = to_item(coupon);
    let keys = coupon.redemptions.iter().flat_map(|r| {
        [Some(r.key), Some(KeyHash::of_order(&r.order_no)), r.reversal.as_ref().map(|r| r.key)].into_iter().flatten()
    });
    let keys = keys.map(|key| aws_sdk_dynamodb::primitives::Blob::new(key.0)).collect();
    item.insert("keys".to_owned(), AttributeValue::Bs(keys));
    if let Some(hold) = &coupon.hold {
        let until = (!hold.ended).then(|| instant(hold.until));
        item.extend(self::item([
            ("held", Some(held(hold))),
            ("held_at", Some(instant(hold.at))),
            ("held_to", Some(instant(hold.until))),
            ("hold_until", until),
        ]));
    }
    item.extend(self::item([("deactivated_at", coupon.deactivated_at.map(instant))]));
    map_bytes(&item)
}

fn map_bytes(map: &Item) -> usize {
    map.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Bs(set) => set.iter().map(|bytes| bytes.as_ref().len()).sum(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + value_bytes(value)).sum::<usize>(),
        AttributeValue::M(map) => 3 + map.len() + map_bytes(map),
        _ => 1,
    }
}
