//! Runs schedules, as EventBridge does.

use crate::{runtime::Runtime, template::ScheduleSpec};
use mealticket_domain::Timestamp;
use mealticket_store::Clock;
use serde_json::{Value, json};

/// The event that EventBridge sends at this time: the rule's own input, or else the time.
pub fn event(schedule: &ScheduleSpec, time: Timestamp) -> Value {
    schedule.input.clone().unwrap_or_else(|| {
        json!({
            "version": "0", "id": format!("tick-{}", time.unix_seconds()), "detail-type": "Scheduled Event",
            "source": "aws.events", "account": "000000000000", "region": "local", "time": time.to_string(),
            "resources": [format!("arn:local:events:local:000000000000:rule/{}", schedule.function)], "detail": {},
        })
    })
}

/// The event for a run that does what is due and then ends. A function that would otherwise stay for more ends too.
pub fn event_once(schedule: &ScheduleSpec, time: Timestamp) -> Value {
    let mut event = event(schedule, time);
    if let Some(stay) = event.get_mut("for_seconds") {
        *stay = json!(0);
    }
    event
}

/// Invokes a function at its rate until the runtime ends. The function logs a failure itself, and the next run follows.
pub(crate) async fn run(schedule: ScheduleSpec, runtime: Runtime, clock: Clock) {
    loop {
        tokio::time::sleep(schedule.every).await;
        let _ = runtime.invoke(&schedule.function, &event(&schedule, clock.now())).await;
    }
}
