//! Schedules, as EventBridge runs them.

use crate::{runtime::Runtime, template::ScheduleSpec};
use mealticket_domain::Timestamp;
use mealticket_store::Clock;
use serde_json::{Value, json};

/// What EventBridge sends a function at its time.
pub fn event(schedule: &ScheduleSpec, time: Timestamp) -> Value {
    json!({
        "version": "0", "id": format!("tick-{}", time.unix_seconds()), "detail-type": "Scheduled Event",
        "source": "aws.events", "account": "000000000000", "region": "local", "time": time.to_string(),
        "resources": [format!("arn:local:events:local:000000000000:rule/{}", schedule.function)], "detail": {},
    })
}

/// Invokes a function at its rate, until the runtime ends. A run that fails is in the function's log, and the next comes.
pub(crate) async fn run(schedule: ScheduleSpec, runtime: Runtime, clock: Clock) {
    loop {
        tokio::time::sleep(schedule.every).await;
        let _ = runtime.invoke(&schedule.function, &event(&schedule, clock.now())).await;
    }
}
