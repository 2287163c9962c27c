//! One-time codes: how many guesses a challenge takes.
//!
//! A code has six digits. A challenge takes five guesses. Three failed challenges put a phone on one guess
//! for each further one. A sign-in, or 30 days without a failure, ends that. So 100 000 messages, one after
//! the other, buy 100 012 guesses at a million codes.
//!
//! Two things add to that, and neither much. Challenges that are alive together were made before any of them
//! failed. With a message a minute and five minutes of life there are six, which adds twelve guesses. Whoever
//! waits for 30 days gains twelve more, and gives up the 300 messages of those days.

/// Different guesses that a challenge takes while few challenges of the phone have failed.
pub const GUESSES_MAX: u32 = 5;

/// Failed challenges of a phone after which each further one takes one guess.
///
/// A challenge has failed when at least one guess at it was wrong and none was right.
pub const FAILED_CHALLENGES_MAX: usize = 3;

/// How long failed challenges are remembered after the last of them: 30 days.
pub const REMEMBERED_SECONDS: i64 = 30 * 86_400;

/// The guesses that a new challenge takes: five, or one.
///
/// `failed_challenges` counts those of the phone since somebody last signed in with it.
pub fn guesses_allowed(failed_challenges: usize) -> u32 {
    if failed_challenges < FAILED_CHALLENGES_MAX { GUESSES_MAX } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_into_one_account_costs_more_than_100_000_messages() {
        let guesses_of = |messages: usize| (0..messages).map(|failed| u64::from(guesses_allowed(failed))).sum::<u64>();
        assert_eq!(guesses_of(100_000), 100_012);
        // The code is new each time: a guess hits with one in a million. Even odds need ln 2 of a million of them.
        let odds = |guesses: u64| 1.0 - (1.0 - 1e-6f64).powi(i32::try_from(guesses).unwrap());
        assert!(odds(guesses_of(100_000)) < 0.1);
        assert!(odds(guesses_of(690_000)) < 0.5);
    }
}
