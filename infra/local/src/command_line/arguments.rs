//! What `cargo stack` can be asked for, on its command line.

use clap::{Args, Parser, Subcommand};
use mealticket_api::auth::operator::Role;
use mealticket_domain::Timestamp;
use mealticket_local::demo;
use std::{ffi::OsString, path::PathBuf};

#[derive(Parser)]
#[command(name = "cargo stack", about = "A Mealticket province on one machine")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Subcommand)]
pub(crate) enum Task {
    /// Start a province and keep it running.
    Up(Up),
    /// Tell the whole story against a fresh province; fails when any step is wrong.
    Demo(Demo),
    /// Run every test, those that need the functions' binaries included.
    Test {
        /// Passed on to the test binaries.
        arguments: Vec<String>,
    },
    /// Look for a way to issue or redeem one too many, and tell what was looked at.
    Prove {
        /// Passed on: `--seeds N`, `--replay SEED`, `--write`; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Time every operation through a province of its own.
    Measure {
        /// Members that go through everything.
        #[arg(long, default_value_t = 200)]
        members: u32,
        /// Use release binaries.
        #[arg(long)]
        release: bool,
    },
    /// Write what follows from the template: plain cargo-lambda's routes, and the tables of functions/README.md.
    Generate,
    /// Serve the tables alone, with the seed and filled samples, for plain `cargo lambda watch`.
    Tables {
        /// The port of the tables.
        #[arg(long, default_value_t = 8781)]
        port: u16,
    },
    /// Serve the functions with cargo-lambda, for edit and reload; `tables` must be serving.
    Watch {
        /// Passed on to `cargo lambda watch`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Send one sample of `events/` to a function that `watch` serves.
    Invoke {
        /// The function, like redeem-code.
        function: String,
        /// The sample, like 201-redeems-a-code-for-the-smallest-order.
        sample: String,
        /// Passed on to `cargo lambda invoke`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Move the clock of the running province, and run what is scheduled.
    Tick {
        /// The instant that it is then, like 2026-11-22T16:05:00Z; the province's clock stays when it is left out.
        #[arg(long, value_parser = instant)]
        at: Option<Timestamp>,
        /// The directory of the stack, when it was started with one.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Make the books of the running province anew from its coupons, and tell where the journal differs.
    RebuildLedger {
        /// The directory of the stack, when it was started with one.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Print a bearer token of a merchant of the seed, or of an operator's employee.
    Token(Speaker),
    /// Print the share code of a partner, who earns the commission of what is claimed with it.
    ShareCode {
        /// The partner: `ptn_` and 1 to 18 letters and digits.
        #[arg(long)]
        partner: String,
        /// The directory of the stack, when it was started with one that has keys of its own.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Print the three webhook headers for a file as the body.
    Sign {
        #[command(flatten)]
        merchant: MerchantChoice,
        /// The body.
        file: PathBuf,
        /// The message id; random when absent.
        #[arg(long)]
        id: Option<String>,
    },
    /// Print the secret that a merchant of the seed signs its reports with, and the one that the messages to it are signed with.
    Secret(MerchantChoice),
    /// Become a program that ends with its parent (used by the stack itself).
    #[command(hide = true)]
    Guard {
        parent: u32,
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Args)]
pub(crate) struct Up {
    /// The port of the API; 0 for any.
    #[arg(long, default_value_t = 8780)]
    pub(crate) port: u16,
    /// The port of the tables; 0 for any.
    #[arg(long, default_value_t = 0)]
    pub(crate) dynamodb_port: u16,
    /// Keep the tables in this directory; in memory when absent.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Use release binaries.
    #[arg(long)]
    pub(crate) release: bool,
    /// Apply the limits on one-time codes.
    #[arg(long)]
    pub(crate) strict: bool,
    /// A web origin whose pages may call the API, like http://127.0.0.1:5173. May be given more than once.
    #[arg(long = "app-origin")]
    pub(crate) app_origins: Vec<String>,
    /// Print one JSON object a line on standard output, and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
    /// The binaries are built already.
    #[arg(long, hide = true)]
    pub(crate) no_build: bool,
}

#[derive(Args)]
pub(crate) struct Demo {
    /// Which story: `main`, from sign-up to the statement, or `webhooks`, what a merchant's system is told.
    #[arg(long, value_enum, default_value_t = demo::Tale::Main)]
    pub(crate) story: demo::Tale,
    /// Use release binaries.
    #[arg(long)]
    pub(crate) release: bool,
    /// The binaries are built already.
    #[arg(long, hide = true)]
    pub(crate) no_build: bool,
}

/// Whose token.
#[derive(Args)]
pub(crate) struct Speaker {
    /// A merchant.
    #[arg(long, conflicts_with_all = ["operator", "roles"])]
    pub(crate) merchant: Option<String>,
    /// An employee of the operator, by any name; the stack must be up.
    #[arg(long, requires = "roles")]
    pub(crate) operator: Option<String>,
    /// What the employee may be: province_admin, city_operator, reviewer, finance or auditor. May be given more than once.
    #[arg(long = "role", value_parser = role)]
    pub(crate) roles: Vec<Role>,
    /// The two-digit code of the province that the employee works for; this stack's when absent.
    #[arg(long, requires = "operator")]
    pub(crate) province: Option<String>,
    /// A city that the employee works for, and for no more than what is named so. May be given more than once.
    #[arg(long = "city", requires = "operator")]
    pub(crate) cities: Vec<String>,
    /// The directory of the stack, when it was started with one that has keys of its own.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct MerchantChoice {
    /// The merchant.
    #[arg(long)]
    pub(crate) merchant: String,
    /// The directory of the stack, when it was started with one that has keys of its own.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

fn instant(text: &str) -> std::result::Result<Timestamp, String> {
    text.parse().map_err(|_| "an instant is like 2026-11-22T16:05:00Z".to_owned())
}

fn role(text: &str) -> std::result::Result<Role, String> {
    let known = Role::ALL.iter().copied().find(|role| role.as_str() == text);
    known.ok_or_else(|| {
        format!("a role is one of {}", Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", "))
    })
}
