//! Reading JSON strictly: an unknown field, a wrong type or a value out of range is refused by name.

use crate::problem::ApiError;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{fmt::Display, str::FromStr};

/// Reads a body. What is wrong with it is told by the path of the field, never by its value.
///
/// Most requests of ours hold no list, so any list is refused: serde would otherwise take one for an object, field by field.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    read_without_lists(body, |_| {})
}

/// Reads a body with one list of texts, in the field of this name.
pub fn read_with_list<T: DeserializeOwned>(body: &[u8], field: &str) -> Result<T, ApiError> {
    read_without_lists(body, |any| {
        let list =
            any.get_mut(field).filter(|list| list.as_array().is_some_and(|all| all.iter().all(Value::is_string)));
        if let Some(list) = list {
            *list = Value::Null;
        }
    })
}

fn read_without_lists<T: DeserializeOwned>(body: &[u8], allow: impl FnOnce(&mut Value)) -> Result<T, ApiError> {
    let value = read_strictly(body)?;
    let mut any: Value = serde_json::from_slice(body).unwrap_or_default();
    allow(&mut any);
    match path_of_a_list(&any) {
        Some(path) => Err(ApiError::malformed(&path)),
        None => Ok(value),
    }
}

/// Reads an object that may hold anything: what merchants' systems send.
pub fn read_open<T: DeserializeOwned>(object: &[u8]) -> Result<T, ApiError> {
    let begins = object.iter().find(|byte| !byte.is_ascii_whitespace());
    if begins == Some(&b'{') { read_strictly(object) } else { Err(ApiError::malformed(".")) }
}

fn path_of_a_list(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) => Some(".".to_owned()),
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let inner = path_of_a_list(member)?;
            Some(if inner == "." { name.clone() } else { format!("{name}.{inner}") })
        }),
        _ => None,
    }
}

fn read_strictly<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.inner();
        if inner.is_data() { ApiError::malformed(&named(&path, &inner.to_string())) } else { ApiError::malformed(".") }
    })?;
    reader.end().map_err(|_| ApiError::malformed("."))?;
    Ok(value)
}

/// The field that an error is about: a missing or unknown one is named by serde's message, after the path of its parent.
fn named(path: &str, message: &str) -> String {
    let quoted = message.split('`').nth(1).filter(|name| name.len() <= 64);
    let about_a_name = message.starts_with("missing field") || message.starts_with("unknown field");
    match quoted.filter(|_| about_a_name) {
        Some(name) if path == "." => name.to_owned(),
        Some(name) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    }
}

/// Parses a text field into its domain type, or names the field.
pub fn parsed<T: FromStr>(field: &str, text: &str) -> Result<T, ApiError>
where
    T::Err: Display,
{
    text.parse().map_err(|error| ApiError::malformed(field).because(format!("{error}")))
}

/// Parses an optional text field.
pub fn parsed_if<T: FromStr>(field: &str, text: Option<&str>) -> Result<Option<T>, ApiError>
where
    T::Err: Display,
{
    text.map(|text| parsed(field, text)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Outer {
        name: String,
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Inner {
        amount_fen: u64,
    }

    #[track_caller]
    fn check(body: &str, field: &str) {
        let error = read::<Outer>(body.as_bytes()).unwrap_err();
        assert_eq!(error.field("field"), Some(field), "{body}");
    }

    #[test]
    fn every_defect_names_its_field() {
        check("", ".");
        check("{", ".");
        check("[]", ".");
        check("null", ".");
        check(r#"{"name":"a","inner":{"amount_fen":1}} x"#, ".");
        check(r#"{"name":"a"}"#, "inner");
        check(r#"{"name":1,"inner":{"amount_fen":1}}"#, "name");
        check(r#"{"name":"a","inner":{"amount_fen":1},"extra":1}"#, "extra");
        check(r#"{"name":"a","inner":{"amount_fen":1,"extra":1}}"#, "inner.extra");
        check(r#"{"name":"a","inner":{}}"#, "inner.amount_fen");
        for amount in ["-1", "1.5", "1e3", "\"1\"", "null", "18446744073709551616"] {
            check(&format!(r#"{{"name":"a","inner":{{"amount_fen":{amount}}}}}"#), "inner.amount_fen");
        }
        check(r#"["a",{"amount_fen":1}]"#, ".");
        check(r#"{"name":"a","inner":[1]}"#, "inner");
        let deep = format!(r#"{{"name":{}"#, "[".repeat(10_000));
        assert!(read::<Outer>(deep.as_bytes()).is_err());
    }
}
