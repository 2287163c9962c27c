//! The stream of members, as Lambda hands it to a function.

use dynoxide::Database;
use serde_json::{Value, json};

/// Reads a table's stream from its beginning.
pub struct Reader {
    database: Database,
    iterator: String,
}

impl Reader {
    /// Starts to read a table's only shard.
    pub fn new(database: &Database, table: &str) -> Self {
        let request = json!({ "StreamArn": arn(database, table), "ShardId": shard(database, table),
            "ShardIteratorType": "TRIM_HORIZON" });
        let request = serde_json::from_value(request).unwrap();
        let iterator = database.get_shard_iterator(request).unwrap().shard_iterator.unwrap();
        Reader { database: database.clone(), iterator }
    }

    /// Returns every record since the last `read`, in order.
    pub fn read(&mut self) -> Vec<Value> {
        let mut records = Vec::new();
        loop {
            let request = serde_json::from_value(json!({ "ShardIterator": self.iterator })).unwrap();
            let read = self.database.get_records(request).unwrap();
            if read.records.is_empty() {
                return records;
            }
            records.extend(read.records.iter().map(|record| serde_json::to_value(record).unwrap()));
            self.iterator = read.next_shard_iterator.unwrap();
        }
    }
}

/// Every record of a table's stream so far, in order.
pub fn records(database: &Database, table: &str) -> Vec<Value> {
    Reader::new(database, table).read()
}

/// The event for a batch of a shard's records, in a tumbling window.
pub fn batch(shard: &str, records: &[Value]) -> Value {
    json!({
        "Records": records, "shardId": shard, "state": {},
        "window": { "start": "2026-11-22T04:00:00Z", "end": "2026-11-22T04:00:30Z" },
        "eventSourceARN": "arn:local:dynamodb:local:000000000000:table/members/stream/1",
        "isFinalInvokeForWindow": false, "isWindowTerminatedEarly": false,
    })
}

/// The id of the only shard that the engine gives a stream.
pub fn shard(database: &Database, table: &str) -> String {
    let request = serde_json::from_value(json!({ "StreamArn": arn(database, table) })).unwrap();
    database.describe_stream(request).unwrap().stream_description.shards[0].shard_id.clone()
}

fn arn(database: &Database, table: &str) -> String {
    let request = serde_json::from_value(json!({ "TableName": table })).unwrap();
    database.list_streams(request).unwrap().streams[0].stream_arn.clone()
}
