//! Routes: what a function answers, and who may ask.
//!
//! The table of a function is data. So a test can try every role and scope on every route, and
//! `docs/SECURITY-MODEL.md` can print it.

use crate::{auth::Role, codes::Code, problem::ApiError};
use std::str::FromStr;

/// A route of a function, in its table of routes.
#[derive(Debug, Clone, Copy)]
pub struct Route<A: 'static> {
    /// Method and path, as `infra/template.yaml` writes them: `GET /v1/coupons/{coupon_id}`.
    pub key: &'static str,
    /// The function's own name of what is asked. Its handler matches on it.
    pub ask: A,
    /// Who may ask. The handler must authenticate exactly those.
    pub who: Who,
}

impl<A> Route<A> {
    /// A route, as a constant of the function's table.
    pub const fn new(key: &'static str, ask: A, who: Who) -> Self {
        Route { key, ask, who }
    }
}

/// Who may ask, and about what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anybody: no token is read.
    ///
    /// The route judges what the body brings: a phone, a one-time code, a refresh token.
    Anybody,
    /// A member with an access token, about its own coupons and sessions.
    Member,
    /// A merchant's server, about the merchant's own. A registered key has signed its token.
    Merchant,
    /// A merchant's system, about the merchant's own. Its report is signed, and it has no token.
    Reporter,
    /// An operator's employee, within this reach.
    ///
    /// A token of the operator's identity provider names at least one of these roles.
    Operator(&'static [Role], Reach),
}

/// How much of the province a route of operators is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All of it: an employee of cities is refused.
    Province,
    /// The employee's own part: all of it, or the cities that the token names.
    ///
    /// The handler keeps to them.
    OwnCities,
}

impl Who {
    /// An operator's employee with one of these roles, who works for the whole province.
    pub const fn of_province(roles: &'static [Role]) -> Self {
        Who::Operator(roles, Reach::Province)
    }
}

/// What a request asks of a function: its route, and the values in its path.
#[derive(Debug, Clone)]
pub struct Asked<'a, A: 'static> {
    /// The route that it fits.
    pub route: Route<A>,
    /// The values of the path's `{parameters}`, in their order.
    pub(crate) parameters: Vec<&'a str>,
}

impl<'a, A> Asked<'a, A> {
    /// The text of a path parameter, as it was sent; empty when the route has none of that name.
    pub fn path_text(&self, name: &str) -> &'a str {
        let names = self.route.key.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let found = names.zip(&self.parameters).find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The value of a path parameter, as a `T`.
    ///
    /// A text that is no value names nothing that is there. So it is refused with `missing`, a 404, and not
    /// with 400.
    pub fn path<T: FromStr>(&self, name: &str, missing: Code) -> Result<T, ApiError> {
        self.path_text(name).parse().map_err(|_| ApiError::from(missing))
    }
}
