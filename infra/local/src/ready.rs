//! What clients need to know of a running province, for programs and for people.

use crate::{Result, seed::Seed};
use mealticket_api::config::Config;
use serde::Serialize;

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

/// What a person pastes into another terminal.
pub fn session(ready: &Ready) -> String {
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

A session to paste into another terminal; the one-time code appears here:

  API={api}
  CHALLENGE=$(curl -s $API/v1/otp-challenges -d '{{"phone":"+8613800138000"}}' | sed 's/.*"challenge_id":"\([^"]*\)".*/\1/')
  OTP=      # the six digits printed here
  TOKEN=$(curl -s $API/v1/members -d '{{"proof":{{"type":"sms_otp","challenge_id":"'$CHALLENGE'","otp":"'$OTP'"}},"channel":"app","consent":{{"terms_version":"1","privacy_version":"1"}}}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -s $API/v1/campaigns/cmp_0001/claims -H "authorization: Bearer $TOKEN" -H 'idempotency-key: my-first-claim-1' -d '{{}}'
  CODE=     # the code in the answer
  curl -s $API/v1/redemptions -H "authorization: Bearer $(cargo stack token --merchant mch_luckytea)" -H 'idempotency-key: my-first-redemption-1' -d '{{"code":"'$CODE'","store_id":"sto_luckytea01","order":{{"order_no":"A-1","amount_fen":2350}}}}'
  curl -s $API/v1/wallet -H "authorization: Bearer $TOKEN"

Ctrl-C ends it.
"#,
        province = ready.province,
        api = ready.api,
        dynamodb = ready.dynamodb,
        campaigns = campaigns.join("\n"),
        merchants = merchants.join("\n"),
    )
}
