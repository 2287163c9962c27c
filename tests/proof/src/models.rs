//! The protocols as models. The first is stock with leases and their sweep. The second is one coupon that is held,
//! redeemed and reversed. The third is the books.
//!
//! Every state within a model's bounds is visited. The decisions are the code's own ([`mealticket_domain`]). The models
//! add the network, the processes and the order of events. Each model is also broken on purpose, one way at a time.

pub mod books;
pub mod claim;
pub mod network;
pub mod redemption;

use stateright::{Checker, HasDiscoveries, Model};
use std::{fmt::Debug, hash::Hash};

/// The result for one model.
#[derive(Debug, Clone)]
pub struct Report {
    /// The protocol's name.
    pub name: &'static str,
    /// The model's bounds, in words.
    pub bounds: String,
    /// How many states there are. All of them were visited.
    pub states: usize,
    /// The number of steps to the farthest state.
    pub depth: usize,
    /// Properties that hold in every state, or that some state reaches.
    pub properties: Vec<&'static str>,
    /// Properties that do not.
    pub violated: Vec<&'static str>,
    /// The ways in which the model was broken on purpose, and whether each was found.
    pub mutants: Vec<(&'static str, bool)>,
}

impl Report {
    /// Whether the model holds, and every broken model was found.
    pub fn holds(&self) -> bool {
        self.violated.is_empty() && self.mutants.iter().all(|(_, found)| *found)
    }
}

/// Visits every state of all models. When `quick` is set, the models are smaller.
pub fn check_all(quick: bool) -> Vec<Report> {
    vec![claim::check(quick), redemption::check(quick), books::check(quick)]
}

/// Visits every state of a model. Returns the number of states, the depth, the properties, and those that are violated.
pub(crate) fn visit<M>(model: M) -> (usize, usize, Vec<&'static str>, Vec<&'static str>)
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Hash + Send + Sync + Clone + PartialEq,
    M::Action: Debug + Send + Sync + Clone + PartialEq,
{
    let properties = model.properties().iter().map(|property| property.name).collect();
    let checker = model.checker().threads(1).spawn_bfs().join();
    let violated = checker.discoveries().into_iter().filter(|(name, _)| is_violation(&checker, name));
    let mut violated: Vec<&'static str> = violated.map(|(name, _)| name).collect();
    for property in checker.model().properties() {
        let reached = checker.discovery(property.name).is_some();
        if property.expectation == stateright::Expectation::Sometimes && !reached {
            violated.push(property.name);
        }
    }
    (checker.unique_state_count(), checker.max_depth(), properties, violated)
}

/// Whether a broken model is found: some property that must always hold does not.
pub(crate) fn is_found_out<M>(model: M) -> bool
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Hash + Send + Sync + Clone + PartialEq,
    M::Action: Debug + Send + Sync + Clone + PartialEq,
{
    let checker = model.checker().threads(1).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    checker.discoveries().keys().any(|name| is_violation(&checker, name))
}

fn is_violation<M: Model>(checker: &impl Checker<M>, name: &str) -> bool {
    let properties = checker.model().properties();
    properties.iter().any(|property| property.name == name && property.expectation == stateright::Expectation::Always)
}
