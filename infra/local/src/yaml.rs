//! Reads YAML with CloudFormation's short tags as the JSON that CloudFormation makes of it.

use crate::{Result, StackError};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Reads a file that holds one document.
pub fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).map_err(|error| StackError::caused(path.display(), error))?;
    parse(&text).map_err(|problem| StackError::caused(path.display(), problem))
}

/// Reads a text that holds one document.
pub fn parse(text: &str) -> std::result::Result<Value, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    match documents.as_slice() {
        [document] => value(document),
        _ => Err("exactly one YAML document is expected".to_owned()),
    }
}

fn value(node: &Yaml<'_>) -> std::result::Result<Value, String> {
    Ok(match node {
        Yaml::Value(scalar) => self::scalar(scalar),
        Yaml::Sequence(items) => Value::Array(items.iter().map(value).collect::<std::result::Result<_, _>>()?),
        Yaml::Mapping(pairs) => {
            let mut map = Map::new();
            for (name, member) in pairs {
                let name = name.as_str().map(str::to_owned).or_else(|| name.as_integer().map(|n| n.to_string()));
                map.insert(name.ok_or("a key that is not text")?, value(member)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(tag, node) => tagged(&tag.suffix, value(node)?),
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => return Err("an alias or a bad value".to_owned()),
    })
}

fn scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => json!(flag),
        Scalar::Integer(number) => json!(number),
        Scalar::FloatingPoint(number) => json!(number.into_inner()),
        Scalar::String(text) => json!(text),
    }
}

/// `!Ref x` is `{"Ref": "x"}`, `!Sub x` is `{"Fn::Sub": "x"}`, `!GetAtt a.b` is `{"Fn::GetAtt": "a.b"}`, and so on.
fn tagged(tag: &str, value: Value) -> Value {
    let name = if tag == "Ref" || tag == "Condition" { tag.to_owned() } else { format!("Fn::{tag}") };
    json!({ name: value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tags_become_functions() {
        let text = "a: !Ref Table\nb: !Sub \"${AWS::StackName}-x\"\nc: !GetAtt T.Arn\nd: !Join [\".\", [x, y]]\ne: \"44\"\nf: 15\n";
        assert_eq!(
            parse(text).unwrap(),
            json!({"a": {"Ref": "Table"}, "b": {"Fn::Sub": "${AWS::StackName}-x"}, "c": {"Fn::GetAtt": "T.Arn"},
                   "d": {"Fn::Join": [".", ["x", "y"]]}, "e": "44", "f": 15})
        );
        assert!(parse("a: [").is_err());
        assert!(parse("--- a\n--- b").is_err());
    }
}
