//! A province on one machine. An embedded engine holds the tables of the template, cargo-lambda runs the functions, and
//! a gateway stands before them. A seed gives you something to play with. `cargo stack` is the command line.

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
use province::processes;
pub use province::{engine, environment, gateway, guard, issuer, receiver, runtime, stack, state, tables, triggers};
pub use stories::{client, demo, measure};

/// Why the local stack stops: one line that says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StackError(pub String);

impl StackError {
    /// An error and its cause, on one line.
    pub fn caused(what: impl std::fmt::Display, cause: impl std::fmt::Display) -> Self {
        StackError(format!("{what}: {cause}"))
    }
}

/// The result of every fallible function of the local stack.
pub type Result<T> = std::result::Result<T, StackError>;
