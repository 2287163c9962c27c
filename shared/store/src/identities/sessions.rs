//! Session families. The rule is [`mealticket_domain::session`]; here is the write that makes it true. A new generation
//! is one conditional update. A generation that comes again writes nothing.

use crate::{
    Identities,
    identities::keys,
    table::{
        attributes::{Item, Reader, instant, item, number},
        calls::Write,
        clauses::{EXISTS, IS_NEW, all},
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    MemberNo, Timestamp,
    session::{FAMILY_SECONDS, Family, IDLE_SECONDS, REMEMBERED, Refresh},
};

/// What presenting a refresh token came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented {
    /// The next generation may be given out. This is the family as it stands.
    Accepted(Family),
    /// The family has ended: signed out, over, or revoked just now because an old generation came back.
    Revoked,
}

/// No generation as new has been presented. Guards a family against two uses of one generation.
const IS_FIRST_USE: &str = "presented < :generation";
/// Nobody signed out, and nothing old came back.
const IS_NOT_REVOKED: &str = "revoked = :no";
/// It was used within the last 90 days.
const IS_NOT_IDLE: &str = "expires_at > :now";
/// It began less than 180 days ago. A family of an older release does not know when it began: its life counts
/// from when we first saw it.
const IS_NOT_TOO_OLD: &str = "began_at > :began_after OR (attribute_not_exists(began_at) \
                              AND (attribute_not_exists(known_since) OR known_since > :began_after))";

/// The attribute that says when a generation was first presented. There is one for each of the
/// eight that are remembered.
fn used_at(generation: u32) -> String {
    format!("used_{}", generation % REMEMBERED)
}

impl Identities {
    /// Begins a family at `began_at`. Or finds that the same proof began it before and nothing of it was used yet.
    ///
    /// True in both cases, so a client that lost the answer may repeat. False when the family was used, was revoked, is
    /// another member's, or began before the member signed out of all sessions (`sessions_valid_from`).
    ///
    /// Cost: 1 PutItem, 1 W, also when refused.
    pub async fn begin_session(
        &self,
        family_id: &[u8; 16],
        member: MemberNo,
        began_at: Timestamp,
        sessions_valid_from: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let attributes: Item = item([
            ("member", Some(number(member.get()))),
            ("presented", Some(number(-1))),
            ("revoked", Some(AttributeValue::Bool(false))),
            ("began_at", Some(instant(began_at))),
            ("expires_at", Some(instant(began_at.plus_seconds(IDLE_SECONDS)))),
        ]);
        let call = self.table.put_item();
        let call = call.set_item(Some(keys::session_family(family_id).with(attributes))).condition_expression(IS_NEW);
        match self.table.put(call).await? {
            Write::Done(_) => Ok(true),
            Write::Refused(Some(item)) => {
                let family = read_family(&item)?;
                let untouched = family.presented.is_none() && !family.revoked;
                Ok(untouched && family.member == member && !family.is_ended_by(sessions_valid_from))
            }
            Write::Refused(None) => Ok(false),
        }
    }

    /// Presents generation `generation` of a family.
    ///
    /// A new generation prolongs the family to 90 days from `now`. One that comes again changes nothing, and is
    /// accepted until 60 seconds after its successor's first use. After that it revokes the family, because somebody
    /// may have kept an old token. Of two uses of one generation at once both are accepted, and one of them writes.
    ///
    /// Cost: 1 UpdateItem, 1 W, also when refused; 1 W more to revoke.
    ///
    /// Errors: `Corrupt` also when the clauses refuse what the rule accepts as a first use: a bug.
    pub async fn present_refresh(
        &self,
        family_id: &[u8; 16],
        generation: u32,
        now: Timestamp,
    ) -> Result<Presented, StoreError> {
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::session_family(family_id).attributes()))
            .condition_expression(all(&[EXISTS, IS_FIRST_USE, IS_NOT_REVOKED, IS_NOT_IDLE, IS_NOT_TOO_OLD]))
            .update_expression(
                "SET presented = :generation, #used_at = :now, expires_at = :until, \
                 known_since = if_not_exists(known_since, :now)",
            )
            .expression_attribute_names("#used_at", used_at(generation))
            .set_expression_attribute_values(Some(item([
                (":generation", Some(number(generation))),
                (":no", Some(AttributeValue::Bool(false))),
                (":now", Some(instant(now))),
                (":until", Some(instant(now.plus_seconds(IDLE_SECONDS)))),
                (":began_after", Some(instant(now.plus_seconds(-FAMILY_SECONDS)))),
            ])));
        let family = match self.table.update(call).await? {
            Write::Done(item) => return Ok(Presented::Accepted(read_family(&item)?)),
            Write::Refused(None) => return Ok(Presented::Revoked),
            Write::Refused(Some(item)) => read_family(&item)?,
        };
        match family.decide(generation, now) {
            Refresh::Again => Ok(Presented::Accepted(family)),
            Refresh::Over => Ok(Presented::Revoked),
            Refresh::Reused => {
                self.revoke_session(family_id).await?;
                Ok(Presented::Revoked)
            }
            // A difference between the clauses and the rule: a bug, and an error that says so.
            Refresh::FirstUse => Err(StoreError::Corrupt { item: "session family", attribute: "presented" }),
        }
    }

    /// Ends a family, for good. Safe to repeat; ending one that is gone changes nothing.
    ///
    /// Cost: 1 UpdateItem, 1 W.
    pub async fn revoke_session(&self, family_id: &[u8; 16]) -> Result<(), StoreError> {
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::session_family(family_id).attributes()))
            .condition_expression(EXISTS)
            .update_expression("SET revoked = :yes")
            .expression_attribute_values(":yes", AttributeValue::Bool(true));
        self.table.update(call).await.map(drop)
    }
}

/// The family of an item. First uses that are missing or unreadable count as unknown.
fn read_family(item: &Item) -> Result<Family, StoreError> {
    let read = Reader::new(item, "session family");
    let mut first_uses = [None; REMEMBERED as usize];
    for (generation, first_use) in (0..).zip(&mut first_uses) {
        let name = used_at(generation);
        let known = item.get(&name).and_then(|value| value.as_n().ok()).and_then(|seconds| seconds.parse().ok());
        *first_use = known.and_then(Timestamp::from_unix_seconds);
    }
    Ok(Family {
        member: MemberNo::try_from(read.number::<u64>("member")?).map_err(|_| read.corrupt("member"))?,
        presented: u32::try_from(read.number::<i64>("presented")?).ok(),
        first_uses,
        began_at: read.optional("began_at", Reader::instant)?,
        known_since: read.optional("known_since", Reader::instant)?,
        idle_until: read.instant("expires_at")?,
        revoked: read.flag("revoked")?,
    })
}
