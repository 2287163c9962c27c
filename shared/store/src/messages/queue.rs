//! From what happened to what is due.

use super::{DUE_MESSAGES_MAX, Due};
use crate::{Catalog, Messages, table::error::StoreError};
use mealticket_domain::{MerchantId, webhook::Message};

impl Messages {
    /// Queues messages for every endpoint of a merchant that subscribes to them, due now. Gives how many there were. Done again it
    /// queues them again, and whoever works the index sends each once. An endpoint that is switched off is queued for as
    /// well: what it misses becomes a dead letter, and is not lost.
    pub async fn queue_messages(
        &self,
        catalog: &Catalog,
        merchant: &MerchantId,
        messages: &[Message],
    ) -> Result<usize, StoreError> {
        let endpoints = catalog.list_readable_endpoints(merchant).await?;
        let now = self.table.clock().now();
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
