//! Moves the clock of a running stack, and runs the schedules.

use crate::{
    Result, StackError,
    runtime::Runtime,
    state::StateDir,
    template::{ScheduleSpec, Template},
    triggers::schedule,
    workspace,
};
use mealticket_domain::Timestamp;
use mealticket_store::Clock;
use serde_json::Value;

/// One run of a scheduled function.
pub struct Ticked {
    /// The schedule that was run.
    pub schedule: ScheduleSpec,
    /// What the function returned.
    pub reply: Value,
}

/// Moves the clock of the stack in `state` to `at`, if that is given, and runs every schedule once. Time does not go
/// back: an earlier `at` is refused.
pub async fn tick(state: &StateDir, at: Option<Timestamp>) -> Result<Vec<Ticked>> {
    let running = state.running().ok_or_else(|| StackError("no stack runs here; start one with `up`".to_owned()))?;
    let clock = state.clock();
    if let Some(at) = at {
        let now = clock.now();
        if at < now {
            return Err(StackError(format!("the stack's clock says {now} and does not go back")));
        }
        let shift = at.seconds_since(Clock::system().now());
        let draft = running.clock_file.with_extension("draft");
        std::fs::write(&draft, shift.to_string())
            .and_then(|()| std::fs::rename(&draft, &running.clock_file))
            .map_err(|error| StackError::caused(running.clock_file.display(), error))?;
    }
    let runtime = Runtime::new(running.functions)?;
    let mut ticked = Vec::new();
    for schedule in Template::read(&workspace::template())?.schedules()? {
        let reply = runtime.invoke(&schedule.function, &schedule::event_once(&schedule, clock.now())).await;
        let reply =
            reply.ok_or_else(|| StackError(format!("{} does not answer; is the stack up?", schedule.function)))?;
        ticked.push(Ticked { schedule, reply });
    }
    Ok(ticked)
}
