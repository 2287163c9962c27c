//! From what happened to what is due.

use super::{DUE_MESSAGES_MAX, Due};
use crate::{Store, error::StoreError, stream};
use mealticket_domain::{
    IdCipher, MerchantId,
    webhook::{Message, messages_between},
};
use serde_json::Value;

impl Store {
    /// The messages that a record of the members' stream gives rise to, and the merchant whose campaign it is about. A record
    /// that cannot be read gives none: it is put aside in the journal, and told of when it is posted from there.
    pub async fn messages_of(
        &self,
        record: &Value,
        ids: &IdCipher,
    ) -> Result<Option<(MerchantId, Vec<Message>)>, StoreError> {
        let Some(((before, after), written_at)) = stream::coupon_of(record) else { return Ok(None) };
        let Ok(messages) = messages_between(before.as_ref(), &after, written_at, ids) else { return Ok(None) };
        if messages.is_empty() {
            return Ok(None);
        }
        match self.campaign(after.key.campaign).await {
            Ok(Some(campaign)) => Ok(Some((campaign.merchant_id.clone(), messages))),
            Ok(None) | Err(StoreError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Queues messages for every endpoint of a merchant that subscribes to them, due now. Gives how many there were. Done again it
    /// queues them again, and whoever works the index sends each once. An endpoint that is switched off is queued for as
    /// well: what it misses becomes a dead letter, and is not lost.
    pub async fn queue_messages(&self, merchant: &MerchantId, messages: &[Message]) -> Result<usize, StoreError> {
        let endpoints = self.readable_endpoints(merchant).await?;
        let now = self.clock.now();
        let mut queued = 0;
        for endpoint in &endpoints {
            let wanted = messages.iter().filter(|message| endpoint.subscribed.contains(&message.kind));
            let wanted: Vec<Message> = wanted.cloned().collect();
            for messages in wanted.chunks(DUE_MESSAGES_MAX) {
                let due = Due {
                    merchant: merchant.clone(),
                    endpoint: endpoint.id.clone(),
                    attempt: 1,
                    begins_anew: false,
                    messages: messages.to_vec(),
                };
                self.put_due(&due, now).await?;
                queued += due.messages.len();
            }
        }
        Ok(queued)
    }
}
