//! What packed values share: a name is written once and then called by its number.

use std::collections::BTreeMap;

/// Numbers names from 0, in the order in which they come.
pub(crate) struct Names<T: Ord> {
    numbers: BTreeMap<T, u32>,
    next: u32,
}

impl<T: Ord + Clone> Names<T> {
    pub(crate) fn new() -> Self {
        Names { numbers: BTreeMap::new(), next: 0 }
    }

    /// The number of a name; a new one when the name is new.
    pub(crate) fn number(&mut self, name: &T) -> u32 {
        let next = &mut self.next;
        *self.numbers.entry(name.clone()).or_insert_with(|| {
            *next += 1;
            *next - 1
        })
    }

    /// The names, each at its number.
    pub(crate) fn in_order(self) -> Vec<T> {
        let mut names: Vec<(u32, T)> = self.numbers.into_iter().map(|(name, number)| (number, name)).collect();
        names.sort_by_key(|(number, _)| *number);
        names.into_iter().map(|(_, name)| name).collect()
    }
}

/// The name of a number; `None` when there is no such name.
pub(crate) fn named<T>(names: &[T], number: u32) -> Option<&T> {
    names.get(usize::try_from(number).ok()?)
}
