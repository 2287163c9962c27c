//! What invokes functions besides the gateway: streams and schedules.

pub mod pump;
pub mod schedule;
