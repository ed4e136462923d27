//! What is wrong with a rendered artifact: bytes of it and why, told with the place in the template and the cells or the
//! row that made them.

use std::ops::Range;

use crate::compile::{Compilation, Environment, MOST_CELLS};
use crate::diagnostic::{Code, Diagnostic, Label, code};
use crate::explain::Resolver;
use crate::origin::{Cause, Input, Piece};
use crate::plan::Planned;
use crate::source::Sources;

/// Something that was found wrong with an artifact.
struct Finding<'a> {
    environment: &'a Environment,
    planned: &'a Planned,
    code: &'static Code,
    /// A phrase that goes on after the line and the artifact.
    message: String,
    /// The bytes that are at fault, never none.
    bytes: Range<usize>,
    /// The line, from 1, that they begin on.
    line: usize,
}

/// The structural faults of an environment's artifacts.
pub(crate) fn structure(
    compilation: &Compilation,
    environment: &Environment,
    sources: &Sources,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for planned in environment.artifacts.iter().filter(|planned| planned.format.is_checked()) {
        let mut artifact = Vec::new();
        // What cannot be rendered was told when it was compared.
        if environment.render(planned, sources, &mut artifact).is_err() {
            continue;
        }
        if let Err(fault) = planned.format.check(&artifact) {
            let finding = Finding::new(
                (environment, planned, &artifact),
                &code::FORMAT_STRUCTURE,
                format!("is not well-formed: {}", fault.message),
                fault.offset..fault.offset + 1,
            );
            found.push(finding.told(compilation, sources).at(planned.span, "its format is declared here"));
        }
    }
    found
}

impl<'a> Finding<'a> {
    fn new(
        (environment, planned, artifact): (&'a Environment, &'a Planned, &[u8]),
        code: &'static Code,
        message: String,
        bytes: Range<usize>,
    ) -> Self {
        // What is missing at the end is looked for in the last line.
        let start = bytes.start.min(artifact.len().saturating_sub(1));
        let line = memchr::memchr_iter(b'\n', &artifact[..start]).count() + 1;
        Self { environment, planned, code, message, bytes: start..bytes.end.max(start + 1), line }
    }

    fn told(&self, compilation: &Compilation, sources: &Sources) -> Diagnostic {
        let path = self.environment.folder.join(&self.planned.path);
        let message = format!("line {} of `{path}` {}", self.line, self.message);
        let mut diagnostic = Diagnostic::error(self.code, message).at_file(path, "");
        let Ok(excerpt) = self.environment.trace(self.planned, sources, self.line..self.line + 1) else {
            return diagnostic;
        };
        let pieces: Vec<Piece> =
            excerpt.pieces.iter().filter_map(|piece| piece.within(&self.bytes)).collect();
        if let Some(piece) = pieces.iter().find(|piece| piece.span().is_some()) {
            let text = match piece.cause {
                Cause::Literal { .. } => "made by this text",
                Cause::Value { .. } | Cause::Unknown => "printed here",
            };
            diagnostic
                .labels
                .extend(piece.span().map(|span| Label { place: span.into(), text: text.into() }));
        }
        diagnostic.labels.extend(self.inputs(&pieces, compilation, sources));
        diagnostic
    }

    /// What the pieces were made of: the cells and values that were printed, or else the row that they were made for.
    fn inputs(&self, pieces: &[Piece], compilation: &Compilation, sources: &Sources) -> Vec<Label> {
        let resolver = Resolver::new(compilation, self.environment, self.planned, sources);
        let inputs = resolver.inputs(pieces.iter().flat_map(Piece::sources));
        let label = |input: &Input| {
            let text = match input {
                Input::Cell { column, .. } => format!("the value comes from column `{column}`"),
                Input::Value(name) => format!("the value comes from `values.{name}`"),
                Input::Row(_) => "for this row".to_owned(),
            };
            Some(Label { place: resolver.written(input).0?.into(), text })
        };
        // What is derived is followed by what it is computed from.
        let printed: Vec<Label> =
            inputs.iter().filter(|input| !resolver.is_derived(input)).filter_map(label).collect();
        if !printed.is_empty() {
            return printed.into_iter().take(MOST_CELLS).collect();
        }
        let row =
            pieces.iter().find_map(|piece| piece.frames.iter().rev().find_map(|frame| frame.row.clone()));
        row.and_then(|row| label(&Input::Row(row))).into_iter().collect()
    }
}
