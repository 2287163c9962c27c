//! Reading coupons, and the two writes that are no transition of a coupon's use: putting it, and
//! giving its code a new key.

use crate::{
    Members,
    members::item,
    members::keys,
    stock::Reservation,
    table::{
        attributes::{Item, Reader, item, number},
        calls::Write,
        clauses::{EXISTS, IS_NEW, all},
        error::{StoreError, WasApplied},
    },
};
use mealticket_domain::{CampaignNo, Coupon, CouponKey, MemberNo};

/// A page of a member's coupons, in the order of campaign and ordinal.
pub struct CouponPage {
    /// At most as many as were asked for, used up and expired ones included.
    pub coupons: Vec<Coupon>,
    /// The last coupon read, when there are more. Pass it as `from` for the next page.
    pub next: Option<CouponKey>,
}

/// What putting a coupon came to.
pub(crate) enum Placed {
    /// It is there now, put by this call.
    Placed,
    /// This key was taken before. It may be our own coupon, when an earlier attempt of the put may have been applied.
    Taken(Box<Coupon>, WasApplied),
}

impl Members {
    /// The coupon as it stands; `None` when nobody has claimed it. Strongly consistent.
    ///
    /// Cost: 1 GetItem, 1 R for each 4 KB. A usual coupon has 300 to 600 bytes.
    pub async fn read_coupon(&self, key: CouponKey) -> Result<Option<Coupon>, StoreError> {
        let call = self.table.get_item();
        let call = call.set_key(Some(keys::coupon(key).attributes())).consistent_read(true);
        self.table.get(call).await?.as_ref().map(item::from_item).transpose()
    }

    /// A member's coupons of one campaign, in the order of their ordinals. Strongly consistent.
    ///
    /// At most 64, the bound of ordinals. Cost: 1 Query, 1 R for each 4 KB.
    pub async fn list_coupons_of_campaign(
        &self,
        member: MemberNo,
        campaign: CampaignNo,
    ) -> Result<Vec<Coupon>, StoreError> {
        let call = self.table.query_prefix(keys::member_partition(member), &keys::coupons_of(campaign));
        let items = self.table.query_all(call.consistent_read(true)).await?;
        items.iter().map(item::from_item).collect()
    }

    /// At most `limit` of a member's coupons after `from`. Eventually consistent: a coupon claimed a
    /// moment ago may be missing.
    ///
    /// Cost: 1 Query, ½ R for each 4 KB of the page.
    pub async fn list_coupons(
        &self,
        member: MemberNo,
        from: Option<CouponKey>,
        limit: u16,
    ) -> Result<CouponPage, StoreError> {
        let call = self
            .table
            .query_prefix(keys::member_partition(member), keys::COUPONS)
            .limit(i32::from(limit))
            .set_exclusive_start_key(from.map(|key| keys::coupon(key).attributes()));
        let page = self.table.query(call).await?;
        Ok(CouponPage {
            coupons: page.items.iter().map(item::from_item).collect::<Result<_, _>>()?,
            next: page.next.as_ref().map(read_key).transpose()?,
        })
    }

    /// Puts a coupon where none is. The key is the limit: it is taken once and never freed.
    ///
    /// The put spends `unit`, so no attempt is signed once the unit's lease is dead. Cost:
    /// 1 PutItem, 1 W, also when refused.
    pub(crate) async fn place_coupon(&self, coupon: &Coupon, unit: &Reservation) -> Result<Placed, StoreError> {
        let call = self.table.put_item();
        let call = call.set_item(Some(item::to_item(coupon))).condition_expression(IS_NEW);
        match self.table.put_while(call, || unit.is_alive(self.table.clock().now())).await? {
            (Write::Done(_), _) => Ok(Placed::Placed),
            (Write::Refused(Some(item)), earlier) => Ok(Placed::Taken(Box::new(item::from_item(&item)?), earlier)),
            (Write::Refused(None), _) => Err(StoreError::Corrupt { item: "coupon", attribute: "pk" }),
        }
    }

    /// Raises the version of the key with which a coupon's code is made. The old code dies, and
    /// the wallet shows a new one.
    ///
    /// It changes only version `from`, so of two rotations at once one wins. It returns true when the coupon has
    /// version `to` now, also when an earlier attempt of this call did it. It returns false when there is no such
    /// coupon, or it has yet another version.
    ///
    /// Cost: 1 UpdateItem, 1 W.
    pub async fn rotate_code(&self, key: CouponKey, from: u16, to: u16) -> Result<bool, StoreError> {
        /// The code's key is the one that the caller saw. Guards the rotation against another one.
        const KEY_VERSION_IS_AS_SEEN: &str = "key_version = :from";
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::coupon(key).attributes()))
            .condition_expression(all(&[EXISTS, KEY_VERSION_IS_AS_SEEN]))
            .update_expression("SET key_version = :to")
            .set_expression_attribute_values(Some(item([(":from", Some(number(from))), (":to", Some(number(to)))])));
        match self.table.update(call).await? {
            Write::Done(_) => Ok(true),
            // The answer was lost and the call repeated: our own first write stands there.
            Write::Refused(Some(item)) => Ok(item::from_item(&item)?.key_version == to),
            Write::Refused(None) => Ok(false),
        }
    }
}

fn read_key(key: &Item) -> Result<CouponKey, StoreError> {
    let read = Reader::new(key, "coupon");
    keys::read_coupon(read.str("pk")?, read.str("sk")?).ok_or_else(|| read.corrupt("sk"))
}
