//! What a run has in hand, and how much more each endpoint may have. All of it is in memory.

use crate::attempt::Settled;
use mealticket_domain::webhook::EndpointId;
use mealticket_store::messages::DueKey;
use std::collections::{HashMap, HashSet};

/// Due entries of one endpoint that are worked at once.
const OF_ENDPOINT_MAX: usize = 8;
/// Due entries that a run works at once.
///
/// An endpoint that hangs has eight of them until its first timeouts, after fifteen seconds, and then one. Each pass
/// begins with the endpoint after the last that was served, so no endpoint waits for ever.
const OF_RUN_MAX: usize = 256;

/// What a run has in hand.
#[derive(Default)]
pub(crate) struct Hand {
    keys: HashSet<DueKey>,
    loads: HashMap<EndpointId, Load>,
    under_way: usize,
}

/// What one endpoint has in hand, and its bound.
struct Load {
    under_way: usize,
    /// Entries that were not settled. They stay in the index, and this run does not try them again.
    aside: usize,
    /// How many may be under way at once, 1 to 8.
    bound: usize,
}

impl Default for Load {
    fn default() -> Self {
        Load { under_way: 0, aside: 0, bound: OF_ENDPOINT_MAX }
    }
}

impl Hand {
    /// How many entries more of an endpoint may be taken.
    pub(crate) fn room(&self, endpoint: &EndpointId) -> usize {
        let own = self.loads.get(endpoint).map_or(OF_ENDPOINT_MAX, |load| load.bound.saturating_sub(load.under_way));
        own.min(OF_RUN_MAX.saturating_sub(self.under_way))
    }

    /// How many entries of an endpoint are in the index and not to be taken again.
    pub(crate) fn known(&self, endpoint: &EndpointId) -> usize {
        self.loads.get(endpoint).map_or(0, |load| load.under_way + load.aside)
    }

    /// Takes an entry; false when it is in hand already.
    pub(crate) fn take(&mut self, key: &DueKey, endpoint: &EndpointId) -> bool {
        if !self.keys.insert(key.clone()) {
            return false;
        }
        self.loads.entry(endpoint.clone()).or_default().under_way += 1;
        self.under_way += 1;
        true
    }

    /// An entry was worked. The bound halves with each that the endpoint answered badly, and
    /// grows by one with each other.
    pub(crate) fn ended(&mut self, key: &DueKey, endpoint: &EndpointId, settled: &Settled) {
        if let Some(load) = self.loads.get_mut(endpoint) {
            load.bound =
                if settled.slow_down { (load.bound / 2).max(1) } else { (load.bound + 1).min(OF_ENDPOINT_MAX) };
        }
        if !settled.is_whole {
            self.set_aside(endpoint);
            return;
        }
        self.keys.remove(key);
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(load) = self.loads.get_mut(endpoint) {
            load.under_way = load.under_way.saturating_sub(1);
        }
    }

    /// Whether there is no room for any entry.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way >= OF_RUN_MAX
    }

    /// An entry could not be settled. It stays for the next run.
    pub(crate) fn set_aside(&mut self, endpoint: &EndpointId) {
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(load) = self.loads.get_mut(endpoint) {
            load.under_way = load.under_way.saturating_sub(1);
            load.aside += 1;
        }
    }
}
