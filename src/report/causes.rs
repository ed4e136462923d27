//! What makes artifacts differ, for people.

use std::io::{self, Write};

use crate::cause::Cause;

/// More causes than these are not listed below something else.
const MOST: usize = 10;

/// Writes what makes artifacts differ, a line for each cause; nothing where there is none.
pub fn causes(out: &mut dyn Write, list: &[Cause]) -> io::Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    writeln!(out, "caused by:")?;
    for cause in list.iter().take(MOST) {
        writeln!(out, "  {}: {}", super::human::shown(&cause.reason.to_string()), extent(cause))?;
    }
    match list.len().saturating_sub(MOST) {
        0 => Ok(()),
        1 => writeln!(out, "  and 1 more; `confwright diff --by cause` shows all"),
        more => writeln!(out, "  and {more} more; `confwright diff --by cause` shows all"),
    }
}

/// How much a cause changes: artifacts and lines.
pub fn extent(cause: &Cause) -> String {
    let count = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let artifacts = count(cause.artifacts.len(), "artifact");
    match cause.lines() {
        // Where there are too many, they are not counted.
        0 => artifacts,
        lines => format!("{artifacts}, {}", count(lines, "line")),
    }
}
