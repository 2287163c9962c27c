//! The roles of an operator's employees, by their names in tokens.
//!
//! A role gives nothing by itself: a route names the roles that may ask it. `docs/SECURITY-MODEL.md` has the
//! table.

use serde::Deserialize;

macro_rules! roles {
    ($($(#[$doc:meta])* $role:ident = $name:literal,)*) => {
        /// What an operator's employee, or a system of the operator's, may be.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Role {
            $($(#[$doc])* $role,)*
        }

        impl Role {
            /// Every role, for a sweep of roles over routes.
            pub const ALL: &[Role] = &[$(Role::$role),*];

            /// The name in the `roles` claim of a token.
            pub const fn as_str(self) -> &'static str {
                match self { $(Role::$role => $name,)* }
            }
        }
    };
}

roles! {
    /// Runs the province's programme.
    ProvinceAdmin = "province_admin",
    /// Runs a city's part of it, within the cities that the token names.
    CityOperator = "city_operator",
    /// Runs a department's part of it.
    Department = "department",
    /// Approves campaigns.
    Reviewer = "reviewer",
    /// Keeps the books: statements, bills and discrepancies.
    Finance = "finance",
    /// Looks at the books, and changes nothing.
    Auditor = "auditor",
    /// Works through jobs.
    Clerk = "clerk",
    /// Works for an outside company that operates a part of the programme.
    Outside = "outside",
    /// A system of the operator's, and no person.
    System = "system",
}
