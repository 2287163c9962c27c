//! Reads from `infra/template.yaml` what the local stack needs: tables, functions with their environment, routes.
//!
//! The file is the one truth. What it does not name does not exist here. A mistake in it stops the stack with one line.

mod roles;

pub use roles::Grants;

use crate::{Result, StackError, yaml};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// The parsed template, with values for its parameters.
pub struct Template {
    path: PathBuf,
    document: Value,
    parameters: BTreeMap<String, String>,
}

/// A table of the template.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// The table's name in this stack.
    pub name: String,
    /// The body of the `CreateTable` request.
    pub create: Value,
    /// The attribute that holds the time at which an item expires.
    pub ttl_attribute: Option<String>,
}

/// A function of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSpec {
    /// The binary's name, which is also the name of the folder and the crate, and the function's local name.
    pub name: String,
    /// The environment variables, with references to tables and parameters resolved.
    pub environment: BTreeMap<String, String>,
    /// How long one invocation may take.
    pub timeout_seconds: u64,
    /// Who calls the function: `CalledBy` in its metadata.
    pub called_by: String,
    /// What the function does, in one sentence.
    pub description: String,
}

/// A route of the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteSpec {
    /// Method and path, as API Gateway writes them.
    pub key: String,
    /// The name of the function that serves the route.
    pub function: String,
}

/// A table's stream that is pumped into a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingSpec {
    /// The function's name.
    pub function: String,
    /// The name of the table that has the stream.
    pub table: String,
    /// The most records in one batch.
    pub batch_size: usize,
    /// The length of the tumbling window, if there is one.
    pub window_seconds: Option<i64>,
    /// Whether a batch that fails is tried again in halves.
    pub bisects: bool,
}

/// Which web pages may call the API (CORS).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsSpec {
    /// The origins of those pages. By default there are none.
    pub origins: Vec<String>,
    /// The methods that the pages may use.
    pub methods: Vec<String>,
    /// The headers that the pages may send.
    pub headers: Vec<String>,
    /// The headers that the pages may read.
    pub exposed: Vec<String>,
    /// How many seconds a browser may keep this permission.
    pub max_age: u64,
}

/// A function that is invoked at a fixed rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleSpec {
    /// The function's name.
    pub function: String,
    /// The time between two invocations.
    pub every: Duration,
    /// The event that the function gets instead of the time, if the rule has one.
    pub input: Option<Value>,
}

/// The name of a stack on one machine. Its tables' names begin with it.
pub const LOCAL_STACK_NAME: &str = "mealticket-local";

impl Template {
    /// Reads the template and sets its parameters to their defaults. Two have no default, because every deployment has
    /// its own. `SecretsArn` is set to a value that nothing here uses, and `OperatorAudience` to one for this machine.
    pub fn read(path: &Path) -> Result<Self> {
        let document = yaml::read(path)?;
        let mut parameters = BTreeMap::from([
            ("AWS::StackName".to_owned(), LOCAL_STACK_NAME.to_owned()),
            ("SecretsArn".to_owned(), "unused".to_owned()),
            ("OperatorAudience".to_owned(), "mealticket-on-one-machine".to_owned()),
        ]);
        for (name, parameter) in object(document.get("Parameters")) {
            if let Some(default) = parameter.get("Default") {
                parameters.insert(name.clone(), plain(default));
            }
        }
        Ok(Template { path: path.to_path_buf(), document, parameters })
    }

    /// All tables.
    pub fn tables(&self) -> Result<Vec<TableSpec>> {
        self.resources("AWS::DynamoDB::Table").map(|(id, resource)| self.table(id, resource)).collect()
    }

    /// All functions.
    pub fn functions(&self) -> Result<Vec<FunctionSpec>> {
        self.resources("AWS::Serverless::Function").map(|(id, resource)| self.function(id, resource)).collect()
    }

    /// All routes.
    pub fn routes(&self) -> Result<Vec<RouteSpec>> {
        self.resources("AWS::ApiGatewayV2::Route").map(|(id, resource)| self.route(id, resource)).collect()
    }

    /// Sets a parameter's value.
    pub fn set(&mut self, name: &str, value: String) {
        self.parameters.insert(name.to_owned(), value);
    }

    /// Which web pages may call the API: the pages of the origins in the parameter `AppOrigins`.
    pub fn cors(&self) -> CorsSpec {
        let configured = |(_, api): (_, &Value)| api.pointer("/Properties/CorsConfiguration/Fn::If/1").cloned();
        let configured = self.resources("AWS::ApiGatewayV2::Api").find_map(configured).unwrap_or_default();
        let list = |name: &str| {
            let texts = at(&configured, &[name]).as_array().into_iter().flatten();
            texts.filter_map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let origins = self.text(at(&configured, &["AllowOrigins"])).unwrap_or_default();
        CorsSpec {
            origins: origins.split(',').filter(|origin| !origin.is_empty()).map(str::to_owned).collect(),
            methods: list("AllowMethods"),
            headers: list("AllowHeaders"),
            exposed: list("ExposeHeaders"),
            max_age: at(&configured, &["MaxAge"]).as_u64().unwrap_or(0),
        }
    }

    /// The streams that are pumped into functions.
    pub fn mappings(&self) -> Result<Vec<MappingSpec>> {
        self.resources("AWS::Lambda::EventSourceMapping").map(|(id, resource)| self.mapping(id, resource)).collect()
    }

    /// The schedules: one for each target of each rule.
    pub fn schedules(&self) -> Result<Vec<ScheduleSpec>> {
        let rules = self.resources("AWS::Events::Rule").map(|(id, resource)| self.rule(id, resource));
        Ok(rules.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// The whole document, for tests of its contents.
    pub fn document(&self) -> &Value {
        &self.document
    }

    fn resources(&self, kind: &'static str) -> impl Iterator<Item = (&String, &Value)> {
        object(self.document.get("Resources")).filter(move |(_, resource)| at(resource, &["Type"]) == kind)
    }

    fn broken(&self, id: &str, what: &str) -> StackError {
        StackError(format!("{}: resource {id}: {what}", self.path.display()))
    }

    fn table(&self, id: &str, resource: &Value) -> Result<TableSpec> {
        let properties = at(resource, &["Properties"]);
        let name = self.text(at(properties, &["TableName"])).ok_or_else(|| self.broken(id, "TableName"))?;
        let stream = properties.pointer("/StreamSpecification/StreamViewType");
        let mut create = Map::from_iter([("TableName".to_owned(), json!(name))]);
        for member in ["AttributeDefinitions", "KeySchema", "BillingMode"] {
            create.insert(member.to_owned(), at(properties, &[member]).clone());
        }
        if let Some(view) = stream {
            let specification = json!({ "StreamEnabled": true, "StreamViewType": view });
            create.insert("StreamSpecification".to_owned(), specification);
        }
        let ttl = properties.pointer("/TimeToLiveSpecification/AttributeName").and_then(Value::as_str);
        Ok(TableSpec { name, create: create.into(), ttl_attribute: ttl.map(str::to_owned) })
    }

    fn function(&self, id: &str, resource: &Value) -> Result<FunctionSpec> {
        let name = resource.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str);
        let globals = at(&self.document, &["Globals", "Function"]);
        let mut environment = BTreeMap::new();
        for source in [globals, at(resource, &["Properties"])] {
            for (variable, value) in object(source.pointer("/Environment/Variables")) {
                let text = self.text(value).ok_or_else(|| self.broken(id, &format!("variable {variable}")))?;
                environment.insert(variable.clone(), text);
            }
        }
        let text = |pointer: &str| {
            let text = resource.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            text.ok_or_else(|| self.broken(id, pointer))
        };
        let timeout = at(resource, &["Properties"]).get("Timeout").unwrap_or(at(globals, &["Timeout"]));
        Ok(FunctionSpec {
            name: name.ok_or_else(|| self.broken(id, "Metadata.BuildProperties.Binary"))?.to_owned(),
            environment,
            timeout_seconds: timeout.as_u64().ok_or_else(|| self.broken(id, "Timeout"))?,
            called_by: text("/Metadata/CalledBy")?,
            description: text("/Properties/Description")?,
        })
    }

    /// Reads a route. It names an integration, which names a function, which names its binary.
    fn route(&self, id: &str, resource: &Value) -> Result<RouteSpec> {
        let properties = at(resource, &["Properties"]);
        let find = || {
            let target = at(properties, &["Target", "Fn::Sub"]).as_str()?;
            let integration = target.strip_prefix("integrations/${")?.strip_suffix('}')?;
            let uri = at(&self.document, &["Resources", integration, "Properties", "IntegrationUri"]);
            self.binary(at(uri, &["Fn::GetAtt"]).as_str()?.strip_suffix(".Arn")?)
        };
        Ok(RouteSpec {
            key: self.text(at(properties, &["RouteKey"])).ok_or_else(|| self.broken(id, "RouteKey"))?,
            function: find().ok_or_else(|| self.broken(id, "Target does not lead to a function"))?,
        })
    }

    /// The name of the binary of a function.
    fn binary(&self, function: &str) -> Option<String> {
        let binary = at(&self.document, &["Resources", function, "Metadata", "BuildProperties", "Binary"]);
        binary.as_str().map(str::to_owned)
    }

    fn mapping(&self, id: &str, resource: &Value) -> Result<MappingSpec> {
        let properties = at(resource, &["Properties"]);
        let function = at(properties, &["FunctionName", "Ref"]).as_str().and_then(|function| self.binary(function));
        let stream = at(properties, &["EventSourceArn", "Fn::GetAtt"]).as_str();
        let table = stream.and_then(|stream| self.referred(stream.strip_suffix(".StreamArn")?));
        let batch_size = at(properties, &["BatchSize"]).as_u64().and_then(|size| usize::try_from(size).ok());
        Ok(MappingSpec {
            function: function.ok_or_else(|| self.broken(id, "FunctionName"))?,
            table: table.ok_or_else(|| self.broken(id, "EventSourceArn"))?,
            batch_size: batch_size.filter(|size| *size > 0).ok_or_else(|| self.broken(id, "BatchSize"))?,
            window_seconds: at(properties, &["TumblingWindowInSeconds"]).as_i64(),
            bisects: at(properties, &["BisectBatchOnFunctionError"]) == true,
        })
    }

    /// Reads a rule with a rate in minutes. Each of its targets becomes a schedule.
    fn rule(&self, id: &str, resource: &Value) -> Result<Vec<ScheduleSpec>> {
        let properties = at(resource, &["Properties"]);
        let every = at(properties, &["ScheduleExpression"]).as_str().and_then(minutes);
        let every = every.ok_or_else(|| self.broken(id, "ScheduleExpression is no rate in minutes"))?;
        let targets = at(properties, &["Targets"]).as_array().filter(|targets| !targets.is_empty());
        let schedule = |target: &Value| {
            let arn = at(target, &["Arn", "Fn::GetAtt"]).as_str();
            let function = arn.and_then(|arn| self.binary(arn.strip_suffix(".Arn")?));
            let input = target.get("Input").map(|input| serde_json::from_str(input.as_str().unwrap_or_default()));
            Ok(ScheduleSpec {
                function: function.ok_or_else(|| self.broken(id, "Targets"))?,
                every,
                input: input.transpose().map_err(|_| self.broken(id, "Input is no JSON"))?,
            })
        };
        targets.ok_or_else(|| self.broken(id, "Targets"))?.iter().map(schedule).collect()
    }

    /// The text of a value: plain, a reference to a parameter or a table, or a substitution of parameters.
    fn text(&self, value: &Value) -> Option<String> {
        if let Some(name) = value.get("Ref").and_then(Value::as_str) {
            return self.referred(name);
        }
        if let Some(pattern) = value.get("Fn::Sub").and_then(Value::as_str) {
            return self.substituted(pattern);
        }
        value.is_string().then(|| plain(value)).or_else(|| value.is_number().then(|| plain(value)))
    }

    fn referred(&self, name: &str) -> Option<String> {
        let table = || self.text(at(&self.document, &["Resources", name, "Properties", "TableName"]));
        self.parameters.get(name).cloned().or_else(table)
    }

    fn substituted(&self, pattern: &str) -> Option<String> {
        let mut parts = pattern.split("${");
        let mut text = parts.next()?.to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}')?;
            text.push_str(&self.referred(name)?);
            text.push_str(rest);
        }
        Some(text)
    }
}

/// Reads the time of `rate(5 minutes)`. EventBridge wants `rate(1 minute)` in the singular.
fn minutes(expression: &str) -> Option<Duration> {
    let (count, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let count: u64 = count.parse().ok().filter(|count| *count > 0)?;
    let unit_fits = if count == 1 { unit == "minute" } else { unit == "minutes" };
    unit_fits.then(|| Duration::from_secs(60 * count))
}

/// The value at a path; null when there is none.
fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().try_fold(value, |value, name| value.get(name)).unwrap_or(&Value::Null)
}

fn object(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
