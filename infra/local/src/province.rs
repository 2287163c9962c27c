//! The province on one machine. An embedded engine holds the tables, and the functions are processes behind a gateway.
//! Streams and schedules trigger functions too. An identity provider signs operators' tokens, and a receiver takes our
//! messages to merchants.

pub mod engine;
pub mod environment;
pub mod gateway;
pub mod guard;
pub mod issuer;
pub(crate) mod processes;
pub mod receiver;
pub mod runtime;
pub mod stack;
pub mod state;
pub mod tables;
pub mod triggers;
