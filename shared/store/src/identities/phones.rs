//! The phone index, which alone decides which member a phone is, and what the operator knows of a number.
//!
//! **The order of writes makes sign-up safe.** The phone index is written first, if there is none; it decides which
//! number a phone has. The profile follows. A crash between the two leaves an index without a profile, which the next
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

/// What a sign-up came to. Both carry the profile that stands.
#[derive(Debug)]
pub enum SignedUp {
    /// A new member, by this call.
    Joined(Profile),
    /// The phone was a member already. The profile is the first one; nothing of this sign-up is in it.
    KnownAlready(Profile),
}

impl Identities {
    /// The member of a phone, if it has one. Strongly consistent. The member may have no profile yet.
    ///
    /// Cost: 1 GetItem, 1 R.
    pub async fn find_member_of_phone(&self, phone_hash: &[u8; 32]) -> Result<Option<MemberNo>, StoreError> {
        let call = self.table.get_item();
        let call = call.set_key(Some(keys::phone_index(phone_hash).attributes())).consistent_read(true);
        self.table.get(call).await?.as_ref().map(read_index).transpose()
    }

    /// Makes the phone a member, or finds the member that it is. `profile` gives the new member's facts for a number.
    ///
    /// Safe to repeat: one phone is one member for good. Of two sign-ups at once, one number and one profile stand, and
    /// both calls return them. The index and the profile are durable before the outcome.
    ///
    /// Cost of a new member: 1 GetItem, 1 R; 1 PutItem, 1 W; 1 GetItem, ½ R; 1 PutItem in `members`, 1 W; and 1 W of
    /// `stock` for every 64 numbers. Of a known member: 2 GetItem, 2 R.
    ///
    /// Errors: those of `profile`, and of the calls. After `Unavailable` the index may stand without a
    /// profile; a repeat finds it.
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

    /// Writes the phone index if there is none. Otherwise the one that is there wins. True when
    /// this call's write stands.
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

    /// What the operator knows of a number with which nobody has signed up yet. Eventually consistent.
    async fn operators_attributes(&self, phone_hash: &[u8; 32]) -> Result<MemberAttributes, StoreError> {
        let call = self.table.get_item();
        let call = call.set_key(Some(keys::phone_attributes(phone_hash).attributes()));
        let known = self.table.get(call).await?;
        known.as_ref().map_or_else(|| Ok(MemberAttributes::default()), read_attributes)
    }

    /// Records what the operator knows of a number. The profile takes it over when somebody signs up with
    /// the number, and not later.
    ///
    /// Safe to repeat; the last write wins. Cost: 1 PutItem, 1 W.
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

/// The member of an index item.
fn read_index(item: &Item) -> Result<MemberNo, StoreError> {
    let read = Reader::new(item, "phone index");
    MemberNo::try_from(read.number::<u64>("member")?).map_err(|_| read.corrupt("member"))
}
