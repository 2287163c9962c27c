//! The messages (通知) that a merchant's system is sent: their kinds, ids and bodies.

use crate::{
    code::IdCipher,
    coupon::{Coupon, Redemption},
    ids::{CROCKFORD, IdError},
    journal::{CouponEvent, PastRewritten, events_between},
    statement::StatementId,
    timestamp::Timestamp,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageKind {
    /// A member claimed a coupon.
    CouponIssued,
    /// A coupon was redeemed.
    CouponRedeemed,
    /// A redemption was undone.
    CouponReversed,
    /// A coupon was taken back.
    CouponDeactivated,
    /// A statement was closed.
    StatementClosed,
}

impl MessageKind {
    /// Every kind, for subscriptions and the documents.
    pub const ALL: [MessageKind; 5] = [
        MessageKind::CouponIssued,
        MessageKind::CouponRedeemed,
        MessageKind::CouponReversed,
        MessageKind::CouponDeactivated,
        MessageKind::StatementClosed,
    ];

    /// The `type` of the message, and the name in a subscription.
    pub const fn as_str(self) -> &'static str {
        match self {
            MessageKind::CouponIssued => "coupon.issued",
            MessageKind::CouponRedeemed => "coupon.redeemed",
            MessageKind::CouponReversed => "coupon.reversed",
            MessageKind::CouponDeactivated => "coupon.deactivated",
            MessageKind::StatementClosed => "statement.closed",
        }
    }
}

impl FromStr for MessageKind {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        MessageKind::ALL.into_iter().find(|known| known.as_str() == text).ok_or(IdError)
    }
}

/// A message's id: the `webhook-id` of every attempt.
///
/// It begins with the time, so text order is time order. It follows from what happened alone. So the same
/// event, worked out again, gets the same id, and a receiver can drop what it has seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

const PREFIX: &str = "msg_";
/// Bytes of a message's id.
///
/// They are `msg_`, the Unix time in seven symbols of base 32 (until the year 3058), and 80 bits of a hash in
/// sixteen.
pub const MESSAGE_ID_BYTES: usize = PREFIX.len() + SECOND_SYMBOLS as usize + 16;
/// Symbols of the Unix time.
const SECOND_SYMBOLS: u32 = 7;

impl MessageId {
    /// The id of what these parts name, at this second: SHA-256 over length-prefixed parts, cut to 80 bits.
    fn of(at: Timestamp, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let bits = hash.finalize().iter().take(10).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
        let mut text = Self::least_of(at);
        push_base32(&mut text, bits, 16);
        MessageId(text)
    }

    /// A text that is less than every id of this second, and greater than every id before it: a bound for a
    /// query.
    pub fn least_of(second: Timestamp) -> String {
        let seconds = u128::try_from(second.unix_seconds().max(0)).unwrap_or(0);
        let mut text = PREFIX.to_owned();
        push_base32(&mut text, seconds, SECOND_SYMBOLS);
        text
    }

    /// The second of the event that the message is about. [`Timestamp::MIN`] when it is outside the years of a
    /// [`Timestamp`], which no message of ours is.
    pub fn at(&self) -> Timestamp {
        let symbols = self.0.bytes().skip(PREFIX.len()).take(SECOND_SYMBOLS as usize);
        let value = |symbol: u8| CROCKFORD.iter().position(|known| *known == symbol.to_ascii_uppercase()).unwrap_or(0);
        let seconds = symbols.fold(0_i64, |seconds, symbol| (seconds << 5) | i64::try_from(value(symbol)).unwrap_or(0));
        Timestamp::from_unix_seconds(seconds).unwrap_or(Timestamp::MIN)
    }

    /// The id as it is sent and stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A number that is the same whenever it is asked for, and different for most messages.
    ///
    /// It spreads the attempts of messages that failed together.
    pub fn chance(&self, attempt: u8) -> u64 {
        fnv1a(self.0.bytes().chain([attempt]))
    }
}

/// Appends a number in so many symbols of Crockford's base 32, in small letters.
fn push_base32(text: &mut String, number: u128, symbols: u32) {
    for place in (0..symbols).rev() {
        let symbol = CROCKFORD.get((number >> (5 * place)) as usize & 31).copied().unwrap_or(b'0');
        text.push(char::from(symbol.to_ascii_lowercase()));
    }
}

/// FNV-1a in 64 bits, for spreading. It is no defence against somebody who chooses the bytes.
pub fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

impl FromStr for MessageId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let known = |byte: u8| CROCKFORD.contains(&byte.to_ascii_uppercase()) && !byte.is_ascii_uppercase();
        let rest = text.strip_prefix(PREFIX).ok_or(IdError)?;
        let is_one = text.len() == MESSAGE_ID_BYTES && rest.bytes().all(known);
        if is_one { Ok(MessageId(text.to_owned())) } else { Err(IdError) }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message, ready to be sent. Every attempt sends the same bytes; only the signature and its time differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id, the same for every endpoint it goes to.
    pub id: MessageId,
    /// What it is about: an endpoint gets it when it has subscribed to this.
    pub kind: MessageKind,
    /// Its body: JSON. No member, no code and no person is in it.
    pub body: String,
}

/// The body of every message: its type, its time, and what happened.
#[derive(Serialize)]
struct Envelope<T> {
    r#type: &'static str,
    timestamp: Timestamp,
    data: T,
}

/// What a message says of a coupon, whatever happened to it.
#[derive(Serialize)]
struct CouponData<'a> {
    coupon_id: &'a str,
    campaign_id: String,
    /// 1 for the first thing that ever happened to the coupon, then one more for each. Receivers sort by it.
    sequence: usize,
    uses_left: u8,
    #[serde(flatten)]
    what: What<'a>,
}

/// What a message says of what happened.
#[derive(Serialize)]
#[serde(untagged)]
enum What<'a> {
    Issued {
        claimed_at: Timestamp,
        valid_from: Timestamp,
        valid_until: Timestamp,
    },
    Redeemed {
        redemption_id: String,
        redeemed_at: Timestamp,
        #[serde(flatten)]
        order: OrderData<'a>,
    },
    Reversed {
        redemption_id: String,
        reversed_at: Timestamp,
        #[serde(flatten)]
        order: OrderData<'a>,
    },
    Deactivated {
        deactivated_at: Timestamp,
    },
}

/// What a message says of the order of a redemption.
#[derive(Serialize)]
struct OrderData<'a> {
    store_id: &'a str,
    order_no: &'a str,
    amount_fen: u64,
    discount_fen: u64,
}

impl<'a> OrderData<'a> {
    fn of(redemption: &'a Redemption) -> Self {
        OrderData {
            store_id: redemption.store_id.as_str(),
            order_no: redemption.order_no.as_str(),
            amount_fen: redemption.amount.get(),
            discount_fen: redemption.discount.get(),
        }
    }
}

/// How many things that messages are sent about have happened to a coupon.
fn happened(coupon: &Coupon) -> usize {
    let reversed = coupon.redemptions.iter().filter(|redemption| redemption.reversal.is_some()).count();
    1 + coupon.redemptions.len() + reversed + usize::from(coupon.deactivated_at.is_some())
}

/// The messages of what happened to a coupon between two of its states, in order.
///
/// `written_at` is when the later state was written, as the stream says. It is the same whenever the record
/// is read, so the ids are the same too. [`PastRewritten`] when the later state did not come from the earlier
/// one.
pub fn messages_between(
    before: Option<&Coupon>,
    after: &Coupon,
    written_at: Timestamp,
    ids: &IdCipher,
) -> Result<Vec<Message>, PastRewritten> {
    let coupon_id = ids.coupon_id(after.key);
    let mut sequence = before.map_or(0, happened);
    let mut messages = Vec::new();
    let mut add = |kind: MessageKind, index: usize, what: What<'_>| {
        sequence += 1;
        let campaign_id = after.key.campaign.to_string();
        let data = CouponData { coupon_id: &coupon_id, campaign_id, sequence, uses_left: after.uses_left, what };
        let id = MessageId::of(written_at, &[&coupon_id, kind.as_str(), &index.to_string()]);
        messages.push(message(id, kind, written_at, &data));
    };
    for event in events_between(before, after)? {
        match event {
            CouponEvent::Claimed => {
                let (valid_from, valid_until) = (after.valid_from, after.valid_until);
                add(
                    MessageKind::CouponIssued,
                    0,
                    What::Issued { claimed_at: after.claimed_at, valid_from, valid_until },
                );
            }
            CouponEvent::Redeemed(index) => {
                let Some(redemption) = after.redemptions.get(index) else { continue };
                let (redemption_id, order) = (ids.redemption_id(after.key, index), OrderData::of(redemption));
                let what = What::Redeemed { redemption_id, redeemed_at: redemption.at, order };
                add(MessageKind::CouponRedeemed, index, what);
            }
            CouponEvent::Reversed(index) => {
                let Some(redemption) = after.redemptions.get(index) else { continue };
                let Some(reversal) = &redemption.reversal else { continue };
                let (redemption_id, order) = (ids.redemption_id(after.key, index), OrderData::of(redemption));
                let what = What::Reversed { redemption_id, reversed_at: reversal.at, order };
                add(MessageKind::CouponReversed, index, what);
            }
        }
    }
    if let Some(deactivated_at) = after.deactivated_at
        && before.is_none_or(|before| before.deactivated_at.is_none())
    {
        add(MessageKind::CouponDeactivated, 0, What::Deactivated { deactivated_at });
    }
    Ok(messages)
}

/// The message that a statement was closed. `closing_fen` is what is owed to the merchant after it.
pub fn statement_closed(statement: &StatementId, no: u32, closing_fen: i64, closed_at: Timestamp) -> Message {
    #[derive(Serialize)]
    struct StatementData {
        statement_id: String,
        month: String,
        no: u32,
        closing_fen: i64,
        closed_at: Timestamp,
    }
    let statement_id = statement.to_string();
    let id = MessageId::of(closed_at, &[&statement_id, MessageKind::StatementClosed.as_str()]);
    let month = statement.month.to_string();
    let data = StatementData { statement_id, month, no, closing_fen, closed_at };
    message(id, MessageKind::StatementClosed, closed_at, &data)
}

/// A message whose body is this data in its envelope.
fn message(id: MessageId, kind: MessageKind, timestamp: Timestamp, data: &impl Serialize) -> Message {
    // Maps with text keys, numbers and texts: serialising them cannot fail.
    let body = serde_json::to_string(&Envelope { r#type: kind.as_str(), timestamp, data }).unwrap_or_default();
    Message { id, kind, body }
}
