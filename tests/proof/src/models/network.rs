//! Writes under way, and what a client knows about its own writes.

/// A write that was sent. It is applied now, later, or never.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sent<W> {
    /// The number of the process that sent it.
    pub from: usize,
    /// The life of that process in which it was sent. In a later life, nobody waits for the answer.
    pub life: u8,
    /// The write itself.
    pub write: W,
}

/// An operation that a process repeats until its outcome is known, or until it gives up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempting<W> {
    /// The write, which is the same in each attempt.
    pub write: W,
    /// Attempts so far.
    pub attempts: u8,
    /// Whether an earlier attempt may have been applied.
    pub unknown: bool,
    /// Whether the process waits for an answer. Otherwise it may try again.
    pub waiting: bool,
}

/// What happens to a write under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// The write is applied, and its answer arrives.
    Answered,
    /// The write is applied, and its answer is lost.
    AnswerLost,
    /// The write is lost before it is applied.
    Lost,
}

impl Way {
    /// Every way.
    pub const ALL: [Way; 3] = [Way::Answered, Way::AnswerLost, Way::Lost];
}
