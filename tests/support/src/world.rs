//! A province in one process.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mealticket_api::{
    Deps,
    auth::{member::MemberPrincipal, operator::Role},
    config::Config,
    deps::Stack,
};
use mealticket_domain::ClaimRequest;
use mealticket_domain::{
    Campaign, CampaignNo, Fingerprint, KeyHash, MemberAttributes, MemberNo, Order, RedeemRequest, Timestamp,
    coupon::RedemptionSource, settlement::SettlementTerms,
};
use mealticket_local::{
    engine::Engine,
    environment::{Local, local_config},
    issuer::Issuer,
    key_file::{Employee, KeyFile},
    receiver::Receiver,
    seed::Seed,
    stack::client,
    template::Template,
    workspace,
};
use mealticket_store::{Clock, StoreError, Tables};
use serde_json::{Map, Value};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::OnceCell;

/// The time at which every world begins: a Sunday noon in Guangdong.
pub const NOON: &str = "2026-11-22T04:00:00Z";

/// The seed province, in tables of its own.
pub struct World {
    /// What the handlers get: the handles of all tables, and the stack.
    pub deps: Deps<Tables>,
    /// The keys of the stack and of the seed's merchants.
    pub keys: KeyFile,
    /// The engine that holds the tables.
    pub engine: Engine,
    numbers: AtomicU64,
}

/// What every world of one process begins with.
pub struct Seeded {
    /// A file with the tables and the seed in them. An engine restores it.
    pub snapshot: PathBuf,
    /// The configuration of every function.
    pub config: Config,
    /// The operator's identity provider.
    pub issuer: Issuer,
    keys: String,
    /// The server that is registered for the merchants' endpoints. Worlds send nothing there: they have couriers of
    /// their own.
    _receiver: Receiver,
}

/// The seed in tables. It is loaded once a process.
pub async fn seeded() -> &'static Seeded {
    static FIRST: OnceCell<Seeded> = OnceCell::const_new();
    FIRST.get_or_init(Seeded::load).await
}

impl Seeded {
    /// The keys of the stack and of the seed's merchants.
    pub fn keys(&self) -> KeyFile {
        serde_json::from_str(&self.keys).unwrap()
    }

    async fn load() -> Self {
        let template = Template::read(&workspace::template()).unwrap();
        let seed = Seed::read(&workspace::seed()).unwrap();
        let engine = Engine::start(0, None, &template.tables().unwrap()).await.unwrap();
        let keys = KeyFile::generate(&seed.merchant_ids()).unwrap();
        let issuer = issuer(&keys);
        let local =
            Local { secrets: Path::new("unused"), strict: true, operators: &issuer.url(), tables: &engine.url() };
        let config = local_config(&template.functions().unwrap(), &local).unwrap();
        let tables = Tables::new(client(&engine.url()), config.tables.clone(), Clock::system());
        seed.load(&tables, &keys).await.unwrap();
        let receiver = Receiver::start().await.unwrap();
        seed.load_endpoints(&tables, &keys, &receiver).await.unwrap();
        let snapshot = snapshot_file();
        engine.snapshot(&snapshot).unwrap();
        Seeded { snapshot, keys: serde_json::to_string(&keys).unwrap(), config, issuer, _receiver: receiver }
    }
}

/// Starts the operator's identity provider on a runtime of its own, so that it outlives the first test that uses it.
fn issuer(keys: &KeyFile) -> Issuer {
    let (sender, receiver) = std::sync::mpsc::channel();
    let keys: KeyFile = serde_json::from_str(&serde_json::to_string(keys).unwrap()).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(Issuer::start(&keys).await.unwrap()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

/// The path of a new file for this process's snapshot. Files of processes that have ended are removed.
fn snapshot_file() -> PathBuf {
    const PREFIX: &str = "mealticket-seed-";
    let folder = std::env::temp_dir();
    for entry in std::fs::read_dir(&folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(".sqlite"));
        let own = std::process::id().to_string();
        if pid.is_some_and(|pid| pid == own || !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    folder.join(format!("{PREFIX}{}.sqlite", std::process::id()))
}

/// Settlement terms under which the province pays the merchant the discount.
pub fn settlement_terms() -> SettlementTerms {
    serde_json::from_str(r#"{ "funded_by": { "province": 100 }, "pays_merchant": "discount" }"#).unwrap()
}

/// A client of the streams of an engine on this machine.
pub fn streams(url: &str) -> aws_sdk_dynamodbstreams::Client {
    use aws_sdk_dynamodbstreams::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
    let config = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("local"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_dynamodbstreams::Client::from_conf(config)
}

impl World {
    /// Makes a fresh world at [`NOON`]. The seed is loaded once a process and then copied, so this takes milliseconds.
    pub async fn new() -> Self {
        let first = seeded().await;
        let clock = Clock::standing_at(NOON.parse().unwrap());
        let engine = Engine::restored(&first.snapshot, clock.clone()).await.unwrap();
        let keys = first.keys();
        let tables = Tables::new(client(&engine.url()), first.config.tables.clone(), clock);
        let stack = Arc::new(Stack::new(first.config.clone(), &keys.stack).unwrap());
        let deps = Deps { tables, stack };
        World { deps, keys, engine, numbers: AtomicU64::new(1_000_000) }
    }

    /// The time by the world's clock.
    pub fn now(&self) -> Timestamp {
        self.deps.now()
    }

    /// The clock. It stands still until it is set.
    pub fn clock(&self) -> &Clock {
        self.deps.members.clock()
    }

    /// Moves the clock on by this many seconds.
    pub fn pass_seconds(&self, seconds: i64) {
        self.clock().set(self.now().plus_seconds(seconds));
    }

    /// The handles of all tables.
    pub fn tables(&self) -> &Tables {
        &self.deps.tables
    }

    /// What the handlers of another execution environment get. The two share only the tables, the keys and the clock.
    pub fn deps_elsewhere(&self) -> Deps<Tables> {
        Deps { tables: self.another_environment(), ..self.deps.clone() }
    }

    /// Everything in every table, in a fixed order. It shows whether anything changed, and what a dump would betray.
    pub fn dump(&self) -> String {
        let tables = &self.deps.stack.config.tables;
        let names =
            [&tables.members, &tables.identities, &tables.catalog, &tables.stock, &tables.ledger, &tables.messages];
        let mut items = Vec::new();
        for table in names {
            let request = serde_json::from_value(serde_json::json!({ "TableName": table })).unwrap();
            let page = serde_json::to_value(self.engine.database().scan(request).unwrap()).unwrap();
            items.extend(page["Items"].as_array().unwrap().iter().map(|item| format!("{table} {}", readable(item))));
        }
        items.sort();
        items.join("\n")
    }

    /// Puts a value that no code of ours would write into an item, which is made if it is missing. Returns the value that
    /// stood there.
    pub async fn overwrite(
        &self,
        table: &str,
        (pk, sk): (&str, &str),
        attribute: &str,
        value: AttributeValue,
    ) -> Option<AttributeValue> {
        let call = client(&self.engine.url()).update_item().table_name(table).return_values(ReturnValue::UpdatedOld);
        let call = call.key("pk", AttributeValue::S(pk.to_owned())).key("sk", AttributeValue::S(sk.to_owned()));
        let call = call.update_expression("SET #attribute = :value");
        let call =
            call.expression_attribute_names("#attribute", attribute).expression_attribute_values(":value", value);
        call.send().await.unwrap().attributes.and_then(|mut old| old.remove(attribute))
    }

    /// The handles of another execution environment, which shares nothing with this one but the tables and the clock.
    pub fn another_environment(&self) -> Tables {
        self.tables_at(&self.engine.url())
    }

    /// Handles that reach the tables through `url`.
    pub fn tables_at(&self, url: &str) -> Tables {
        Tables::new(client(url), self.deps.stack.config.tables.clone(), self.clock().clone())
    }

    /// A member number that nobody else has.
    pub fn member(&self) -> MemberNo {
        self.numbers.fetch_add(1, Relaxed).try_into().unwrap()
    }

    /// An access token of a member.
    pub fn member_token(&self, member: MemberNo) -> String {
        let principal = MemberPrincipal { member, family_id: [9; 16], attributes: MemberAttributes::default() };
        let stack = &self.deps.stack;
        stack.member_tokens.issue(&principal, &stack.ids, &stack.vault, self.now()).unwrap()
    }

    /// A bearer token of a merchant of the seed.
    pub fn merchant_token(&self, merchant: &str) -> String {
        let issuer = &self.deps.stack.config.issuer;
        self.keys.merchant(merchant).unwrap().token(merchant, issuer, self.now()).unwrap()
    }

    /// A token of an employee of the operator with these roles, for the whole province.
    pub fn operator_token(&self, roles: &[Role]) -> String {
        let province = self.deps.stack.config.province.code();
        self.employee_token(&Employee { name: "li.na", roles, province, cities: &[] })
    }

    /// A token of this employee.
    pub fn employee_token(&self, employee: &Employee<'_>) -> String {
        let key = self.keys.operators().unwrap();
        key.token(&self.deps.stack.config.operators, employee, self.now()).unwrap()
    }

    /// Returns this environment's unspent units to stock. Then counts the units that a campaign may still issue.
    pub async fn remaining(&self, campaign: CampaignNo) -> Result<Option<u64>, StoreError> {
        self.tables().stock.return_unspent().await;
        self.tables().stock.count_remaining(campaign).await
    }

    /// A campaign of the seed.
    pub async fn campaign(&self, no: u32) -> Arc<Campaign> {
        self.tables().catalog.read_campaign(CampaignNo::try_from(no).unwrap()).await.unwrap().unwrap()
    }

    /// Writes to the tables a campaign like one of the seed, with a number, stock and limit of its own.
    pub async fn campaign_like(&self, like: u32, no: u32, stock: u64, limit: u8) -> Arc<Campaign> {
        let mut campaign = Campaign::clone(&*self.campaign(like).await);
        campaign.no = no.try_into().unwrap();
        campaign.stock = stock;
        campaign.stock_shards = Campaign::shards_for(stock);
        campaign.terms.per_member_limit = limit;
        campaign.terms_sha256 = campaign.terms.hash(campaign.no).unwrap();
        self.tables().stock.lay_out_stock(&campaign).await.unwrap();
        self.tables().catalog.put_campaign(&campaign, &settlement_terms()).await.unwrap();
        self.tables().catalog.read_campaign(campaign.no).await.unwrap().unwrap()
    }

    /// A claim by `member`, under the key with this number.
    pub fn claim(&self, member: MemberNo, key: u64) -> ClaimRequest {
        ClaimRequest {
            member,
            key: key_hash(key),
            fingerprint: Fingerprint([0; 16]),
            attributes: MemberAttributes::default(),
            channel: None,
            share: None,
            key_version: 1,
            now: self.now(),
        }
    }

    /// A redemption on an order of 25 yuan in the first store of `mch_luckytea`, under the key with this number.
    pub fn redemption(&self, key: u64) -> RedeemRequest {
        RedeemRequest {
            key: key_hash(key),
            fingerprint: Fingerprint([0; 16]),
            source: RedemptionSource::Api,
            at: self.now(),
            store_id: "sto_luckytea01".parse().unwrap(),
            city: "广州".into(),
            order: Order { order_no: format!("A-{key}").parse().unwrap(), amount: 2_500u64.try_into().unwrap() },
            hold: None,
            cashier: None,
        }
    }

    /// The merchant's report of the order of [`World::redemption`].
    pub fn report(&self, key: u64) -> RedeemRequest {
        let asked = self.redemption(key);
        RedeemRequest {
            key: KeyHash::of_order(&asked.order.order_no),
            fingerprint: Fingerprint([0; 16]),
            source: RedemptionSource::Callback,
            ..asked
        }
    }
}

/// An item with its binary values as text. A dump must betray what a binary attribute betrays.
fn readable(value: &Value) -> Value {
    let text = |value: &Value| {
        let bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
        Value::from(String::from_utf8_lossy(&bytes))
    };
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| {
                let shown = match (name.as_str(), member) {
                    ("B", Value::String(_)) => text(member),
                    ("BS", Value::Array(set)) => set.iter().map(text).collect(),
                    _ => readable(member),
                };
                (name.clone(), shown)
            })
            .collect::<Map<String, Value>>()
            .into(),
        Value::Array(items) => items.iter().map(readable).collect(),
        scalar => scalar.clone(),
    }
}

/// The hash of the key with this number.
pub fn key_hash(key: u64) -> KeyHash {
    let mut bytes = [7; 16];
    for (to, from) in bytes.iter_mut().zip(key.to_be_bytes()) {
        *to = from;
    }
    KeyHash(bytes)
}
