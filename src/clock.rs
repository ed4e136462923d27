//! The one place that asks what time it is; no artifact ever depends on it.

/// Today, in UTC: everyone in a team and CI agree on it.
pub fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Now, in nanoseconds since 1970 as file systems count them; a time that they cannot count is long past.
pub fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0)
}
