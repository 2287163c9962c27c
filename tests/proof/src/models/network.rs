//! Writes under way, and what a client knows of its own.

/// A write that was sent: it is applied now, later, or never.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sent<W> {
    /// Which process sent it.
    pub from: usize,
    /// Which life of that process: an answer to an earlier one is heard by nobody.
    pub life: u8,
    /// What it asks.
    pub write: W,
}

/// An operation that a process repeats until it is definite, or gives up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempting<W> {
    /// The write, the same each time.
    pub write: W,
    /// Attempts so far.
    pub attempts: u8,
    /// Whether an earlier attempt may have been applied.
    pub unknown: bool,
    /// Whether it waits for an answer; else it may try again.
    pub waiting: bool,
}

/// What happens to a write under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// Applied, and answered.
    Answered,
    /// Applied, and the answer lost.
    AnswerLost,
    /// Lost before it was applied.
    Lost,
}

impl Way {
    /// Every way.
    pub const ALL: [Way; 3] = [Way::Answered, Way::AnswerLost, Way::Lost];
}
