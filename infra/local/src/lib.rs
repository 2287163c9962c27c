//! A province on one machine: the tables of the template in an embedded engine, the functions under cargo-lambda, a gateway
//! before them, and a seed to play with. `cargo stack` is its command line.

mod command_line;
mod fixtures;
pub mod generated;
mod province;
mod stories;
pub mod template;
pub mod workspace;
pub mod yaml;

pub use command_line::{binaries, cargo_lambda, credentials, ready, tick};
pub use fixtures::{key_file, samples, seed};
pub use province::{engine, environment, gateway, guard, issuer, receiver, runtime, stack, state, tables, triggers};
pub use stories::{client, demo, measure};

/// What stops the local stack: one line that says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StackError(pub String);

impl StackError {
    /// An error with its cause, on one line.
    pub fn caused(what: impl std::fmt::Display, cause: impl std::fmt::Display) -> Self {
        StackError(format!("{what}: {cause}"))
    }
}

/// Short for a result of the local stack.
pub type Result<T> = std::result::Result<T, StackError>;
