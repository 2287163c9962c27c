//! What a write, an answer and a crash do to the state.

use super::*;

impl Stock {
    pub(super) fn coupons_of(state: &State, lease: u8) -> u64 {
        state.coupons.values().filter(|(_, of)| *of == lease).count() as u64
    }

    pub(super) fn may_spend(&self, state: &State, lease: u8) -> bool {
        state.phases[&lease] == Phase::Live || self.broken == Broken::SpendDead
    }

    /// Sends the write of what an environment is doing, if the write may still be signed.
    pub(super) fn send(&self, state: &mut State, from: usize) {
        let life = state.environments[from].life;
        let Some(doing) = &mut state.environments[from].doing else { return };
        doing.attempts += 1;
        doing.waiting = true;
        state.writes += 1;
        let write = doing.write.clone();
        state.network.push(Sent { from, life, write });
        state.network.sort_by_cached_key(|sent| format!("{sent:?}"));
    }

    pub(super) fn begin(&self, state: &mut State, from: usize, write: Write) {
        state.environments[from].doing = Some(Attempting { write, attempts: 0, unknown: false, waiting: false });
        self.send(state, from);
    }

    /// Applies a write. Returns whether its condition held.
    pub(super) fn apply(&self, state: &mut State, write: &Write) -> bool {
        match write {
            Write::Swap { seq, next, .. } => {
                let held = state.shard.seq == *seq || self.broken == Broken::NoSequence;
                if held {
                    state.shard = (**next).clone();
                }
                held
            }
            Write::Put { request, lease } => {
                let (member, _) = self.requests[*request];
                let free = !state.coupons.contains_key(&member);
                if free {
                    state.coupons.insert(member, (*request, *lease));
                }
                free
            }
        }
    }

    /// An environment gets the answer to its write.
    pub(super) fn receive(&self, state: &mut State, from: usize, applied: bool) {
        let Some(doing) = state.environments[from].doing.take() else { return };
        match doing.write {
            Write::Swap { lease, is_lease: true, .. } => {
                // Refused, but the shard holds our own lease: an earlier attempt was applied.
                if applied || state.shard.leases.contains_key(&id(lease)) {
                    self.hold(state, from, lease);
                }
            }
            Write::Swap { lease, is_lease: false, .. } => {
                if applied {
                    state.environments[from].held.remove(&lease);
                }
            }
            Write::Put { request, lease } => self.settle(state, from, request, lease, applied, doing.unknown),
        }
    }

    pub(super) fn hold(&self, state: &mut State, from: usize, lease: u8) {
        let units = state.shard.leases.get(&id(lease)).map_or(1, |lease| lease.units);
        let held = Held { unspent: units, spent: 0, unknown: 0, closing: false };
        state.environments[from].held.insert(lease, held);
    }

    pub(super) fn settle(
        &self,
        state: &mut State,
        from: usize,
        request: usize,
        lease: u8,
        applied: bool,
        unknown: bool,
    ) {
        let (member, _) = self.requests[request];
        let Some(held) = state.environments[from].held.get_mut(&lease) else { return };
        let stands = state.coupons.get(&member).copied();
        let same_lease = stands.is_some_and(|(_, of)| of == lease);
        let same_request = stands.is_some_and(|(of, _)| of == request);
        if applied || (self.broken == Broken::AnyCouponIsMine && same_lease) {
            held.spent += 1;
            state.acknowledged.push(request);
        } else if unknown && same_lease && same_request {
            held.unknown += 1;
            state.acknowledged.push(request);
        } else if self.broken == Broken::KeepRefused {
            held.spent += 1;
        } else {
            held.unspent += 1;
        }
        state.acknowledged.sort_unstable();
        state.acknowledged.dedup();
    }

    pub(super) fn give_up(&self, state: &mut State, from: usize) {
        let Some(doing) = state.environments[from].doing.take() else { return };
        match doing.write {
            Write::Put { lease, .. } => {
                if let Some(held) = state.environments[from].held.get_mut(&lease) {
                    if doing.unknown && self.broken != Broken::GiveBackUnknown {
                        held.unknown += 1;
                    } else {
                        held.unspent += 1;
                    }
                }
            }
            Write::Swap { lease, is_lease: true, .. } if self.broken == Broken::SpendUnknownLease => {
                self.hold(state, from, lease);
            }
            Write::Swap { .. } => {}
        }
    }

    pub(super) fn close(&self, state: &mut State, from: usize, lease: u8) {
        let Some(held) = state.environments[from].held.get_mut(&lease) else { return };
        held.closing = true;
        let unknown = if self.broken == Broken::ReturnUnknown { 0 } else { held.unknown };
        let then = if unknown > 0 { AfterReturn::Open } else { AfterReturn::Closed };
        let next = state.shard.returned(id(lease), held.spent + unknown, then);
        if next == state.shard {
            // The sweep, or our own write whose answer was lost, has closed the lease.
            state.environments[from].held.remove(&lease);
            return;
        }
        let mut next = next;
        next.seq = state.shard.seq + 1;
        let write = Write::Swap { seq: state.shard.seq, next: Box::new(next), lease, is_lease: false };
        self.begin(state, from, write);
    }

    pub(super) fn claims(&self, state: &State, from: usize, request: usize) -> Option<u8> {
        let held = &state.environments[from].held;
        let asked = state.acknowledged.contains(&request);
        let usable =
            held.iter().find(|(lease, held)| held.unspent > 0 && !held.closing && self.may_spend(state, **lease));
        usable.filter(|_| !asked).map(|(lease, _)| *lease)
    }
}
