//! What invokes functions besides the gateway: the streams and the schedules.

pub mod pump;
pub mod schedule;
