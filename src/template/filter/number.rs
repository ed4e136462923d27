//! Filters on numbers.

use tera::{Error, Kwargs, TeraResult, Value};

use super::mismatch;

/// A float has no more certain digits than this.
const MOST_DECIMALS: i32 = 15;

pub(super) fn round(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    let number = match value.as_f64() {
        Some(number) => number,
        None if value.is_number() => {
            return Err(Error::message(format!("{value} is too large for `round`")));
        }
        None => return Err(mismatch("round", "a number", value)),
    };
    let precision = arguments.get::<i32>("precision")?.unwrap_or_default();
    if !(-MOST_DECIMALS..=MOST_DECIMALS).contains(&precision) {
        return Err(Error::message(format!(
            "`precision` is from -{MOST_DECIMALS} to {MOST_DECIMALS}, found {precision}"
        )));
    }
    let multiplier = 10.0_f64.powi(precision);
    let scaled = number * multiplier;
    if !scaled.is_finite() {
        // So large a number has no decimals.
        return Ok(number.into());
    }
    let rounded = match arguments.get::<&str>("method")? {
        None => scaled.round(),
        Some("ceil") => scaled.ceil(),
        Some("floor") => scaled.floor(),
        Some(other) => {
            return Err(Error::message(format!("`method` is `ceil` or `floor`, found `{other}`")));
        }
    };
    Ok((rounded / multiplier).into())
}
