//! Times, as they are written on the command line.

pub(crate) fn parse_time(text: &str) -> Result<i64, String> {
    let time = text
        .parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_millisecond);
    text.parse()
        .ok()
        .or(time.ok())
        .ok_or_else(|| "expected a time as 2026-01-02T03:04:05Z, or Unix milliseconds".to_owned())
}

/// The beginning of a day, or a time.
pub(crate) fn parse_date(text: &str) -> Result<i64, String> {
    let day = text
        .parse::<jiff::civil::Date>()
        .ok()
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|day| day.timestamp().as_millisecond());
    day.map_or_else(|| parse_time(text), Ok)
        .map_err(|_| "expected a date as 2026-01-05, or a time as 2026-01-05T03:04:05Z".to_owned())
}
