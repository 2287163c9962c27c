//! Session families: refresh tokens that survive a lost answer and betray a thief.
//!
//! A family gives out generations. Presenting generation g gets g + 1. **Presenting g again gets g + 1 again,
//! until 60 seconds after g + 1 was first presented. After that somebody has kept an old token: the family is
//! revoked.** So a lost answer and a second tab do no harm.
//!
//! A family ends 90 days after its last new generation, and 180 days after it began whatever happens.

use crate::{ids::MemberNo, timestamp::Timestamp};

/// How long an old token still gets its successor again, after the successor was first presented: one minute.
pub const GRACE_SECONDS: i64 = 60;

/// How long a family lives without a new generation: 90 days, longer than the gap between two monthly bills.
pub const IDLE_SECONDS: i64 = 90 * 86_400;

/// How long a family lives at most: 180 days.
pub const FAMILY_SECONDS: i64 = 180 * 86_400;

/// Generations whose first use is remembered.
///
/// An app refreshes once in 15 minutes. Eight within the 60 seconds of grace are eight tabs that went on one
/// after the other.
pub const REMEMBERED: u32 = 8;

/// A family as it stands in the table. Signing in begins one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Whose session it is.
    pub member: MemberNo,
    /// The newest generation that was presented; `None` when the first token was not used yet.
    pub presented: Option<u32>,
    /// When the newest [`REMEMBERED`] generations were first presented. Generation g is at index g modulo
    /// their number.
    pub first_uses: [Option<Timestamp>; REMEMBERED as usize],
    /// When it began; `None` for one of an older release, which did not write it down.
    pub began_at: Option<Timestamp>,
    /// When a generation of it was first presented to a release that writes this down. It stands in for
    /// `began_at`.
    pub known_since: Option<Timestamp>,
    /// First instant at which it has been idle for too long. Each new generation moves it.
    pub idle_until: Timestamp,
    /// Whether the member signed out, or an old token came back. It never becomes good again.
    pub revoked: bool,
}

/// What presenting a generation means. Only `FirstUse` and `Reused` write anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// It is new: its first use is written down, and its successor is given out.
    FirstUse,
    /// It was presented before, and its successor is given out again. Nothing changes.
    Again,
    /// An old token came back too late: the caller revokes the family.
    Reused,
    /// The family is revoked, idle for too long or too old: the member signs in again.
    Over,
}

impl Family {
    /// What presenting `generation` at `now` means. It changes nothing itself.
    ///
    /// A generation above the newest is new. The newest itself, presented again, gets its successor again
    /// however late. An older one does so within [`GRACE_SECONDS`] of its successor's first use, and betrays
    /// the family after that.
    pub fn decide(&self, generation: u32, now: Timestamp) -> Refresh {
        let began_by = self.began_at.or(self.known_since);
        let is_too_old = began_by.is_some_and(|began_by| now >= began_by.plus_seconds(FAMILY_SECONDS));
        if self.revoked || now >= self.idle_until || is_too_old {
            return Refresh::Over;
        }
        let Some(presented) = self.presented.filter(|presented| *presented >= generation) else {
            return Refresh::FirstUse;
        };
        if presented == generation {
            return Refresh::Again;
        }
        let successor = generation + 1;
        let first_use = (presented - successor < REMEMBERED).then(|| self.first_use(successor)).flatten();
        let is_recent = first_use.is_some_and(|at| now.seconds_since(at) <= GRACE_SECONDS);
        if is_recent { Refresh::Again } else { Refresh::Reused }
    }

    /// When a generation was first presented, if it is among the remembered ones.
    fn first_use(&self, generation: u32) -> Option<Timestamp> {
        self.first_uses.get((generation % REMEMBERED) as usize).copied().flatten()
    }

    /// Whether a sign-out of all the member's sessions has ended it.
    ///
    /// That ends the families that began at that second or before, and every one without a `began_at`.
    pub fn is_ended_by(&self, sessions_valid_from: Option<Timestamp>) -> bool {
        sessions_valid_from.is_some_and(|from| self.began_at.is_none_or(|began_at| began_at <= from))
    }

    /// The beginning that a family that starts at `now` is given.
    ///
    /// It is after the second of the last sign-out of all sessions, so that the sign-out does not end it.
    pub fn begins_at(now: Timestamp, sessions_valid_from: Option<Timestamp>) -> Timestamp {
        sessions_valid_from.map_or(now, |from| now.max(from.plus_seconds(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000 + seconds).unwrap()
    }

    fn fresh() -> Family {
        Family {
            member: 1u64.try_into().unwrap(),
            presented: None,
            first_uses: [None; REMEMBERED as usize],
            began_at: Some(at(0)),
            known_since: None,
            idle_until: at(IDLE_SECONDS),
            revoked: false,
        }
    }

    /// What the table's write does.
    fn present(family: &mut Family, generation: u32, now: Timestamp) -> Refresh {
        let refresh = family.decide(generation, now);
        match refresh {
            Refresh::FirstUse => {
                family.presented = Some(generation);
                family.first_uses[(generation % REMEMBERED) as usize] = Some(now);
                family.idle_until = now.plus_seconds(IDLE_SECONDS);
            }
            Refresh::Reused => family.revoked = true,
            Refresh::Again | Refresh::Over => {}
        }
        refresh
    }

    #[test]
    fn an_old_token_gets_its_successor_for_60_seconds_after_that_was_used() {
        for (seconds, refresh) in [(59, Refresh::Again), (60, Refresh::Again), (61, Refresh::Reused)] {
            let mut family = fresh();
            assert_eq!(present(&mut family, 0, at(10)), Refresh::FirstUse);
            assert_eq!(present(&mut family, 0, at(100_000)), Refresh::Again, "its successor was never used");
            assert_eq!(present(&mut family, 1, at(100_000)), Refresh::FirstUse);
            assert_eq!(present(&mut family, 0, at(100_000 + seconds)), refresh, "{seconds}");
            let after = if refresh == Refresh::Again { Refresh::FirstUse } else { Refresh::Over };
            assert_eq!(present(&mut family, 2, at(100_100)), after);
        }
    }

    #[test]
    fn a_tab_that_fell_behind_by_several_within_a_minute_goes_on_and_later_betrays_itself() {
        let mut family = fresh();
        for generation in 0..5 {
            present(&mut family, generation, at(i64::from(generation)));
        }
        assert_eq!(family.decide(0, at(61)), Refresh::Again);
        assert_eq!(family.decide(0, at(62)), Refresh::Reused);
        assert_eq!(family.decide(3, at(64)), Refresh::Again);
        for generation in 5..20 {
            present(&mut family, generation, at(i64::from(generation)));
        }
        assert_eq!(family.decide(11, at(20)), Refresh::Again, "the oldest that is remembered");
        assert_eq!(family.decide(10, at(20)), Refresh::Reused);
    }

    #[test]
    fn a_family_ends_after_90_idle_days_or_180_days() {
        let day = |days: i64| at(days * 86_400);
        let mut family = fresh();
        assert_eq!(family.decide(0, day(90)), Refresh::Over);
        present(&mut family, 0, day(89));
        // Presented again and again, it does not prolong itself.
        assert_eq!(present(&mut family, 0, day(178)), Refresh::Again);
        assert_eq!(family.decide(0, day(179)), Refresh::Over);
        present(&mut family, 1, day(178));
        assert_eq!(family.decide(2, at(FAMILY_SECONDS - 1)), Refresh::FirstUse);
        assert_eq!(family.decide(2, at(FAMILY_SECONDS)), Refresh::Over);
    }

    #[test]
    fn a_sign_out_of_all_sessions_ends_those_that_began_before_it_and_none_after() {
        let family = fresh();
        assert!(!family.is_ended_by(None));
        assert!(!family.is_ended_by(Some(at(-1))));
        assert!(family.is_ended_by(Some(at(0))) && family.is_ended_by(Some(at(1))));
        let next = Family { began_at: Some(Family::begins_at(at(0), Some(at(0)))), ..fresh() };
        assert!(!next.is_ended_by(Some(at(0))), "it began in the same second, after the sign-out");
        assert!(Family { began_at: None, ..fresh() }.is_ended_by(Some(at(-1))), "of an older release");
    }

    proptest! {
        /// Of an honest app whose answers are lost, and of its second tab a minute behind at most, no session is ever revoked.
        #[test]
        fn who_repeats_within_a_minute_is_never_signed_out(steps in proptest::collection::vec((0..3u8, 0..2_000i64), 1..60)) {
            let mut family = fresh();
            let (mut newest, mut before) = (0u32, None::<u32>);
            let (mut now, mut used_at) = (0, 0);
            for (step, pause) in steps {
                match (step, before) {
                    // The answer is lost: the same again, however late.
                    (0, _) => { now += pause; present(&mut family, newest, at(now)); }
                    // The other tab, which does not have the newest yet.
                    (1, Some(before)) => {
                        now = now.max(used_at + pause % 61);
                        if now - used_at <= GRACE_SECONDS {
                            prop_assert_eq!(present(&mut family, before, at(now)), Refresh::Again);
                        }
                    }
                    _ => {
                        now += pause;
                        if family.presented != Some(newest) { present(&mut family, newest, at(now)); }
                        (before, newest) = (Some(newest), newest + 1);
                        prop_assert_eq!(present(&mut family, newest, at(now)), Refresh::FirstUse);
                        used_at = now;
                    }
                }
                prop_assert!(!family.revoked);
            }
        }
    }
}
