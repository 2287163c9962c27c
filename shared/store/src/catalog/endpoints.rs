//! The endpoints of merchants: where messages go. A part of the catalog that `deliver-webhooks` changes as well.
//! It is never cached here.

use crate::{
    Catalog,
    catalog::keys,
    table::{
        attributes::{Item, Reader, binary, instant, item, number, text},
        calls::Write,
        clauses::{EXISTS, IS_NEW, all},
        error::StoreError,
    },
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::{
    MerchantId, Timestamp,
    webhook::{Endpoint, EndpointId, EndpointSecret, SwitchedOff},
};

/// The endpoint is in the version from which the change was worked out. Guards operators and the
/// sender against each other.
const VERSION_IS_AS_SEEN: &str = "version = :seen";

/// It is not noted as failing yet. Keeps the first instant of a failure.
const IS_NOT_FAILING: &str = "attribute_not_exists(failing_since)";

/// It is not switched off yet. Keeps the first reason.
const IS_ON: &str = "attribute_not_exists(off_at)";

impl Catalog {
    /// An endpoint as it stands; `None` when the merchant has none of this id. Strongly consistent, never cached.
    ///
    /// Cost: 1 GetItem, 1 R.
    pub async fn read_endpoint(&self, merchant: &MerchantId, id: &EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let call = self.table.get_item().consistent_read(true);
        let found = self.table.get(call.set_key(Some(keys::merchant_endpoint(merchant, id).attributes()))).await?;
        found.as_ref().map(read_endpoint).transpose()
    }

    /// A merchant's endpoints as they stand, at most eight, in the order of their ids. Strongly consistent. An unsound
    /// one makes the whole list `Corrupt`.
    ///
    /// Cost: 1 Query, 1 R for each 4 KB.
    pub async fn list_endpoints(&self, merchant: &MerchantId) -> Result<Vec<Endpoint>, StoreError> {
        self.query_endpoint_items(merchant).await?.iter().map(read_endpoint).collect()
    }

    /// The same without those that cannot be read. Each of them is logged as an error, and the
    /// others get their messages.
    pub(crate) async fn list_readable_endpoints(&self, merchant: &MerchantId) -> Result<Vec<Endpoint>, StoreError> {
        let log =
            |error: &StoreError| tracing::error!(%merchant, %error, "an endpoint cannot be read, and gets no messages");
        let items = self.query_endpoint_items(merchant).await?;
        Ok(items.iter().filter_map(|item| read_endpoint(item).inspect_err(log).ok()).collect())
    }

    async fn query_endpoint_items(&self, merchant: &MerchantId) -> Result<Vec<Item>, StoreError> {
        let partition = keys::merchant_partition(merchant);
        let call = self.table.query_prefix(partition, keys::MERCHANT_ENDPOINT).consistent_read(true);
        self.table.query_all(call).await
    }

    /// Registers an endpoint. `None` when it is registered now; otherwise the endpoint that has the id already.
    ///
    /// A repeat after a lost answer can return the very endpoint that the first attempt wrote. The caller compares.
    ///
    /// Cost: 1 PutItem, 1 W, also when refused.
    pub async fn add_endpoint(
        &self,
        merchant: &MerchantId,
        endpoint: &Endpoint,
    ) -> Result<Option<Endpoint>, StoreError> {
        let call = self.table.put_item();
        let call = call.set_item(Some(endpoint_item(merchant, endpoint))).condition_expression(IS_NEW);
        standing(self.table.put(call).await?)
    }

    /// Replaces an endpoint that is in version `seen`. `None` when it is replaced; otherwise the one that
    /// stands, in another version.
    ///
    /// The caller puts the next version into `endpoint`. Of two changes at once one wins. A repeat after a lost answer
    /// can return our own write, which the caller recognises by its content.
    ///
    /// Cost: 1 PutItem, 1 W, also when refused.
    pub async fn change_endpoint(
        &self,
        merchant: &MerchantId,
        seen: u32,
        endpoint: &Endpoint,
    ) -> Result<Option<Endpoint>, StoreError> {
        let call = self.table.put_item();
        let call = call
            .set_item(Some(endpoint_item(merchant, endpoint)))
            .condition_expression(VERSION_IS_AS_SEEN)
            .expression_attribute_values(":seen", number(seen));
        standing(self.table.put(call).await?)
    }

    /// Notes that an endpoint fails since `at`, unless a failure is noted already. Safe to repeat. The version stays.
    ///
    /// Cost: 1 UpdateItem, 1 W.
    pub async fn note_endpoint_fails(
        &self,
        merchant: &MerchantId,
        id: &EndpointId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::merchant_endpoint(merchant, id).attributes()))
            .condition_expression(all(&[EXISTS, IS_NOT_FAILING]))
            .update_expression("SET failing_since = :at")
            .expression_attribute_values(":at", instant(at));
        self.table.update(call).await.map(drop)
    }

    /// Notes that an endpoint answers again. Safe to repeat. The version stays.
    ///
    /// Cost: 1 UpdateItem, 1 W.
    pub async fn note_endpoint_works(&self, merchant: &MerchantId, id: &EndpointId) -> Result<(), StoreError> {
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::merchant_endpoint(merchant, id).attributes()))
            .condition_expression(EXISTS)
            .update_expression("REMOVE failing_since");
        self.table.update(call).await.map(drop)
    }

    /// Switches off an endpoint that is in version `seen`, and raises the version. True when this call did it.
    ///
    /// An endpoint that is off, or that an operator has changed since it was read, stays as it is. A repeat after a
    /// lost answer returns false.
    ///
    /// Cost: 1 UpdateItem, 1 W.
    pub async fn switch_off(
        &self,
        merchant: &MerchantId,
        id: &EndpointId,
        seen: u32,
        off: SwitchedOff,
    ) -> Result<bool, StoreError> {
        let call = self.table.update_item();
        let call = call
            .set_key(Some(keys::merchant_endpoint(merchant, id).attributes()))
            .condition_expression(all(&[EXISTS, IS_ON, VERSION_IS_AS_SEEN]))
            .update_expression("SET off_at = :at, off_reason = :reason, version = version + :one")
            .expression_attribute_values(":at", instant(off.at))
            .expression_attribute_values(":reason", text(off.reason.as_str()))
            .expression_attribute_values(":seen", number(seen))
            .expression_attribute_values(":one", number(1));
        Ok(matches!(self.table.update(call).await?, Write::Done(_)))
    }
}

/// The endpoint that stood against a write.
fn standing(written: Write) -> Result<Option<Endpoint>, StoreError> {
    match written {
        Write::Refused(Some(standing)) => read_endpoint(&standing).map(Some),
        Write::Done(_) | Write::Refused(None) => Ok(None),
    }
}

fn endpoint_item(merchant: &MerchantId, endpoint: &Endpoint) -> Item {
    let secrets = endpoint.secrets.iter().map(|secret| {
        AttributeValue::M(item([
            ("sealed", Some(binary(&secret.sealed))),
            ("since_version", Some(number(secret.since_version))),
            ("until", secret.until.map(instant)),
        ]))
    });
    let subscribed = endpoint.subscribed.iter().map(|kind| text(kind.as_str()));
    keys::merchant_endpoint(merchant, &endpoint.id).with(item([
        ("url", Some(text(&endpoint.url))),
        ("subscribed", Some(AttributeValue::L(subscribed.collect()))),
        ("version", Some(number(endpoint.version))),
        ("secrets", Some(AttributeValue::L(secrets.collect()))),
        ("off_at", endpoint.off.map(|off| instant(off.at))),
        ("off_reason", endpoint.off.map(|off| text(off.reason.as_str()))),
        ("failing_since", endpoint.failing_since.map(instant)),
    ]))
}

fn read_endpoint(item: &Item) -> Result<Endpoint, StoreError> {
    let read = Reader::new(item, "endpoint");
    let id = read.str("sk")?.trim_start_matches(keys::MERCHANT_ENDPOINT);
    let subscribed = read.texts("subscribed")?;
    let kind = |kind: &String| kind.parse().map_err(|_| read.corrupt("subscribed"));
    let secret = |item: &Item| -> Result<EndpointSecret, StoreError> {
        let read = Reader::new(item, "endpoint secret");
        Ok(EndpointSecret {
            sealed: read.bytes("sealed")?.to_vec(),
            since_version: read.number("since_version")?,
            until: read.optional("until", Reader::instant)?,
        })
    };
    let off_at = read.optional("off_at", Reader::instant)?;
    Ok(Endpoint {
        id: id.parse().map_err(|_| read.corrupt("sk"))?,
        url: read.str("url")?.to_owned(),
        subscribed: subscribed.iter().map(kind).collect::<Result<_, _>>()?,
        version: read.number("version")?,
        secrets: read.maps("secrets")?.into_iter().map(secret).collect::<Result<_, _>>()?,
        off: off_at
            .map(|at| Ok::<_, StoreError>(SwitchedOff { at, reason: read.parsed("off_reason")? }))
            .transpose()?,
        failing_since: read.optional("failing_since", Reader::instant)?,
    })
}
