//! Conditions are built from named clauses, so that a write reads like the rule that it enforces.

/// Joins clauses with AND. Each clause is a constant with a name, and has a comment where it is defined.
pub(crate) fn all(clauses: &[&str]) -> String {
    clauses.iter().map(|clause| format!("({clause})")).collect::<Vec<_>>().join(" AND ")
}

/// The item is not there yet. It guards every put that must happen once.
pub(crate) const IS_NEW: &str = "attribute_not_exists(pk)";

/// The item is there. It keeps an update from creating one.
pub(crate) const EXISTS: &str = "attribute_exists(pk)";
