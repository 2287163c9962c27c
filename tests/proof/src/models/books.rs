//! The books: batches that come again, posters and folders at once, crashes in the middle, and days that are closed.
//! The code itself decides what a sheet takes in, and on which day an entry is booked.

mod steps;

use super::{
    Report, is_found_out,
    network::{Attempting, Sent, Way},
    visit,
};
use mealticket_domain::{ProvinceDay, books::Part};
use stateright::{Model, Property};
use std::collections::{BTreeMap, BTreeSet};
use steps::{published, send};

/// One way in which the model is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// Nothing is broken.
    No,
    /// A page is put over another.
    PageOverAnother,
    /// What was posted is posted again.
    ForgetTheMark,
    /// A batch is said to be posted before its page is there.
    AcknowledgeFirst,
    /// A fold is planned over another fold.
    FoldOverAnother,
    /// A fold is done without being written first.
    NotWrittenDown,
    /// The next fold begins before this one is done.
    DoNotWait,
    /// A sheet forgets which folds are in it.
    ForgetTheFold,
    /// A sheet is written over additions that came meanwhile.
    SheetOverAnother,
    /// The mark of a shard goes back.
    MarkGoesBack,
    /// An entry is booked on a closed day.
    BookOnClosed,
}

/// Every way, with its name in the record.
const BROKEN: [(Broken, &str); 10] = [
    (Broken::PageOverAnother, "a page is put over another"),
    (Broken::ForgetTheMark, "what was posted is posted again"),
    (Broken::AcknowledgeFirst, "a batch is said to be posted before its page is there"),
    (Broken::FoldOverAnother, "a fold is planned over another"),
    (Broken::NotWrittenDown, "a fold is not written down"),
    (Broken::DoNotWait, "the next fold begins before this one is done"),
    (Broken::ForgetTheFold, "a sheet forgets which folds are in it"),
    (Broken::SheetOverAnother, "a sheet is written whatever was added meanwhile"),
    (Broken::MarkGoesBack, "a shard's mark goes back"),
    (Broken::BookOnClosed, "a closed day is booked on"),
];

/// The bounds of the model.
#[derive(Debug, Clone, Copy)]
pub struct Ledger {
    /// The day of each record, in the order of the stream.
    records: &'static [i64],
    posters: usize,
    folders: usize,
    folds: usize,
    attempts: u8,
    /// Batches that are delivered, the repeated ones included.
    batches: u8,
    crashes: u8,
    /// Writes that get no answer.
    faults: u8,
    broken: Broken,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Fold {
    /// The numbers of the first and the last page.
    pages: (usize, usize),
    closed: Option<i64>,
    closes: Option<i64>,
    done: bool,
}

impl Fold {
    fn closed_by_now(&self) -> Option<i64> {
        self.closes.filter(|_| self.done).or(self.closed)
    }
}

/// A write to the table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Write {
    Page { number: usize, records: Vec<u8> },
    Fold { number: usize, fold: Fold },
    Sheet { day: i64, seen: u64, next: Vec<(u8, i64)>, fold: u64 },
    Mark { page: usize },
    Done { number: usize },
}

/// What a poster knows, and what it is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Poster {
    /// The last page that it knows of, and that page's last record.
    mark: Option<(usize, u8)>,
    batch: Option<(u8, u8)>,
    doing: Option<Attempting<Write>>,
}

/// What a folder knows, and what it is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Folder {
    /// The newest fold that it saw, and whether that fold was done.
    seen: Option<(usize, bool)>,
    /// The fold that it is doing, and the steps that are left: the days, then the mark, then the end.
    at: Option<(usize, Fold, Vec<i64>)>,
    doing: Option<Attempting<Write>>,
}

/// One state of everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pages: Vec<Vec<u8>>,
    /// Records up to this one are acknowledged as posted.
    acknowledged: u8,
    folds: Vec<Fold>,
    sheets: BTreeMap<i64, Part<u8, i64>>,
    folded: usize,
    /// The entries of each closed day, as they were published.
    published: BTreeMap<i64, Vec<(u8, i64)>>,
    today: i64,
    posters: Vec<Poster>,
    folders: Vec<Folder>,
    network: Vec<Sent<Write>>,
    batches: u8,
    crashes: u8,
    faults: u8,
}

/// What can happen next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// A batch is delivered to a poster.
    Deliver(usize, u8, u8),
    /// A poster looks up the state of the shard and sends a page.
    Post(usize),
    /// A folder looks for the newest fold.
    Look(usize),
    /// The folder plans the next fold.
    Plan(usize),
    /// The folder does the next step of its fold.
    Step(usize),
    /// A write under way meets its fate.
    Meet(usize, Way),
    /// A process stops waiting. Its write stays under way.
    TimeOut(usize),
    /// The process tries again.
    Retry(usize),
    /// A process ends, and another begins in its place.
    Crash(usize),
    /// A day ends.
    Turn,
}

fn day(number: i64) -> ProvinceDay {
    ProvinceDay::from_number(20_000 + number).unwrap()
}

impl Model for Ledger {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            pages: Vec::new(),
            acknowledged: 0,
            folds: Vec::new(),
            sheets: BTreeMap::new(),
            folded: 0,
            published: BTreeMap::new(),
            today: 1,
            posters: vec![Poster::default(); self.posters],
            folders: vec![Folder::default(); self.folders],
            network: Vec::new(),
            batches: 0,
            crashes: 0,
            faults: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let records = self.records.len() as u8;
        for (number, poster) in state.posters.iter().enumerate() {
            match (&poster.doing, poster.batch) {
                (None, None) if state.batches < self.batches => {
                    // No record is left out: a batch begins where the last batch ended, or before.
                    for from in 1..=(state.acknowledged + 1).min(records) {
                        actions.extend((from..=records).map(|to| Action::Deliver(number, from, to)));
                    }
                }
                (None, Some(_)) => actions.push(Action::Post(number)),
                _ => {}
            }
        }
        for (number, folder) in state.folders.iter().enumerate() {
            if folder.doing.is_none() {
                match (&folder.at, folder.seen) {
                    (Some(_), _) => actions.push(Action::Step(number)),
                    (None, Some((seen, _))) => {
                        if seen < self.folds {
                            actions.push(Action::Plan(number));
                        }
                    }
                    (None, None) => actions.push(Action::Look(number)),
                }
            }
            if state.crashes < self.crashes && (folder.at.is_some() || folder.doing.is_some()) {
                actions.push(Action::Crash(self.posters + number));
            }
        }
        for process in 0..self.posters + self.folders {
            let doing = match process.checked_sub(self.posters) {
                None => &state.posters[process].doing,
                Some(folder) => &state.folders[folder].doing,
            };
            match doing {
                Some(doing) if doing.waiting && state.faults < self.faults => actions.push(Action::TimeOut(process)),
                Some(doing) if !doing.waiting && doing.attempts < self.attempts => {
                    actions.push(Action::Retry(process));
                }
                _ => {}
            }
        }
        for sent in 0..state.network.len() {
            actions.push(Action::Meet(sent, Way::Answered));
            if state.faults < self.faults {
                actions.extend([Action::Meet(sent, Way::AnswerLost), Action::Meet(sent, Way::Lost)]);
            }
        }
        let days = self.records.iter().max().copied().unwrap_or(0);
        if state.today <= days {
            actions.push(Action::Turn);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Deliver(poster, from, to) => {
                state.batches += 1;
                state.posters[poster].batch = Some((from, to));
                if self.broken == Broken::AcknowledgeFirst {
                    state.acknowledged = state.acknowledged.max(to);
                }
            }
            Action::Post(poster) => self.post(&mut state, poster)?,
            Action::Look(folder) => {
                let newest = state.folds.last().is_none_or(|fold| fold.done) || self.broken == Broken::DoNotWait;
                if newest {
                    state.folders[folder].seen = Some((state.folds.len(), true));
                } else {
                    let fold = state.folds.last()?.clone();
                    state.folders[folder].at = Some((state.folds.len(), fold, Vec::new()));
                    self.days(&mut state, folder);
                }
            }
            Action::Plan(folder) => {
                let (seen, _) = state.folders[folder].seen?;
                match self.plan(&state, seen) {
                    None => state.folders[folder].seen = None,
                    Some(fold) if self.broken == Broken::NotWrittenDown => {
                        if state.folds.len() == seen {
                            state.folds.push(Fold { done: true, ..fold.clone() });
                        }
                        state.folders[folder].at = Some((seen + 1, fold, Vec::new()));
                        state.folders[folder].seen = None;
                        self.days(&mut state, folder);
                    }
                    Some(fold) => {
                        self.begin(&mut state, self.posters + folder, Write::Fold { number: seen + 1, fold });
                    }
                }
            }
            Action::Step(folder) => self.step(&mut state, folder)?,
            Action::Meet(number, way) => self.meet(&mut state, number, way)?,
            Action::TimeOut(process) => {
                state.faults += 1;
                self.doing(&mut state, process).as_mut()?.waiting = false;
            }
            Action::Retry(process) => {
                let doing = self.doing(&mut state, process).as_mut()?;
                doing.attempts += 1;
                doing.waiting = true;
                let write = doing.write.clone();
                send(&mut state, process, write);
            }
            Action::Crash(process) => {
                state.crashes += 1;
                state.folders[process - self.posters] = Folder::default();
            }
            Action::Turn => state.today += 1,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("every record is in one page at the most", |_: &Ledger, state: &State| {
                let mut seen = BTreeSet::new();
                state.pages.iter().flatten().all(|record| seen.insert(*record))
            }),
            Property::always("what is said to be posted is in a page", |_: &Ledger, state: &State| {
                (1..=state.acknowledged).all(|record| state.pages.iter().flatten().any(|posted| *posted == record))
            }),
            Property::always("nothing is in the sheets twice", |_: &Ledger, state: &State| {
                Ledger::booked_times(state).values().all(|times| *times <= 1)
            }),
            Property::always("what is folded is in the sheets", |_: &Ledger, state: &State| {
                if state.folds.last().is_some_and(|fold| !fold.done) {
                    return true;
                }
                let times = Ledger::booked_times(state);
                let folded = state.pages.iter().take(state.folded).flatten();
                folded.into_iter().all(|record| times.get(record) == Some(&1))
            }),
            Property::always("a closed day stays as it was published", |_: &Ledger, state: &State| {
                state.published.iter().all(|(day, was)| published(state, *day) == *was)
            }),
            Property::sometimes("everything is folded and every day is closed", |model: &Ledger, state: &State| {
                let days = model.records.iter().max().copied().unwrap_or(0);
                Ledger::booked_times(state).len() == model.records.len() && state.published.contains_key(&days)
            }),
            Property::sometimes(
                "something comes late and is booked on the first open day",
                |model: &Ledger, state: &State| {
                    let late = |(day, sheet): (&i64, &Part<u8, i64>)| {
                        sheet.cells.keys().any(|record| model.records[usize::from(*record) - 1] < *day)
                    };
                    state.sheets.iter().any(late)
                },
            ),
        ]
    }
}

/// Two records of two days, and two posters or two folders.
pub fn check(quick: bool) -> Report {
    let ledger = |posters, folders, batches, faults, crashes, broken| Ledger {
        records: &[1, 2],
        posters,
        folders,
        folds: if faults == 0 { 3 } else { 2 },
        attempts: 2,
        batches,
        crashes,
        faults,
        broken,
    };
    let crashes = u8::from(!quick);
    let (some, depth, properties, mut violated) = visit(ledger(1, 2, 2, 0, crashes, Broken::No));
    let (more, deeper, _, also) = visit(ledger(2, 1, 2, 1, 0, Broken::No));
    violated.extend(also);
    let found = |broken| {
        is_found_out(ledger(2, 1, 2, 1, 0, broken))
            || is_found_out(ledger(1, 2, 2, 0, 0, broken))
            || is_found_out(ledger(1, 2, 2, 1, 1, broken))
    };
    Report {
        name: "The books: pages, folds, sheets and closed days",
        bounds: format!(
            "two records of two days and two batches of any size, the second again, beside or after the first; once two folders \
             with up to three folds and {crashes} crash; once two posters, up to two folds, and one write that gets no answer, \
             sent up to twice and applied, lost or late"
        ),
        states: some + more,
        depth: depth.max(deeper),
        properties,
        violated,
        mutants: BROKEN.map(|(broken, words)| (words, found(broken))).to_vec(),
    }
}
