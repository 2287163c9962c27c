//! How many messages one worker delivers, and what an endpoint that hangs costs the others.

use crate::{
    simulator::{Province, environment::Environment, province},
    wire::Network,
};
use deliver_webhooks::{
    Shift, Worked,
    courier::{ATTEMPT_TIMEOUT, Courier, HttpCourier, SignedHeaders, System},
};
use mealticket_api::{vault::Sealed, webhook::WebhookSecret};
use mealticket_domain::{
    MerchantId,
    webhook::{Answer, Endpoint, EndpointId, EndpointSecret, EndpointUrl, Failure, Message, MessageId, MessageKind},
};
use mealticket_local::receiver::Receiver;
use mealticket_store::{AttributePath, Clock, messages::shard_of};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Endpoints in one part of the due index.
const ENDPOINTS: usize = 100;
/// How long a working endpoint takes to answer.
const ANSWERS_IN: Duration = Duration::from_millis(20);
/// A call to the tables takes up to twice this time.
const DELAY: Duration = Duration::from_millis(4);

/// What a worker delivered, and in what time.
#[derive(Debug, Clone, Copy)]
pub struct Delivered {
    /// Messages that arrived.
    pub messages: u64,
    /// The time until the last of them had arrived.
    pub time: Duration,
}

impl Delivered {
    /// Messages per second.
    pub fn per_second(&self) -> f64 {
        self.messages as f64 / self.time.as_secs_f64()
    }
}

/// What was measured about deliveries.
#[derive(Debug, Clone, Copy)]
pub struct Throughputs {
    /// One worker, over loopback, in real time.
    pub throughput: Delivered,
    /// Ninety-nine endpoints of a hundred, in virtual time, while the hundredth answers.
    pub undisturbed: Delivered,
    /// The same ninety-nine endpoints, while the hundredth hangs.
    pub disturbed: Delivered,
}

impl Throughputs {
    /// Measures all three.
    pub fn measure() -> Self {
        let (undisturbed, disturbed) = beside_one_that_hangs(40);
        Throughputs { throughput: throughput(40), undisturbed, disturbed }
    }

    /// The part of their throughput that the other endpoints keep.
    pub fn kept(&self) -> f64 {
        self.disturbed.per_second() / self.undisturbed.per_second()
    }

    /// Whether both bounds hold: the others keep 95 %, and one worker delivers 300 messages a second.
    pub fn holds(&self) -> bool {
        self.kept() >= 0.95 && self.throughput.per_second() >= 300.0
    }
}

/// Measures one worker on one thread, over loopback, against a real server. The tables are in the process.
pub fn throughput(messages_each: usize) -> Delivered {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(Receiver::start().await.unwrap()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let receiver = receiver.recv().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bench = Bench::new(province(), Duration::ZERO).await;
        for id in &bench.endpoints {
            bench.register(id, receiver.url(id)).await;
            receiver.trust(id, &bench.secret);
        }
        bench.queue(messages_each).await;
        let courier = Arc::new(HttpCourier::new(System, ATTEMPT_TIMEOUT).unwrap());
        let began = std::time::Instant::now();
        let worked = bench.work(&courier).await;
        assert_eq!((worked.failed, worked.left), (0, 0), "{worked:?}");
        Delivered { messages: worked.delivered, time: began.elapsed() }
    })
}

/// Measures in virtual time what the answering endpoints get, first while all answer and then while one hangs.
pub fn beside_one_that_hangs(messages_each: usize) -> (Delivered, Delivered) {
    (virtual_run(messages_each, false), virtual_run(messages_each, true))
}

fn virtual_run(messages_each: usize, hangs: bool) -> Delivered {
    let province = province();
    fastrand::seed(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let bench = Bench::new(province, DELAY).await;
        for id in &bench.endpoints {
            bench.register(id, format!("http://127.0.0.1:9/{id}")).await;
        }
        bench.queue(messages_each).await;
        let hanging = bench.endpoints.first().unwrap().clone();
        let courier = Arc::new(Slow { hanging: hanging.to_string(), hangs, arrived: Mutex::default() });
        let began = Instant::now();
        bench.work(&courier).await;
        let arrived = courier.arrived.lock().unwrap();
        let others = arrived.iter().filter(|(url, _)| !url.ends_with(hanging.as_str()));
        let times: Vec<Duration> = others.map(|(_, at)| *at - began).collect();
        assert_eq!(times.len(), (ENDPOINTS - 1) * messages_each);
        Delivered { messages: times.len() as u64, time: times.into_iter().max().unwrap() }
    })
}

struct Bench {
    environment: Environment,
    merchant: MerchantId,
    endpoints: BTreeSet<EndpointId>,
    secret: String,
}

impl Bench {
    async fn new(province: &Province, delay: Duration) -> Self {
        let clock = Clock::standing_at("2026-11-25T04:00:00Z".parse().unwrap());
        let database = province.database(clock.clone());
        let network = Network::new(database, province.tables(), 1, BTreeMap::new()).with_delay(delay);
        let names = (0..).map(|number| format!("end_bench{number}").parse::<EndpointId>().unwrap());
        Bench {
            environment: Environment::new(province, &network, 0, clock),
            merchant: "mch_luckytea".parse().unwrap(),
            endpoints: names.filter(|id| shard_of(id) == 0).take(ENDPOINTS).collect(),
            secret: WebhookSecret::text_of(&[5; 32]),
        }
    }

    async fn register(&self, id: &EndpointId, url: String) {
        let deps = &self.environment.deps;
        let path = AttributePath::endpoint_secret(&self.merchant, id);
        let sealed = deps.stack.vault.seal(Sealed::EndpointSecret, &path, self.secret.as_bytes()).unwrap();
        let endpoint = Endpoint {
            id: id.clone(),
            url,
            subscribed: MessageKind::ALL.into(),
            version: 1,
            secrets: vec![EndpointSecret { sealed, since_version: 1, until: None }],
            off: None,
            failing_since: None,
        };
        deps.catalog.add_endpoint(&self.merchant, &endpoint).await.unwrap();
    }

    /// Queues messages for each endpoint one by one, which costs the most.
    async fn queue(&self, each: usize) {
        let tables = self.environment.tables();
        for number in 0..each {
            for (at, endpoint) in self.endpoints.iter().enumerate() {
                let id: MessageId = format!("msg_1qg{:020}", number * ENDPOINTS + at).parse().unwrap();
                let body = format!(r#"{{"type":"coupon.redeemed","data":{{"order_no":"{number:0300}"}}}}"#);
                let message = Message { id, kind: MessageKind::CouponRedeemed, body };
                let due = mealticket_store::messages::Due::again(self.merchant.clone(), endpoint.clone(), message, 1);
                tables.messages.put_due(&due, tables.members.clock().now()).await.unwrap();
            }
        }
    }

    async fn work<C: Courier>(&self, courier: &Arc<C>) -> Worked {
        let shift = Shift { shard: 0, for_seconds: 0 };
        deliver_webhooks::work(&self.environment.deps.narrowed(), courier, shift).await.unwrap()
    }
}

/// Endpoints that need their time, and one that hangs.
struct Slow {
    hanging: String,
    hangs: bool,
    arrived: Mutex<Vec<(String, Instant)>>,
}

impl Courier for Slow {
    async fn post(&self, url: &EndpointUrl, _: SignedHeaders, _: &str) -> Answer {
        if self.hangs && url.as_str().ends_with(&self.hanging) {
            sleep(ATTEMPT_TIMEOUT).await;
            return Answer::Failed(Failure::TimedOut);
        }
        sleep(ANSWERS_IN).await;
        self.arrived.lock().unwrap().push((url.to_string(), Instant::now()));
        Answer::Status { status: 200, retry_after: None }
    }
}
