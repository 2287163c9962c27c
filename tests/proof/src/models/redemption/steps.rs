//! What a request, a write and an answer do to the state.

use super::*;

impl Till {
    pub(super) fn redeem_holds(&self, coupon: &Coupon, request: &RedeemRequest, knows_its_order: bool) -> bool {
        let own = KeyHash::of_order(&request.order.order_no);
        let clauses = [
            (Broken::Usable, coupon.uses_left > 0),
            (Broken::Held, coupon.live_hold(request.at).is_none_or(|hold| hold.order == own)),
            (Broken::KeyIsNew, !keys(coupon).any(|key| key == request.key)),
            (
                Broken::OrderIsNew,
                knows_its_order || coupon.redemptions.iter().all(|spent| spent.order_no != request.order.order_no),
            ),
        ];
        clauses.iter().all(|(clause, holds)| *holds || self.broken == *clause)
    }

    pub(super) fn apply(&self, state: &mut State, write: &Write) -> bool {
        let coupon = state.coupon.clone();
        match write {
            Write::Redeem { order, key, at, knows_its_order } => {
                self.redeem(state, &request(*order, *key, *at), *knows_its_order)
            }
            Write::Report { order, at } => self.redeem(state, &report(*order, *at), false),
            Write::Adopt { index, order, key, at, seen } => {
                let request = request(*order, *key, *at);
                let reported = &coupon.redemptions[*index];
                let clauses = [
                    (Broken::OnlyReported, reported.is_only_reported()),
                    (Broken::OnlyReported, reported.reversal.is_none()),
                    (Broken::HoldAsSeen, coupon.hold == seen.hold),
                    (Broken::KeyIsNew, !keys(&coupon).any(|key| key == request.key)),
                ];
                if !clauses.iter().all(|(clause, holds)| *holds || self.broken == *clause) {
                    return false;
                }
                state.coupon = coupon.with_adoption(*index, request.key, request.fingerprint);
                true
            }
            Write::Hold { hold, seen } => {
                let clauses = [
                    (Broken::UsesAsSeen, coupon.uses_left == seen.uses_left),
                    (Broken::UsesAsSeen, coupon.redemptions.len() == seen.redemptions),
                    (Broken::HoldAsSeen, coupon.hold == seen.hold),
                ];
                if !clauses.iter().all(|(clause, holds)| *holds || self.broken == *clause) {
                    return false;
                }
                if coupon.uses_left == 0 {
                    state.broken_by = Some("a coupon without a use was held");
                }
                if coupon.live_hold(time(state.hour)).is_some_and(|other| other.order != hold.order) {
                    state.broken_by = Some("a hold took another's place");
                }
                state.coupon.hold = Some(hold.clone());
                true
            }
            Write::Reverse { reversal, seen, key } => {
                let first = coupon.redemptions.first();
                let clauses = [
                    (Broken::Reversed, first.is_some_and(|redemption| redemption.reversal.is_none())),
                    (Broken::RedemptionsAsSeen, coupon.redemptions.len() == seen.redemptions),
                    (Broken::Reversed, !keys(&coupon).any(|known| known == hash(*key))),
                    (Broken::HoldAsSeen, coupon.hold == seen.hold),
                ];
                if first.is_none() || !clauses.iter().all(|(clause, holds)| *holds || self.broken == *clause) {
                    return false;
                }
                let valid_until = coupon.valid_until;
                state.coupon = coupon.with_reversal(0, reversal.clone(), valid_until);
                true
            }
        }
    }

    fn redeem(&self, state: &mut State, request: &RedeemRequest, knows_its_order: bool) -> bool {
        if !self.redeem_holds(&state.coupon, request, knows_its_order) {
            return false;
        }
        let own = KeyHash::of_order(&request.order.order_no);
        if state.coupon.live_hold(request.at).is_some_and(|hold| hold.order != own) {
            state.broken_by = Some("redeemed while another order held");
        }
        state.coupon = state.coupon.clone().with_redemption(request.fact(&terms()));
        true
    }

    /// What a client does with its request. A redemption is written at once; a hold and a reversal read the coupon
    /// first.
    pub(super) fn ask(&self, state: &mut State, number: usize) {
        let (wish, key) = (self.clients[number], state.clients[number].key);
        let seen = seen(&state.coupon);
        let write = match wish {
            Wish::Redeem(order) | Wish::Reuse(order) => {
                Write::Redeem { order, key, at: state.hour, knows_its_order: false }
            }
            Wish::Report(order) => Write::Report { order, at: state.hour },
            Wish::Hold(order) => {
                let asked = HoldRequest { redemption: request(order, key, state.hour), seconds: 100 };
                match decide_hold(&state.coupon, &terms(), &asked) {
                    HoldDecision::Place(hold) => Write::Hold { hold, seen },
                    HoldDecision::Standing { .. } => return self.tell_hold(state, number),
                    HoldDecision::KeyReused | HoldDecision::Refused(_) => return,
                }
            }
            Wish::Reverse => match self.decide_reverse(&state.coupon, key, state.hour) {
                ReverseDecision::Reverse { reversal, .. } => Write::Reverse { reversal, seen, key },
                ReverseDecision::Replay => return acknowledge(state, number, Success::Reversed),
                ReverseDecision::KeyReused | ReverseDecision::Refused(_) => return,
            },
        };
        self.begin(state, number, write);
    }

    fn begin(&self, state: &mut State, number: usize, write: Write) {
        state.clients[number].doing = Some(Attempting { write, attempts: 0, unknown: false, waiting: false });
        self.send(state, number);
    }

    pub(super) fn decide_reverse(&self, coupon: &Coupon, key: u8, hour: u8) -> ReverseDecision {
        let reason = "r".parse().unwrap();
        let policy = ReversalPolicy::default();
        decide_reversal(coupon, 0, policy, (hash(key), Fingerprint([key; 16]), &reason), time(hour))
    }

    pub(super) fn tell_hold(&self, state: &mut State, number: usize) {
        if let Some(hold) = state.coupon.hold.clone() {
            acknowledge(state, number, Success::Held { until: hold.until });
        }
    }

    pub(super) fn send(&self, state: &mut State, from: usize) {
        let Some(doing) = &mut state.clients[from].doing else { return };
        doing.attempts += 1;
        doing.waiting = true;
        let write = doing.write.clone();
        state.network.push(Sent { from, life: 0, write });
        state.network.sort_by_cached_key(|sent| format!("{sent:?}"));
    }

    /// The server gets the answer to its write, with the coupon as it stands.
    pub(super) fn receive(&self, state: &mut State, number: usize, applied: bool) {
        let Some(doing) = state.clients[number].doing.take() else { return };
        match doing.write {
            Write::Redeem { order, key, at, .. } | Write::Adopt { order, key, at, .. } if !applied => {
                self.explain(state, number, (order, key, at));
            }
            Write::Adopt { index, .. } => {
                let uses_left = state.coupon.uses_left_after(index);
                acknowledge(state, number, Success::Redeemed { index, uses_left });
            }
            // The response to a report says only that it was received, and nothing about the coupon.
            Write::Report { .. } => {}
            Write::Redeem { .. } => {
                let index = state.coupon.redemptions.len() - 1;
                let uses_left = state.coupon.uses_left_after(index);
                acknowledge(state, number, Success::Redeemed { index, uses_left });
            }
            Write::Hold { .. } if applied => self.tell_hold(state, number),
            Write::Reverse { .. } if applied => acknowledge(state, number, Success::Reversed),
            // The server was refused. It reads the coupon again, as often as it may ask.
            Write::Hold { .. } | Write::Reverse { .. } => {}
        }
    }

    fn explain(&self, state: &mut State, number: usize, (order, key, at): (u8, u8, u8)) {
        let rule_first = self.broken == Broken::RefusalFirst && state.coupon.uses_left == 0;
        let request = &request(order, key, at);
        let decision = decide(&state.coupon, &terms(), request);
        if let RedeemDecision::Replay { index } = decision
            && !rule_first
        {
            let uses_left = state.coupon.uses_left_after(index);
            acknowledge(state, number, Success::Redeemed { index, uses_left });
        } else if let RedeemDecision::Adopt { index } = decision {
            self.begin(state, number, Write::Adopt { index, order, key, at, seen: seen(&state.coupon) });
        } else if let RedeemDecision::Redeem(_) = decision {
            let knows_its_order = state.coupon.redemptions.iter().any(|spent| spent.order_no == request.order.order_no);
            self.begin(state, number, Write::Redeem { order, key, at, knows_its_order });
        } else if decision != RedeemDecision::KeyReused && keys(&state.coupon).any(|key| key == request.key) {
            state.broken_by = Some("a success was answered with a refusal");
        }
    }
}

/// Returns a success to a client. A repeat with the same key must get the same success.
pub(super) fn acknowledge(state: &mut State, number: usize, success: Success) {
    let client = &mut state.clients[number];
    // A hold's key counts only while its hold is the newest.
    let is_hold = matches!(success, Success::Held { .. });
    if client.success.as_ref().is_some_and(|first| *first != success) && !is_hold {
        state.broken_by = Some("one key got two answers");
    }
    client.success = Some(success);
}
