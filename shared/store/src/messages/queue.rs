//! From what happened to what is due.

use super::{DUE_MESSAGES_MAX, Due};
use crate::{Catalog, Messages, table::error::StoreError};
use mealticket_domain::{MerchantId, webhook::Message};

impl Messages {
    /// Queues messages for every endpoint of a merchant that subscribes to them. They are due at the second of what they
    /// are about, and now when that second is in the future. It returns how many it queued, one for each message and endpoint.
    ///
    /// Safe to repeat: the same messages in one call are the same entries at any time, and the sender sends each once. An
    /// endpoint that is switched off gets them queued as well: what it misses becomes a dead letter, and is not lost.
    /// Endpoints that cannot be read are logged and skipped.
    ///
    /// Cost: 1 Query, 1 R for each 4 KB of endpoints; and 1 PutItem for every ten messages of an
    /// endpoint, 1 W for each KB.
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
                // By what happened and not by this attempt, so that a batch that comes again writes nothing new.
                let at = messages.first().map_or(now, |message| message.id.at().min(now));
                self.put_due(&due, at).await?;
                queued += due.messages.len();
            }
        }
        Ok(queued)
    }
}
