#![doc = include_str!("../README.md")]
#![warn(clippy::wildcard_enum_match_arm)]

pub mod auth;
pub mod codes;
pub mod config;
pub mod deps;
pub mod json;
pub mod language;
pub mod lists;
pub mod locate;
pub mod problem;
mod proof;
pub mod random;
pub mod refusals;
pub mod request;
pub mod response;
pub mod route;
pub mod run;
pub mod secrets;
mod share;
pub mod sms;
mod telemetry;
pub mod vault;
pub mod views;
pub mod webhook;
pub mod wording;

pub use codes::Code;
pub use deps::Deps;
pub use problem::ApiError;
pub use proof::Subject;
pub use request::Request;
pub use response::{Response, Success};
pub use route::{Asked, Route, Who};
