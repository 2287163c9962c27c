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

/// A member as the table has it. The phone is sealed; only a holder of the key can open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The member's number, which is the item's key. Clients see it enciphered.
    pub member: MemberNo,
    /// The phone. The caller seals it, bound to this member's item.
    pub phone_sealed: Vec<u8>,
    /// When the member joined: the first sign-up. It never changes.
    pub joined_at: Timestamp,
    /// The channel that the first sign-up named.
    pub channel: Channel,
    /// The member who invited this one, as the app stated it. Nobody checked that there is such a member.
    pub inviter: Option<MemberNo>,
    /// The version of the terms of service that the member agreed to, at most 32 bytes.
    pub terms_version: String,
    /// The version of the privacy policy that the member agreed to, at most 32 bytes.
    pub privacy_version: String,
    /// What the operator knows. Each attribute is absent until known.
    pub attributes: MemberAttributes,
    /// When the member last signed out of all sessions. Sessions that began at that second or before are over.
    pub sessions_valid_from: Option<Timestamp>,
}

impl Members {
    /// Puts the profile if there is none, and returns the one that stands. Of two sign-ups at once,
    /// both get the same profile.
    ///
    /// Cost: 1 PutItem, 1 W, also when refused.
    pub(crate) async fn put_profile(&self, profile: Profile) -> Result<Profile, StoreError> {
        let call = self.table.put_item();
        match self.table.put(call.set_item(Some(profile_item(&profile))).condition_expression(IS_NEW)).await? {
            Write::Done(_) => Ok(profile),
            Write::Refused(Some(item)) => read_profile(&item),
            Write::Refused(None) => Err(StoreError::Corrupt { item: "profile", attribute: "pk" }),
        }
    }

    /// A member's profile; `None` when there is none. Strongly consistent.
    ///
    /// Cost: 1 GetItem, 1 R for each 4 KB.
    pub async fn read_profile(&self, member: MemberNo) -> Result<Option<Profile>, StoreError> {
        let call = self.table.get_item();
        let call = call.set_key(Some(keys::profile(member).attributes())).consistent_read(true);
        self.table.get(call).await?.as_ref().map(read_profile).transpose()
    }

    /// Ends every session of a member that began at `now` or before.
    ///
    /// Safe to repeat. A write that lands late changes nothing that a later one wrote, and a member without a profile
    /// stays without one. Sessions end at their next refresh; access tokens live on for at most 15 minutes.
    ///
    /// Cost: 1 UpdateItem, 1 W.
    pub async fn end_sessions(&self, member: MemberNo, now: Timestamp) -> Result<(), StoreError> {
        /// Nobody signed out at this second or later. Guards the newer instant against an older write.
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

/// The profile's item, attributes included. Absent values are left out.
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

/// What the operator knows, as attributes. A profile and a phone's `ATTRIBUTES` share this form.
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
