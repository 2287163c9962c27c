//! A province on one machine: the tables of the template in an embedded engine, the functions under cargo-lambda, a gateway
//! before them, and a seed to play with. `cargo stack` is its command line.

pub mod binaries;
pub mod cargo_lambda;
pub mod client;
pub mod credentials;
pub mod demo;
pub mod engine;
pub mod environment;
pub mod gateway;
pub mod generated;
pub mod guard;
pub mod issuer;
pub mod key_file;
pub mod measure;
pub mod ready;
pub mod receiver;
pub mod runtime;
pub mod samples;
pub mod seed;
pub mod stack;
pub mod state;
pub mod tables;
pub mod template;
pub mod tick;
pub mod triggers;
pub mod workspace;
pub mod yaml;

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
