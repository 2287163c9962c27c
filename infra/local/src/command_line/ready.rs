//! What clients need to know of a running province, for programs and for people.

use crate::{Result, seed::Seed};
use mealticket_api::config::Config;
use serde::Serialize;
use std::path::Path;

/// What `up --json` prints first.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// Where the API is.
    pub api: String,
    /// Where the tables are.
    pub dynamodb: String,
    /// The issuer of tokens.
    pub issuer: String,
    /// The province.
    pub province: String,
    /// The merchants of the seed.
    pub merchants: Vec<ReadyMerchant>,
    /// The campaigns of the seed that members can see.
    pub campaigns: Vec<ReadyCampaign>,
}

/// A merchant of the seed.
#[derive(Debug, Clone, Serialize)]
pub struct ReadyMerchant {
    /// Its id.
    pub merchant_id: String,
    /// Its name.
    pub name: String,
    /// Its stores.
    pub store_ids: Vec<String>,
}

/// A campaign of the seed.
#[derive(Debug, Clone, Serialize)]
pub struct ReadyCampaign {
    /// Its id.
    pub campaign_id: String,
    /// Its name.
    pub name: String,
    /// Its kind of benefit.
    pub kind: String,
}

/// What clients of a stack with this seed and configuration need to know.
pub fn ready(seed: &Seed, config: &Config, api: String, dynamodb: String) -> Result<Ready> {
    let merchants = seed.merchants.iter().map(|merchant| ReadyMerchant {
        merchant_id: merchant.id.to_string(),
        name: merchant.name.clone(),
        store_ids: merchant.stores.iter().map(|store| store.store_id.to_string()).collect(),
    });
    let campaigns = seed.campaigns()?;
    let public = campaigns.iter().filter(|campaign| campaign.state.is_public());
    Ok(Ready {
        api,
        dynamodb,
        issuer: config.issuer.clone(),
        province: config.province.code().to_owned(),
        merchants: merchants.collect(),
        campaigns: public
            .map(|campaign| ReadyCampaign {
                campaign_id: campaign.no.to_string(),
                name: campaign.terms.name.clone(),
                kind: campaign.terms.benefit.kind().to_owned(),
            })
            .collect(),
    })
}

/// A script that goes from sign-up to redemption against this province. `data` is the directory given with `--data`.
pub fn session_script(ready: &Ready, data: Option<&Path>) -> String {
    let quoted = data.map_or_else(String::new, |path| path.display().to_string().replace('\'', r"'\''"));
    include_str!("session.sh").replace("{{api}}", &ready.api).replace("{{data}}", &format!("'{quoted}'"))
}

/// What a person is shown when the province is up.
pub fn session(ready: &Ready, script: &Path) -> String {
    let campaigns: Vec<String> =
        ready.campaigns.iter().map(|campaign| format!("  {}  {}", campaign.campaign_id, campaign.name)).collect();
    let merchants: Vec<String> = ready
        .merchants
        .iter()
        .map(|merchant| format!("  {}  {}  {}", merchant.merchant_id, merchant.name, merchant.store_ids.join(" ")))
        .collect();
    format!(
        r#"Province {province} is up.
API       {api}
DynamoDB  {dynamodb}
Campaigns
{campaigns}
Merchants
{merchants}

Try it in another terminal, from sign-up to redemption:

  sh {script}

One-time codes appear here. Ctrl-C ends it.
"#,
        province = ready.province,
        api = ready.api,
        dynamodb = ready.dynamodb,
        campaigns = campaigns.join("\n"),
        merchants = merchants.join("\n"),
        script = script.display(),
    )
}
