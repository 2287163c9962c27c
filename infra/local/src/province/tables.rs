//! Serves the tables alone, with filled samples, for functions that plain cargo-lambda runs.

use crate::{
    Result, StackError,
    engine::Engine,
    environment::{Local, local_config, local_variables},
    issuer::Issuer,
    samples::{Samples, files},
    seed::Seed,
    stack::client,
    state::StateDir,
    template::Template,
    workspace,
};
use mealticket_api::{Deps, deps::Stack};
use mealticket_store::{Clock, Tables};
use std::{fmt::Display, fs, path::PathBuf, sync::Arc};

/// Tables that are served, until this value is dropped.
pub struct Served {
    /// The URL of the tables.
    pub url: String,
    /// The file with the environment that the functions need.
    pub env_file: PathBuf,
    /// The folder with the filled samples.
    pub folder: PathBuf,
    _engine: Engine,
}

/// Serves the seed's tables on `port`, writes the functions' environment, and fills every sample.
pub async fn serve(port: u16) -> Result<Served> {
    let template = Template::read(&workspace::template())?;
    let seed = Seed::read(&workspace::seed())?;
    let state = StateDir::open(None)?;
    let keys = state.keys(&seed)?;
    let engine = Engine::start(port, None, &template.tables()?).await?;
    let functions = template.functions()?;
    let issuer = Issuer::start(&keys).await?;
    let secrets = state.secrets_file();
    let local = Local { secrets: &secrets, strict: false, operators: &issuer.url(), tables: &engine.url() };
    let config = local_config(&functions, &local)?;
    let tables = Tables::new(client(&engine.url()), config.tables.clone(), Clock::system());
    seed.load(&tables, &keys).await?;

    let stack = Stack::new(config, &keys.stack).map_err(failed)?;
    let deps = Deps { tables, stack: Arc::new(stack) };
    let samples = Samples::prepare(&deps, &keys).await?;
    let folder = workspace::private().join("events");
    for file in files()? {
        let filled = folder.join(file.strip_prefix(workspace::root().join("events")).map_err(failed)?);
        fs::create_dir_all(filled.parent().unwrap_or(&folder)).map_err(failed)?;
        fs::write(&filled, samples.render(&file)?.to_string()).map_err(failed)?;
    }

    let first = functions.first().ok_or_else(|| failed("the template has no function"))?;
    let variables = local_variables(first, &local).into_iter();
    let lines: Vec<String> = variables.map(|(name, value)| format!("{name}={value}\n")).collect();
    let env_file = workspace::private().join("watch.env");
    fs::write(&env_file, lines.concat()).map_err(failed)?;
    Ok(Served { url: engine.url(), env_file, folder, _engine: engine })
}

fn failed(error: impl Display) -> StackError {
    StackError::caused("the tables", error)
}
