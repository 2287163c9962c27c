//! What DynamoDB allows one partition key: 1 000 write and 3 000 read units a second (developer guide, "Partitions and
//! data distribution"). The engine has no such limit. So a hot key meets this layer's limit, on a virtual clock, and
//! not the engine.

use serde_json::Value;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Write units per second of one partition key.
pub const WRITES_PER_SECOND: f64 = 1_000.0;
/// Read units per second of one partition key.
pub const READS_PER_SECOND: f64 = 3_000.0;

/// The partition keys of all tables, and what each has served.
#[derive(Debug, Clone)]
pub struct Partitions {
    scale: f64,
    served: BTreeMap<(String, String), Served>,
}

/// What one partition key has served.
#[derive(Debug, Clone)]
pub struct Served {
    /// Requests, the refused ones included.
    pub requests: u64,
    /// Requests that the limit refused.
    pub throttled: u64,
    /// Write units that were served.
    pub writes: u64,
    /// Read units that were served. Each request counts as one, of up to 4 KB.
    pub reads: u64,
    write_tokens: f64,
    read_tokens: f64,
    filled: Instant,
}

impl Partitions {
    /// Partition keys with this part of DynamoDB's limits.
    pub fn scaled(scale: f64) -> Self {
        Partitions { scale, served: BTreeMap::new() }
    }

    /// Takes a request's unit from its key's allowance of this second. False means that the request is refused.
    pub fn admit(&mut self, target: &str, body: &[u8]) -> bool {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(key) = key_of(&body) else { return true };
        let is_write = !matches!(target.rsplit('.').next(), Some("GetItem" | "Query"));
        let scale = self.scale;
        self.served.entry(key).or_insert_with(|| Served::new(scale)).admit(is_write, scale)
    }

    /// The partition keys of a table with what they served. The most written key comes first.
    pub fn of_table(&self, table: &str) -> Vec<(&str, &Served)> {
        let of_table = self.served.iter().filter(|((of, _), _)| of == table);
        let mut served: Vec<_> = of_table.map(|((_, key), served)| (key.as_str(), served)).collect();
        served.sort_by_key(|(_, served)| std::cmp::Reverse(served.writes));
        served
    }
}

impl Served {
    fn new(scale: f64) -> Self {
        let (requests, throttled, writes, reads) = (0, 0, 0, 0);
        let (write_tokens, read_tokens) = (WRITES_PER_SECOND * scale, READS_PER_SECOND * scale);
        Served { requests, throttled, writes, reads, write_tokens, read_tokens, filled: Instant::now() }
    }

    fn admit(&mut self, is_write: bool, scale: f64) -> bool {
        let (writes_max, reads_max) = (WRITES_PER_SECOND * scale, READS_PER_SECOND * scale);
        let passed = self.filled.elapsed().as_secs_f64();
        self.filled = Instant::now();
        self.write_tokens = (self.write_tokens + passed * writes_max).min(writes_max);
        self.read_tokens = (self.read_tokens + passed * reads_max).min(reads_max);
        self.requests += 1;
        let tokens = if is_write { &mut self.write_tokens } else { &mut self.read_tokens };
        if *tokens < 1.0 {
            self.throttled += 1;
            return false;
        }
        *tokens -= 1.0;
        if is_write {
            self.writes += 1;
        } else {
            self.reads += 1;
        }
        true
    }
}

/// The table and the partition key that one of our requests names.
fn key_of(body: &Value) -> Option<(String, String)> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let key = text("/Key/pk/S").or_else(|| text("/Item/pk/S")).or_else(|| text("/ExpressionAttributeValues/:pk/S"));
    Some((text("/TableName")?, key?))
}
