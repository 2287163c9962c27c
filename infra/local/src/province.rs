//! The province on one machine: tables in an embedded engine, functions as processes, a gateway before them, streams and schedules that
//! trigger them, an identity provider, and a receiver of messages.

pub mod engine;
pub mod environment;
pub mod gateway;
pub mod guard;
pub mod issuer;
pub mod receiver;
pub mod runtime;
pub mod stack;
pub mod state;
pub mod tables;
pub mod triggers;
