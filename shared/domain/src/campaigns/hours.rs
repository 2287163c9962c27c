//! Weekdays and hours in which a coupon may be used (闲时, 工作日午餐), on the province's clock.
//!
//! A window belongs to the day on which it begins. One that ends at or before its beginning goes on past
//! midnight. Public holidays and moved workdays (调休) are not known here: a campaign over a holiday names its
//! days.
//!
//! ```text
//! { "days": ["fri", "sat"], "from": "22:00", "until": "02:00" }
//! ```

use crate::timestamp::{ProvinceDay, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A day of the week. In JSON: `mon` to `sun`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// 周一.
    Mon,
    /// 周二.
    Tue,
    /// 周三.
    Wed,
    /// 周四.
    Thu,
    /// 周五.
    Fri,
    /// 周六.
    Sat,
    /// 周日.
    Sun,
}

impl Weekday {
    /// Every weekday, Monday first.
    const ALL: [Weekday; 7] =
        [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

    /// The weekday of a day of the province. 1970-01-01 was a Thursday.
    pub fn of(day: ProvinceDay) -> Self {
        let index = usize::try_from((day.number() + 3).rem_euclid(7)).unwrap_or_default();
        Weekday::ALL.get(index).copied().unwrap_or(Weekday::Mon)
    }
}

/// A time of day to the minute, `00:00` to `24:00`, as minutes since midnight.
///
/// `24:00` is the end of a day. A window can end there, and cannot begin there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClockTime(u16);

/// The text is not a time of day of exactly five characters, `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time of day is HH:MM between 00:00 and 24:00")]
pub struct ClockTimeError;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

impl FromStr for ClockTime {
    type Err = ClockTimeError;
    fn from_str(text: &str) -> Result<Self, ClockTimeError> {
        let two = |part: &str| (part.len() == 2).then(|| part.parse::<u16>().ok()).flatten().ok_or(ClockTimeError);
        let (hours, minutes) = text.split_once(':').ok_or(ClockTimeError)?;
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        let time = hours * 60 + minutes;
        if minutes < 60 && time <= DAY_MINUTES && !text.contains('+') {
            Ok(ClockTime(time))
        } else {
            Err(ClockTimeError)
        }
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl TryFrom<String> for ClockTime {
    type Error = ClockTimeError;
    fn try_from(text: String) -> Result<Self, ClockTimeError> {
        text.parse()
    }
}

impl From<ClockTime> for String {
    fn from(time: ClockTime) -> String {
        time.to_string()
    }
}

/// One window of the week: the same hours on each of its days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HourWindow {
    /// The days on which it begins. An empty list never opens, and is refused.
    pub days: Vec<Weekday>,
    /// First minute in which it is open.
    pub from: ClockTime,
    /// First minute in which it is closed again. At or before `from` it is on the next day.
    pub until: ClockTime,
}

impl HourWindow {
    /// Whether it ever opens: on some day, for some minute.
    pub fn ever_opens(&self) -> bool {
        !self.days.is_empty() && self.from != self.until && self.from.0 < DAY_MINUTES
    }

    /// The instants of the window that begins on `day`, if one does.
    fn on(&self, day: ProvinceDay) -> Option<(Timestamp, Timestamp)> {
        let last = if self.until > self.from { day } else { day.plus_days(1) };
        let at = |day: ProvinceDay, time: ClockTime| day.starts_at().plus_seconds(i64::from(time.0) * 60);
        self.days.contains(&Weekday::of(day)).then(|| (at(day, self.from), at(last, self.until)))
    }
}

/// Whether a coupon may be used at `at`. Without any window it always may.
///
/// The error is the first instant from which it may be used again.
pub fn open_at(windows: &[HourWindow], at: Timestamp) -> Result<(), Timestamp> {
    // A window of yesterday may go on; the next of any weekday begins within eight days.
    let days = (-1..=8).map(|ahead| at.province_day().plus_days(ahead));
    let mut spans = days.flat_map(|day| windows.iter().filter_map(move |window| window.on(day)));
    if windows.is_empty() || spans.clone().any(|(from, until)| from <= at && at < until) {
        return Ok(());
    }
    let next = spans.by_ref().map(|(from, _)| from).filter(|from| *from > at).min();
    Err(next.unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(days: &[Weekday], from: &str, until: &str) -> HourWindow {
        HourWindow { days: days.to_vec(), from: from.parse().unwrap(), until: until.parse().unwrap() }
    }

    #[track_caller]
    fn check(windows: &[HourWindow], at: &str, expected: Result<(), &str>) {
        let expected = expected.map_err(|next| next.parse().unwrap());
        assert_eq!(open_at(windows, at.parse().unwrap()), expected, "{at}");
    }

    #[test]
    fn a_lunch_on_workdays_is_open_from_its_first_minute_until_before_its_last() {
        use Weekday::{Fri, Mon, Thu, Tue, Wed};
        let lunch = [window(&[Mon, Tue, Wed, Thu, Fri], "11:00", "14:00")];
        check(&lunch, "2026-11-23T02:59:59Z", Err("2026-11-23T03:00:00Z")); // Monday, 10:59:59 in the province
        check(&lunch, "2026-11-23T03:00:00Z", Ok(()));
        check(&lunch, "2026-11-23T05:59:59Z", Ok(()));
        check(&lunch, "2026-11-23T06:00:00Z", Err("2026-11-24T03:00:00Z"));
        check(&lunch, "2026-11-27T06:00:00Z", Err("2026-11-30T03:00:00Z")); // Friday afternoon: Monday
        check(&lunch, "2026-11-22T04:00:00Z", Err("2026-11-23T03:00:00Z")); // Sunday
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = [window(&[Weekday::Sat], "22:00", "06:00")];
        check(&night, "2026-11-21T13:59:59Z", Err("2026-11-21T14:00:00Z"));
        check(&night, "2026-11-21T14:00:00Z", Ok(()));
        check(&night, "2026-11-21T21:59:59Z", Ok(())); // Sunday 05:59:59
        check(&night, "2026-11-21T22:00:00Z", Err("2026-11-28T14:00:00Z"));
        check(&night, "2026-11-22T14:00:00Z", Err("2026-11-28T14:00:00Z"));
    }

    #[test]
    fn several_windows_are_a_union_and_none_is_always() {
        check(&[], "2026-11-22T04:00:00Z", Ok(()));
        let all = [window(&Weekday::ALL, "00:00", "12:00"), window(&Weekday::ALL, "12:00", "24:00")];
        for at in ["2026-11-21T16:00:00Z", "2026-11-22T03:59:59Z", "2026-11-22T04:00:00Z", "2026-11-22T15:59:59Z"] {
            check(&all, at, Ok(()));
        }
    }

    #[test]
    fn a_window_that_never_opens_is_known() {
        assert!(window(&[Weekday::Mon], "11:00", "14:00").ever_opens());
        assert!(!window(&[], "11:00", "14:00").ever_opens());
        assert!(!window(&[Weekday::Mon], "11:00", "11:00").ever_opens());
        assert!(!window(&[Weekday::Mon], "24:00", "06:00").ever_opens());
    }

    #[test]
    fn a_time_of_day_reads_back_what_it_writes() {
        for text in ["00:00", "09:05", "23:59", "24:00"] {
            assert_eq!(text.parse::<ClockTime>().unwrap().to_string(), text);
        }
        for text in ["", "24:01", "9:05", "09:60", "+9:05", "0905", "09:5", "-1:00", "１1:00"] {
            assert_eq!(text.parse::<ClockTime>(), Err(ClockTimeError), "{text}");
        }
    }
}
