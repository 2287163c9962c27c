//! Instants in UTC, days in the province's time.
//!
//! Everything stored and sent is an instant in UTC. Days and hours are the province's: UTC+8 all the year
//! round, in every province. China has had one zone since 1949 and no summer time since 1991. So an offset is
//! exact and no zone table is needed.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use time::{
    Date, Month, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description,
};

/// Seconds between UTC and the province's clocks.
pub const PROVINCE_OFFSET_SECONDS: i64 = 8 * 3600;
const DAY_SECONDS: i64 = 86_400;

/// A whole second in UTC between 2000-01-01 and 2100-01-01, both included.
///
/// `Display` writes RFC 3339 with a `Z`, like `2026-11-22T03:04:05Z`. `FromStr` reads any RFC 3339 offset and
/// drops fractions of a second, so what is read is not always written back letter for letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 instant between 2000 and 2100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an instant is RFC 3339 text like 2026-11-22T03:04:05Z, between the years 2000 and 2100")]
pub struct TimestampError;

impl Timestamp {
    /// 2000-01-01T00:00:00Z.
    pub const MIN: Timestamp = Timestamp(946_684_800);
    /// 2100-01-01T00:00:00Z.
    pub const MAX: Timestamp = Timestamp(4_102_444_800);

    /// The instant of a Unix time in seconds; `None` before 2000 and after 2100.
    pub const fn from_unix_seconds(seconds: i64) -> Option<Self> {
        if seconds >= Self::MIN.0 && seconds <= Self::MAX.0 { Some(Timestamp(seconds)) } else { None }
    }

    /// Unix time in seconds: what the tables hold, and what a signature's time stamp says.
    pub const fn unix_seconds(self) -> i64 {
        self.0
    }

    /// The instant this many seconds later, or earlier when it is negative.
    ///
    /// The result is held within the range: it is [`Timestamp::MAX`] instead of an overflow.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        let sum = self.0.saturating_add(seconds);
        if sum < Self::MIN.0 {
            Self::MIN
        } else if sum > Self::MAX.0 {
            Self::MAX
        } else {
            Timestamp(sum)
        }
    }

    /// Seconds from `earlier` to this instant; negative when `earlier` is later.
    pub const fn seconds_since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }

    /// The day on the province's calendar. At 16:00 UTC the province's next day begins.
    pub const fn province_day(self) -> ProvinceDay {
        ProvinceDay((self.0 + PROVINCE_OFFSET_SECONDS).div_euclid(DAY_SECONDS))
    }

    /// The province's wall clock, to the minute, for people: `2026-11-22 11:04`.
    pub fn province_clock(self) -> String {
        let offset = UtcOffset::from_hms(8, 0, 0).unwrap_or(UtcOffset::UTC);
        OffsetDateTime::from_unix_timestamp(self.0)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .to_offset(offset)
            .format(format_description!("[year]-[month]-[day] [hour]:[minute]"))
            .unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp(self.0)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .format(&Rfc3339)
            .map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampError)?;
        Self::from_unix_seconds(parsed.unix_timestamp()).ok_or(TimestampError)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;
    fn try_from(text: String) -> Result<Self, TimestampError> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(at: Timestamp) -> String {
        at.to_string()
    }
}

/// A day on the province's calendar, counted from 1970-01-01.
///
/// A limit per day, a sheet and a bill each belong to such a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProvinceDay(i64);

impl ProvinceDay {
    /// Midnight in the province at which this day begins, as an instant in UTC: 16:00 of the day before.
    pub const fn starts_at(self) -> Timestamp {
        Timestamp(0).at_unix(self.0.saturating_mul(DAY_SECONDS) - PROVINCE_OFFSET_SECONDS)
    }

    /// The day this many days later, or earlier when it is negative.
    pub const fn plus_days(self, days: i64) -> Self {
        ProvinceDay(self.0.saturating_add(days))
    }

    /// The day of a number that [`ProvinceDay::number`] gave; `None` outside the years 2000 to 2100.
    pub const fn from_number(number: i64) -> Option<Self> {
        let fits = number >= Timestamp::MIN.province_day().0 && number <= Timestamp::MAX.province_day().0;
        if fits { Some(ProvinceDay(number)) } else { None }
    }

    /// Days since 1970-01-01 in the province.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// ISO 8601, like `2026-11-24`.
impl fmt::Display for ProvinceDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = i32::try_from(self.0).map_err(|_| fmt::Error)?;
        let date = EPOCH_DAY.checked_add(days).and_then(|day| Date::from_julian_day(day).ok()).ok_or(fmt::Error)?;
        f.write_str(&date.format(format_description!("[year]-[month]-[day]")).map_err(|_| fmt::Error)?)
    }
}

/// The text is not a day like `2026-11-24` between the years 2000 and 2100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a day is like 2026-11-24, between the years 2000 and 2100")]
pub struct DayError;

/// Reads exactly the ten characters of `2026-11-24`. Short forms like `2026-1-4` are refused.
impl FromStr for ProvinceDay {
    type Err = DayError;
    fn from_str(text: &str) -> Result<Self, DayError> {
        let date = Date::parse(text, format_description!("[year]-[month]-[day]")).map_err(|_| DayError)?;
        let day = ProvinceDay(i64::from(date.to_julian_day() - EPOCH_DAY));
        let fits = (Timestamp::MIN.province_day()..=Timestamp::MAX.province_day()).contains(&day);
        if fits && text.len() == 10 { Ok(day) } else { Err(DayError) }
    }
}

/// The Julian day of 1970-01-01, as the crate `time` counts them.
const EPOCH_DAY: i32 = 2_440_588;

/// A month on the province's calendar: what a statement is about. Counted in months since the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProvinceMonth(i64);

impl ProvinceMonth {
    /// The month that a day is in.
    pub fn of(day: ProvinceDay) -> Self {
        let days = i32::try_from(day.0).unwrap_or(0);
        let date = EPOCH_DAY.checked_add(days).and_then(|day| Date::from_julian_day(day).ok()).unwrap_or(Date::MIN);
        ProvinceMonth(i64::from(date.year()) * 12 + i64::from(u8::from(date.month())) - 1)
    }

    /// The first day of the month, which is always the 1st.
    pub fn first_day(self) -> ProvinceDay {
        let month = u8::try_from(self.0.rem_euclid(12) + 1).ok().and_then(|month| Month::try_from(month).ok());
        let year = i32::try_from(self.0.div_euclid(12)).ok();
        let date = year.zip(month).and_then(|(year, month)| Date::from_calendar_date(year, month, 1).ok());
        ProvinceDay(date.map_or(0, |date| i64::from(date.to_julian_day() - EPOCH_DAY)))
    }

    /// The last day of the month: the 28th to the 31st. A statement is made when this day is closed.
    pub fn last_day(self) -> ProvinceDay {
        self.next().first_day().plus_days(-1)
    }

    /// The month after.
    pub fn next(self) -> Self {
        ProvinceMonth(self.0.saturating_add(1))
    }

    /// The month before.
    pub fn previous(self) -> Self {
        ProvinceMonth(self.0.saturating_sub(1))
    }
}

/// ISO 8601, like `2026-11`.
impl fmt::Display for ProvinceMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

/// Reads exactly the seven characters of `2026-11`, between the years 2000 and 2100.
impl FromStr for ProvinceMonth {
    type Err = DayError;
    fn from_str(text: &str) -> Result<Self, DayError> {
        format!("{text}-01").parse().map(ProvinceMonth::of)
    }
}

impl Timestamp {
    /// The instant of a Unix time, held within the range.
    const fn at_unix(self, seconds: i64) -> Self {
        Timestamp(self.0).plus_seconds(seconds - self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_instant_reads_any_offset_and_writes_utc() {
        assert_eq!(at("2026-11-22T11:04:05+08:00").to_string(), "2026-11-22T03:04:05Z");
        assert_eq!(at("2026-11-22T03:04:05.999Z").to_string(), "2026-11-22T03:04:05Z");
    }

    #[test]
    fn an_instant_outside_the_century_is_refused() {
        for text in [
            "1999-12-31T23:59:59Z",
            "2100-01-01T00:00:01Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2026-02-30T00:00:00Z",
            "2026-11-22",
            "",
            "now",
            "1795317845",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
        assert_eq!(at("2000-01-01T00:00:00Z"), Timestamp::MIN);
        assert_eq!(at("2100-01-01T00:00:00Z"), Timestamp::MAX);
    }

    #[test]
    fn a_day_is_the_provinces_and_turns_at_sixteen_hours_utc() {
        let before = at("2026-11-22T15:59:59Z");
        let after = at("2026-11-22T16:00:00Z");
        assert_eq!(before.province_day().plus_days(1), after.province_day());
        assert_eq!(after.province_day().starts_at(), after);
        assert_eq!(before.province_clock(), "2026-11-22 23:59");
    }

    #[test]
    fn days_and_months_read_back_what_they_write_and_nothing_else() {
        for text in ["2026-11-24", "2024-02-29", "2000-01-01", "2099-12-31"] {
            assert_eq!(text.parse::<ProvinceDay>().unwrap().to_string(), text);
        }
        for text in
            ["2026-02-30", "2026-1-1", "26-01-01", "2026-11-24T00:00:00Z", "1999-12-31", "2100-02-01", "", "+2026-1-01"]
        {
            assert_eq!(text.parse::<ProvinceDay>(), Err(DayError), "{text}");
        }
        let month: ProvinceMonth = "2024-02".parse().unwrap();
        assert_eq!(
            (month.first_day().to_string(), month.last_day().to_string()),
            ("2024-02-01".into(), "2024-02-29".into())
        );
        assert_eq!(month.to_string(), "2024-02");
        assert_eq!(("2026-12".parse::<ProvinceMonth>().unwrap().next().to_string()), "2027-01");
        assert_eq!(("2026-01".parse::<ProvinceMonth>().unwrap().previous().to_string()), "2025-12");
        assert_eq!(ProvinceMonth::of(at("2026-11-30T16:00:00Z").province_day()).to_string(), "2026-12");
        for text in ["2026-13", "2026-00", "2026", "2026-11-24", ""] {
            assert_eq!(text.parse::<ProvinceMonth>(), Err(DayError), "{text}");
        }
    }

    #[test]
    fn arithmetic_stays_inside_the_range() {
        assert_eq!(Timestamp::MAX.plus_seconds(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.plus_seconds(i64::MIN), Timestamp::MIN);
    }
}
