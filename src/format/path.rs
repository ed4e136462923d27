//! The paths of artifacts: a value is a part of a file's or folder's name.

use super::mark::Emitted;
use super::{Follow, Format, Refused, Writer, text};

pub(super) static FORMAT: Format = Format {
    name: "path",
    about: "paths of artifacts",
    values: "is one name: it may hold no `/`",
    strict: true,
    follow: Follow::Writer(|| Box::new(Path)),
    check: None,
};

struct Path;

impl Writer for Path {
    fn literal(&mut self, _: &[u8]) -> Result<(), Refused> {
        Ok(())
    }

    fn value(&mut self, value: &Emitted<'_>, out: &mut String) -> Result<(), Refused> {
        const HINT: &str = "a value is one name in a path; put `| slug` behind it";
        text::one_line(value.text, "a path").map_err(|refused| Refused { hint: HINT, ..refused })?;
        if let Some(at) = value.text.find('/') {
            let refused = Refused::value(format!("`{}` holds a `/`, which would make a folder", value.text));
            return Err(Refused { hint: HINT, at: Some(at..at + 1), ..refused });
        }
        out.push_str(value.text);
        Ok(())
    }
}
