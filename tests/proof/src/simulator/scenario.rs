//! What happens in a run, drawn from its seed.

use super::environment::{Environment, Environments};
use crate::wire::Fate;
use mealticket_domain::{Benefit, Campaign, CampaignNo, MemberNo, Timestamp};
use mealticket_support::world::{NOON, settlement_terms};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::sleep;

/// Everything that was drawn.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) stock: u64,
    pub(crate) limit: u8,
    pub(crate) member_day_limit: Option<u8>,
    pub(crate) day_limit: Option<u64>,
    pub(crate) uses: u8,
    pub(crate) members: usize,
    pub(crate) environments: usize,
    pub(crate) plan: BTreeMap<usize, Fate>,
    /// The fates of the sweep's calls.
    pub(crate) sweep_plan: BTreeMap<usize, Fate>,
    /// The fates of the folds' calls, each time that the books are folded.
    pub(crate) fold_plan: BTreeMap<usize, Fate>,
    pub(crate) accidents: Vec<(Duration, Accident)>,
    /// How many seconds before midnight in the province the run begins.
    pub(crate) begins: i64,
}

/// An accident of a process, or of all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Accident {
    /// The process ends.
    Kill(usize),
    /// The process ends in good order.
    ShutDown(usize),
    /// The process's clock is wrong from now on.
    Jump(usize, i64),
    /// Nothing reaches the tables.
    Cut(Duration),
    /// The process stands still.
    Freeze(usize, Duration),
}

/// The number of the campaign of every run.
const CAMPAIGN: u32 = 900;

/// Calls among which the planned faults fall. A run makes about eighty.
const CALLS: usize = 80;
/// Calls of two sweeps among which their faults fall. They read the campaigns and their stock, the journal and the
/// stream, and settle leases.
const SWEEP_CALLS: usize = 80;
/// Calls of a fold among which its faults fall: the plan, a few sheets and bills, the closing, and the statements.
const FOLD_CALLS: usize = 30;

impl Scenario {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let stock = random.u64(1..=8);
        let limit = random.u8(1..=3);
        let now_and_then = |random: &mut fastrand::Rng| random.u8(..5) == 0;
        let faults = random.usize(1..=3);
        let mut plan = BTreeMap::new();
        for _ in 0..faults {
            let (first, fate) = (random.usize(..CALLS), random.choice(Fate::FAULTS).unwrap_or(Fate::Pass));
            // One call, or so many in a row that the caller loses patience and never learns the outcome.
            let calls = if random.u8(..3) == 0 { random.usize(3..=10) } else { 1 };
            plan.extend((first..first + calls).map(|call| (call, fate)));
        }
        let sweep_faults = random.usize(..3);
        let sweep_fault = |random: &mut fastrand::Rng| {
            (random.usize(..SWEEP_CALLS), random.choice(Fate::FAULTS).unwrap_or(Fate::Pass))
        };
        let sweep_plan = (0..sweep_faults).map(|_| sweep_fault(&mut random)).collect();
        let fold_fault = |random: &mut fastrand::Rng| {
            (random.usize(..FOLD_CALLS), random.choice(Fate::FAULTS).unwrap_or(Fate::Pass))
        };
        let fold_plan = (0..random.usize(..3)).map(|_| fold_fault(&mut random)).collect();
        let environments = random.usize(2..=3);
        let accidents = (0..random.usize(..3)).map(|_| {
            let which = random.usize(..environments);
            let accident = match random.u8(..10) {
                0..3 => Accident::Kill(which),
                3 => Accident::ShutDown(which),
                4 | 5 => Accident::Jump(which, random.i64(-40..40)),
                6 | 7 => Accident::Freeze(which, Duration::from_millis(random.u64(500..50_000))),
                _ => Accident::Cut(Duration::from_millis(random.u64(100..40_000))),
            };
            (Duration::from_millis(random.u64(..12_000)), accident)
        });
        let accidents = accidents.collect();
        Scenario {
            seed,
            stock,
            limit,
            member_day_limit: now_and_then(&mut random).then(|| random.u8(1..=limit)),
            day_limit: now_and_then(&mut random).then(|| random.u64(1..=stock)),
            uses: random.u8(1..=2),
            members: random.usize(3..=5),
            environments,
            plan,
            sweep_plan,
            fold_plan,
            accidents,
            begins: if random.u8(..4) == 0 { random.i64(0..8) } else { 43_200 },
        }
    }

    /// A campaign without daily limits, and a run without accidents.
    pub(crate) fn plain(stock: u64, limit: u8, uses: u8) -> Self {
        Scenario {
            seed: 1,
            stock,
            limit,
            member_day_limit: None,
            day_limit: None,
            uses,
            members: 1,
            environments: 2,
            plan: BTreeMap::new(),
            sweep_plan: BTreeMap::new(),
            fold_plan: BTreeMap::new(),
            accidents: Vec::new(),
            begins: 43_200,
        }
    }

    /// The same scenario with a limit per day.
    pub(crate) fn with_day_limit(self, day_limit: Option<u64>) -> Self {
        Scenario { day_limit, ..self }
    }

    /// Whether no record of the stream is posted until the sweep comes.
    pub(crate) fn is_stuck(&self) -> bool {
        self.seed % 8 == 5
    }

    /// Whether the books are closed in the end. Two months of them take as long as everything else.
    pub(crate) fn closes_books(&self) -> bool {
        self.seed % 3 == 1
    }

    /// Whether messages go to the merchants' systems in the end. Three days of attempts take as long as everything
    /// else.
    pub(crate) fn tells_merchants(&self) -> bool {
        // In half of these runs the merchant's system reports as well.
        matches!(self.seed % 24, 11 | 14)
    }

    /// Whether the merchant's own system reports, beside its tills.
    pub(crate) fn reports(&self) -> bool {
        self.seed % 4 == 3
    }

    pub(crate) fn begins_at(&self) -> Timestamp {
        let noon: Timestamp = NOON.parse().unwrap();
        noon.province_day().plus_days(1).starts_at().plus_seconds(-self.begins)
    }

    /// Writes the campaign to the tables.
    pub(crate) async fn lay_out(&self, observer: &Environment) -> Arc<Campaign> {
        let tables = observer.tables();
        let like = tables.catalog.read_campaign(CampaignNo::try_from(1u32).unwrap()).await.unwrap().unwrap();
        let mut campaign = Campaign::clone(&like);
        campaign.no = CAMPAIGN.try_into().unwrap();
        campaign.stock = self.stock;
        // Two shards whatever the stock is, because what happens between them matters too.
        campaign.stock_shards = if self.stock > 1 && self.day_limit.is_none() { 2 } else { 1 };
        campaign.terms.per_member_limit = self.limit;
        campaign.terms.per_member_day_limit = self.member_day_limit;
        campaign.terms.day_limit = self.day_limit;
        if self.uses > 1 {
            let value_fen = 500u64.try_into().unwrap();
            campaign.terms.benefit = Benefit::MultiUse { item: "洗车".into(), uses: self.uses, value_fen };
        }
        campaign.terms_sha256 = campaign.terms.hash(campaign.no).unwrap();
        campaign.check().unwrap();
        tables.stock.lay_out_stock(&campaign).await.unwrap();
        tables.catalog.put_campaign(&campaign, &settlement_terms()).await.unwrap();
        Arc::new(campaign)
    }

    pub(crate) fn member(&self, index: usize) -> MemberNo {
        MemberNo::try_from(5_000_000 + index as u64).unwrap()
    }
}

/// Makes the accidents happen, each at its time.
pub(crate) async fn accidents(accidents: Vec<(Duration, Accident)>, environments: Environments) {
    let each = accidents.into_iter().map(|(after, accident)| {
        let environments = environments.clone();
        tokio::spawn(async move {
            sleep(after).await;
            match accident {
                Accident::Kill(which) => environments.kill(which),
                Accident::ShutDown(which) => environments.shut_down(which).await,
                Accident::Jump(which, seconds) => environments.jump(which, seconds),
                Accident::Cut(time) => environments.cut(time),
                Accident::Freeze(which, time) => environments.freeze(which, time),
            }
        })
    });
    for happened in each.collect::<Vec<_>>() {
        let _ = happened.await;
    }
}
