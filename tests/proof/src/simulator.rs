//! The real handlers with the real SDK client, on one thread. Time is virtual, and every accident follows from a seed.
//! Environments are killed and restarted, and clocks jump. Calls are throttled, lost, done without an answer or done
//! late. Clients repeat requests as clients do. Afterwards the books are examined.

mod books;
mod clients;
mod closing;
pub(crate) mod environment;
mod mapping;
mod people;
pub(crate) mod reports;
pub(crate) mod scenario;
pub(crate) mod webhooks;

use crate::wire::{Fate, Network, Passed};
use clients::Exchange;
use dynoxide::Database;
use environment::{Call, Environment, Environments, Reply};
use mapping::Mapping;
use mealticket_api::{deps::Stack, secrets::Key};
use mealticket_domain::stock::{FENCE_SECONDS, LEASE_SECONDS};
use mealticket_domain::{Campaign, MemberNo, Timestamp};
use mealticket_local::{engine, key_file::KeyFile};
use mealticket_store::{Clock, TableNames};
use mealticket_support::world::{Seeded, seeded};
use scenario::Scenario;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// What all runs share: the seed's tables and a stack's keys.
pub struct Province {
    pub(crate) seeded: &'static Seeded,
    pub(crate) stack: Arc<Stack>,
    pub(crate) keys: KeyFile,
}

impl Province {
    /// The seed's tables in an engine of their own, with this clock.
    pub(crate) fn database(&self, clock: Clock) -> Database {
        engine::restored(&self.seeded.snapshot, clock).unwrap()
    }

    /// The names of the tables.
    pub(crate) fn tables(&self) -> TableNames {
        self.seeded.config.tables.clone()
    }
}

/// The seed province. It is loaded once a process, on a runtime of its own, because its first engine has a socket.
pub fn province() -> &'static Province {
    static PROVINCE: OnceLock<Province> = OnceLock::new();
    PROVINCE.get_or_init(|| {
        let load = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let seeded = runtime.block_on(seeded());
            let mut keys = seeded.keys();
            // Ids follow from this key, and the names of messages from the ids. The names decide when a message is
            // tried. So a seed has the same course in another process only with the same key.
            keys.stack.id_key = Key([7; 32]);
            let stack = Arc::new(Stack::new(seeded.config.clone(), &keys.stack).unwrap());
            Province { seeded, stack, keys }
        });
        load.join().unwrap()
    })
}

/// The outcome of one seed.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was drawn from the seed.
    pub scenario: String,
    /// Every broken promise. There should be none.
    pub violations: Vec<String>,
    /// Every call to the tables, with its fate.
    pub passed: Vec<Passed>,
    /// The replies that clients got, in order.
    pub exchanges: Vec<String>,
}

/// How long everything may take to come to rest when the faults are over. The latest write lands after 45 s. A lease is
/// dead after 30 s, and is returned at the next tick of ten.
const REST: Duration = Duration::from_secs(120);

/// Runs one seed. The same seed gives the same outcome.
pub fn run(seed: u64) -> Outcome {
    let province = province();
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let outcome = runtime.block_on(simulate(province, seed));
    runtime.shutdown_background();
    outcome
}

async fn simulate(province: &'static Province, seed: u64) -> Outcome {
    let scenario = Scenario::draw(seed);
    let run = Run::begin(province, scenario).await;
    let accidents = tokio::spawn(scenario::accidents(run.scenario.accidents.clone(), run.environments.clone()));
    let mut mapping = run.mapping();
    let mut second_reader = Mapping::new(&run.network, &run.environments, !seed);
    let exchanges = tokio::select! {
        // Without this, no seed decides who goes first when two tasks wake at one instant.
        biased;
        exchanges = people::run(&run.scenario, &run.campaign, &run.environments) => exchanges,
        () = mapping.run(), if !run.scenario.is_stuck() => Vec::new(),
        () = second_reader.queue(), if run.scenario.reports() => Vec::new(),
    };
    accidents.abort();
    run.calm().await;
    run.exchanges.lock().unwrap().extend(exchanges);
    let mut violations = Vec::new();
    if run.scenario.reports() {
        violations.extend(run.hear_reports_out(&mut second_reader).await);
    }
    violations.extend(run.sweep(&mut mapping).await);
    violations.extend(run.examine(&mut mapping).await);
    if run.scenario.reports() {
        violations.extend(run.examine_reports().await);
    }
    if run.scenario.closes_books() {
        violations.extend(run.close_books(&mut mapping).await);
    }
    if run.scenario.tells_merchants() {
        violations.extend(run.tell(&mut mapping).await);
    }
    let exchanges = run.exchanges.lock().unwrap().iter().map(Exchange::line).collect();
    Outcome { seed, scenario: format!("{:?}", run.scenario), violations, passed: run.network.passed(), exchanges }
}

/// A province in which a scenario happens.
pub(crate) struct Run {
    scenario: Scenario,
    campaign: Arc<Campaign>,
    network: Network,
    observer: Environment,
    environments: Environments,
    exchanges: Mutex<Vec<Exchange>>,
    ticking: tokio::task::AbortHandle,
}

impl Run {
    /// Runs a scenario on virtual time.
    pub(crate) fn of<T, F: Future<Output = T>>(scenario: Scenario, body: impl FnOnce(Run) -> F) -> T {
        fastrand::seed(scenario.seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let outcome = runtime.block_on(async { body(Run::begin(province(), scenario).await).await });
        runtime.shutdown_background();
        outcome
    }

    async fn begin(province: &'static Province, scenario: Scenario) -> Self {
        let true_time = Clock::standing_at(scenario.begins_at());
        let database = province.database(true_time.clone());
        let network = Network::new(database, province.tables(), scenario.seed, scenario.plan.clone());
        let quiet = Network::new(network.database().clone(), network.tables().clone(), scenario.seed, BTreeMap::new());
        let observer = Environment::new(province, &quiet, 0, true_time.clone());
        let campaign = scenario.lay_out(&observer).await;
        let environments = Environments::start(province, &network, &true_time, scenario.environments);
        let ticking = tokio::spawn(environments.clone().tick(true_time)).abort_handle();
        Run { scenario, campaign, network, observer, environments, exchanges: Mutex::default(), ticking }
    }

    /// Sends a request as a client does, again and again. Remembers the last reply.
    pub(crate) async fn ask(&self, call: Call) -> Option<Reply> {
        let mut last = None;
        for _ in 0..clients::ASKS {
            last = self.environments.send(0, &call).await;
            if last.as_ref().is_some_and(|reply| reply.status != 503) {
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
        self.exchanges.lock().unwrap().push(Exchange { call, reply: last.clone() });
        last
    }

    /// Plans the fates of the calls from now on.
    pub(crate) fn plan(&self, plan: BTreeMap<usize, Fate>) {
        self.network.begin(plan);
    }

    /// The calls since the fates were planned.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.network.passed()
    }

    pub(crate) fn member(&self, index: usize) -> MemberNo {
        self.scenario.member(index)
    }

    pub(crate) fn claims_path(&self) -> String {
        format!("/v1/campaigns/{}/claims", self.campaign.no)
    }

    /// Ends all faults, and waits until everything has come to rest.
    pub(crate) async fn calm(&self) {
        self.network.calm();
        rest().await;
    }

    /// The mapping that carries the stream to the journal.
    pub(crate) fn mapping(&self) -> Mapping {
        Mapping::new(&self.network, &self.environments, self.scenario.seed)
    }

    /// Lets time pass until no lease of the run can be spent any more.
    pub(crate) async fn pass_the_fence(&self) {
        let clock = self.observer.tables().members.clock();
        // An extra minute, because clocks were set wrong.
        clock.set(clock.now().plus_seconds(LEASE_SECONDS + FENCE_SECONDS + 60));
        sleep(Duration::from_secs(2)).await;
    }

    /// Sets every clock to this time.
    fn set_clocks(&self, now: Timestamp) {
        self.observer.tables().members.clock().set(now);
        self.environments.set_clocks(now);
    }

    /// Sweeps as often as it takes. Returns what is wrong: it takes too many tries, or a unit did not come back.
    pub(crate) async fn sweep_until_done(&self) -> Option<String> {
        for _ in 0..mapping::ATTEMPTS {
            if self.environments.sweep(0).await.is_some() {
                let open = self.observer.tables().stock.count_leased(self.campaign.no).await.unwrap();
                return (open > 0).then(|| format!("{open} units are leased after the sweep"));
            }
            sleep(Duration::from_secs(1)).await;
        }
        Some("the sweep did not come to its end".to_owned())
    }

    /// Ends every process that answers requests.
    pub(crate) fn kill_all(&self) {
        (0..self.scenario.environments).for_each(|which| self.environments.kill(which));
    }

    /// Sweeps under faults, while the rest of the journal is posted or after that. Every fourth time, two sweeps run at
    /// once. Afterwards a sweep without faults must find nothing to dispute, and must leave no lease.
    async fn sweep(&self, mapping: &mut Mapping) -> Vec<String> {
        self.pass_the_fence().await;
        if self.scenario.seed.is_multiple_of(2) {
            mapping.deliver().await;
        }
        self.network.plan_next(&self.scenario.sweep_plan);
        let both = self.scenario.seed.is_multiple_of(4);
        let other = async { if both { self.environments.sweep(1).await } else { None } };
        // Somewhere in the middle of the sweep.
        let posting = async {
            sleep(Duration::from_millis(self.scenario.seed % 97 * 15)).await;
            mapping.deliver().await;
        };
        let (one, other, ()) = tokio::join!(self.environments.sweep(0), other, posting);
        self.calm().await;
        let disputed = [one, other].into_iter().flatten().filter(|swept| swept.disputed + swept.too_old > 0);
        disputed.map(|swept| format!("a sweep said {swept:?}")).collect()
    }

    /// Returns every promise that is broken.
    pub(crate) async fn examine(&self, mapping: &mut Mapping) -> Vec<String> {
        let mut broken = Vec::new();
        mapping.deliver().await;
        self.pass_the_fence().await;
        match self.observer.sweep().await {
            Ok(swept) if swept.disputed + swept.too_old == 0 => {}
            swept => broken.push(format!("the last sweep said {swept:?}")),
        }
        self.ticking.abort();
        let exchanges = self.exchanges.lock().unwrap().clone();
        broken
            .extend(books::examine(&self.scenario, &self.campaign, &self.observer, mapping.shard(), &exchanges).await);
        broken
    }
}

/// Lets virtual time pass in steps, so that everything that wakes up does so in its order.
async fn rest() {
    let until = Instant::now() + REST;
    while Instant::now() < until {
        sleep(Duration::from_secs(1)).await;
    }
}
