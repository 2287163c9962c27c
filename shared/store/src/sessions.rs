//! Session families: refresh tokens that survive a lost answer and betray a thief.
//!
//! A family remembers one number: the highest generation that was presented. Presenting generation g is answered with
//! g + 1; presenting g again is answered the same, until g + 1 itself is presented. After that, g can only come from
//! somebody who kept an old token, and the family is revoked.

use crate::{
    Store,
    attributes::{Item, Reader, instant, item, number},
    calls::Write,
    clauses::{EXISTS, IS_NEW, all},
    error::StoreError,
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{MemberNo, Timestamp};

/// What presenting a refresh token came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented {
    /// The next generation may be given out.
    Accepted {
        /// Whose session it is.
        member: MemberNo,
    },
    /// The family is gone: signed out, expired, or revoked just now because an old generation came back.
    Revoked,
}

/// No later generation has been presented.
const IS_THE_NEWEST: &str = "presented <= :generation";
/// Nobody signed out, and nothing old came back.
const IS_NOT_REVOKED: &str = "revoked = :no";
/// It was used within its life.
const IS_NOT_EXPIRED: &str = "expires_at > :now";

impl Store {
    /// Begins a family, or finds that the same proof began it before and nothing of it was used yet. False when it was.
    pub async fn begin_session(
        &self,
        family_id: &[u8; 16],
        member: MemberNo,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let attributes: Item = item([
            ("member", Some(number(member.get()))),
            ("presented", Some(number(-1))),
            ("revoked", Some(AttributeValue::Bool(false))),
            ("expires_at", Some(instant(expires_at))),
        ]);
        let call = self.client.put_item().table_name(&self.tables.identities);
        let call = call.set_item(Some(keys::session_family(family_id).with(attributes))).condition_expression(IS_NEW);
        match self.put(call).await? {
            Write::Done(_) => Ok(true),
            Write::Refused(Some(item)) => {
                let read = Reader::new(&item, "session family");
                let untouched = read.number::<i64>("presented")? < 0 && !read.flag("revoked")?;
                Ok(untouched && read.number::<u64>("member")? == member.get())
            }
            Write::Refused(None) => Ok(false),
        }
    }

    /// Presents generation `generation` of a family, and prolongs its life.
    pub async fn present_refresh(
        &self,
        family_id: &[u8; 16],
        generation: u32,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Presented, StoreError> {
        let call = self.client.update_item().table_name(&self.tables.identities);
        let call = call
            .set_key(Some(keys::session_family(family_id).attributes()))
            .condition_expression(all(&[EXISTS, IS_THE_NEWEST, IS_NOT_REVOKED, IS_NOT_EXPIRED]))
            .update_expression("SET presented = :generation, expires_at = :until")
            .set_expression_attribute_values(Some(item([
                (":generation", Some(number(generation))),
                (":no", Some(AttributeValue::Bool(false))),
                (":now", Some(instant(now))),
                (":until", Some(instant(expires_at))),
            ])));
        match self.update(call).await? {
            Write::Done(item) => {
                let read = Reader::new(&item, "session family");
                let member = MemberNo::try_from(read.number::<u64>("member")?).map_err(|_| read.corrupt("member"))?;
                Ok(Presented::Accepted { member })
            }
            Write::Refused(None) => Ok(Presented::Revoked),
            Write::Refused(Some(_)) => {
                self.revoke_session(family_id).await?;
                Ok(Presented::Revoked)
            }
        }
    }

    /// Ends a family. Ending one that is gone is no error.
    pub async fn revoke_session(&self, family_id: &[u8; 16]) -> Result<(), StoreError> {
        let call = self.client.update_item().table_name(&self.tables.identities);
        let call = call
            .set_key(Some(keys::session_family(family_id).attributes()))
            .condition_expression(EXISTS)
            .update_expression("SET revoked = :yes")
            .expression_attribute_values(":yes", AttributeValue::Bool(true));
        self.update(call).await.map(drop)
    }
}
