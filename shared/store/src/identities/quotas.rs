//! How many messages may be sent: to a phone, for a source address, by the whole stack.
//!
//! A counter is one item. It counts in one window at a time, and outlives the window by a day.

use crate::{
    Identities,
    identities::keys::{self, QuotaScope},
    table::{
        attributes::{Item, Reader, instant, item, number, text},
        calls::Write,
        clauses::all,
        error::StoreError,
    },
};
use mealticket_domain::Timestamp;

/// How many messages may be sent in a window.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Whose messages are counted.
    pub scope: QuotaScope,
    /// The bound for one window.
    pub messages_max: u32,
    /// The number of the window in which `now` lies: a day or an hour. Later windows have greater numbers.
    pub window: i64,
    /// When the next window begins.
    pub window_until: Timestamp,
    /// Seconds between two messages; 0 for none.
    pub gap_seconds: i64,
}

/// What asking for a place in a quota came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Quotum {
    /// The message may be sent.
    Granted {
        /// Messages of the window, this one included.
        messages: u32,
    },
    /// The message may not be sent before then.
    Exhausted {
        /// When to ask again.
        retry_at: Timestamp,
    },
}

impl Identities {
    /// Takes a place in a quota. `message` names the message that is to be sent.
    ///
    /// The bound is exact: of two messages for the last place one gets it. Safe to repeat for the newest message: a
    /// repeat after a lost answer meets its own place and counts no second one.
    ///
    /// Cost: 1 UpdateItem, 1 W; 1 refused W more when a window begins; 3 refused W when the quota is exhausted.
    pub async fn take_quota(
        &self,
        quota: Quota,
        hash: &[u8; 32],
        message: &str,
        now: Timestamp,
    ) -> Result<Quotum, StoreError> {
        let mut stands = Item::new();
        // The third: another request may have begun the window between the first and the second.
        for step in [QuotaStep::Count, QuotaStep::Begin, QuotaStep::Count] {
            match self.quota_write(quota, hash, message, now, step).await? {
                Write::Done(item) => return granted(&item),
                Write::Refused(Some(item))
                    if Reader::new(&item, "quota").optional("last_message", Reader::str)? == Some(message) =>
                {
                    return granted(&item);
                }
                Write::Refused(Some(item)) => stands = item,
                Write::Refused(None) => {}
            }
        }
        let read = Reader::new(&stands, "quota");
        let gap_until = read.instant("last_at")?.plus_seconds(quota.gap_seconds);
        let full =
            read.number::<i64>("send_window")? >= quota.window && read.number::<u32>("messages")? >= quota.messages_max;
        Ok(Quotum::Exhausted { retry_at: if full { quota.window_until.max(gap_until) } else { gap_until } })
    }

    /// Gives back the place that this message took, because the message is not sent after all. The gap
    /// to the next message stays.
    ///
    /// Only the newest message can give back, and once; anything else changes nothing. Cost: 1 UpdateItem, 1 W.
    pub async fn return_quota(&self, quota: Quota, hash: &[u8; 32], message: &str) -> Result<(), StoreError> {
        /// The newest message counted is this one. Guards the return, so that it happens once.
        const IS_THIS_MESSAGE: &str = "last_message = :message";

        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::send_quota(quota.scope, hash).attributes()))
            .condition_expression(IS_THIS_MESSAGE)
            .update_expression("SET messages = messages - :one REMOVE last_message")
            .set_expression_attribute_values(Some(item([
                (":message", Some(text(message))),
                (":one", Some(number(1))),
            ])));
        self.table.update(call).await.map(drop)
    }

    /// One of the writes of a place. A window never goes back, whatever the clocks of two environments say. An
    /// environment that is behind counts in the newer window.
    async fn quota_write(
        &self,
        quota: Quota,
        hash: &[u8; 32],
        message: &str,
        now: Timestamp,
        step: QuotaStep,
    ) -> Result<Write, StoreError> {
        /// The counter is in this window, or in one that another clock has begun. Guards counting.
        const IS_THE_WINDOW_OR_A_LATER_ONE: &str = "send_window >= :window";
        /// The counter is new, or in an earlier window. Guards a beginning, so that it forgets no count of this window.
        const IS_A_NEW_WINDOW: &str = "attribute_not_exists(pk) OR send_window < :window";
        /// The newest message counted is not this one. Guards against counting a repeat.
        const IS_ANOTHER_MESSAGE: &str = "attribute_not_exists(last_message) OR last_message <> :message";
        /// There is room in the window.
        const IS_BELOW_THE_MAXIMUM: &str = "messages < :messages_max";
        /// The last message is long enough ago.
        const GAP_IS_OVER: &str = "attribute_not_exists(last_at) OR last_at <= :gap_began";

        // The counter outlives its window by a day, so that the gap holds across midnight.
        let forget_at = quota.window_until.plus_seconds(86_400);
        let (mut clauses, update, messages_max) = match step {
            QuotaStep::Count => (
                vec![IS_ANOTHER_MESSAGE, IS_THE_WINDOW_OR_A_LATER_ONE, IS_BELOW_THE_MAXIMUM],
                "SET messages = messages + :one, last_at = :now, last_message = :message, expires_at = :forget_at",
                Some(number(quota.messages_max)),
            ),
            QuotaStep::Begin => (
                vec![IS_ANOTHER_MESSAGE, IS_A_NEW_WINDOW],
                "SET send_window = :window, messages = :one, last_at = :now, last_message = :message, \
                 expires_at = :forget_at",
                None,
            ),
        };
        // Without a gap there is no clause: a clock that is a second behind must not meet one.
        let gap_began = (quota.gap_seconds > 0).then(|| instant(now.plus_seconds(-quota.gap_seconds)));
        clauses.extend(gap_began.is_some().then_some(GAP_IS_OVER));
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::send_quota(quota.scope, hash).attributes()))
            .condition_expression(all(&clauses))
            .update_expression(update)
            .set_expression_attribute_values(Some(item([
                (":one", Some(number(1))),
                (":window", Some(number(quota.window))),
                (":now", Some(instant(now))),
                (":message", Some(text(message))),
                (":forget_at", Some(instant(forget_at))),
                (":messages_max", messages_max),
                (":gap_began", gap_began),
            ])));
        self.table.update(call).await
    }
}

/// The outcome of a counter that holds this message.
fn granted(item: &Item) -> Result<Quotum, StoreError> {
    Ok(Quotum::Granted { messages: Reader::new(item, "quota").number("messages")? })
}

/// Counting in a window, or beginning one.
#[derive(Clone, Copy)]
enum QuotaStep {
    Count,
    Begin,
}
