//! What is made up: each coupon, and what merchants are owed for all of them.

use super::{CHANNELS, MONTH, Plan, STORES, UNDONE};
use mealticket_domain::{CampaignNo, MerchantId, ProvinceMonth};
use mealticket_local::workspace;
use serde_json::{Value, json};

/// The coupons that are made up. Each follows from its number.
pub(super) struct Made {
    pub(super) merchants: u64,
    pub(super) redemptions: u64,
    pub(super) span_seconds: u64,
    pub(super) like: Vec<Value>,
}

/// What a merchant is owed, in the plainest arithmetic.
#[derive(Default, Clone, Copy, PartialEq, Debug)]
pub(super) struct Owed {
    pub(super) redeemed: i64,
    pub(super) reversed: i64,
    pub(super) discount: i64,
    pub(super) own_share: i64,
}

impl Made {
    pub(super) fn new(plan: Plan) -> Self {
        let file = workspace::root().join("events/post-ledger/posts-a-claim-a-redemption-and-a-reversal.json");
        let sample: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let like = sample["Records"].as_array().unwrap().clone();
        let Plan { merchants, redemptions, span_seconds, .. } = plan;
        Made { merchants: merchants.into(), redemptions, span_seconds, like }
    }

    pub(super) fn merchant(number: u64) -> MerchantId {
        format!("mch_m{number}").parse().unwrap()
    }

    pub(super) fn campaign(merchant: u64) -> CampaignNo {
        u32::try_from(1_000 + merchant).unwrap().try_into().unwrap()
    }

    pub(super) fn merchant_of(&self, coupon: u64) -> u64 {
        coupon % self.merchants
    }

    pub(super) fn is_undone(coupon: u64) -> bool {
        coupon % UNDONE == 3
    }

    pub(super) fn discount(coupon: u64) -> u64 {
        1 + coupon.wrapping_mul(2_654_435_761) % 3_000
    }

    /// When the coupon was redeemed. The times are spread over the span.
    pub(super) fn at(&self, coupon: u64) -> i64 {
        let first = MONTH.parse::<ProvinceMonth>().unwrap().first_day().starts_at().unix_seconds();
        first + i64::try_from(coupon * self.span_seconds / self.redemptions).unwrap()
    }

    /// What merchants are owed. The province bears 50 % of a discount, a city 16.67 %, and the merchant 33.33 %.
    pub(super) fn owed(&self) -> Vec<Owed> {
        let mut owed = vec![Owed::default(); usize::try_from(self.merchants).unwrap()];
        for coupon in 0..self.redemptions {
            let sum = &mut owed[usize::try_from(self.merchant_of(coupon)).unwrap()];
            let (discount, share) = (Self::discount(coupon), Self::discount(coupon) * 3_333 / 10_000);
            sum.redeemed += 1;
            if Self::is_undone(coupon) {
                sum.reversed += 1;
            } else {
                sum.discount += i64::try_from(discount).unwrap();
                sum.own_share += i64::try_from(share).unwrap();
            }
        }
        owed
    }

    /// The stream's records of a coupon's life, with sequence numbers from `seq` on.
    pub(super) fn records(&self, coupon: u64, seq: u64) -> Vec<Value> {
        let merchant = self.merchant_of(coupon);
        let keys = json!({ "pk": { "S": format!("MEMBER#{}", 10_000_000 + coupon) },
                           "sk": { "S": format!("COUPON#{:07}#00", Self::campaign(merchant).get()) } });
        let at = self.at(coupon);
        let events = if Self::is_undone(coupon) { 3 } else { 2 };
        let records = self.like.iter().take(events).zip(0..).map(|(like, event)| {
            let mut record = like.clone();
            record["eventID"] = format!("{:032x}", u128::from(coupon * 4 + event)).into();
            let change = &mut record["dynamodb"];
            change["SequenceNumber"] = format!("{:021}", seq + event).into();
            change["ApproximateCreationDateTime"] = at.into();
            change["Keys"] = keys.clone();
            for image in ["OldImage", "NewImage"] {
                if change[image].is_object() {
                    self.make_up(&mut change[image], coupon, &keys, at);
                }
            }
            record
        });
        records.collect()
    }

    pub(super) fn make_up(&self, image: &mut Value, coupon: u64, keys: &Value, at: i64) {
        let (merchant, discount) = (self.merchant_of(coupon), Self::discount(coupon));
        image["pk"] = keys["pk"].clone();
        image["sk"] = keys["sk"].clone();
        image["claimed_at"] = json!({ "N": at.to_string() });
        image["valid_from"] = json!({ "N": at.to_string() });
        image["valid_until"] = json!({ "N": (at + 7 * 86_400).to_string() });
        image["settlement_version"] = json!({ "N": "1" });
        image["channel"] = json!({ "S": CHANNELS[usize::try_from(coupon / self.merchants % 3).unwrap()] });
        for redemption in image["redemptions"]["L"].as_array_mut().unwrap() {
            let redemption = &mut redemption["M"];
            redemption["at"] = json!({ "N": at.to_string() });
            redemption["amount"] = json!({ "N": (discount * 5).to_string() });
            redemption["discount"] = json!({ "N": discount.to_string() });
            redemption["order"] = json!({ "S": format!("20261122{coupon:010}") });
            redemption["store"] = json!({ "S": format!("sto_m{merchant}s{}", coupon / self.merchants % STORES) });
            if redemption["reversal"].is_object() {
                redemption["reversal"]["M"]["at"] = json!({ "N": at.to_string() });
            }
        }
    }
}
