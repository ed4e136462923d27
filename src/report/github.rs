//! GitHub's workflow commands: a line for each finding, which the web page shows beside the source.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Report, locate, prose};
use crate::diagnostic::Severity;
use crate::source::Sources;

/// Writes a workflow command for each finding.
pub fn github(out: &mut dyn Write, sources: &Sources, report: &Report) -> io::Result<()> {
    for diagnostic in report.findings() {
        let mut command = match diagnostic.severity {
            Severity::Error => "::error ".to_owned(),
            Severity::Warning => "::warning ".to_owned(),
        };
        if let Some(label) = diagnostic.labels.first() {
            let (path, position) = locate(sources, &label.place);
            // Writing to a String cannot fail.
            let _ = write!(command, "file={},", property(path));
            if let Some(position) = position {
                let _ = write!(command, "line={},col={},", position.line, position.column);
            }
        }
        writeln!(
            out,
            "{command}title={}::{}",
            property(&diagnostic.code),
            data(&prose(sources, &diagnostic))
        )?;
    }
    Ok(())
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
