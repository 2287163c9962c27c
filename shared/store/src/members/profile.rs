//! A member's profile.

use crate::{
    Members,
    members::keys,
    table::{
        attributes::{Item, Reader, binary, instant, item, number, text},
        calls::Write,
        clauses::{EXISTS, IS_NEW, all},
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{Channel, MemberAttributes, MemberNo, Timestamp, member::LifecycleStage};

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

impl Members {
    /// Puts the profile if there is none, and answers with the one that stands.
    pub(crate) async fn put_profile(&self, profile: Profile) -> Result<Profile, StoreError> {
        let call = self.table.put_item();
        match self.table.put(call.set_item(Some(profile_item(&profile))).condition_expression(IS_NEW)).await? {
            Write::Done(_) => Ok(profile),
            Write::Refused(Some(item)) => read_profile(&item),
            Write::Refused(None) => Err(StoreError::Corrupt { item: "profile", attribute: "pk" }),
        }
    }

    /// A member's profile, strongly consistent: one read unit for every 4 KB.
    pub async fn read_profile(&self, member: MemberNo) -> Result<Option<Profile>, StoreError> {
        let call = self.table.get_item();
        let call = call.set_key(Some(keys::profile(member).attributes())).consistent_read(true);
        self.table.get(call).await?.as_ref().map(read_profile).transpose()
    }

    /// Ends every session of a member that began at `now` or before: one write unit. A repeat, and a write that lands late, change nothing
    /// that a later one said.
    pub async fn end_sessions(&self, member: MemberNo, now: Timestamp) -> Result<(), StoreError> {
        const IS_LATER: &str = "attribute_not_exists(sessions_valid_from) OR sessions_valid_from < :now";
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::profile(member).attributes()))
            .condition_expression(all(&[EXISTS, IS_LATER]))
            .update_expression("SET sessions_valid_from = :now")
            .expression_attribute_values(":now", instant(now));
        self.table.update(call).await.map(drop)
    }
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

pub(crate) fn attribute_item(attributes: &MemberAttributes) -> Item {
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

pub(crate) fn read_attributes(item: &Item) -> Result<MemberAttributes, StoreError> {
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
