//! Programs that use a province from outside: the demo, and the measurement.

pub mod client;
pub mod demo;
pub mod measure;
