//! Periods aligned to the calendar in UTC.

const DAY: i64 = 86_400;

/// What a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Year,
}

impl Period {
    /// From short to long.
    pub(crate) const ALL: [Self; 6] = [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Month, Self::Year];

    /// Its length; a month counts as 30 days, a year as 365.
    pub(crate) fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => DAY,
            Self::Month => 30 * DAY,
            Self::Year => 365 * DAY,
        }
    }

    /// How long a counter of one has to be kept, in seconds: for the longest, and for clocks that are apart.
    pub(crate) fn lifetime(self) -> i64 {
        let longest = match self {
            Self::Month => 31 * DAY,
            Self::Year => 366 * DAY,
            shorter => shorter.seconds(),
        };
        longest + 5
    }

    /// `minute`
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// When the period that `now` is in began. Both are Unix seconds.
    pub(crate) fn start(self, now: i64) -> i64 {
        match self {
            Self::Second | Self::Minute | Self::Hour | Self::Day => now - now.rem_euclid(self.seconds()),
            Self::Month => first_day(now.div_euclid(DAY), false) * DAY,
            Self::Year => first_day(now.div_euclid(DAY), true) * DAY,
        }
    }

    /// The field that tells the limit.
    pub(crate) fn limit_field(self) -> &'static str {
        match self {
            Self::Second => "X-RateLimit-Limit-Second",
            Self::Minute => "X-RateLimit-Limit-Minute",
            Self::Hour => "X-RateLimit-Limit-Hour",
            Self::Day => "X-RateLimit-Limit-Day",
            Self::Month => "X-RateLimit-Limit-Month",
            Self::Year => "X-RateLimit-Limit-Year",
        }
    }

    /// The field that tells what is left.
    pub(crate) fn remaining_field(self) -> &'static str {
        match self {
            Self::Second => "X-RateLimit-Remaining-Second",
            Self::Minute => "X-RateLimit-Remaining-Minute",
            Self::Hour => "X-RateLimit-Remaining-Hour",
            Self::Day => "X-RateLimit-Remaining-Day",
            Self::Month => "X-RateLimit-Remaining-Month",
            Self::Year => "X-RateLimit-Remaining-Year",
        }
    }
}

/// The first day of the month or the year that `day` is in, as days since 1970.
///
/// Years are taken to begin in March, so that the leap day is the last of one; 400 of them are 146 097 days.
fn first_day(day: i64, of_year: bool) -> i64 {
    const FROM_MARCH_OF_YEAR_0: i64 = 719_468;
    const MARCH_TO_JANUARY: i64 = 306;
    let day = day + FROM_MARCH_OF_YEAR_0;
    let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let first = match (of_year, day_of_year < MARCH_TO_JANUARY) {
        (true, true) => -january_to_march(era * 400 + year),
        (true, false) => MARCH_TO_JANUARY,
        (false, _) => {
            let month = (5 * day_of_year + 2) / 153;
            (153 * month + 2) / 5
        }
    };
    day - day_of_year + first - FROM_MARCH_OF_YEAR_0
}

/// From the first of January to the first of March of `year`.
fn january_to_march(year: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if leap { 60 } else { 59 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(period: Period, now: &str) -> String {
        let now = now.parse::<jiff::Timestamp>().unwrap().as_second();
        jiff::Timestamp::from_second(period.start(now)).unwrap().to_string()
    }

    #[test]
    fn periods_begin_with_the_calendar() {
        assert_eq!(start(Period::Minute, "2026-11-20T19:00:33Z"), "2026-11-20T19:00:00Z");
        assert_eq!(start(Period::Day, "2026-11-20T19:00:33Z"), "2026-11-20T00:00:00Z");
        assert_eq!(start(Period::Month, "2026-11-30T23:59:59Z"), "2026-11-01T00:00:00Z");
        assert_eq!(start(Period::Month, "2024-02-29T12:00:00Z"), "2024-02-01T00:00:00Z");
        assert_eq!(start(Period::Year, "2024-02-29T12:00:00Z"), "2024-01-01T00:00:00Z");
        assert_eq!(start(Period::Year, "2023-12-31T23:59:59Z"), "2023-01-01T00:00:00Z");
    }

    #[test]
    fn months_and_years_begin_where_the_calendar_says() {
        for day in (0..150 * 365).step_by(13) {
            let now = day * DAY + 5000;
            let zoned = jiff::Timestamp::from_second(now).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            let midnight = |date: jiff::civil::Date| date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
            let month = midnight(zoned.date().first_of_month());
            let year = midnight(zoned.date().first_of_year());
            assert_eq!((Period::Month.start(now), Period::Year.start(now)), (month.as_second(), year.as_second()));
        }
    }
}
