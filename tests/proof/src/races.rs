//! Races on real threads. In the simulator a seed decides the order of events; here the machine does.

use crate::{
    simulator::{environment::Environment, province, scenario::Scenario},
    wire::Network,
};
use mealticket_domain::ClaimRequest;
use mealticket_domain::{
    Campaign, Coupon, Fingerprint, KeyHash, MemberAttributes, MemberNo, Order, RedeemRequest, coupon::RedemptionSource,
};
use mealticket_store::{
    Clock, Tables,
    members::{ClaimOutcome, RedeemOutcome},
};
use std::{sync::Arc, time::Duration};

/// Members who want a unit of one campaign at once.
pub const CLAIMERS: u64 = 1_000;
/// Units that they can get.
pub const UNITS: u64 = 100;
/// Tills that want to redeem one coupon at once.
pub const TILLS: u64 = 64;

/// Four environments over one set of tables, without delays.
struct Field {
    stores: Vec<Tables>,
    campaign: Arc<Campaign>,
}

impl Field {
    async fn new(stock: u64) -> Self {
        let province = province();
        let scenario = Scenario::plain(stock, 1, 1);
        let clock = Clock::standing_at(scenario.begins_at());
        let network = Network::new(province.database(clock.clone()), province.tables(), 1, Default::default())
            .with_delay(Duration::ZERO);
        let environments: Vec<_> =
            (0..4).map(|number| Environment::new(province, &network, number, clock.clone())).collect();
        let campaign = scenario.lay_out(&environments[0]).await;
        Field { stores: environments.iter().map(|environment| environment.tables().clone()).collect(), campaign }
    }

    fn claim(&self, member: u64) -> tokio::task::JoinHandle<ClaimOutcome> {
        let (tables, campaign) = (self.stores[member as usize % 4].clone(), Arc::clone(&self.campaign));
        let request = ClaimRequest {
            member: MemberNo::try_from(member).unwrap(),
            key: KeyHash([1; 16]),
            fingerprint: Fingerprint([0; 16]),
            attributes: MemberAttributes::default(),
            channel: None,
            share: None,
            key_version: 1,
            now: tables.members.clock().now(),
        };
        tokio::spawn(
            async move { tables.members.claim(&tables.catalog, &tables.stock, &campaign, &request).await.unwrap() },
        )
    }

    fn redeem(&self, coupon: &Coupon, till: u64) -> tokio::task::JoinHandle<RedeemOutcome> {
        let (tables, campaign, coupon_key) =
            (self.stores[till as usize % 4].clone(), Arc::clone(&self.campaign), coupon.key);
        let mut key = [0; 16];
        key[..8].copy_from_slice(&till.to_be_bytes());
        let request = RedeemRequest {
            key: KeyHash(key),
            fingerprint: Fingerprint([0; 16]),
            source: RedemptionSource::Api,
            at: tables.members.clock().now(),
            store_id: "sto_luckytea01".parse().unwrap(),
            city: "广州".into(),
            order: Order { order_no: format!("O-{till}").parse().unwrap(), amount: 2_500u64.try_into().unwrap() },
            hold: None,
            cashier: None,
        };
        tokio::spawn(async move {
            tables.members.redeem(&tables.catalog, &campaign, coupon_key, 1, &request).await.unwrap()
        })
    }
}

/// Counts the coupons in each round of [`CLAIMERS`] for [`UNITS`].
pub fn claims(rounds: usize) -> Vec<u64> {
    threads().block_on(async {
        let mut each = Vec::new();
        for _ in 0..rounds {
            let field = Field::new(UNITS).await;
            let tasks: Vec<_> = (0..CLAIMERS).map(|member| field.claim(5_000_000 + member)).collect();
            let mut claimed = 0;
            for task in tasks {
                claimed += u64::from(matches!(task.await.unwrap(), ClaimOutcome::Claimed(_)));
            }
            each.push(claimed);
        }
        each
    })
}

/// Counts the redemptions in each round of [`TILLS`] for one coupon.
pub fn redemptions(rounds: usize) -> Vec<u64> {
    threads().block_on(async {
        let field = Field::new(rounds as u64 + UNITS).await;
        let mut each = Vec::new();
        for round in 0..rounds as u64 {
            let ClaimOutcome::Claimed(coupon) = field.claim(6_000_000 + round).await.unwrap() else {
                panic!("no coupon for round {round}");
            };
            let tasks: Vec<_> = (0..TILLS).map(|till| field.redeem(&coupon, till)).collect();
            let mut redeemed = 0;
            for task in tasks {
                redeemed += u64::from(matches!(task.await.unwrap(), RedeemOutcome::Redeemed(..)));
            }
            each.push(redeemed);
        }
        each
    })
}

fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap()
}
