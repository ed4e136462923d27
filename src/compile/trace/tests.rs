

use crate::compile::{self, Compilation, Environment, Selection};
use crate::diagnostic::Diagnostics;
use crate::origin::{Cause, Excerpt, Input, Row};
use crate::source::{Disk, Sources, World};

fn prepare(world: &dyn World) -> (Sources, Compilation) {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let prepared = compile::prepare(world, &mut sources, &Selection::default(), &|_| {}, &mut diagnostics);
    (sources, prepared.unwrap_or_else(|| panic!("{diagnostics:?}")))
}

/// All of an artifact, with the bytes checked against what their origins say.
fn whole(environment: &Environment, path: &str, sources: &Sources) -> Excerpt {
    let planned = environment.artifacts.iter().find(|planned| planned.path == path).unwrap();
    let excerpt = environment.trace(planned, sources, 1..usize::MAX).unwrap();
    let mut at = 0;
    for piece in &excerpt.pieces {
        assert_eq!(piece.bytes.start, at, "{path}");
        at = piece.bytes.end;
        let text = std::str::from_utf8(&excerpt.text[piece.bytes.clone()]).unwrap();
        match &piece.cause {
            Cause::Unknown => panic!("`{text}` of {path} is unknown"),
            Cause::Literal { span, filters } if filters.is_empty() => {
                assert_eq!(text, &sources.file(span.file).text().unwrap()[span.range()]);
            }
            Cause::Value { sources: inputs, filters, .. } if filters.is_empty() => {
                if let [Input::Cell { row, column }] = &inputs[..] {
                    // Of a list, an entry may be printed alone.
                    assert!(cell(environment, row, column, sources).contains(text), "{path}: {text}");
                }
            }
            _ => {}
        }
    }
    assert_eq!(at, excerpt.text.len());
    excerpt
}

fn cell(environment: &Environment, row: &Row, column: &str, sources: &Sources) -> String {
    let table = environment.tables.get(&row.table).unwrap();
    let (number, column) = table.schema().column(column).unwrap();
    let row = table.rows(sources).nth(row.number).unwrap();
    environment.tables.text(column, &row.cells[number]).into_owned()
}

#[test]
fn every_byte_of_the_repository_has_an_exact_origin() {
    let (sources, compilation) = prepare(&Disk::new(env!("CARGO_MANIFEST_DIR")));
    let mut artifacts = 0;
    for environment in &compilation.environments {
        for planned in &environment.artifacts {
            whole(environment, planned.path.as_str(), &sources);
            artifacts += 1;
        }
    }
    assert!(artifacts > 10);
}
