//! Messages on their way: what is due, what became of it, and what was given up.
//!
//! A **due entry** is a few messages for one endpoint at one time; it stands until each of them is settled. A
//! **delivery** is a message to an endpoint with its attempts, written when the first has been made. The delivery alone
//! says how many attempts there were, so a due entry that is there twice, or late, does nothing.
//!
//! Messages are queued, settled and given up in a fixed order. Every crash leaves one entry too
//! many, and never one too few.

use crate::{
    Messages,
    messages::Due,
    messages::keys,
    table::{
        attributes::{Item, Reader, instant, item, number, text},
        clauses::IS_NEW,
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    MerchantId, Timestamp,
    webhook::{Answer, EndpointId, Message, MessageId, MessageKind},
};

/// How long a delivery is remembered after it arrived, so that operators can look it up and send it again: 30 days.
const DELIVERED_SECONDS: i64 = 30 * 86_400;
/// How long a dead letter waits for somebody to send it again: 90 days.
const DEAD_SECONDS: i64 = 90 * 86_400;

/// Nobody has written the delivery since it was read. Guards every write but the first, which is `IS_NEW`.
const REVISION_IS_AS_SEEN: &str = "revision = :seen";

/// The letter is not one of a later death. A delete whose answer was lost may land late.
const DIED_BEFORE: &str = "dead_at < :now";

/// What a delivery has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is tried again.
    Pending,
    /// It arrived.
    Delivered,
    /// It was given up. An operator may send it again.
    Dead,
}

impl Outcome {
    /// The name in the table and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Pending => "pending",
            Outcome::Delivered => "delivered",
            Outcome::Dead => "dead",
        }
    }
}

impl std::str::FromStr for Outcome {
    type Err = mealticket_domain::ids::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Outcome::Pending, Outcome::Delivered, Outcome::Dead];
        all.into_iter().find(|known| known.as_str() == text).ok_or(mealticket_domain::ids::IdError)
    }
}

/// One attempt to send a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// What the endpoint answered, or why it did not.
    pub answer: Answer,
    /// Milliseconds from its beginning until its end.
    pub duration_ms: u32,
}

/// A message to an endpoint, with its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The merchant whose endpoint it is.
    pub merchant: MerchantId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// What is sent. The name of a message begins with its time, so names are in the order of time.
    pub message: Message,
    /// What it has come to.
    pub outcome: Outcome,
    /// Why it was given up without an attempt, if it was: `endpoint_off`.
    pub given_up: Option<String>,
    /// Every attempt, in order. Once there are a hundred, operators cannot have it sent again.
    pub attempts: Vec<Attempt>,
    /// Attempts that were made before it was last sent again by hand. The schedule begins after them.
    pub schedule_from: u8,
    /// When the next attempt is due; `None` when it is over.
    pub next_at: Option<Timestamp>,
    /// Counts the writes of it, from 1; 0 before the first. A write that lands late finds another
    /// revision and changes nothing.
    pub revision: u32,
}

/// Which deliveries are asked for; all of them by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeliveryFilter {
    /// What they have come to.
    pub outcome: Option<Outcome>,
    /// The kind of message.
    pub kind: Option<MessageKind>,
    /// From when on it happened.
    pub since: Option<Timestamp>,
    /// Before when it happened.
    pub until: Option<Timestamp>,
}

impl DeliveryFilter {
    /// The names of messages between which they are. The second name is excluded.
    fn span(&self) -> (String, String) {
        (
            MessageId::least_of(self.since.unwrap_or(Timestamp::MIN)),
            MessageId::least_of(self.until.unwrap_or(Timestamp::MAX)),
        )
    }

    /// Whether a delivery is one of them. A list does the same by a query.
    pub fn passes(&self, delivery: &Delivery) -> bool {
        let (first, end) = self.span();
        let name = delivery.message.id.as_str();
        self.outcome.is_none_or(|outcome| outcome == delivery.outcome)
            && self.kind.is_none_or(|kind| kind == delivery.message.kind)
            && (first.as_str()..end.as_str()).contains(&name)
    }
}

/// A page of deliveries, and after which message the next begins.
pub type DeliveryPage = (Vec<Delivery>, Option<MessageId>);

/// The endpoint and the message of a dead letter.
pub type Letter = (EndpointId, MessageId);

impl Delivery {
    /// How many attempts there were.
    pub fn made(&self) -> u8 {
        u8::try_from(self.attempts.len()).unwrap_or(u8::MAX)
    }
}

impl Messages {
    /// A delivery, if an attempt was made or it was given up; `None` before. Strongly consistent.
    ///
    /// Cost: 1 GetItem, 1 R for each 4 KB.
    pub async fn read_delivery(
        &self,
        endpoint: &EndpointId,
        message: &MessageId,
    ) -> Result<Option<Delivery>, StoreError> {
        let call = self.table.get_item().consistent_read(true);
        let found = self.table.get(call.set_key(Some(keys::delivery(endpoint, message).attributes()))).await?;
        found.as_ref().map(|item| read_delivery(endpoint, item)).transpose()
    }

    /// Writes what a delivery has come to, if it is still in the revision that was read, or not there when that is 0.
    ///
    /// Otherwise it changes nothing and returns no error: the writer that was first has left what follows. So each
    /// attempt is counted once. Safe to repeat.
    ///
    /// Cost: 1 PutItem, 1 W for each KB, also when refused.
    pub async fn settle_delivery(&self, delivery: &Delivery, now: Timestamp) -> Result<(), StoreError> {
        let seen = delivery.revision;
        let next = Delivery { revision: seen.saturating_add(1), ..delivery.clone() };
        let call = self.table.put_item();
        let call = call.set_item(Some(delivery_item(&next, now)));
        let call = match seen {
            0 => call.condition_expression(IS_NEW),
            _ => call.condition_expression(REVISION_IS_AS_SEEN).expression_attribute_values(":seen", number(seen)),
        };
        self.table.put(call).await.map(drop)
    }

    /// Lists a delivery as a dead letter, for 90 days. Call it before the delivery is settled as dead: a letter too
    /// many is found out when it is read. Safe to repeat.
    ///
    /// Cost: 1 PutItem, 1 W.
    pub async fn put_dead_letter(&self, delivery: &Delivery, now: Timestamp) -> Result<(), StoreError> {
        let attributes = item([
            ("merchant_id", Some(text(delivery.merchant.as_str()))),
            ("dead_at", Some(instant(now))),
            ("expires_at", Some(instant(now.plus_seconds(DEAD_SECONDS)))),
        ]);
        let call = self.table.put_item();
        let item = keys::dead_letter(&delivery.endpoint, &delivery.message.id).with(attributes);
        self.table.put(call.set_item(Some(item))).await.map(drop)
    }

    /// At most `limit` dead letters after `after`, of one endpoint or of all, in the order of endpoint and message. It
    /// also returns after which letter the next page begins. Strongly consistent.
    ///
    /// A letter may be of a delivery that was sent again meanwhile; the delivery says so. Cost:
    /// 1 Query, 1 R for each 4 KB.
    pub async fn list_dead_letters(
        &self,
        endpoint: Option<&EndpointId>,
        after: Option<&Letter>,
        limit: usize,
    ) -> Result<(Vec<Letter>, Option<Letter>), StoreError> {
        let partition = keys::DEAD_LETTERS.to_owned();
        let call = match endpoint {
            Some(endpoint) => self.table.query_prefix(partition, &keys::dead_letters_of(endpoint)),
            None => self.table.query_partition(partition),
        };
        let from = after.map(|(endpoint, message)| keys::dead_letter(endpoint, message).attributes());
        let page =
            self.table.query(call.consistent_read(true).limit(bounded(limit)).set_exclusive_start_key(from)).await?;
        let letters: Vec<Letter> = page.items.iter().map(read_letter).collect::<Result<_, _>>()?;
        let next = page.next.and_then(|_| letters.last().cloned());
        Ok((letters, next))
    }

    /// A page of an endpoint's deliveries, newest first. Eventually consistent.
    ///
    /// It reads `limit` deliveries of the filter's span and returns those that pass the filter. So a page may be
    /// shorter, or empty, and not be the last.
    ///
    /// Cost: 1 Query, ½ R for each 4 KB that is read.
    pub async fn list_deliveries(
        &self,
        endpoint: &EndpointId,
        filter: &DeliveryFilter,
        after: Option<&MessageId>,
        limit: usize,
    ) -> Result<DeliveryPage, StoreError> {
        let (first, end) = filter.span();
        // Where a page of another filter ended may be outside of this filter's span.
        if after.is_some_and(|after| after.as_str() < first.as_str()) || first >= end {
            return Ok((Vec::new(), None));
        }
        let after = after.filter(|after| after.as_str() < end.as_str());
        let from = after.map(|message| keys::delivery(endpoint, message).attributes());
        let call = self.table.query_items();
        let mut call = call
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :end")
            .expression_attribute_values(":pk", text(keys::deliveries(endpoint)))
            .expression_attribute_values(":first", text(first))
            .expression_attribute_values(":end", text(end))
            .scan_index_forward(false)
            .limit(bounded(limit))
            .set_exclusive_start_key(from);
        let asked = [
            ("outcome = :outcome", ":outcome", filter.outcome.map(Outcome::as_str)),
            ("kind = :kind", ":kind", filter.kind.map(MessageKind::as_str)),
        ];
        let clauses: Vec<&str> =
            asked.iter().filter(|(_, _, value)| value.is_some()).map(|(clause, ..)| *clause).collect();
        if !clauses.is_empty() {
            call = call.filter_expression(clauses.join(" AND "));
        }
        for (_, name, value) in asked {
            if let Some(value) = value {
                call = call.expression_attribute_values(name, text(value));
            }
        }
        let page = self.table.query(call).await?;
        let found = page.items.iter().map(|item| read_delivery(endpoint, item)).collect::<Result<_, _>>()?;
        // A page may hold nothing that passes the filter, and yet not be the last.
        let next = page.next.map(|key| Reader::new(&key, "delivery").parsed("sk")).transpose()?;
        Ok((found, next))
    }

    /// Removes a delivery that is not dead any more from the list of dead letters. A delete that lands late leaves a
    /// letter of a later death. Safe to repeat.
    ///
    /// Cost: 1 DeleteItem, 1 W.
    pub async fn remove_dead_letter(&self, delivery: &Delivery, now: Timestamp) -> Result<(), StoreError> {
        let call = self.table.delete_item();
        let call = call
            .set_key(Some(keys::dead_letter(&delivery.endpoint, &delivery.message.id).attributes()))
            .condition_expression(DIED_BEFORE)
            .expression_attribute_values(":now", instant(now));
        self.table.delete(call).await
    }

    /// Has a delivery attempted again now, whatever it has come to, and its schedule begin anew with that attempt.
    ///
    /// It puts one due entry. Safe to repeat: the first entry that is worked makes the attempt, and
    /// the others find it made.
    ///
    /// Cost: 1 PutItem, 1 W.
    pub async fn replay(&self, delivery: &Delivery, now: Timestamp) -> Result<(), StoreError> {
        let due = Due {
            merchant: delivery.merchant.clone(),
            endpoint: delivery.endpoint.clone(),
            attempt: delivery.made().saturating_add(1),
            begins_anew: true,
            messages: vec![delivery.message.clone()],
        };
        self.put_due(&due, now).await
    }
}

fn read_letter(item: &Item) -> Result<Letter, StoreError> {
    let read = Reader::new(item, "dead letter");
    let (endpoint, message) = read.str("sk")?.split_once('#').ok_or_else(|| read.corrupt("sk"))?;
    let named = (endpoint.parse(), message.parse());
    let (Ok(endpoint), Ok(message)) = named else { return Err(read.corrupt("sk")) };
    Ok((endpoint, message))
}

/// A limit as DynamoDB takes it.
pub(super) fn bounded(limit: usize) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}

/// The item of a delivery. One that is over gets the instant at which the table may forget it.
fn delivery_item(delivery: &Delivery, now: Timestamp) -> Item {
    let attempts = delivery.attempts.iter().map(|attempt| {
        let (status, failure, retry_after) = match &attempt.answer {
            Answer::Status { status, retry_after } => (Some(number(status)), None, retry_after.map(number)),
            Answer::Failed(failure) => (None, Some(text(failure.as_str())), None),
        };
        AttributeValue::M(item([
            ("at", Some(instant(attempt.at))),
            ("status", status),
            ("failure", failure),
            ("retry_after", retry_after),
            ("ms", Some(number(attempt.duration_ms))),
        ]))
    });
    let kept = match delivery.outcome {
        Outcome::Pending => None,
        Outcome::Delivered => Some(DELIVERED_SECONDS),
        Outcome::Dead => Some(DEAD_SECONDS),
    };
    keys::delivery(&delivery.endpoint, &delivery.message.id).with(item([
        ("merchant_id", Some(text(delivery.merchant.as_str()))),
        ("kind", Some(text(delivery.message.kind.as_str()))),
        ("body", Some(text(&delivery.message.body))),
        ("outcome", Some(text(delivery.outcome.as_str()))),
        ("given_up", delivery.given_up.as_ref().map(text)),
        ("attempts", Some(AttributeValue::L(attempts.collect()))),
        ("schedule_from", Some(number(delivery.schedule_from))),
        ("next_at", delivery.next_at.map(instant)),
        ("revision", Some(number(delivery.revision))),
        ("expires_at", kept.map(|seconds| instant(now.plus_seconds(seconds)))),
    ]))
}

/// The delivery of an item.
fn read_delivery(endpoint: &EndpointId, item: &Item) -> Result<Delivery, StoreError> {
    let read = Reader::new(item, "delivery");
    let attempt = |item: &Item| -> Result<Attempt, StoreError> {
        let read = Reader::new(item, "attempt");
        let answer = match read.optional("status", Reader::number)? {
            Some(status) => Answer::Status { status, retry_after: read.optional("retry_after", Reader::number)? },
            None => Answer::Failed(read.parsed("failure")?),
        };
        Ok(Attempt { at: read.instant("at")?, answer, duration_ms: read.number("ms")? })
    };
    Ok(Delivery {
        merchant: read.parsed("merchant_id")?,
        endpoint: endpoint.clone(),
        message: Message {
            id: read.parsed("sk")?,
            kind: read.parsed::<MessageKind>("kind")?,
            body: read.str("body")?.to_owned(),
        },
        outcome: read.parsed("outcome")?,
        given_up: read.optional("given_up", Reader::str)?.map(str::to_owned),
        attempts: read.maps("attempts")?.into_iter().map(attempt).collect::<Result<_, _>>()?,
        schedule_from: read.number("schedule_from")?,
        next_at: read.optional("next_at", Reader::instant)?,
        revision: read.number("revision")?,
    })
}
