//! Reading JSON strictly: an unknown field, a wrong type or a value out of range is refused by name.
//!
//! Every error here is 400 `malformed_request` with the path of the field, like `order.amount_fen`. The value
//! that was sent is never repeated.

use crate::problem::ApiError;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::{Number, Value};
use std::{fmt::Display, str::FromStr};

/// Reads a body.
///
/// Most requests of ours hold no list, so any list is refused: serde would otherwise take one for an object,
/// field by field. None of them holds a `null`. A client leaves an absent field out; `null` is refused.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    read_without_lists(body, |_| {})
}

/// Reads the body of a request that says nothing: `{}`.
pub fn read_empty(body: &[u8]) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Empty {}
    read(body).map(|Empty {}| ())
}

/// Reads a body with one list of texts, in the field of this name. Any other list is refused as by [`read`].
pub fn read_with_list<T: DeserializeOwned>(body: &[u8], field: &str) -> Result<T, ApiError> {
    read_without_lists(body, |any| {
        let list =
            any.get_mut(field).filter(|list| list.as_array().is_some_and(|all| all.iter().all(Value::is_string)));
        if let Some(list) = list {
            *list = Value::Bool(true);
        }
    })
}

/// Reads a body, and refuses the first list or `null` that `allow` has not taken out.
fn read_without_lists<T: DeserializeOwned>(body: &[u8], allow: impl FnOnce(&mut Value)) -> Result<T, ApiError> {
    let value = read_strictly(body)?;
    let mut any: Value = serde_json::from_slice(body).unwrap_or_default();
    allow(&mut any);
    match path_of(&any, &|value| value.is_array() || value.is_null()) {
        Some(path) => Err(ApiError::malformed(&path)),
        None => Ok(value),
    }
}

/// Reads an object that may hold lists and `null`: what merchants' systems send. Anything else than an object
/// is refused.
pub fn read_open<T: DeserializeOwned>(object: &[u8]) -> Result<T, ApiError> {
    let begins = object.iter().find(|byte| !byte.is_ascii_whitespace());
    if begins == Some(&b'{') { read_strictly(object) } else { Err(ApiError::malformed(".")) }
}

/// The path of the first unwanted value, like `order.amount_fen`; `.` for the whole.
fn path_of(value: &Value, is_unwanted: &impl Fn(&Value) -> bool) -> Option<String> {
    match value {
        unwanted if is_unwanted(unwanted) => Some(".".to_owned()),
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let inner = path_of(member, is_unwanted)?;
            Some(if inner == "." { name.clone() } else { format!("{name}.{inner}") })
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

/// The largest whole number up to which every whole number is one of `f64`'s: 2⁵³.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads a whole number, for a field's `deserialize_with`.
///
/// It reads `2350` as well as `2350.0`, which JSON Schema calls an integer too. A fraction is refused, never
/// rounded.
pub fn whole<'de, D: Deserializer<'de>, T: TryFrom<i64>>(deserializer: D) -> Result<T, D::Error> {
    let number = Number::deserialize(deserializer)?;
    let exact = |number: f64| (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i64);
    let whole = number.as_i64().or_else(|| number.as_f64().filter(|_| number.is_f64()).and_then(exact));
    whole.and_then(|whole| T::try_from(whole).ok()).ok_or_else(|| D::Error::custom("is no whole number in its bounds"))
}

/// The same as [`whole`], for a field that may be left out.
pub fn whole_if<'de, D: Deserializer<'de>, T: TryFrom<i64>>(deserializer: D) -> Result<Option<T>, D::Error> {
    whole(deserializer).map(Some)
}

/// Reads the whole of a text as a `T`. What follows the value is refused.
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

/// The field that an error is about.
///
/// A missing or unknown one is named by serde's message, after the path of its parent. A name of more than 64
/// bytes is not repeated.
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

/// Parses a text field into its domain type. The error names the field, with the type's own reason.
pub fn parsed<T: FromStr>(field: &str, text: &str) -> Result<T, ApiError>
where
    T::Err: Display,
{
    text.parse().map_err(|error| ApiError::malformed(field).because(format!("{error}")))
}

/// Parses an optional text field; `None` stays `None`.
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

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[serde(deserialize_with = "whole")]
        fen: u64,
        #[serde(default, deserialize_with = "whole_if")]
        seconds: Option<i64>,
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point_and_is_never_rounded() {
        let fen = |text: &str| read::<Order>(format!("{{\"fen\":{text}}}").as_bytes()).ok().map(|order| order.fen);
        for (text, is) in [("2350", 2_350), ("2350.0", 2_350), ("2.35e3", 2_350), ("0", 0), ("-0.0", 0)] {
            assert_eq!(fen(text), Some(is), "{text}");
        }
        assert_eq!(fen("9007199254740992.0"), Some(1 << 53));
        for text in ["2350.5", "-1", "-1.0", "1e300", "9223372036854775808", "18014398509481984.0", "\"2350\"", "true"]
        {
            assert_eq!(fen(text), None, "{text}");
        }
        let seconds = |text: &str| read::<Order>(text.as_bytes()).map(|order| order.seconds).map_err(|e| e.code());
        assert_eq!(seconds("{\"fen\":1}"), Ok(None));
        assert_eq!(seconds("{\"fen\":1,\"seconds\":60.0}"), Ok(Some(60)));
        assert!(seconds("{\"fen\":1,\"seconds\":null}").is_err());
    }

    #[test]
    fn a_null_and_a_list_are_refused_by_their_path() {
        let field = |text: &str| {
            let error = read::<Value>(text.as_bytes()).err();
            error.and_then(|error| error.field("field").map(str::to_owned))
        };
        assert_eq!(field("{\"a\":{\"b\":null}}").as_deref(), Some("a.b"));
        assert_eq!(field("{\"a\":[1]}").as_deref(), Some("a"));
        assert_eq!(field("{\"a\":1}"), None);
        let listed = read_with_list::<Value>(b"{\"events\":[\"x\"],\"other\":null}", "events").err();
        assert_eq!(listed.and_then(|error| error.field("field").map(str::to_owned)).as_deref(), Some("other"));
    }
}
