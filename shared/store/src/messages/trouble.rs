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

/// The note is an old one. What was noted a moment ago may be about trouble whose write to the catalog is still on its way, and a
/// delete whose answer was lost may land late.
const WAS_NOTED_BEFORE: &str = "noted_at < :before";

/// For so long a note stays at least: a minute outlives a write that lands late. One too many is found out when it is read.
const NOTE_SECONDS: i64 = 60;

impl Messages {
    /// Lists an endpoint as one to look after, before it is noted in the catalog: one too many is found out when it is read.
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

    /// Takes an endpoint from that list, unless it came there within the last minute: it works, and is on.
    pub async fn unlist_in_trouble(&self, id: &EndpointId, at: Timestamp) -> Result<(), StoreError> {
        let call = self.table.delete_item();
        let call = call
            .set_key(Some(keys::endpoint_in_trouble(id).attributes()))
            .condition_expression(WAS_NOTED_BEFORE)
            .expression_attribute_values(":before", instant(at.plus_seconds(-NOTE_SECONDS)));
        self.table.delete(call).await
    }

    /// Endpoints of all merchants that fail or are off, after `after`, in the order of their ids: of `limit` that were listed, those
    /// of which it is still true, and where the next page begins.
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
                // Of one that cannot be read the others must not suffer.
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
