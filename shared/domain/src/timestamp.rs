//! Instants in UTC, days in the province's time.
//!
//! Everything stored and sent is an instant in UTC. Days and hours are the province's: UTC+8 all the year round, in
//! every province (China has had one zone since 1949 and no summer time since 1991), so an offset is exact and no zone
//! table is needed.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description};

/// Seconds between UTC and the province's clocks.
pub const PROVINCE_OFFSET_SECONDS: i64 = 8 * 3600;
const DAY_SECONDS: i64 = 86_400;

/// A whole second in UTC between 2000-01-01 and 2100-01-01.
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

    /// The instant of a Unix time in seconds, if it is in range.
    pub const fn from_unix_seconds(seconds: i64) -> Option<Self> {
        if seconds >= Self::MIN.0 && seconds <= Self::MAX.0 { Some(Timestamp(seconds)) } else { None }
    }

    /// Unix time in seconds.
    pub const fn unix_seconds(self) -> i64 {
        self.0
    }

    /// The instant this many seconds later, held within the range.
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

    /// The day on the province's calendar.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProvinceDay(i64);

impl ProvinceDay {
    /// Midnight in the province at which this day begins.
    pub const fn starts_at(self) -> Timestamp {
        Timestamp(0).at_unix(self.0.saturating_mul(DAY_SECONDS) - PROVINCE_OFFSET_SECONDS)
    }

    /// The day this many days later.
    pub const fn plus_days(self, days: i64) -> Self {
        ProvinceDay(self.0.saturating_add(days))
    }

    /// Days since 1970-01-01 in the province.
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl Timestamp {
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
    fn arithmetic_stays_inside_the_range() {
        assert_eq!(Timestamp::MAX.plus_seconds(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.plus_seconds(i64::MIN), Timestamp::MIN);
    }
}
