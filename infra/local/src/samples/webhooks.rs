//! What samples of `manage-webhooks` find: a message that did not arrive.

use super::{World, failed, parsed};
use crate::Result;
use mealticket_domain::{
    Coupon,
    webhook::{Answer, Failure, Message, MessageKind},
};
use mealticket_store::messages::{Attempt, Delivery, Discrepancy, Outcome};

impl World<'_> {
    /// A dead letter of the supermarket's endpoint.
    pub(super) async fn webhooks(&mut self, redeemed: &Coupon) -> Result<()> {
        self.discrepancy(redeemed).await?;
        let attempt = Attempt { at: self.now, answer: Answer::Failed(Failure::TimedOut), duration_ms: 15_000 };
        let message = Message {
            id: parsed("msg_1qg00000000000000000000")?,
            kind: MessageKind::CouponRedeemed,
            body: r#"{"type":"coupon.redeemed"}"#.to_owned(),
        };
        let delivery = Delivery {
            merchant: parsed("mch_yuehui")?,
            endpoint: parsed("end_yuehui1")?,
            message,
            outcome: Outcome::Dead,
            given_up: None,
            attempts: vec![attempt; 10],
            schedule_from: 0,
            next_at: None,
            revision: 0,
        };
        let tables = &self.deps.tables;
        tables.messages.put_dead_letter(&delivery, self.now.plus_seconds(-60)).await.map_err(failed)?;
        tables.messages.settle_delivery(&delivery, self.now).await.map_err(failed)?;
        // It was in trouble, and is no more.
        let (merchant, endpoint) = (&delivery.merchant, &delivery.endpoint);
        tables.messages.list_in_trouble(merchant, endpoint, self.now.plus_seconds(-60)).await.map_err(failed)?;
        self.put("delivery_id", "dlv_yuehui1_1qg00000000000000000000".to_owned());
        Ok(())
    }

    /// A report of another order on a coupon that was redeemed already.
    async fn discrepancy(&mut self, redeemed: &Coupon) -> Result<()> {
        let tables = &self.deps.tables;
        let coupon = tables.members.coupon(redeemed.key).await.map_err(failed)?.ok_or_else(|| failed("no coupon"))?;
        let spent = coupon.redemptions.first().ok_or_else(|| failed("no redemption"))?;
        let campaign = tables.catalog.campaign(coupon.key.campaign).await.map_err(failed)?;
        let merchant = campaign.ok_or_else(|| failed("no campaign"))?.merchant_id.clone();
        let found = Discrepancy {
            webhook_id: "msg_late".to_owned(),
            event_type: "coupon.redeemed".to_owned(),
            reason: "code_already_redeemed".to_owned(),
            coupon_id: Some(self.deps.stack.ids.coupon_id(coupon.key)),
            order_no: Some("A-778".to_owned()),
            store_id: Some(spent.store_id.clone()),
            amount: Some(spent.amount),
            redeemed_at: Some(self.now),
            received_at: self.now,
            settled_at: None,
            decision: None,
        };
        tables.messages.put_discrepancy(&merchant, &found).await.map_err(failed)?;
        let id = format!("dsc_{}_msg_late", merchant.as_str().trim_start_matches("mch_"));
        self.put("discrepancy_id", id);
        self.put("discrepancy_merchant", merchant.to_string());
        Ok(())
    }
}
