//! Credentials for outside programs, made from the stack's keys: tokens, share codes, signatures and secrets.

use crate::{
    Result, StackError,
    environment::{Local, local_config},
    key_file::{Employee, KeyFile},
    seed::Seed,
    state::{Running, StateDir},
    template::Template,
    workspace,
};
use mealticket_api::{auth::operator::Role, config::Config, random, vault::Vault};
use std::path::{Path, PathBuf};

/// An employee of the operator, for whom a token is made.
#[derive(Debug)]
pub struct Speaker<'a> {
    /// Any name. It becomes the token's `sub`.
    pub name: &'a str,
    /// The roles that the token names.
    pub roles: &'a [Role],
    /// The two-digit code of the province that the employee works for; the stack's own when absent.
    pub province: Option<&'a str>,
    /// The cities that the employee works for. Empty means the whole province.
    pub cities: &'a [String],
}

/// Makes credentials from the keys in the directory of one stack.
pub struct Credentials {
    state: StateDir,
    keys: KeyFile,
}

impl Credentials {
    /// Reads the keys of the stack that was started with this `--data`, or else the machine's own keys.
    pub fn of(data: Option<&Path>) -> Result<Self> {
        let state = StateDir::existing(data)?;
        let keys = state.keys(&Seed::read(&workspace::seed())?)?;
        Ok(Credentials { state, keys })
    }

    /// A bearer token of a merchant, good for four minutes by the stack's clock. Fails when the seed has no such
    /// merchant.
    pub fn merchant_token(&self, merchant: &str) -> Result<String> {
        self.keys.merchant(merchant)?.token(merchant, &variable("ISSUER")?, self.state.clock().now())
    }

    /// A bearer token of an employee of the operator, good for an hour by the stack's clock. The stack must be up: it
    /// is the identity provider.
    pub fn operator_token(&self, speaker: &Speaker<'_>) -> Result<String> {
        let running =
            self.state.running().ok_or_else(|| StackError("no stack runs here; start one with `up`".into()))?;
        let config = config(&running)?;
        let province = speaker.province.unwrap_or_else(|| config.province.code());
        let Speaker { name, roles, cities, .. } = *speaker;
        let employee = Employee { name, roles, province, cities };
        self.keys.operators()?.token(&config.operators, &employee, self.state.clock().now())
    }

    /// The share code of a partner. Fails when the id is malformed.
    pub fn share_code(&self, partner: &str) -> Result<String> {
        let id = partner
            .parse()
            .map_err(|_| StackError(format!("{partner} is no partner: ptn_ and 1 to 18 of a-z and 0-9")))?;
        let unusable = |_| StackError("the keys of share codes are not usable".to_owned());
        let vault = Vault::new(&self.keys.stack).map_err(unusable)?;
        let code = vault.share_code(&id).ok_or_else(|| StackError(format!("{partner} has no share code")))?;
        Ok(code.to_string())
    }

    /// Signs a report by this merchant, with the file as its body. Returns the three headers, one a line. The id is
    /// random when absent.
    pub fn sign(&self, merchant: &str, file: &PathBuf, id: Option<&str>) -> Result<String> {
        let body = std::fs::read(file).map_err(|error| StackError::caused(file.display(), error))?;
        let random = || random::name().map(|name| format!("msg_{name}"));
        let id = id.map_or_else(random, |id| Ok(id.to_owned()));
        let id = id.map_err(|_| StackError("no random bytes".to_owned()))?;
        let headers = self.keys.merchant(merchant)?.sign(&id, self.state.clock().now(), &body)?;
        Ok(headers.map(|(name, value)| format!("{name}: {value}\n")).concat())
    }

    /// The two secrets of a merchant of the seed. The first signs its reports. The second signs our messages to the
    /// seed's endpoint, and is empty when there is none.
    pub fn secrets(&self, merchant: &str) -> Result<(&str, &str)> {
        let secrets = self.keys.merchant(merchant)?;
        Ok((&secrets.webhook_secret, secrets.endpoint_secret.as_deref().unwrap_or_default()))
    }
}

/// The value of a variable that the template gives to the functions.
fn variable(name: &str) -> Result<String> {
    let functions = Template::read(&workspace::template())?.functions()?;
    let value = functions.first().and_then(|function| function.environment.get(name).cloned());
    value.ok_or_else(|| StackError(format!("the template sets no {name}")))
}

/// The configuration of the functions of the running stack.
fn config(running: &Running) -> Result<Config> {
    let functions = Template::read(&workspace::template())?.functions()?;
    // Nobody uses the keys or the tables of this configuration.
    let local =
        Local { secrets: Path::new("unused"), strict: true, operators: &running.operators, tables: "http://127.0.0.1" };
    local_config(&functions, &local)
}
