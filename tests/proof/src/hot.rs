//! One hot campaign, through tables whose partition keys have DynamoDB's limits. Leased stock is compared with a single
//! counter item, on a virtual clock, in one run. The limits are scaled to a tenth, so that claims meet them and not the
//! speed of this machine.

use crate::{
    partitions::{Partitions, Served},
    simulator::{environment::Environment, province, scenario::Scenario},
    wire::Network,
};
use aws_sdk_dynamodb::types::AttributeValue;
use mealticket_domain::ClaimRequest;
use mealticket_domain::{Campaign, Fingerprint, KeyHash, MemberAttributes, MemberNo};
use mealticket_store::{Clock, Tables, members::ClaimOutcome};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// The limits, as a part of DynamoDB's.
pub const SCALE: f64 = 0.1;
/// Virtual seconds in which claims are counted.
const SECONDS: u64 = 3;
/// Environments, and the requests that each has under way at once.
const ENVIRONMENTS: usize = 8;
const AT_ONCE: usize = 8;
/// A call takes up to twice this time: four milliseconds on average, as within one region.
const DELAY: Duration = Duration::from_millis(4);

/// The result of one way of counting stock.
#[derive(Debug, Clone)]
pub struct Sold {
    /// Claims that succeeded.
    pub claims: u64,
    /// Claims per virtual second.
    pub per_second: f64,
    /// Writes on the hottest key of the stock table, for each claim.
    pub hottest_writes_per_claim: f64,
    /// Requests to that key that the limit refused.
    pub throttled: u64,
}

/// Measures both ways of counting stock, one after the other.
pub fn compare() -> (Sold, Sold) {
    (measure(Way::Leases), measure(Way::Counter))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Leases,
    Counter,
}

fn measure(way: Way) -> Sold {
    let province = province();
    fastrand::seed(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let scenario = Scenario::plain(1_000_000, 1, 1);
        let clock = Clock::standing_at(scenario.begins_at());
        let network =
            Network::new(province.database(clock.clone()), province.tables(), 1, Default::default()).with_delay(DELAY);
        let quiet = Environment::new(province, &network, 0, clock.clone());
        let campaign = scenario.lay_out(&quiet).await;
        let network = network.with_partitions(Partitions::scaled(SCALE));
        let (claims, next) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(7_000_000)));
        let until = Instant::now() + Duration::from_secs(SECONDS);
        let mut clients = Vec::new();
        for number in 0..ENVIRONMENTS {
            let environment = Environment::new(province, &network, number, clock.clone());
            for _ in 0..AT_ONCE {
                let buyer = Buyer {
                    way,
                    tables: environment.tables().clone(),
                    client: network.client(number, &clock),
                    campaign: Arc::clone(&campaign),
                    next: Arc::clone(&next),
                };
                clients.push(tokio::spawn(buyer.claim_until(until, Arc::clone(&claims))));
            }
        }
        for client in clients {
            client.await.unwrap();
        }
        let partitions = network.partitions().unwrap();
        let stock = partitions.of_table(&network.tables().stock);
        summary(claims.load(Relaxed), stock.first().map(|(_, served)| *served))
    })
}

fn summary(claims: u64, hottest: Option<&Served>) -> Sold {
    let writes = hottest.map_or(0, |served| served.writes);
    Sold {
        claims,
        per_second: claims as f64 / SECONDS as f64,
        hottest_writes_per_claim: writes as f64 / claims.max(1) as f64,
        throttled: hottest.map_or(0, |served| served.throttled),
    }
}

struct Buyer {
    way: Way,
    tables: Tables,
    client: aws_sdk_dynamodb::Client,
    campaign: Arc<Campaign>,
    next: Arc<AtomicU64>,
}

impl Buyer {
    /// Claims for one new member after the other.
    async fn claim_until(self, until: Instant, claims: Arc<AtomicU64>) {
        while Instant::now() < until {
            let member = MemberNo::try_from(self.next.fetch_add(1, Relaxed)).unwrap();
            if self.way == Way::Counter && !self.count_down(until).await {
                return;
            }
            if self.claim(member).await && Instant::now() < until {
                claims.fetch_add(1, Relaxed);
            }
        }
    }

    /// The usual way: one counter item for a campaign, decremented on a condition. Tries until a call is served; false
    /// when the time is over.
    async fn count_down(&self, until: Instant) -> bool {
        while Instant::now() < until {
            let call = self.client.update_item().table_name(&province().seeded.config.tables.stock);
            let call = call
                .key("pk", AttributeValue::S("COUNTER".into()))
                .key("sk", AttributeValue::S("COUNTER".into()))
                .update_expression("ADD taken :one")
                .expression_attribute_values(":one", AttributeValue::N("1".into()));
            if call.send().await.is_ok() {
                return true;
            }
            sleep(Duration::from_millis(fastrand::u64(1..40))).await;
        }
        false
    }

    async fn claim(&self, member: MemberNo) -> bool {
        let request = ClaimRequest {
            member,
            key: KeyHash([1; 16]),
            fingerprint: Fingerprint([0; 16]),
            attributes: MemberAttributes::default(),
            channel: None,
            share: None,
            key_version: 1,
            now: self.tables.members.clock().now(),
        };
        match self.way {
            Way::Leases => matches!(
                self.tables.members.claim(&self.tables.catalog, &self.tables.stock, &self.campaign, &request).await,
                Ok(ClaimOutcome::Claimed(_))
            ),
            // Only the coupon's put: the counter was written before.
            Way::Counter => {
                let call = self.client.put_item().table_name(&province().seeded.config.tables.members);
                let call = call
                    .item("pk", AttributeValue::S(format!("MEMBER#{}", member.get())))
                    .item("sk", AttributeValue::S("COUPON#0000900#00".into()))
                    .condition_expression("attribute_not_exists(pk)");
                call.send().await.is_ok()
            }
        }
    }
}
