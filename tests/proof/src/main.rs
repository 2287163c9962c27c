//! `cargo stack prove`: runs the proof and prints in plain words what it found.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "this program is a test that prints what it found"
)]

use clap::Parser;
use mealticket_proof::{
    deliveries::Throughputs,
    ledger::{self, Plan},
    models,
    report::{self, Figures, Short, Simulated},
    rules, simulator,
};
use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

#[derive(Parser)]
#[command(name = "cargo stack prove", about = "Looks for a way to issue or redeem one too many")]
struct Cli {
    /// Seeds that the simulator runs.
    #[arg(long, default_value_t = report::SHORT_SEEDS)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How often each race is run.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Run only the simulator.
    #[arg(long)]
    only_seeds: bool,
    /// Run one seed and print everything that happened.
    #[arg(long)]
    replay: Option<u64>,
    /// Evaluate a rule of ten clauses this often and end, for counting instructions.
    #[arg(long)]
    evaluate: Option<u32>,
    /// Redemptions of the month that is posted, folded, closed and rebuilt.
    #[arg(long, default_value_t = 20_000)]
    redemptions: u64,
    /// Merchants of that month.
    #[arg(long, default_value_t = 100)]
    merchants: u32,
    /// Only post, fold, close and rebuild that month.
    #[arg(long)]
    only_month: bool,
    /// Only post and fold twenty minutes at a hundred redemptions a second, of a hundred merchants.
    #[arg(long)]
    only_busy: bool,
    /// Only deliver messages through one worker.
    #[arg(long)]
    only_webhooks: bool,
    /// Only visit the states of the models.
    #[arg(long)]
    only_models: bool,
    /// Runs what docs/PROOF.md shows alone: seeds, single faults and models, whose figures are the same on every machine.
    #[arg(long)]
    short: bool,
    /// Fails when docs/PROOF.md does not show what this code comes to; with `--short`.
    #[arg(long, requires = "short", conflicts_with = "write")]
    check: bool,
    /// Writes what was found: with `--short` to docs/PROOF.md, else to docs/PROOF-RECORD.md.
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(seed) = cli.replay {
        return replay(seed);
    }
    if let Some(times) = cli.evaluate {
        println!("{:?} each", rules::evaluate(times));
        return ExitCode::SUCCESS;
    }
    let month = Plan::month(cli.merchants, cli.redemptions);
    if let Some(plan) = cli.only_month.then_some(month).or(cli.only_busy.then(|| Plan::busy(100))) {
        let books = ledger::measure(plan, |what| eprintln!("{what}"));
        println!("{}", report::books(&books));
        return exit(books.holds());
    }
    if cli.only_webhooks {
        let throughputs = Throughputs::measure();
        println!("{}", report::webhooks(&throughputs));
        return exit(throughputs.holds());
    }
    if cli.only_models {
        let reports = models::check_all(false);
        println!("{}", report::models_table(&reports));
        reports.iter().for_each(|report| println!("{}: violated {:?}", report.name, report.violated));
        return exit(reports.iter().all(models::Report::holds));
    }
    let simulated = simulate(cli.from, cli.seeds);
    if cli.only_seeds {
        println!("{}", report::simulated(&simulated));
        return exit(simulated.broken.is_empty());
    }
    let short = Short::measure(simulated, |what| eprintln!("{what}"));
    if cli.short {
        return of_short(&cli, &short);
    }
    let figures = Figures::measure(short, cli.rounds, month, |what| eprintln!("{what}"));
    let text = report::record(&figures, &command(), &commit());
    println!("{text}");
    if cli.write {
        report::write("docs/PROOF-RECORD.md", &text);
    }
    exit(figures.holds())
}

/// Prints the short form, writes it, or compares it with the one that is there.
fn of_short(cli: &Cli, short: &Short) -> ExitCode {
    let text = report::short(short);
    println!("{text}");
    if cli.write {
        report::write("docs/PROOF.md", &text);
    }
    if cli.check && !report::is_standing("docs/PROOF.md", &text) {
        eprintln!(
            "docs/PROOF.md shows otherwise: see what changed with `cargo stack prove --short --write` and git diff"
        );
        return ExitCode::FAILURE;
    }
    exit(short.holds())
}

/// The commit that this was built of, as git names it, and whether files differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return "a tree without git".to_owned() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|changes| !changes.is_empty());
    if changed { format!("{commit}, with changes") } else { commit }
}

/// How this was run.
fn command() -> String {
    let program = match cfg!(debug_assertions) {
        true => "cargo stack prove",
        false => "cargo run --locked --release --package mealticket-proof --bin prove --",
    };
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--write");
    std::iter::once(program.to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64) -> ExitCode {
    let outcome = simulator::run(seed);
    println!("{outcome:#?}");
    exit(outcome.violations.is_empty())
}

/// Runs the seeds on all processors.
fn simulate(from: u64, seeds: u64) -> Simulated {
    let began = Instant::now();
    let next = AtomicU64::new(from);
    let total = Mutex::new(Simulated { from, seeds, ..Simulated::default() });
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    simulator::province();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    let outcome = simulator::run(seed);
                    let mut total = total.lock().unwrap();
                    total.add(&outcome);
                    if !outcome.violations.is_empty() {
                        eprintln!("seed {seed}: {:#?}; see it with --replay {seed}", outcome.violations);
                    }
                    if total.done.is_multiple_of(1_000) {
                        eprintln!("{} seeds, {} s", total.done, began.elapsed().as_secs());
                    }
                }
            });
        }
    });
    total.into_inner().unwrap()
}
