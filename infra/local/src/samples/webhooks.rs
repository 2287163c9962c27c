//! What samples of `manage-webhooks` find: a message that did not arrive.

use super::{World, failed, parsed};
use crate::Result;
use mealticket_domain::webhook::{Answer, Failure, Message, MessageKind};
use mealticket_store::deliveries::{Attempt, Delivery, Outcome};

impl World<'_> {
    /// A dead letter of the supermarket's endpoint.
    pub(super) async fn webhooks(&mut self) -> Result<()> {
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
        };
        let store = &self.deps.store;
        store.put_dead_letter(&delivery, self.now.plus_seconds(-60)).await.map_err(failed)?;
        store.settle_delivery(&delivery, None, self.now).await.map_err(failed)?;
        self.put("delivery_id", "dlv_yuehui1_1qg00000000000000000000".to_owned());
        Ok(())
    }
}
