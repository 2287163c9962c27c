//! What clients need to know about a running province: JSON for programs, text for people.

use crate::{Result, seed::Seed};
use mealticket_api::config::Config;
use serde::Serialize;
use std::path::Path;

/// The first object that `up --json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// The address of the API.
    pub api: String,
    /// The address of the tables.
    pub dynamodb: String,
    /// The `iss` of members' tokens, which is also the `aud` of merchants' tokens.
    pub issuer: String,
    /// The province's two-digit code (GB/T 2260).
    pub province: String,
    /// The merchants of the seed.
    pub merchants: Vec<ReadyMerchant>,
    /// The campaigns of the seed that members can see.
    pub campaigns: Vec<ReadyCampaign>,
}

/// A merchant of the seed, as clients need it.
#[derive(Debug, Clone, Serialize)]
pub struct ReadyMerchant {
    /// The merchant's id, `mch_…`.
    pub merchant_id: String,
    /// The name by which people know the merchant.
    pub name: String,
    /// The ids of its stores, `sto_…`.
    pub store_ids: Vec<String>,
}

/// A campaign of the seed that members can see.
#[derive(Debug, Clone, Serialize)]
pub struct ReadyCampaign {
    /// The campaign's id, `cmp_…`.
    pub campaign_id: String,
    /// The campaign's name, from its terms.
    pub name: String,
    /// The kind of its benefit, such as `amount_off`.
    pub kind: String,
}

/// Collects what clients of a stack with this seed and configuration need to know. Fails when a campaign of the seed is
/// wrong.
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

/// The text of a script that goes from sign-up to redemption against this province. `data` is the directory given with
/// `--data`.
pub fn session_script(ready: &Ready, data: Option<&Path>) -> String {
    let quoted = data.map_or_else(String::new, |path| path.display().to_string().replace('\'', r"'\''"));
    include_str!("session.sh").replace("{{api}}", &ready.api).replace("{{data}}", &format!("'{quoted}'"))
}

/// The text that `up` prints for a person when the province is up.
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
