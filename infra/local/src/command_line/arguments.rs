//! The command line of `cargo stack`. The comments on its commands and options are the text of `--help`.

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
    /// Start a province and keep it running until Ctrl-C.
    Up(Up),
    /// Run the whole story against a fresh province. Fails at the first step that is wrong.
    Demo(Demo),
    /// Run every test, also those that need the functions' binaries.
    Test {
        /// Passed on to the test binaries, like a part of a test's name.
        arguments: Vec<String>,
    },
    /// Search for a way to issue or redeem one coupon too many, and print what was searched.
    Prove {
        /// Passed on to the proof: `--seeds N`, `--replay SEED`, `--write`; `--help` lists all.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Time every operation, in a province of its own.
    Measure {
        /// How many members go through every operation.
        #[arg(long, default_value_t = 200)]
        members: u32,
        /// Use release binaries instead of debug binaries.
        #[arg(long)]
        release: bool,
    },
    /// Write what is generated from infra/template.yaml: the routes of plain cargo-lambda, and the tables of
    /// functions/README.md.
    Generate,
    /// Serve the tables alone, with the seed in them and the samples filled, for plain `cargo lambda watch`.
    Tables {
        /// The port of the tables; 0 takes any free port.
        #[arg(long, default_value_t = 8781)]
        port: u16,
    },
    /// Serve the functions with cargo-lambda, which rebuilds them after each edit. `tables` must be running.
    Watch {
        /// Passed on to `cargo lambda watch`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Send one sample of `events/` to a function that `watch` serves.
    Invoke {
        /// The function's name, like redeem-code.
        function: String,
        /// The sample's name, like 201-redeems-a-code-for-the-smallest-order.
        sample: String,
        /// Passed on to `cargo lambda invoke`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Move the clock of the running province, and run every schedule once.
    Tick {
        /// The new time, like 2026-11-22T16:05:00Z. The clock never goes back; without this option it is not moved.
        #[arg(long, value_parser = instant)]
        at: Option<Timestamp>,
        /// The directory that `up` was given with --data, if it was given one.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Rebuild the books of the running province from its coupons, and print where the journal differs.
    RebuildLedger {
        /// The directory that `up` was given with --data, if it was given one.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Print a bearer token of a merchant of the seed, or of an employee of the operator.
    Token(Speaker),
    /// Print a partner's share code. The partner earns the commission on coupons that are claimed with it.
    ShareCode {
        /// The partner's id: `ptn_` and 1 to 18 of a-z and 0-9.
        #[arg(long)]
        partner: String,
        /// The directory of the stack, if it has keys of its own: the one that `up` was given with --data.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Print the three webhook headers of a report that has a file as its body.
    Sign {
        #[command(flatten)]
        merchant: MerchantChoice,
        /// The file with the report's body.
        file: PathBuf,
        /// The report's id, for the header webhook-id; random when absent.
        #[arg(long)]
        id: Option<String>,
    },
    /// Print the two secrets of a merchant of the seed: one signs its reports to us, the other signs our messages to
    /// it.
    Secret(MerchantChoice),
    /// Become another program, which ends when its parent ends. The stack uses this itself.
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
    /// The port of the API; 0 takes any free port.
    #[arg(long, default_value_t = 8780)]
    pub(crate) port: u16,
    /// The port of the tables; 0 takes any free port.
    #[arg(long, default_value_t = 0)]
    pub(crate) dynamodb_port: u16,
    /// Keep the tables in this directory. Without it, they are kept in memory.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Use release binaries instead of debug binaries.
    #[arg(long)]
    pub(crate) release: bool,
    /// Apply the limits on one-time codes.
    #[arg(long)]
    pub(crate) strict: bool,
    /// A web origin whose pages may call the API, like http://127.0.0.1:5173. Repeat the option for more than one.
    #[arg(long = "app-origin")]
    pub(crate) app_origins: Vec<String>,
    /// Print only JSON on standard output, one object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Do not build the binaries: they are there already.
    #[arg(long, hide = true)]
    pub(crate) no_build: bool,
}

#[derive(Args)]
pub(crate) struct Demo {
    /// Which story to run: `main` goes from sign-up to the statement; `webhooks` follows messages to a merchant's
    /// system.
    #[arg(long, value_enum, default_value_t = demo::Tale::Main)]
    pub(crate) story: demo::Tale,
    /// Use release binaries instead of debug binaries.
    #[arg(long)]
    pub(crate) release: bool,
    /// Do not build the binaries: they are there already.
    #[arg(long, hide = true)]
    pub(crate) no_build: bool,
}

/// Whose token to print, and what it allows.
#[derive(Args)]
pub(crate) struct Speaker {
    /// The merchant's id, like mch_luckytea.
    #[arg(long, conflicts_with_all = ["operator", "roles"])]
    pub(crate) merchant: Option<String>,
    /// An employee of the operator, by any name. The stack must be up: it is the identity provider.
    #[arg(long, requires = "roles")]
    pub(crate) operator: Option<String>,
    /// A role of the employee: province_admin, city_operator, reviewer, finance or auditor. Repeat the option for more
    /// than one.
    #[arg(long = "role", value_parser = role)]
    pub(crate) roles: Vec<Role>,
    /// The two-digit code of the province that the employee works for; this stack's own when absent.
    #[arg(long, requires = "operator")]
    pub(crate) province: Option<String>,
    /// A city that the employee works for; without one, the whole province. Repeat the option for more than one.
    #[arg(long = "city", requires = "operator")]
    pub(crate) cities: Vec<String>,
    /// The directory of the stack, if it has keys of its own: the one that `up` was given with --data.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct MerchantChoice {
    /// The merchant's id, like mch_luckytea.
    #[arg(long)]
    pub(crate) merchant: String,
    /// The directory of the stack, if it has keys of its own: the one that `up` was given with --data.
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
