//! Campaigns and their frozen terms.

use crate::{
    Catalog,
    catalog::keys,
    table::{
        attributes::{Item, Reader, binary, item, number, text},
        cache::jittered,
        calls::Write,
        clauses::IS_NEW,
        clock::Moment,
        error::StoreError,
    },
};
use mealticket_domain::{Campaign, CampaignNo, Terms, TermsHash, eligibility::Rule, settlement::SettlementTerms};
use std::{sync::Arc, time::Duration};

/// What publishing a campaign came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Its terms are the newest now.
    Newest,
    /// This version of its terms, or of its settlement terms, was published with other words. The
    /// change needs the next version.
    FrozenVersionDiffers,
}

/// How long frozen items stay cached. They never change; they are only forgotten to bound memory.
const FROZEN: Duration = Duration::from_secs(86_400);

impl Catalog {
    /// A campaign with its newest terms, at most 30 seconds old; `None` when there is none of this number.
    ///
    /// An unknown number is asked for every time. It is rare, and caching it would let a stranger fill the cache.
    ///
    /// Cost: nothing while cached; then 1 GetItem, ½ R for each 4 KB, the terms included.
    pub async fn read_campaign(&self, no: CampaignNo) -> Result<Option<Arc<Campaign>>, StoreError> {
        if let Some(known) = self.cache.campaigns.fresh(&no, self.table.clock()) {
            return Ok(Some(known));
        }
        let (call, since) = (self.table.get_item(), self.table.clock().moment());
        let Some(item) = self.table.get(call.set_key(Some(keys::campaign(no).attributes()))).await? else {
            return Ok(None);
        };
        Ok(Some(self.remember(read_campaign(&item)?, since)))
    }

    /// Every campaign, at most 30 seconds old, in the order of their numbers. Campaigns that are
    /// not public are among them.
    ///
    /// A campaign that cannot be read is logged as an error and left out. Cost: nothing while cached; then 1 Query, ½ R
    /// for each 4 KB of the whole directory.
    pub async fn list_campaigns(&self) -> Result<Arc<Vec<Arc<Campaign>>>, StoreError> {
        if let Some(known) = self.cache.directory.fresh(&(), self.table.clock()) {
            return Ok(known);
        }
        let since = self.table.clock().moment();
        let call = self.table.query_prefix(keys::CAMPAIGNS.to_owned(), keys::CAMPAIGN);
        let items = self.table.query_all(call).await?;
        let readable = items.iter().filter_map(|item| match read_campaign(item) {
            Ok(campaign) => Some(self.remember(campaign, since)),
            Err(error) => {
                let campaign = Reader::new(item, "campaign").str("sk").unwrap_or_default().to_owned();
                tracing::error!(campaign, %error, "a campaign cannot be read");
                None
            }
        });
        let directory = Arc::new(readable.collect::<Vec<_>>());
        self.cache.directory.keep((), Arc::clone(&directory), since, jittered());
        Ok(directory)
    }

    /// Caches a campaign that was asked for at `since`, and its newest terms as a frozen version.
    fn remember(&self, campaign: Campaign, since: Moment) -> Arc<Campaign> {
        let campaign = Arc::new(campaign);
        let newest = ((campaign.no, campaign.terms.version), Arc::new(campaign.terms.clone()));
        self.cache.terms.keep(newest.0, newest.1, since, FROZEN);
        self.cache.campaigns.keep(campaign.no, Arc::clone(&campaign), since, jittered());
        campaign
    }

    /// A frozen version of a campaign's terms. It never changes.
    ///
    /// Cost: nothing within a day of the last read; then 1 GetItem, 1 R for each 4 KB, strongly consistent.
    ///
    /// Errors: `Corrupt` also when there is no such version, because a coupon that names it was claimed under it.
    pub async fn read_terms(&self, no: CampaignNo, version: u32) -> Result<Arc<Terms>, StoreError> {
        if let Some(known) = self.cache.terms.fresh(&(no, version), self.table.clock()) {
            return Ok(known);
        }
        let (call, since) = (self.table.get_item(), self.table.clock().moment());
        // Strongly consistent: a version that a coupon names is there.
        let item =
            self.table.get(call.set_key(Some(keys::terms(no, version).attributes())).consistent_read(true)).await?;
        let item = item.ok_or(StoreError::Corrupt { item: "terms", attribute: "pk" })?;
        let terms = Arc::new(read_terms(&Reader::new(&item, "terms"))?);
        self.cache.terms.keep((no, version), Arc::clone(&terms), since, FROZEN);
        Ok(terms)
    }

    /// The eligibility rule of a campaign's newest terms, compiled once in an environment; `None`
    /// when everyone is eligible.
    ///
    /// It asks no table. `Corrupt` when the rule does not compile.
    pub(crate) fn rule(&self, campaign: &Campaign) -> Result<Option<Arc<Rule>>, StoreError> {
        let version = (campaign.no, campaign.terms.version);
        let Some(eligibility) = &campaign.terms.eligibility else { return Ok(None) };
        if let Some(known) = self.cache.rules.fresh(&version, self.table.clock()) {
            return Ok(Some(known));
        }
        // Every rule in the catalog was compiled before it was published.
        let rule =
            eligibility.compile().map_err(|_| StoreError::Corrupt { item: "campaign", attribute: "document" })?;
        let rule = Arc::new(rule);
        self.cache.rules.keep(version, Arc::clone(&rule), self.table.clock().moment(), FROZEN);
        Ok(Some(rule))
    }

    /// A frozen version of a campaign's settlement terms; `None` when it was never published. It never changes.
    ///
    /// Cost: nothing within a day of the last read; then 1 GetItem, 1 R, strongly consistent. An unknown version
    /// is asked for every time.
    pub async fn read_settlement_terms(
        &self,
        no: CampaignNo,
        version: u32,
    ) -> Result<Option<Arc<SettlementTerms>>, StoreError> {
        if let Some(known) = self.cache.settlements.fresh(&(no, version), self.table.clock()) {
            return Ok(Some(known));
        }
        let (call, since) = (self.table.get_item(), self.table.clock().moment());
        let call = call.set_key(Some(keys::settlement(no, version).attributes())).consistent_read(true);
        let Some(item) = self.table.get(call).await? else { return Ok(None) };
        let read = Reader::new(&item, "settlement terms");
        let terms = serde_json::from_str(read.str("document")?).map_err(|_| read.corrupt("document"))?;
        let terms = Arc::new(terms);
        self.cache.settlements.keep((no, version), Arc::clone(&terms), since, FROZEN);
        Ok(Some(terms))
    }

    /// Publishes a version of a campaign's terms and makes it the newest.
    ///
    /// A version is frozen: when it is there with other words, nothing changes. Safe to repeat. The campaign itself is
    /// written last, so it never names terms that are missing; of two calls at once the later write of the campaign
    /// stands. Environments see it within 30 seconds.
    ///
    /// Cost: 3 PutItem, 1 W for each KB.
    ///
    /// Errors: `Unexpected` also when the terms cannot be written as JSON.
    pub async fn put_campaign(
        &self,
        campaign: &Campaign,
        settlement: &SettlementTerms,
    ) -> Result<Published, StoreError> {
        let document = |doc: String, sha: &TermsHash| -> Item {
            item([("document", Some(text(doc))), ("sha256", Some(binary(&sha.0)))])
        };
        let terms = terms_document(&campaign.terms)?;
        let frozen = keys::terms(campaign.no, campaign.terms.version).with(document(terms, &campaign.terms_sha256));
        let settlement =
            serde_json::to_string(settlement).map_err(|source| StoreError::Unexpected { source: source.into() })?;
        let hash = TermsHash(mealticket_domain::terms::sha256(settlement.as_bytes()));
        let settled = keys::settlement(campaign.no, campaign.settlement_version).with(document(settlement, &hash));
        for item in [frozen, settled] {
            let sha = item.get("sha256").cloned();
            let call = self.table.put_item();
            let written = self.table.put(call.set_item(Some(item)).condition_expression(IS_NEW)).await?;
            if let Write::Refused(stands) = written
                && stands.and_then(|stands| stands.get("sha256").cloned()) != sha
            {
                return Ok(Published::FrozenVersionDiffers);
            }
        }
        let call = self.table.put_item();
        self.table.put(call.set_item(Some(campaign_item(campaign)?))).await.map(|_| Published::Newest)
    }
}

/// Terms as the JSON that is stored and hashed.
fn terms_document(terms: &Terms) -> Result<String, StoreError> {
    serde_json::to_string(terms).map_err(|source| StoreError::Unexpected { source: source.into() })
}

fn campaign_item(campaign: &Campaign) -> Result<Item, StoreError> {
    Ok(keys::campaign(campaign.no).with(item([
        ("benefit_id", Some(text(campaign.benefit_id.as_str()))),
        ("merchant_id", Some(text(campaign.merchant_id.as_str()))),
        ("campaign_state", Some(text(campaign.state.as_str()))),
        ("stock", Some(number(campaign.stock))),
        ("stock_shards", Some(number(campaign.stock_shards))),
        ("settlement_version", Some(number(campaign.settlement_version))),
        ("document", Some(text(terms_document(&campaign.terms)?))),
        ("sha256", Some(binary(&campaign.terms_sha256.0))),
    ])))
}

fn read_campaign(item: &Item) -> Result<Campaign, StoreError> {
    let read = Reader::new(item, "campaign");
    let no = read.str("sk")?.strip_prefix(keys::CAMPAIGN).and_then(|no| no.parse::<u32>().ok());
    Ok(Campaign {
        no: no.and_then(|no| CampaignNo::try_from(no).ok()).ok_or_else(|| read.corrupt("sk"))?,
        benefit_id: read.parsed("benefit_id")?,
        merchant_id: read.parsed("merchant_id")?,
        state: read.parsed("campaign_state")?,
        stock: read.number("stock")?,
        stock_shards: read.number("stock_shards")?,
        terms: read_terms(&read)?,
        terms_sha256: TermsHash(read.array("sha256")?),
        settlement_version: read.number("settlement_version")?,
    })
}

fn read_terms(read: &Reader<'_>) -> Result<Terms, StoreError> {
    serde_json::from_str(read.str("document")?).map_err(|_| read.corrupt("document"))
}
