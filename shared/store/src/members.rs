//! Members: numbers, the phone index, profiles.
//!
//! **The order of writes is the safety of sign-up.** The phone index is written first, if no one is there; it alone decides
//! which number a phone has. The profile follows. A crash between the two leaves an index without a profile, which the next
//! sign-up with that phone repairs.

use crate::{
    Store,
    attributes::{Item, Reader, binary, instant, item, number, text},
    calls::Write,
    clauses::{EXISTS, IS_NEW, all},
    error::StoreError,
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{Channel, MemberAttributes, MemberNo, Timestamp, member::LifecycleStage};
use tokio::sync::Mutex;

/// A member as the table has it. The phone is sealed; who may open it holds the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The member's number.
    pub member: MemberNo,
    /// The phone, sealed by the caller.
    pub phone_sealed: Vec<u8>,
    /// When the member joined.
    pub joined_at: Timestamp,
    /// Through which channel.
    pub channel: Channel,
    /// Who brought the member here.
    pub inviter: Option<MemberNo>,
    /// The version of the terms of service agreed to.
    pub terms_version: String,
    /// The version of the privacy policy agreed to.
    pub privacy_version: String,
    /// What the operator knows.
    pub attributes: MemberAttributes,
    /// When the member last signed out of all sessions: those that began by then are over.
    pub sessions_valid_from: Option<Timestamp>,
}

/// What a sign-up came to.
#[derive(Debug)]
pub enum SignedUp {
    /// A new member.
    Joined(Profile),
    /// The phone was a member already.
    KnownAlready(Profile),
}

/// Numbers taken from the table at once. 64 of 17 billion are lost with every environment that ends: a thousand
/// environments a day lose 0.02 % of the range in fifty years.
const BLOCK: u64 = 64;

/// The rest of this environment's block of member numbers.
#[derive(Default)]
pub(crate) struct NumberBlock(Mutex<std::ops::Range<u64>>);

impl Store {
    /// The member of a phone, if it has one, strongly consistent: one read unit.
    pub async fn member_of_phone(&self, phone_hash: &[u8; 32]) -> Result<Option<MemberNo>, StoreError> {
        let call = self.client.get_item().table_name(&self.tables.identities);
        let call = call.set_key(Some(keys::phone_index(phone_hash).attributes())).consistent_read(true);
        self.get(call).await?.as_ref().map(read_index).transpose()
    }

    /// Makes the phone a member, or finds the member it is. `profile` gives the new member's facts for a number.
    pub async fn sign_up<E: From<StoreError>>(
        &self,
        phone_hash: &[u8; 32],
        now: Timestamp,
        profile: impl Fn(MemberNo, MemberAttributes) -> Result<Profile, E>,
    ) -> Result<SignedUp, E> {
        let (member, is_new) = match self.member_of_phone(phone_hash).await? {
            Some(member) => (member, false),
            None => self.index_phone(phone_hash, now).await?,
        };
        if !is_new && let Some(known) = self.profile(member).await? {
            return Ok(SignedUp::KnownAlready(known));
        }
        let attributes = self.operators_attributes(phone_hash).await?;
        let stands = self.put_profile(profile(member, attributes)?).await?;
        Ok(if is_new { SignedUp::Joined(stands) } else { SignedUp::KnownAlready(stands) })
    }

    /// Writes the phone index if no one is there; who is there wins. True when this call's write stands.
    async fn index_phone(&self, phone_hash: &[u8; 32], now: Timestamp) -> Result<(MemberNo, bool), StoreError> {
        let member = self.next_member_number().await?;
        let attributes: Item = item([("member", Some(number(member.get()))), ("indexed_at", Some(instant(now)))]);
        let call = self.client.put_item().table_name(&self.tables.identities);
        let call = call.set_item(Some(keys::phone_index(phone_hash).with(attributes))).condition_expression(IS_NEW);
        match self.put(call).await? {
            Write::Done(_) => Ok((member, true)),
            Write::Refused(Some(item)) => read_index(&item).map(|stands| (stands, stands == member)),
            Write::Refused(None) => Err(StoreError::Corrupt { item: "phone index", attribute: "pk" }),
        }
    }

    /// Puts the profile if there is none, and answers with the one that stands.
    async fn put_profile(&self, profile: Profile) -> Result<Profile, StoreError> {
        let call = self.client.put_item().table_name(&self.tables.members);
        match self.put(call.set_item(Some(profile_item(&profile))).condition_expression(IS_NEW)).await? {
            Write::Done(_) => Ok(profile),
            Write::Refused(Some(item)) => read_profile(&item),
            Write::Refused(None) => Err(StoreError::Corrupt { item: "profile", attribute: "pk" }),
        }
    }

    /// A member's profile, strongly consistent: one read unit for every 4 KB.
    pub async fn profile(&self, member: MemberNo) -> Result<Option<Profile>, StoreError> {
        let call = self.client.get_item().table_name(&self.tables.members);
        let call = call.set_key(Some(keys::profile(member).attributes())).consistent_read(true);
        self.get(call).await?.as_ref().map(read_profile).transpose()
    }

    /// Ends every session of a member that began at `now` or before: one write unit. A repeat, and a write that lands late, change nothing
    /// that a later one said.
    pub async fn end_sessions(&self, member: MemberNo, now: Timestamp) -> Result<(), StoreError> {
        const IS_LATER: &str = "attribute_not_exists(sessions_valid_from) OR sessions_valid_from < :now";
        let call = self.client.update_item().table_name(&self.tables.members);
        let call = call
            .set_key(Some(keys::profile(member).attributes()))
            .condition_expression(all(&[EXISTS, IS_LATER]))
            .update_expression("SET sessions_valid_from = :now")
            .expression_attribute_values(":now", instant(now));
        self.update(call).await.map(drop)
    }

    /// What the operator knows of a number that nobody signed up with yet.
    async fn operators_attributes(&self, phone_hash: &[u8; 32]) -> Result<MemberAttributes, StoreError> {
        let call = self.client.get_item().table_name(&self.tables.identities);
        let call = call.set_key(Some(keys::phone_attributes(phone_hash).attributes()));
        let known = self.get(call).await?;
        known.as_ref().map_or_else(|| Ok(MemberAttributes::default()), read_attributes)
    }

    /// Records what the operator knows of a number, for the day somebody signs up with it.
    pub async fn put_operators_attributes(
        &self,
        phone_hash: &[u8; 32],
        attributes: &MemberAttributes,
    ) -> Result<(), StoreError> {
        let call = self.client.put_item().table_name(&self.tables.identities);
        let item = keys::phone_attributes(phone_hash).with(attribute_item(attributes));
        self.put(call.set_item(Some(item))).await.map(drop)
    }

    /// The next member number: one write for every 64. A lost answer skips a block; no number is ever given twice.
    async fn next_member_number(&self) -> Result<MemberNo, StoreError> {
        let mut block = self.shared.member_numbers.0.lock().await;
        if block.is_empty() {
            *block = self.lease_numbers().await?;
        }
        let next = block.next().ok_or(StoreError::Corrupt { item: "member numbers", attribute: "next" })?;
        MemberNo::try_from(next).map_err(|_| StoreError::Corrupt { item: "member numbers", attribute: "next" })
    }

    async fn lease_numbers(&self) -> Result<std::ops::Range<u64>, StoreError> {
        let call = self.client.update_item().table_name(&self.tables.stock);
        let call = call
            .set_key(Some(keys::member_numbers().attributes()))
            .update_expression("ADD next_number :block")
            .expression_attribute_values(":block", number(BLOCK));
        let Write::Done(item) = self.update(call).await? else {
            return Err(StoreError::Corrupt { item: "member numbers", attribute: "pk" });
        };
        let end: u64 = Reader::new(&item, "member numbers").number("next_number")?;
        Ok(end.saturating_sub(BLOCK)..end)
    }
}

fn read_index(item: &Item) -> Result<MemberNo, StoreError> {
    let read = Reader::new(item, "phone index");
    MemberNo::try_from(read.number::<u64>("member")?).map_err(|_| read.corrupt("member"))
}

fn profile_item(profile: &Profile) -> Item {
    let mut attributes: Item = item([
        ("phone_sealed", Some(binary(&profile.phone_sealed))),
        ("joined_at", Some(instant(profile.joined_at))),
        ("channel", Some(text(profile.channel.as_str()))),
        ("inviter", profile.inviter.map(|inviter| number(inviter.get()))),
        ("terms_agreed", Some(text(&profile.terms_version))),
        ("privacy_agreed", Some(text(&profile.privacy_version))),
        ("sessions_valid_from", profile.sessions_valid_from.map(instant)),
    ]);
    attributes.extend(attribute_item(&profile.attributes));
    keys::profile(profile.member).with(attributes)
}

fn read_profile(item: &Item) -> Result<Profile, StoreError> {
    let read = Reader::new(item, "profile");
    let inviter = read.optional("inviter", Reader::number::<u64>)?;
    Ok(Profile {
        member: keys::read_member(read.str("pk")?).ok_or_else(|| read.corrupt("pk"))?,
        phone_sealed: read.bytes("phone_sealed")?.to_vec(),
        joined_at: read.instant("joined_at")?,
        channel: read.parsed("channel")?,
        inviter: inviter.map(MemberNo::try_from).transpose().map_err(|_| read.corrupt("inviter"))?,
        terms_version: read.str("terms_agreed")?.to_owned(),
        privacy_version: read.str("privacy_agreed")?.to_owned(),
        attributes: read_attributes(item)?,
        sessions_valid_from: read.optional("sessions_valid_from", Reader::instant)?,
    })
}

fn attribute_item(attributes: &MemberAttributes) -> Item {
    let tags = attributes.tags.iter().map(text).collect();
    item([
        ("brand", attributes.brand.as_ref().map(text)),
        ("tier", attributes.tier.as_ref().map(text)),
        ("city", attributes.city.as_ref().map(text)),
        ("tenure_since", attributes.tenure_since.map(instant)),
        ("lifecycle_stage", attributes.lifecycle_stage.map(|stage| text(stage.as_str()))),
        ("tags", Some(AttributeValue::L(tags))),
    ])
}

fn read_attributes(item: &Item) -> Result<MemberAttributes, StoreError> {
    let read = Reader::new(item, "member attributes");
    let owned = |attribute| read.optional(attribute, Reader::str).map(|value| value.map(str::to_owned));
    Ok(MemberAttributes {
        brand: owned("brand")?,
        tier: owned("tier")?,
        city: owned("city")?,
        tenure_since: read.optional("tenure_since", Reader::instant)?,
        lifecycle_stage: read.optional("lifecycle_stage", Reader::parsed::<LifecycleStage>)?,
        tags: read.texts("tags")?,
    })
}
