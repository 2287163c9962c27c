//! The protocols as models whose every state within bounds is visited: stock with leases and their sweep, one coupon that is held,
//! redeemed and reversed, and the books. The decisions are the code's own ([`mealticket_domain`]); what is modelled is the
//! network, the processes and the order of things. Each model is also broken on purpose, one way at a time.

pub mod books;
pub mod claim;
pub mod network;
pub mod redemption;

use stateright::{Checker, HasDiscoveries, Model};
use std::{fmt::Debug, hash::Hash};

/// What one model came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which protocol.
    pub name: &'static str,
    /// What bounds it.
    pub bounds: String,
    /// States that were visited, all of them.
    pub states: usize,
    /// The longest way to one.
    pub depth: usize,
    /// What holds in every state, or is reached in some.
    pub properties: Vec<&'static str>,
    /// The properties that do not.
    pub violated: Vec<&'static str>,
    /// The ways in which it was broken, and whether that was found.
    pub mutants: Vec<(&'static str, bool)>,
}

impl Report {
    /// Whether the model holds, and every broken one does not.
    pub fn holds(&self) -> bool {
        self.violated.is_empty() && self.mutants.iter().all(|(_, found)| *found)
    }
}

/// Visits every state of all models; of smaller ones when it is to be quick.
pub fn check_all(quick: bool) -> Vec<Report> {
    vec![claim::check(quick), redemption::check(quick), books::check(quick)]
}

/// Visits every state of a model.
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

/// Whether a model that is broken is found out: some property that must always hold does not.
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
