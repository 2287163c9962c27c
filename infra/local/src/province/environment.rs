//! What functions are told on one machine: the template's environment, the keys in a file, the tables nearby.

use crate::{Result, StackError, issuer::jwks_url, state::StateDir, template::FunctionSpec};
use mealticket_api::config::Config;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Requests that one process serves at once.
const CONCURRENCY: usize = 16;

/// What is not as the template says it, because it is on this machine.
#[derive(Debug, Clone)]
pub struct Local<'a> {
    /// The file with the keys.
    pub secrets: &'a Path,
    /// Whether the limits on one-time codes apply.
    pub strict: bool,
    /// Where the operator's identity provider is.
    pub operators: &'a str,
    /// Where the tables are.
    pub tables: &'a str,
}

/// What a function is told on one machine: the template's variables, with the keys in a file instead of Secrets Manager, and
/// the tables and an identity provider nearby.
pub fn local_variables(function: &FunctionSpec, local: &Local<'_>) -> BTreeMap<String, String> {
    let mut variables = function.environment.clone();
    variables.remove("SECRETS_ARN");
    variables.insert("SECRETS_FILE".to_owned(), local.secrets.display().to_string());
    variables.insert("SMS_GATEWAY".to_owned(), "print".to_owned());
    variables.insert("WEBHOOKS_TO".to_owned(), "this-machine".to_owned());
    variables.insert("SEND_LIMITS".to_owned(), if local.strict { "on" } else { "off" }.to_owned());
    variables.insert("OPERATOR_ISSUER".to_owned(), local.operators.to_owned());
    variables.insert("OPERATOR_JWKS_URL".to_owned(), jwks_url(local.operators));
    variables.extend(sdk_variables(local.tables).map(|(name, value)| (name.to_owned(), value)));
    variables
}

/// The configuration that every function of a stack on one machine has.
pub fn local_config(functions: &[FunctionSpec], local: &Local<'_>) -> Result<Config> {
    let first = functions.first().ok_or_else(|| StackError("the template has no function".to_owned()))?;
    let variables = local_variables(first, local);
    Config::from_variables(&variables).map_err(|error| StackError(error.to_string()))
}

/// What the AWS SDK is told, so that it finds the tables on this machine, through no proxy, and nothing anywhere else.
fn sdk_variables(tables_url: &str) -> [(&'static str, String); 5] {
    [
        ("NO_PROXY", "127.0.0.1".to_owned()),
        ("AWS_ENDPOINT_URL", tables_url.to_owned()),
        ("AWS_REGION", "local".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
    ]
}

/// The environment of a stack's functions.
pub(crate) struct Environment<'a> {
    /// Where the keys are.
    pub(crate) state: &'a StateDir,
    /// Where the tables are.
    pub(crate) tables_url: String,
    /// Whether the limits on one-time codes apply.
    pub(crate) strict: bool,
    /// Where the operator's identity provider is.
    pub(crate) operators: String,
    /// The file that says how far the stack's clock is moved.
    pub(crate) clock_file: PathBuf,
}

impl Environment<'_> {
    /// What a function is told, and what Lambda itself sets.
    pub(crate) fn variables(&self, function: &FunctionSpec, runtime_port: u16) -> BTreeMap<String, String> {
        let secrets = self.state.secrets_file();
        let local =
            Local { secrets: &secrets, strict: self.strict, operators: &self.operators, tables: &self.tables_url };
        let mut variables = local_variables(function, &local);
        for (name, value) in [
            ("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{runtime_port}/.rt/{}", function.name)),
            ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("AWS_LAMBDA_MAX_CONCURRENCY", CONCURRENCY.to_string()),
            ("CLOCK_FILE", self.clock_file.display().to_string()),
        ] {
            variables.insert(name.to_owned(), value);
        }
        variables
    }
}
