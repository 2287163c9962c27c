//! What processes do in the model, and what the table does with it.

use super::{Attempting, Broken, Fold, Ledger, Sent, State, Way, Write, day};
use mealticket_domain::books::{Part, booked_on};
use std::collections::BTreeMap;

impl Ledger {
    /// A poster works out from its mark which records of its batch are new, and begins a page with them.
    pub(super) fn post(&self, state: &mut State, poster: usize) -> Option<()> {
        let (from, to) = state.posters[poster].batch?;
        let fresh = || state.pages.last().and_then(|page| page.last()).map(|last| (state.pages.len(), *last));
        let mark = state.posters[poster].mark.or_else(fresh);
        let after = mark.map_or(0, |(_, last)| last);
        let forgets = self.broken == Broken::ForgetTheMark;
        let records: Vec<u8> = (from..=to).filter(|record| *record > after || forgets).collect();
        if records.is_empty() {
            state.posters[poster].batch = None;
            state.acknowledged = state.acknowledged.max(to);
        } else {
            let number = mark.map_or(0, |(page, _)| page) + 1;
            self.begin(state, poster, Write::Page { number, records });
        }
        Some(())
    }

    pub(super) fn booked(&self, of: i64, closed: Option<i64>) -> i64 {
        let booked = booked_on(day(of), closed.map(day)).number() - 20_000;
        if self.broken == Broken::BookOnClosed { of } else { booked }
    }

    /// What a fold adds to each day.
    pub(super) fn additions(&self, state: &State, fold: &Fold) -> BTreeMap<i64, BTreeMap<u8, i64>> {
        let mut additions: BTreeMap<i64, BTreeMap<u8, i64>> = BTreeMap::new();
        for page in &state.pages[fold.pages.0.max(1) - 1..fold.pages.1.min(state.pages.len())] {
            for record in page {
                let on = self.booked(self.records[usize::from(*record) - 1], fold.closed);
                *additions.entry(on).or_default().entry(*record).or_default() += 1;
            }
        }
        additions
    }

    /// What the process with this number is doing. The posters come first.
    pub(super) fn doing<'a>(&self, state: &'a mut State, process: usize) -> &'a mut Option<Attempting<Write>> {
        match process.checked_sub(self.posters) {
            None => &mut state.posters[process].doing,
            Some(folder) => &mut state.folders[folder].doing,
        }
    }

    pub(super) fn begin(&self, state: &mut State, process: usize, write: Write) {
        let doing = Attempting { write: write.clone(), attempts: 1, unknown: false, waiting: true };
        *self.doing(state, process) = Some(doing);
        send(state, process, write);
    }

    /// Applies a write. Returns whether its condition held.
    pub(super) fn apply(&self, state: &mut State, write: &Write) -> bool {
        match write {
            Write::Page { number, records } => {
                let is_new = *number == state.pages.len() + 1;
                if is_new {
                    state.pages.push(records.clone());
                } else if self.broken == Broken::PageOverAnother && *number <= state.pages.len() {
                    state.pages[number - 1] = records.clone();
                    return true;
                }
                is_new
            }
            Write::Fold { number, fold } => {
                let is_new = *number == state.folds.len() + 1;
                if is_new {
                    state.folds.push(fold.clone());
                } else if self.broken == Broken::FoldOverAnother && *number <= state.folds.len() {
                    state.folds[number - 1] = fold.clone();
                    return true;
                }
                is_new
            }
            Write::Sheet { day, seen, next, fold } => {
                let stands = state.sheets.get(day).map_or(0, |sheet| sheet.fold);
                if stands != *seen && self.broken != Broken::SheetOverAnother {
                    return false;
                }
                state.sheets.insert(*day, Part { fold: *fold, cells: next.iter().copied().collect() });
                true
            }
            Write::Mark { page } => {
                if *page > state.folded || self.broken == Broken::MarkGoesBack {
                    state.folded = *page;
                }
                true
            }
            Write::Done { number } => {
                let closes = state.folds.get(number - 1).and_then(|fold| fold.closes);
                if let Some(fold) = state.folds.get_mut(number - 1) {
                    fold.done = true;
                }
                for day in 1..=closes.unwrap_or(0) {
                    let sheet = published(state, day);
                    state.published.entry(day).or_insert(sheet);
                }
                true
            }
        }
    }

    /// A process gets the answer to its write.
    pub(super) fn receive(&self, state: &mut State, process: usize, applied: bool) {
        let Some(doing) = self.doing(state, process).take() else { return };
        let Some(folder) = process.checked_sub(self.posters) else {
            let poster = &mut state.posters[process];
            let Write::Page { number, records } = doing.write else { return };
            match (applied, poster.batch) {
                (true, Some((_, to))) => {
                    poster.mark = records.last().map(|last| (number, *last));
                    poster.batch = None;
                    state.acknowledged = state.acknowledged.max(to);
                }
                // Another process came first, or this one did in an earlier attempt. So it looks up the state of the
                // shard again.
                _ => poster.mark = None,
            }
            return;
        };
        let folder = &mut state.folders[folder];
        match doing.write {
            Write::Fold { number, fold } if applied => {
                let days = Vec::new();
                folder.at = Some((number, fold, days));
                folder.seen = None;
                self.days(state, process - self.posters);
            }
            Write::Fold { .. } => folder.seen = None,
            // A refused write is read again in the next step.
            Write::Sheet { day, .. } if applied => drop(folder.at.as_mut().map(|at| at.2.retain(|left| *left != day))),
            Write::Sheet { .. } => {}
            Write::Mark { .. } => drop(folder.at.as_mut().map(|at| at.2 = vec![END])),
            Write::Done { .. } => folder.at = None,
            Write::Page { .. } => {}
        }
    }

    /// Lists the steps of the fold that a folder is at: its days, and then the mark.
    pub(super) fn days(&self, state: &mut State, folder: usize) {
        let Some((number, fold, _)) = state.folders[folder].at.clone() else { return };
        let mut left: Vec<i64> = self.additions(state, &fold).into_keys().collect();
        left.push(MARK);
        state.folders[folder].at = Some((number, fold, left));
    }

    pub(super) fn plan(&self, state: &State, seen: usize) -> Option<Fold> {
        let closed = state.folds.get(seen.wrapping_sub(1)).and_then(Fold::closed_by_now);
        let due = Some(state.today - 1).filter(|due| *due > 0 && closed.is_none_or(|closed| closed < *due));
        if state.pages.len() == state.folded && due.is_none() {
            return None;
        }
        Some(Fold { pages: (state.folded + 1, state.pages.len()), closed, closes: due, done: false })
    }

    pub(super) fn step(&self, state: &mut State, folder: usize) -> Option<()> {
        let (number, fold, left) = state.folders[folder].at.clone()?;
        let process = self.posters + folder;
        let next = *left.first()?;
        if next == MARK {
            self.begin(state, process, Write::Mark { page: fold.pages.1 });
        } else if next == END {
            self.begin(state, process, Write::Done { number });
        } else {
            let mut cells = self.additions(state, &fold).remove(&next)?;
            let stands = state.sheets.get(&next).cloned().unwrap_or_default();
            let seen = stands.fold;
            let known = if self.broken == Broken::ForgetTheFold { Part { fold: 0, ..stands } } else { stands };
            match known.take(number as u64, &mut cells) {
                Some(part) => {
                    let next_cells = part.cells.into_iter().collect();
                    let write = Write::Sheet { day: next, seen, next: next_cells, fold: number as u64 };
                    self.begin(state, process, write);
                }
                None => drop(state.folders[folder].at.as_mut().map(|at| at.2.retain(|day| *day != next))),
            }
        }
        Some(())
    }

    /// How often each record is in the sheets.
    pub(super) fn booked_times(state: &State) -> BTreeMap<u8, i64> {
        let mut times = BTreeMap::new();
        for (record, count) in state.sheets.values().flat_map(|sheet| &sheet.cells) {
            *times.entry(*record).or_default() += count;
        }
        times
    }

    /// A write under way meets its fate.
    pub(super) fn meet(&self, state: &mut State, number: usize, way: Way) -> Option<()> {
        let sent = state.network.remove(number);
        let applied = way != Way::Lost && self.apply(state, &sent.write);
        let awaited = self.doing(state, sent.from).as_ref();
        let awaited = awaited.is_some_and(|doing| doing.waiting && doing.write == sent.write);
        if way != Way::Answered {
            state.faults += 1;
        }
        match way {
            Way::Answered if awaited => self.receive(state, sent.from, applied),
            _ if awaited => self.doing(state, sent.from).as_mut()?.waiting = false,
            _ => {}
        }
        Some(())
    }
}

/// The steps that follow the days.
pub(super) const MARK: i64 = i64::MAX - 1;
pub(super) const END: i64 = i64::MAX;

pub(super) fn published(state: &State, day: i64) -> Vec<(u8, i64)> {
    state.sheets.get(&day).map(|sheet| sheet.cells.clone().into_iter().collect()).unwrap_or_default()
}

pub(super) fn send(state: &mut State, process: usize, write: Write) {
    state.network.push(Sent { from: process, life: 0, write });
    // The order in which writes were sent does not matter: any may arrive first.
    state.network.sort();
}
