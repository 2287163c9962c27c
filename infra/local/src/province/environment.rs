//! The environment of functions on one machine: the template's variables, the keys in a file, and the tables nearby.

use crate::{Result, StackError, issuer::jwks_url, template::FunctionSpec};
use mealticket_api::config::Config;
use std::{collections::BTreeMap, path::Path};

/// How many requests one process serves at once.
const CONCURRENCY: usize = 16;

/// The values that differ from the template's because everything is on this machine.
#[derive(Debug, Clone)]
pub struct Local<'a> {
    /// The file with the stack's keys.
    pub secrets: &'a Path,
    /// Whether the limits on one-time codes apply.
    pub strict: bool,
    /// The URL of the operator's identity provider.
    pub operators: &'a str,
    /// The URL of the tables.
    pub tables: &'a str,
}

/// The environment variables of a function on one machine: the template's, but for what is different here. A file holds
/// the keys instead of Secrets Manager. One-time codes are printed, and messages go to this machine. The tables and an
/// identity provider are nearby.
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

/// The configuration of every function of a stack on one machine. Fails when the template has no function or a variable
/// is wrong.
pub fn local_config(functions: &[FunctionSpec], local: &Local<'_>) -> Result<Config> {
    let first = functions.first().ok_or_else(|| StackError("the template has no function".to_owned()))?;
    let variables = local_variables(first, local);
    Config::from_variables(&variables).map_err(|error| StackError(error.to_string()))
}

/// Settings of the AWS SDK: it finds the tables on this machine, through no proxy, and reaches nothing anywhere else.
fn sdk_variables(tables_url: &str) -> [(&'static str, String); 5] {
    [
        ("NO_PROXY", "127.0.0.1".to_owned()),
        ("AWS_ENDPOINT_URL", tables_url.to_owned()),
        ("AWS_REGION", "local".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
    ]
}

/// All variables of a function of a running stack, with those that Lambda itself sets. The function registers with the
/// emulator at `runtime`, and reads in `clock_file` by how many seconds the stack's clock is moved.
pub(crate) fn function_variables(
    function: &FunctionSpec,
    local: &Local<'_>,
    (runtime, clock_file): (&str, &Path),
) -> BTreeMap<String, String> {
    let mut variables = local_variables(function, local);
    for (name, value) in [
        ("AWS_LAMBDA_RUNTIME_API", format!("{runtime}/.rt/{}", function.name)),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_MAX_CONCURRENCY", CONCURRENCY.to_string()),
        ("CLOCK_FILE", clock_file.display().to_string()),
    ] {
        variables.insert(name.to_owned(), value);
    }
    variables
}
