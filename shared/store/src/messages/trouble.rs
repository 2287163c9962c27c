//! Endpoints that fail or are off, of all merchants, listed for operators.

use crate::{
    Catalog, Messages,
    messages::keys,
    table::{
        attributes::{Reader, instant, item, text},
        error::StoreError,
    },
};
use mealticket_domain::{
    MerchantId, Timestamp,
    webhook::{Endpoint, EndpointId},
};

/// The note is an old one. A newer note may be about trouble whose write to the catalog is still on its way, and a
/// delete whose answer was lost may land late.
const WAS_NOTED_BEFORE: &str = "noted_at < :before";

/// How long a note stays at least. A minute outlives a write that lands late. A note too many is
/// found out when it is read.
const NOTE_SECONDS: i64 = 60;

impl Messages {
    /// Lists an endpoint as one in trouble. Call it before the trouble is noted in the catalog, so that no trouble is
    /// unlisted. Safe to repeat; the last note wins.
    ///
    /// Cost: 1 PutItem, 1 W.
    pub async fn list_in_trouble(
        &self,
        merchant: &MerchantId,
        id: &EndpointId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let attributes = item([("merchant_id", Some(text(merchant.as_str()))), ("noted_at", Some(instant(at)))]);
        let call = self.table.put_item();
        self.table.put(call.set_item(Some(keys::endpoint_in_trouble(id).with(attributes)))).await.map(drop)
    }

    /// Removes an endpoint that works and is on from that list, unless it was noted within the last minute. A note that
    /// stays is found out when it is read. Safe to repeat.
    ///
    /// Cost: 1 DeleteItem, 1 W.
    pub async fn unlist_in_trouble(&self, id: &EndpointId, at: Timestamp) -> Result<(), StoreError> {
        let call = self.table.delete_item();
        let call = call
            .set_key(Some(keys::endpoint_in_trouble(id).attributes()))
            .condition_expression(WAS_NOTED_BEFORE)
            .expression_attribute_values(":before", instant(at.plus_seconds(-NOTE_SECONDS)));
        self.table.delete(call).await
    }

    /// Endpoints of all merchants that fail or are off, in the order of their ids, after `after`. It also returns
    /// where the next page begins.
    ///
    /// It reads `limit` notes, and returns those endpoints that the catalog says are in trouble now. So a page may
    /// be shorter, or empty, and not be the last. Strongly consistent. An endpoint that cannot be read is logged
    /// as an error and skipped.
    ///
    /// Cost: 1 Query, 1 R for each 4 KB, and 1 GetItem, 1 R, for each note.
    pub async fn list_endpoints_in_trouble(
        &self,
        catalog: &Catalog,
        after: Option<&EndpointId>,
        limit: usize,
    ) -> Result<(Vec<(MerchantId, Endpoint)>, Option<EndpointId>), StoreError> {
        let from = after.map(|id| keys::endpoint_in_trouble(id).attributes());
        let call = self.table.query_partition(keys::ENDPOINTS_IN_TROUBLE.to_owned());
        let call = call.consistent_read(true).limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let page = self.table.query(call.set_exclusive_start_key(from)).await?;
        let mut found = Vec::new();
        let mut last = None;
        for item in &page.items {
            let read = Reader::new(item, "endpoint in trouble");
            let (merchant, id): (MerchantId, EndpointId) = (read.parsed("merchant_id")?, read.parsed("sk")?);
            let endpoint = match catalog.read_endpoint(&merchant, &id).await {
                // One that cannot be read must not hide the others.
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(%merchant, endpoint = %id, %error, "an endpoint cannot be read");
                    None
                }
                read => read?,
            };
            let is_so = |endpoint: &Endpoint| endpoint.off.is_some() || endpoint.failing_since.is_some();
            found.extend(endpoint.filter(is_so).map(|endpoint| (merchant, endpoint)));
            last = Some(id);
        }
        Ok((found, page.next.and(last)))
    }
}
