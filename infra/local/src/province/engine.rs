//! The tables, in an embedded engine that is compatible with DynamoDB, on 127.0.0.1.

mod api;

pub use api::answer;

use crate::{Result, StackError, template::TableSpec};
use dynoxide::Database;
use mealticket_store::Clock;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};

/// A running engine. It ends when this value is dropped.
pub struct Engine {
    address: SocketAddr,
    database: Database,
    tasks: Vec<JoinHandle<()>>,
}

/// How often the engine removes expired items. DynamoDB promises only "within days"; tests and people should see it
/// happen.
const TTL_SWEEP: Duration = Duration::from_secs(5);

impl Engine {
    /// Starts the engine with these tables, kept in `file` or in memory. Tables that exist already stay as they are.
    pub async fn start(port: u16, file: Option<&Path>, tables: &[TableSpec]) -> Result<Self> {
        let database = match file {
            Some(path) => Database::new(&path.to_string_lossy()),
            None => Database::memory(),
        };
        let database = database.map_err(|error| StackError::caused("the table engine does not start", error))?;
        for table in tables {
            create(&database, table)?;
        }
        Self::serve(port, database).await
    }

    /// Starts an engine in memory, with the tables and items of a snapshot and with this clock.
    pub async fn restored(snapshot: &Path, clock: Clock) -> Result<Self> {
        Self::serve(0, restored(snapshot, clock)?).await
    }

    /// Writes all tables and items to a new file.
    pub fn snapshot(&self, file: &Path) -> Result<()> {
        self.database.vacuum_into(&file.to_string_lossy()).map_err(|error| StackError::caused(file.display(), error))
    }

    async fn serve(port: u16, database: Database) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
            StackError(format!("port {port} on 127.0.0.1 is not free ({error}); choose another for the tables"))
        })?;
        let address = listener.local_addr().map_err(|error| StackError::caused("the table engine", error))?;
        let serving = tokio::spawn(api::serve(listener, database.clone(), address));
        let swept = database.clone();
        let sweeping = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TTL_SWEEP).await;
                // A failed sweep is tried again. Where expiry matters, a condition checks it; nothing depends on this
                // sweep.
                let _ = swept.sweep_ttl();
            }
        });
        Ok(Engine { address, database, tasks: vec![serving, sweeping] })
    }

    /// The endpoint's URL, for an SDK client.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The engine's database, for tests that look behind the API.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

/// A database in memory, with the tables and items of a snapshot. Its streams take their times from this clock.
pub fn restored(snapshot: &Path, clock: Clock) -> Result<Database> {
    let failed = |error| StackError::caused(snapshot.display(), error);
    let database = Database::memory_with_clock(Arc::new(EngineClock(clock))).map_err(failed)?;
    database.restore_from(&snapshot.to_string_lossy()).map_err(failed)?;
    Ok(database)
}

struct EngineClock(Clock);

impl dynoxide::storage_backend::Clock for EngineClock {
    fn now_unix_secs(&self) -> u64 {
        self.0.now().unix_seconds().unsigned_abs()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.now_unix_secs() as f64
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn create(database: &Database, table: &TableSpec) -> Result<()> {
    let broken = |error: &dyn std::fmt::Display| StackError(format!("table {}: {error}", table.name));
    if database.describe_table(request(json!({ "TableName": table.name }))?).is_ok() {
        return Ok(());
    }
    database.create_table(request(table.create.clone())?).map_err(|error| broken(&error))?;
    if let Some(attribute) = &table.ttl_attribute {
        let specification = json!({ "AttributeName": attribute, "Enabled": true });
        let update = json!({ "TableName": table.name, "TimeToLiveSpecification": specification });
        database.update_time_to_live(request(update)?).map_err(|error| broken(&error))?;
    }
    Ok(())
}

fn request<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| StackError::caused("a table of the template", error))
}
