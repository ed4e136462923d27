//! The one place that asks what day it is; no artifact ever depends on it.

/// Today, in UTC: everyone in a team and CI agree on it.
pub fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}
