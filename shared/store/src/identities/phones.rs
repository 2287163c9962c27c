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
use mealticket_domain::{MemberAttributes, MemberNo};

/// What a sign-up came to. Both carry the profile that stands.
#[derive(Debug)]
pub enum SignedUp {
    /// A new member, by this call.
    Joined(Profile),
    /// The phone was a member already. The profile is the first one; nothing of this sign-up is in it.
    KnownAlready(Profile),
}

/// Somebody who signs up with a proven phone, as the holder of the keys describes it.
pub trait Newcomer {
    /// Why a profile cannot be made or compared.
    type Error: From<StoreError>;

    /// The profile of the new member under this number, with what the operator knows.
    fn profile(&self, member: MemberNo, attributes: MemberAttributes) -> Result<Profile, Self::Error>;

    /// Whether a profile that stands is of the proven phone.
    fn has_phone_of(&self, profile: &Profile) -> Result<bool, Self::Error>;
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

    /// Makes the phone a member, or finds the member that it is.
    ///
    /// Safe to repeat: one phone is one member for good. Of two sign-ups at once, one number and one profile stand, and
    /// both calls return them. The index and the profile are durable before the outcome. The profile is always of this
    /// phone. A number that another phone's member has is passed over: `stock`, restored to an earlier time, gives it again.
    ///
    /// Cost of a new member: 1 GetItem, 1 R; 1 PutItem, 1 W; 1 GetItem, ½ R; 1 PutItem in `members`, 1 W; and 1 W of
    /// `stock` for every 64 numbers. Of a known member: 2 GetItem, 2 R. After a number that is taken: 1 W for the index,
    /// 1 R and 1 W in `members`, and 1 W of `stock` and 1 R for every 64 numbers until one is free.
    ///
    /// Errors: those of `newcomer`, and of the calls. After `Unavailable` the index may stand without a profile; a repeat
    /// finds it, and goes on with the search for a free number.
    pub async fn sign_up<N: Newcomer>(
        &self,
        members: &Members,
        stock: &Stock,
        phone_hash: &[u8; 32],
        newcomer: &N,
    ) -> Result<SignedUp, N::Error> {
        let (mut member, mut is_new) = match self.find_member_of_phone(phone_hash).await? {
            Some(member) => (member, false),
            None => self.index_phone(phone_hash, None, stock.next_member_number().await?).await?,
        };
        loop {
            let known = if is_new { None } else { members.read_profile(member).await? };
            let stands = match known {
                Some(known) => known,
                None => {
                    let attributes = self.operators_attributes(phone_hash).await?;
                    members.put_profile(newcomer.profile(member, attributes)?).await?
                }
            };
            if newcomer.has_phone_of(&stands)? {
                return Ok(if is_new { SignedUp::Joined(stands) } else { SignedUp::KnownAlready(stands) });
            }
            tracing::error!("a member number was given a second time; another is taken");
            let free = stock.next_free_member_number(members).await?;
            (member, is_new) = self.index_phone(phone_hash, Some(member), free).await?;
        }
    }

    /// Points the phone index at `member`, if it still points where the caller saw it. Otherwise the one that is there
    /// wins. True when this call's write stands.
    async fn index_phone(
        &self,
        phone_hash: &[u8; 32],
        seen: Option<MemberNo>,
        member: MemberNo,
    ) -> Result<(MemberNo, bool), StoreError> {
        /// The index names the number that was seen.
        const MEMBER_IS_AS_SEEN: &str = "#member = :seen";
        let indexed_at = instant(self.table.clock().now());
        let attributes: Item = item([("member", Some(number(member.get()))), ("indexed_at", Some(indexed_at))]);
        let call = self.table.put_item().set_item(Some(keys::phone_index(phone_hash).with(attributes)));
        let call = match seen {
            None => call.condition_expression(IS_NEW),
            Some(seen) => call
                .condition_expression(MEMBER_IS_AS_SEEN)
                .expression_attribute_names("#member", "member")
                .expression_attribute_values(":seen", number(seen.get())),
        };
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
