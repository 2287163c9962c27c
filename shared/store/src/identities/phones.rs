//! The phone index, which alone decides which member a phone is, and what the operator knows of a number.
//!
//! **The order of writes is the safety of sign-up.** The phone index is written first, if no one is there; it alone decides
//! which number a phone has. The profile follows. A crash between the two leaves an index without a profile, which the next
//! sign-up with that phone repairs.

use crate::{
    Identities, Members, Stock,
    identities::keys,
    members::{
        Profile,
        profile::{attribute_item, read_attributes},
    },
    table::{
        attributes::{Item, Reader, instant, item, number},
        calls::Write,
        clauses::IS_NEW,
        error::StoreError,
    },
};
use mealticket_domain::{MemberAttributes, MemberNo, Timestamp};

/// What a sign-up came to.
#[derive(Debug)]
pub enum SignedUp {
    /// A new member.
    Joined(Profile),
    /// The phone was a member already.
    KnownAlready(Profile),
}

impl Identities {
    /// The member of a phone, if it has one, strongly consistent: one read unit.
    pub async fn find_member_of_phone(&self, phone_hash: &[u8; 32]) -> Result<Option<MemberNo>, StoreError> {
        let call = self.table.get_item();
        let call = call.set_key(Some(keys::phone_index(phone_hash).attributes())).consistent_read(true);
        self.table.get(call).await?.as_ref().map(read_index).transpose()
    }

    /// Makes the phone a member, or finds the member it is. `profile` gives the new member's facts for a number.
    pub async fn sign_up<E: From<StoreError>>(
        &self,
        members: &Members,
        stock: &Stock,
        phone_hash: &[u8; 32],
        now: Timestamp,
        profile: impl Fn(MemberNo, MemberAttributes) -> Result<Profile, E>,
    ) -> Result<SignedUp, E> {
        let (member, is_new) = match self.find_member_of_phone(phone_hash).await? {
            Some(member) => (member, false),
            None => self.index_phone(stock, phone_hash, now).await?,
        };
        if !is_new && let Some(known) = members.read_profile(member).await? {
            return Ok(SignedUp::KnownAlready(known));
        }
        let attributes = self.operators_attributes(phone_hash).await?;
        let stands = members.put_profile(profile(member, attributes)?).await?;
        Ok(if is_new { SignedUp::Joined(stands) } else { SignedUp::KnownAlready(stands) })
    }

    /// Writes the phone index if no one is there; who is there wins. True when this call's write stands.
    async fn index_phone(
        &self,
        stock: &Stock,
        phone_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<(MemberNo, bool), StoreError> {
        let member = stock.next_member_number().await?;
        let attributes: Item = item([("member", Some(number(member.get()))), ("indexed_at", Some(instant(now)))]);
        let call = self.table.put_item();
        let call = call.set_item(Some(keys::phone_index(phone_hash).with(attributes))).condition_expression(IS_NEW);
        match self.table.put(call).await? {
            Write::Done(_) => Ok((member, true)),
            Write::Refused(Some(item)) => read_index(&item).map(|stands| (stands, stands == member)),
            Write::Refused(None) => Err(StoreError::Corrupt { item: "phone index", attribute: "pk" }),
        }
    }

    /// What the operator knows of a number that nobody signed up with yet.
    async fn operators_attributes(&self, phone_hash: &[u8; 32]) -> Result<MemberAttributes, StoreError> {
        let call = self.table.get_item();
        let call = call.set_key(Some(keys::phone_attributes(phone_hash).attributes()));
        let known = self.table.get(call).await?;
        known.as_ref().map_or_else(|| Ok(MemberAttributes::default()), read_attributes)
    }

    /// Records what the operator knows of a number, for the day somebody signs up with it.
    pub async fn put_operators_attributes(
        &self,
        phone_hash: &[u8; 32],
        attributes: &MemberAttributes,
    ) -> Result<(), StoreError> {
        let call = self.table.put_item();
        let item = keys::phone_attributes(phone_hash).with(attribute_item(attributes));
        self.table.put(call.set_item(Some(item))).await.map(drop)
    }
}

fn read_index(item: &Item) -> Result<MemberNo, StoreError> {
    let read = Reader::new(item, "phone index");
    MemberNo::try_from(read.number::<u64>("member")?).map_err(|_| read.corrupt("member"))
}
