//! Reads from the template what the functions' roles allow on the tables.

use super::{Template, at};
use crate::Result;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// DynamoDB's actions that a role allows, like `GetItem`, by table. A table has its resource's name, in small letters.
pub type Grants = BTreeMap<String, BTreeSet<String>>;

impl Template {
    /// What the role of a function allows on the tables and on their streams.
    pub fn grants(&self, function: &str) -> Result<Grants> {
        let is_it = |resource: &Value| at(resource, &["Metadata", "BuildProperties", "Binary"]) == function;
        let found = self.resources("AWS::Serverless::Function").find(|(_, resource)| is_it(resource));
        let (id, resource) = found.ok_or_else(|| self.broken(function, "is no function"))?;
        let role =
            at(resource, &["Properties", "Role", "Fn::GetAtt"]).as_str().and_then(|arn| arn.strip_suffix(".Arn"));
        let role = role.ok_or_else(|| self.broken(id, "Role"))?;
        let policies = at(&self.document, &["Resources", role, "Properties", "Policies"]).as_array();
        let statements = policies
            .into_iter()
            .flatten()
            .filter_map(|policy| at(policy, &["PolicyDocument", "Statement"]).as_array())
            .flatten();
        let mut grants = Grants::new();
        for statement in statements {
            let actions = match at(statement, &["Action"]) {
                Value::Array(actions) => actions.as_slice(),
                action => std::slice::from_ref(action),
            };
            for action in actions.iter().filter_map(|action| action.as_str()?.strip_prefix("dynamodb:")) {
                let arn = at(statement, &["Resource", "Fn::GetAtt"]).as_str();
                let table =
                    arn.and_then(|arn| arn.split_once("Table.")).ok_or_else(|| self.broken(role, "Resource"))?;
                grants.entry(table.0.to_lowercase()).or_default().insert(action.to_owned());
            }
        }
        Ok(grants)
    }
}
