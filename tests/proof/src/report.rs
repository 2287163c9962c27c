//! What the proof found, in plain words and figures. `docs/PROOF.md` has what every run of this code comes to, and CI compares it;
//! `docs/PROOF-RECORD.md` has what was run once and takes long, with the commit that it was made of.

use crate::{
    deliveries::Throughputs,
    faults::{self, Operation},
    hot::{self, Sold},
    ledger::{self, Ledgered, Plan},
    models::{self, Report},
    races, rules,
    simulator::Outcome,
    wire::Fate,
};
use mealticket_local::workspace;
use std::{collections::BTreeMap, fmt::Write, time::Duration};

/// What the simulator's seeds gave in all.
#[derive(Debug, Clone, Default)]
pub struct Simulated {
    /// The first seed.
    pub from: u64,
    /// How many seeds were to run.
    pub seeds: u64,
    /// How many seeds have run.
    pub done: u64,
    /// Calls to the tables.
    pub calls: u64,
    /// Replies that clients got, counted by what they were.
    pub replies: BTreeMap<String, u64>,
    /// Faults that calls met, counted by kind.
    pub faults: BTreeMap<Fate, u64>,
    /// Seeds in which a promise was broken.
    pub broken: Vec<u64>,
}

impl Simulated {
    /// Adds the outcome of one seed.
    pub fn add(&mut self, outcome: &Outcome) {
        self.done += 1;
        self.calls += outcome.passed.len() as u64;
        for passed in outcome.passed.iter().filter(|passed| passed.fate != Fate::Pass) {
            *self.faults.entry(passed.fate).or_default() += 1;
        }
        for line in &outcome.exchanges {
            let what = line.split_whitespace().next().unwrap_or_default();
            let answer = line.split_once(": ").map_or("", |(_, answer)| answer);
            *self.replies.entry(format!("{what}: {answer}")).or_default() += 1;
        }
        if !outcome.violations.is_empty() {
            self.broken.push(outcome.seed);
        }
    }
}

/// The fewest states that each model must have.
const STATES_MIN: usize = 300_000;

/// The most time that a rule of ten clauses may take.
const RULE_MAX: Duration = Duration::from_micros(20);

/// Seeds of the short form: with the rest of it, some minutes on two cores.
pub const SHORT_SEEDS: u64 = 3_000;

/// What follows from the code alone, on any machine.
pub struct Short {
    simulated: Simulated,
    operations: Vec<Operation>,
    models: Vec<Report>,
}

/// Everything that is measured.
pub struct Figures {
    short: Short,
    claims: Vec<u64>,
    redemptions: Vec<u64>,
    leases: Sold,
    counter: Sold,
    month: Ledgered,
    busy: Ledgered,
    throughputs: Throughputs,
    rule: Duration,
}

impl Short {
    /// Measures all but the simulator, which has run.
    pub fn measure(simulated: Simulated, say: impl Fn(&str)) -> Self {
        say("single faults: every call, every fault");
        let operations = faults::exhaustively();
        say("models: every state within their bounds");
        Short { simulated, operations, models: models::check_all(false) }
    }

    /// Whether nothing was found.
    pub fn holds(&self) -> bool {
        self.simulated.broken.is_empty()
            && self.operations.iter().all(|operation| operation.failures.is_empty())
            && self.models.iter().all(|model| model.holds() && model.states >= STATES_MIN)
    }
}

impl Figures {
    /// Measures what the short form does not.
    pub fn measure(short: Short, rounds: usize, month: Plan, say: impl Fn(&str)) -> Self {
        say("races on real threads");
        let (claims, redemptions) = (races::claims(rounds), races::redemptions(rounds * 10));
        say("a hot campaign through the partition limits");
        let (leases, counter) = hot::compare();
        say("a month of books");
        let month = ledger::measure(month, &say);
        say("books at a hundred redemptions a second");
        let busy = ledger::measure(Plan::busy(100), &say);
        say("webhooks through one worker");
        let throughputs = Throughputs::measure();
        let rule = rules::evaluate(20_000);
        Figures { short, claims, redemptions, leases, counter, month, busy, throughputs, rule }
    }

    /// Whether every promise and every bound holds.
    pub fn holds(&self) -> bool {
        self.short.holds()
            && self.claims.iter().all(|claimed| *claimed == races::UNITS)
            && self.redemptions.iter().all(|redeemed| *redeemed == 1)
            && self.leases.per_second >= 20.0 * self.counter.per_second
            && self.leases.hottest_writes_per_claim <= 0.05
            && self.month.holds()
            && self.busy.holds()
            && self.busy.folding_writes <= 0.05
            && self.busy.folding_reads <= 0.1
            && self.throughputs.holds()
            && self.rule <= RULE_MAX
    }
}

/// The section on the simulator.
pub fn simulated(found: &Simulated) -> String {
    let mut text = format!(
        "{} seeds from {}: {} calls to the tables, {} of them with a fault; {} seeds with a broken promise.\n\n",
        found.done,
        found.from,
        found.calls,
        found.faults.values().sum::<u64>(),
        found.broken.len()
    );
    let _ = writeln!(text, "| fault | times met |\n|---|--:|");
    for (fate, times) in &found.faults {
        let _ = writeln!(text, "| {} | {times} |", words(*fate));
    }
    let _ = writeln!(text, "\n| replies that clients got | times |\n|---|--:|");
    for (answer, times) in &found.replies {
        let _ = writeln!(text, "| {} | {times} |", answer.trim());
    }
    text
}

fn words(fate: Fate) -> String {
    match fate {
        Fate::Pass => "none".into(),
        Fate::Throttle => "throttled".into(),
        Fate::Conflict => "transaction conflict".into(),
        Fate::RefuseConnection => "connection refused".into(),
        Fate::TimeOutBefore => "timeout, not done".into(),
        Fate::TimeOutAfter => "timeout, done".into(),
        Fate::LandLate(seconds) => format!("timeout, done {seconds} s later"),
        Fate::FailAfter => "500, done".into(),
        Fate::KillBefore => "process killed before".into(),
        Fate::KillAfter => "process killed after".into(),
    }
}

/// The short form: the whole text of `docs/PROOF.md`.
pub fn short(found: &Short) -> String {
    let mut text = format!("{INTRODUCTION}    cargo stack prove --short\n\n{RECORDED}\n");
    let _ = writeln!(text, "## The simulator\n\n{SIMULATOR}\n{}", simulated(&found.simulated));
    let _ = writeln!(text, "## Every single fault\n\n{FAULTS}\n{}", single_faults(&found.operations));
    let _ = writeln!(text, "## The models\n\n{MODELS}\n{}", models_table(&found.models));
    text.push_str(NOT_PROVED);
    text
}

/// The long record: what was run once, and of which commit.
pub fn record(figures: &Figures, command: &str, commit: &str) -> String {
    let mut text = format!("{RECORD}    {command} --write\n\nMade of commit {commit}.\n\n");
    let _ = writeln!(text, "## The simulator\n\n{}", simulated(&figures.short.simulated));
    let _ = writeln!(text, "## Races on real threads\n\n{}", races_text(figures));
    let _ = writeln!(text, "## A hot campaign\n\n{}", hot_text(figures));
    let _ = writeln!(text, "## The books at size\n\n{BOOKS}\n### A month\n\n{}", books(&figures.month));
    let _ = writeln!(
        text,
        "### Twenty minutes at a hundred redemptions a second, folded every five minutes\n\n{}\nBounds for folding, per \
         redemption: 0.05 write units and 0.1 read units.\n",
        books(&figures.busy)
    );
    let _ = writeln!(text, "## Messages\n\n{}\nBounds: 300 a second, and 95 % kept.\n", webhooks(&figures.throughputs));
    let _ = write!(
        text,
        "## Rules\n\nA rule of ten clauses takes {:.1} µs, warm, in this build (bound: 20 µs).\n",
        figures.rule.as_secs_f64() * 1e6
    );
    text
}

fn single_faults(operations: &[Operation]) -> String {
    let mut text = format!("| operation | call | {} |\n", Fate::FAULTS.map(words).join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---|".repeat(Fate::FAULTS.len()));
    for operation in operations {
        let rows = operation.calls.iter().enumerate().map(|(number, call)| {
            let table = call.table.rsplit('-').next().unwrap_or_default();
            let marks = Fate::FAULTS.map(|fate| {
                let failed = format!("{fate:?} at call {number}:");
                let bad = operation.failures.iter().any(|failure| failure.starts_with(&failed));
                if bad { " ✗ |" } else { " ✓ |" }
            });
            (format!("{} {table}", call.operation), marks.concat())
        });
        // Calls in a row that are alike, and had like results, share one line.
        let rows: Vec<_> = rows.collect();
        let mut number = 0;
        for alike in rows.chunk_by(|one, next| one == next) {
            let (first, last) = (number + 1, number + alike.len());
            let numbers = if first == last { first.to_string() } else { format!("{first}–{last}") };
            let (call, marks) = alike.first().cloned().unwrap_or_default();
            let _ = writeln!(text, "| {} | {numbers}. {call} |{marks}", operation.name);
            number = last;
        }
    }
    let tried: usize = operations.iter().map(|operation| operation.tried).sum();
    let failed: usize = operations.iter().map(|operation| operation.failures.len()).sum();
    let _ = writeln!(text, "\n{tried} pairs of call and fault, {failed} broken promises.");
    text
}

/// The section on messages to merchants.
pub fn webhooks(throughputs: &Throughputs) -> String {
    let rows = [
        ("deliveries a second, one worker on one thread, here", format!("{:.0}", throughputs.throughput.per_second())),
        (
            "deliveries a virtual second of 99 endpoints, none hangs",
            format!("{:.0}", throughputs.undisturbed.per_second()),
        ),
        ("the same, the hundredth hangs", format!("{:.0}", throughputs.disturbed.per_second())),
        ("kept", format!("{:.1} %", 100.0 * throughputs.kept())),
    ];
    rows.iter().fold("| webhooks | |\n|---|--:|\n".to_owned(), |text, (what, figure)| {
        text + &format!("| {what} | {figure} |\n")
    })
}

/// The section on the books.
pub fn books(books: &Ledgered) -> String {
    let mut text = format!(
        "{} redemptions of {} merchants, one in ten undone: {} records delivered, {} of them again.\n\n| figure | |\n|---|--:|\n",
        books.redemptions, books.merchants, books.delivered, books.repeated
    );
    let rows = [
        ("fen by which pages, rebuild and truth differ", books.difference_fen.to_string()),
        ("entries and counts in which journal and coupons differ", books.differences.to_string()),
        (
            "statements, and those that are not what was made up",
            format!("{}, {}", books.statements, books.wrong_statements),
        ),
        ("pages, folds", format!("{}, {}", books.pages, books.folds)),
        ("write units of posting, per redemption with its claim", format!("{:.3}", books.posting_writes)),
        ("write units of folding, per redemption", format!("{:.4}", books.folding_writes)),
        ("read units of folding, per redemption", format!("{:.4}", books.folding_reads)),
        ("records posted a second, one core, here", format!("{:.0}", books.posted_per_second)),
        ("seconds to close the month, here", format!("{:.1}", books.closing.as_secs_f64())),
        ("seconds to rebuild, here", format!("{:.1}", books.rebuilding.as_secs_f64())),
        (
            "megabytes in use when a fifth was posted and in the end, tables included",
            format!("{}, {}", books.memory_kb.0 / 1024, books.memory_kb.1 / 1024),
        ),
    ];
    for (what, figure) in rows {
        let _ = writeln!(text, "| {what} | {figure} |");
    }
    text
}

/// The table of the models.
pub fn models_table(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        let lines = |items: &mut dyn Iterator<Item = &str>| items.map(|item| format!("- {item}\n")).collect::<String>();
        let _ = writeln!(
            text,
            "### {}\n\n{} states, depth {}, within these bounds:\n\n{}\nEvery property holds in each state:\n\n{}",
            report.name,
            report.states,
            report.depth,
            lines(&mut report.bounds.split("; ")),
            lines(&mut report.properties.iter().map(AsRef::as_ref))
        );
        let _ = writeln!(text, "| broken on purpose | found |\n|---|---|");
        for (mutant, found) in &report.mutants {
            let _ = writeln!(text, "| {mutant} | {} |", if *found { "yes" } else { "**no**" });
        }
        text.push('\n');
    }
    text
}

fn races_text(figures: &Figures) -> String {
    let exact = |each: &[u64], wanted: u64| each.iter().filter(|count| **count == wanted).count();
    format!(
        "- {} members at once on {} units: exactly {} coupons in {} of {} rounds.\n- {} tills at once on one coupon: \
         exactly one redemption in {} of {} rounds.\n",
        races::CLAIMERS,
        races::UNITS,
        races::UNITS,
        exact(&figures.claims, races::UNITS),
        figures.claims.len(),
        races::TILLS,
        exact(&figures.redemptions, 1),
        figures.redemptions.len()
    )
}

fn hot_text(figures: &Figures) -> String {
    let row = |name: &str, sold: &Sold| {
        format!(
            "| {name} | {} | {:.0} | {:.4} | {} |\n",
            sold.claims, sold.per_second, sold.hottest_writes_per_claim, sold.throttled
        )
    };
    format!(
        "{HOT}\n| stock | claims | a virtual second | writes on the hottest key, per claim | throttled |\n\
         |---|--:|--:|--:|--:|\n{}{}\n{:.1} times as many claims a second (bound: 20), {:.4} writes on the hottest key \
         for each (bound: 0.05).\n",
        row("leased", &figures.leases),
        row("one counter item", &figures.counter),
        figures.leases.per_second / figures.counter.per_second,
        figures.leases.hottest_writes_per_claim
    )
}

/// Writes a document.
pub fn write(document: &str, text: &str) {
    std::fs::write(workspace::root().join(document), text).unwrap();
}

/// Whether a document says this.
pub fn is_standing(document: &str, text: &str) -> bool {
    std::fs::read_to_string(workspace::root().join(document)).is_ok_and(|standing| standing == text)
}

const INTRODUCTION: &str = "# The proof

The program wrote this page; do not edit it. It claims:

- A coupon is never redeemed more often than it has uses.
- A campaign never issues more coupons than its stock, and no limit is passed.
- A success that a client has received stands.
- The same key gets the same answer, byte for byte.

All of that holds whatever the network, the clocks and the processes do. This page shows what was run to find a counterexample, and what was
not looked at:

";

const RECORDED: &str = "Its figures follow from the code alone. CI runs it anew and refuses a page that shows otherwise (`cargo stack prove --short --check`).
What takes longer was run once: thirty times as many seeds, races on real threads, a hot campaign, the books at size. It is in
[PROOF-RECORD.md](PROOF-RECORD.md), with the commit that it was made of.
";

const RECORD: &str = "# The proof, on record

The program wrote this page; do not edit it. It has what takes too long for CI, or depends on the machine. It was run once, like this:

";

const SIMULATOR: &str = "The real handlers and the real SDK client run on one thread over the embedded tables. Their time is virtual.

A seed draws a campaign, three to five members with their tills, and two or three environments. It also draws one to three
faults at calls to the tables, and accidents: processes killed, shut down or frozen, clocks set wrong, the network cut. Every
call has a delay of its own, so calls overtake each other. Clients ask up to six times with one key, some of it twice at once.
Meanwhile the table's stream is posted to the journal in batches of any size. Some batches come again, come late, or overlap
what is new.

When everything has come to rest, a quarter of an hour passes and the stock is swept. The first sweeps meet faults, and some run
twice at once. Then the books are examined:

- No lease is open, and issued + remaining = stock.
- The journal's pages have no gap, and agree with the coupons, event for event.
- Limits hold in all, per day and member, and per day.
- A key has one effect, and uses left + standing redemptions = uses.
- Every answer of success comes again, byte for byte. Another payload under the same key is refused with 422 and changes nothing.
- Nobody got `sold_out` while units were left, and a newcomer can claim what is free.

**Books.** They are folded now and then. Whatever stops a fold, the next one goes on. Every third run closes two months, under faults
and by two at once, with something that is posted too late for the first month. Then:

- Sheets and bills agree with the pages, and debits equal credits in every cell.
- Each statement opens with what the one before closed with.
- What was published does not change when every record comes again.
- The rebuild from the coupons agrees, entry by entry.

**Messages.** Every twelfth run also sends messages to the merchant's system. The stream is queued twice and in pieces, and worked by
two at once, under faults, over three days. The endpoint accepts some messages at once, some at the third attempt and some never. Each
message must arrive or be listed, with the same bytes at every attempt. What was given up is sent again, asked for twice, and arrives.

**Reports.** In every fourth run the merchant's own system reports too. It sends one redemption under one id and under two, two orders at
once, what a till is just asking for, and a reversal before what it undoes. A report without an answer is sent again. Then:

- Each acknowledged report has its effect or stands as a discrepancy, and not both.
- An order has one redemption, whether a till, a report or both sent it.
- What was reversed is reversed, and everything that comes again changes nothing.

A failing seed prints itself. `cargo stack prove --replay SEED` shows all that happened in it.
";

const FAULTS: &str =
    "Each operation that changes something meets every fault once, at every call that it makes when all goes well. The client asks again
with the same key until it is answered. A batch of the stream is delivered again, and a sweep or a fold runs again, until it
finishes. Then the books are examined as above. Calls in a row that are alike share one line.
";

const MODELS: &str = "The models make the same decisions as the code, by calling `mealticket_domain`. The crate `stateright` visits
every state within the bounds. Each model is also broken on purpose, one way at a time, to show that it would have noticed.
";

const BOOKS: &str = "A month is made up, coupon by coupon; plain arithmetic says who is owed what. Its claims, redemptions and
reversals come through sixteen shards, in any order between them. They come in batches of any size, some again and late. Two
environments post and one folds. The month is closed, and everything is made anew from the coupons in the table. It runs on one
thread, with the real functions, the real SDK client, and the embedded tables in the same process.
";

const HOT: &str =
    "Eight environments make eight requests each, at four milliseconds a call. A layer gives each partition key a tenth
of DynamoDB's limits: 100 write and 300 read units a second. The clock is virtual. The counter is what is usually
built: one item for a campaign, decremented on condition, then the coupon's put.
";

const NOT_PROVED: &str = "## What is not proved

- DynamoDB itself: that a conditional write is atomic and a consistent read is one. The embedded engine stands for it.
- How far the tip of a DynamoDB stream is, and that a record is in it a quarter of an hour after its write. The sweep counts
  on both. The engine has one shard a stream: the sweep is not tried with more. Posting and folding are, in the tests and in the
  record.
- A steady clock that stops in a freeze: in the simulator it goes on, and the wall clock with it. The clocks of a lease are
  tried one by one in the store's tests. The models have one life of a lease for all of them.
- Faults in combination beyond what the seeds draw, and more than three environments or five members at once, except in
  the races.
- That AWS refuses a request whose signature is more than fifteen minutes old; leases count on it.
- The kinds of failure in which memory or disk lies.
- Sign-up and sessions are under single faults in the tests (`outages.rs`), not in the simulator.
";
