//! The work behind the commands of `cargo stack`. It builds programs, makes tokens and signatures, formats what `up`
//! prints, and runs the schedules by hand.

pub mod binaries;
pub mod cargo_lambda;
pub mod credentials;
pub mod ready;
pub mod tick;
