//! Every key of `members`. The only file with a prefix of them.

use crate::table::key::Key;
use mealticket_domain::{CampaignNo, CouponKey, MemberNo, Ordinal};

/// All items of a member: its profile and its coupons.
pub(crate) fn member_partition(member: MemberNo) -> String {
    format!("MEMBER#{}", member.get())
}

/// The member that a partition key names, if it names one.
pub(crate) fn read_member(pk: &str) -> Option<MemberNo> {
    MemberNo::try_from(pk.strip_prefix("MEMBER#")?.parse::<u64>().ok()?).ok()
}

/// The sort key of the profile. No coupon's sort key equals it.
pub(crate) const PROFILE: &str = "PROFILE";

pub(crate) fn profile(member: MemberNo) -> Key {
    Key::new(member_partition(member), PROFILE)
}

/// The beginning of the sort keys of a member's coupons.
pub(crate) const COUPONS: &str = "COUPON#";

/// The beginning of the sort keys of a member's coupons of one campaign. The widths are fixed, so
/// text order is number order.
pub(crate) fn coupons_of(campaign: CampaignNo) -> String {
    format!("{COUPONS}{:07}#", campaign.get())
}

/// The key of a coupon: member, campaign and ordinal, and nothing else. That is why a code needs no look-up.
pub(crate) fn coupon(key: CouponKey) -> Key {
    let sk = format!("{}{:02}", coupons_of(key.campaign), key.ordinal.get());
    Key::new(member_partition(key.member), sk)
}

/// The coupon that a key names, if it names one.
pub(crate) fn read_coupon(pk: &str, sk: &str) -> Option<CouponKey> {
    let (campaign, ordinal) = sk.strip_prefix(COUPONS)?.split_once('#')?;
    Some(CouponKey {
        member: read_member(pk)?,
        campaign: CampaignNo::try_from(campaign.parse::<u32>().ok()?).ok()?,
        ordinal: Ordinal::try_from(ordinal.parse::<u8>().ok()?).ok()?,
    })
}
