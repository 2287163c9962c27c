//! What stands behind the commands of `cargo stack`: building the programs, tokens and signatures, what `up` prints, the schedules run by hand.

pub mod binaries;
pub mod cargo_lambda;
pub mod credentials;
pub mod ready;
pub mod tick;
