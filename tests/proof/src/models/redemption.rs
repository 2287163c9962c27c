//! One coupon: tills that hold and redeem it, a reversal, keys, repeats, and the order of events. The decisions are the
//! code's own. A conditional write is the set of its clauses, by name, over the coupon as it stands when the write is
//! applied.

mod scenes;
mod steps;

use super::network::{Attempting, Sent, Way};
use mealticket_domain::{
    Coupon, CouponKey, Fen, Fingerprint, Hold, HoldDecision, HoldRequest, KeyHash, LeaseId, Order, RedeemDecision,
    RedeemRequest, Redemption, Reversal, ReversalPolicy, ReverseDecision, Terms, TermsHash, Timestamp,
    coupon::RedemptionSource,
    hold::decide_hold,
    redemption::{decide, decide_reversal},
};
pub use scenes::check;
use stateright::{Model, Property};

/// A clause of a conditional write, or a step of the protocol, that is left out on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// Nothing is left out.
    No,
    /// A redemption does not check that a use is left.
    Usable,
    /// A redemption does not check that its key is new.
    KeyIsNew,
    /// A redemption does not check that its order was not reported.
    OrderIsNew,
    /// A till's request adopts a reported redemption without checking that it was neither adopted nor undone.
    OnlyReported,
    /// A redemption does not check that no other order holds the coupon.
    Held,
    /// A reversal does not check that the redemption was not reversed before.
    Reversed,
    /// A reversal does not check that nothing was redeemed since it read the coupon.
    RedemptionsAsSeen,
    /// A hold does not check that the coupon's hold is still the one that it read.
    HoldAsSeen,
    /// A hold does not check that nothing was redeemed since it read the coupon.
    UsesAsSeen,
    /// A refused redemption looks for a rule before it looks for its own earlier success.
    RefusalFirst,
    /// A redemption that got no answer is repeated under another key.
    NewKeyEachTime,
}

/// What a client wants. Its key is its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wish {
    /// Redeems for an order, at a till.
    Redeem(u8),
    /// Redeems for an order, under the first client's key.
    Reuse(u8),
    /// Reports that the coupon was redeemed for an order.
    Report(u8),
    /// Holds the coupon for an order.
    Hold(u8),
    /// Undoes the first redemption.
    Reverse,
}

/// The bounds of the model.
#[derive(Debug, Clone)]
pub struct Till {
    clients: Vec<Wish>,
    uses: u8,
    attempts: u8,
    asks: u8,
    hours: u8,
    broken: Broken,
}

/// A conditional write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Write {
    Redeem { order: u8, key: u8, at: u8, knows_its_order: bool },
    Report { order: u8, at: u8 },
    Adopt { index: usize, order: u8, key: u8, at: u8, seen: Seen },
    Hold { hold: Hold, seen: Seen },
    Reverse { reversal: Reversal, seen: Seen, key: u8 },
}

/// The state of the coupon from which a write was worked out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Seen {
    uses_left: u8,
    redemptions: usize,
    hold: Option<Hold>,
}

/// The success that a client got.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Success {
    Redeemed { index: usize, uses_left: u8 },
    Held { until: Timestamp },
    Reversed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Client {
    doing: Option<Attempting<Write>>,
    asks: u8,
    key: u8,
    success: Option<Success>,
}

/// One state of everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    coupon: Coupon,
    clients: Vec<Client>,
    network: Vec<Sent<Write>>,
    hour: u8,
    /// A promise that a step broke, and that no state shows.
    broken_by: Option<&'static str>,
    lapsed: bool,
}

/// What can happen next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// A client sends its request, for the first time or again.
    Ask(usize),
    /// A write under way meets its fate.
    Deliver(usize, Way),
    /// A client's server stops waiting. The write stays under way.
    TimeOut(usize),
    /// The server tries again.
    Retry(usize),
    /// The server gives up.
    GiveUp(usize),
    /// Time passes.
    Pass,
}

fn time(hour: u8) -> Timestamp {
    Timestamp::MIN.plus_seconds(i64::from(hour) * 100)
}

fn hash(number: u8) -> KeyHash {
    KeyHash([number; 16])
}

fn order_no(order: u8) -> mealticket_domain::OrderNo {
    format!("O-{order}").parse().unwrap()
}

fn terms() -> Terms {
    serde_json::from_value(serde_json::json!({
        "version": 1, "name": "n", "text": "t", "benefit": { "kind": "amount_off", "amount_off_fen": 500 },
        "price": { "kind": "free" }, "starts_at": "2000-01-01T00:00:00Z", "ends_at": "2001-01-01T00:00:00Z",
        "per_member_limit": 1, "validity": { "kind": "after_claim", "wait_days": 0, "days": 7 },
    }))
    .unwrap()
}

fn request(order: u8, key: u8, at: u8) -> RedeemRequest {
    RedeemRequest {
        key: hash(key),
        fingerprint: Fingerprint([order; 16]),
        source: RedemptionSource::Api,
        at: time(at),
        store_id: "sto_a".parse().unwrap(),
        city: String::new(),
        order: Order { order_no: order_no(order), amount: Fen::try_from(1_000).unwrap() },
        hold: None,
        cashier: None,
    }
}

/// The report of an order by the merchant's own system.
fn report(order: u8, at: u8) -> RedeemRequest {
    let asked = request(order, 0, at);
    RedeemRequest { key: KeyHash::of_order(&order_no(order)), source: RedemptionSource::Callback, ..asked }
}

fn seen(coupon: &Coupon) -> Seen {
    Seen { uses_left: coupon.uses_left, redemptions: coupon.redemptions.len(), hold: coupon.hold.clone() }
}

/// The hashes of keys that a coupon's successes have left, without the hashes of orders.
fn keys(coupon: &Coupon) -> impl Iterator<Item = KeyHash> {
    let of = |redemption: &Redemption| [Some(redemption.key), redemption.reversal.as_ref().map(|undone| undone.key)];
    coupon.redemptions.iter().flat_map(of).flatten().collect::<Vec<_>>().into_iter()
}

impl Model for Till {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let key = CouponKey {
            member: 1u64.try_into().unwrap(),
            campaign: 1u32.try_into().unwrap(),
            ordinal: 0u8.try_into().unwrap(),
        };
        let coupon = Coupon {
            key,
            claimed_at: time(0),
            claim_key: hash(0),
            claim_fingerprint: Fingerprint([0; 16]),
            channel: None,
            share: None,
            lease_id: LeaseId([0; 16]),
            terms_version: 1,
            terms_sha256: TermsHash([0; 32]),
            settlement_version: 1,
            key_version: 1,
            valid_from: time(0),
            valid_until: time(200),
            uses_total: self.uses,
            uses_left: self.uses,
            deactivated_at: None,
            hold: None,
            redemptions: vec![],
        };
        let client = |(number, wish): (usize, &Wish)| {
            let key = if matches!(wish, Wish::Reuse(_)) { 1 } else { number as u8 + 1 };
            Client { doing: None, asks: 0, key, success: None }
        };
        let clients = self.clients.iter().enumerate().map(client).collect();
        vec![State { coupon, clients, network: vec![], hour: 0, broken_by: None, lapsed: false }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, client) in state.clients.iter().enumerate() {
            match &client.doing {
                None if client.asks < self.asks => actions.push(Action::Ask(number)),
                None => {}
                Some(doing) if doing.waiting => actions.push(Action::TimeOut(number)),
                Some(doing) if doing.attempts < self.attempts => {
                    actions.extend([Action::Retry(number), Action::GiveUp(number)]);
                }
                Some(_) => actions.push(Action::GiveUp(number)),
            }
        }
        for sent in 0..state.network.len() {
            actions.extend(Way::ALL.map(|way| Action::Deliver(sent, way)));
        }
        if state.hour < self.hours {
            actions.push(Action::Pass);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Ask(number) => {
                state.clients[number].asks += 1;
                if self.broken == Broken::NewKeyEachTime && state.clients[number].asks > 1 {
                    state.clients[number].key += 100;
                }
                self.ask(&mut state, number);
            }
            Action::Deliver(number, way) => {
                let sent = state.network.remove(number);
                let applied = way != Way::Lost && self.apply(&mut state, &sent.write);
                let doing = state.clients[sent.from].doing.as_ref();
                let awaited = doing.is_some_and(|doing| doing.waiting && doing.write == sent.write);
                match way {
                    Way::Answered if awaited => self.receive(&mut state, sent.from, applied),
                    _ if awaited => unheard(&mut state, sent.from),
                    _ => {}
                }
            }
            Action::TimeOut(number) => unheard(&mut state, number),
            Action::Retry(number) => self.send(&mut state, number),
            Action::GiveUp(number) => state.clients[number].doing = None,
            Action::Pass => {
                state.hour += 1;
                let held = state.coupon.hold.as_ref();
                state.lapsed |= held.is_some_and(|hold| !hold.ended && time(state.hour) >= hold.until);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("uses left and standing redemptions are the uses", |_: &Till, state: &State| {
                let standing = state.coupon.redemptions.iter().filter(|r| r.reversal.is_none()).count();
                usize::from(state.coupon.uses_left) + standing == usize::from(state.coupon.uses_total)
            }),
            Property::always("one effect per key", |model: &Till, state: &State| {
                let tills = Coupon { redemptions: by_tills(&state.coupon), ..state.coupon.clone() };
                let mut keys: Vec<_> = keys(&tills).map(|key| key.0[0] % 100).collect();
                keys.sort_unstable();
                let distinct = keys.windows(2).all(|pair| pair[0] != pair[1]);
                distinct || model.clients.is_empty()
            }),
            Property::always("every step keeps its promise", |_: &Till, state: &State| state.broken_by.is_none()),
            Property::always(
                "an order takes no more units than tills ask for it, or the one of its report",
                |model: &Till, state: &State| {
                    let asked = |order: u8| {
                        model
                            .clients
                            .iter()
                            .filter(|wish| **wish == Wish::Redeem(order) || **wish == Wish::Reuse(order))
                            .count()
                    };
                    let standing = |order: u8| {
                        state.coupon.redemptions.iter().filter(|r| r.reversal.is_none() && order_of(r) == order).count()
                    };
                    (1..=2).all(|order| standing(order) <= asked(order).max(1))
                },
            ),
            Property::always("who was answered has it, and gets it again", |_: &Till, state: &State| {
                state.clients.iter().all(|client| match &client.success {
                    Some(Success::Redeemed { index, uses_left }) => {
                        let redemption = state.coupon.redemptions.get(*index);
                        redemption.is_some_and(|redemption| redemption.key.0[0] % 100 == client.key % 100)
                            && state.coupon.uses_left_after(*index) == *uses_left
                    }
                    Some(Success::Reversed) => keys(&state.coupon).any(|key| key == hash(client.key)),
                    Some(Success::Held { .. }) | None => true,
                })
            }),
            Property::sometimes("every use is spent", |_: &Till, state: &State| state.coupon.uses_left == 0),
            Property::sometimes("a redemption is undone", |_: &Till, state: &State| {
                state.coupon.redemptions.iter().any(|redemption| redemption.reversal.is_some())
            }),
            Property::sometimes("a hold lapses", |_: &Till, state: &State| state.lapsed),
        ]
    }
}

/// The number of a redemption's order.
fn order_of(redemption: &Redemption) -> u8 {
    redemption.order_no.as_str().trim_start_matches("O-").parse().unwrap()
}

/// The redemptions that a till has asked for.
fn by_tills(coupon: &Coupon) -> Vec<Redemption> {
    coupon.redemptions.iter().filter(|redemption| !redemption.is_only_reported()).cloned().collect()
}

/// Marks an attempt as one whose outcome is unknown.
fn unheard(state: &mut State, number: usize) {
    if let Some(doing) = &mut state.clients[number].doing {
        doing.waiting = false;
        doing.unknown = true;
    }
}
