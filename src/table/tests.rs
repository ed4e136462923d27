//! Tables from source to value, and every malformed one with the exact place of its mistake.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use super::spec::ColumnSpec;
use super::*;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::World;

/// Files in memory.
#[derive(Default)]
struct Memory(BTreeMap<Utf8PathBuf, Vec<u8>>);

impl World for Memory {
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
        Ok(self.0.keys().cloned().collect())
    }
}

/// A project of tables: what confwright.toml says and the files.
struct Project {
    world: Memory,
    sources: Sources,
    specs: Vec<TableSpec>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    source: Utf8PathBuf,
    key: Option<toml_crate::Value>,
    columns: Option<IndexMap<String, ColumnSpec>>,
    #[serde(default)]
    required: IndexMap<String, ColumnSpec>,
    header: Option<bool>,
}

use ::toml as toml_crate;

impl Project {
    fn new(declarations: &str, files: &[(&str, &[u8])]) -> Self {
        let mut sources = Sources::default();
        let toml = sources.add("confwright.toml", declarations.as_bytes());
        // The place of a name stands for the span that the real reader of confwright.toml gives.
        let place = |name: &str| {
            let at = declarations.find(name).unwrap();
            Span::new(toml, at..at + name.len())
        };
        let tables: IndexMap<String, Declared> = toml_crate::from_str(declarations).unwrap();
        let specs = tables.into_iter().map(|(name, table)| TableSpec {
            span: place(&name),
            source_span: place(table.source.as_str()),
            key: match table.key {
                None => Vec::new(),
                Some(toml_crate::Value::String(key)) => vec![key],
                Some(keys) => keys.try_into().unwrap(),
            },
            columns: table.columns.map(|columns| {
                columns.into_iter().map(|(name, spec)| (name.clone(), (spec, place(&name)))).collect()
            }),
            required: table.required,
            header: table.header,
            source: table.source,
            name,
        });
        let specs = specs.collect();
        let files = files.iter().map(|(path, bytes)| (Utf8PathBuf::from(*path), bytes.to_vec()));
        Self { world: Memory(files.collect()), sources, specs }
    }

    fn load_with(&mut self, derive: &DeriveFn<'_>) -> (Tables, Vec<Diagnostic>) {
        let mut diagnostics = Diagnostics::default();
        let tables = Tables::load(&self.specs, &self.world, &mut self.sources, derive, &mut diagnostics);
        (tables, diagnostics.sorted(&self.sources))
    }

    fn load(&mut self) -> (Tables, Vec<Diagnostic>) {
        self.load_with(&|_, _, _, _| panic!("nothing is derived"))
    }

    /// `code path:line:column message`, then a line for each further label and hint.
    fn report(&self, diagnostics: &[Diagnostic]) -> String {
        let mut report = String::new();
        for diagnostic in diagnostics {
            for (number, label) in diagnostic.labels.iter().enumerate() {
                let crate::diagnostic::Place::Span(span) = &label.place else { panic!("no span") };
                let (path, position) = self.sources.locate(*span);
                let place = format!("{path}:{position}-{}", span.end - span.start);
                match number {
                    0 => {
                        report +=
                            &format!("{} {place} {}\n  {}\n", diagnostic.code, diagnostic.message, label.text)
                    }
                    _ => report += &format!("  {place} {}\n", label.text),
                }
            }
            for hint in &diagnostic.hints {
                report += &format!("  hint: {hint}\n");
            }
        }
        report
    }

    fn rows(&self, table: &Table) -> Vec<Vec<String>> {
        let rows = table.rows(&self.sources).inspect(|row| assert!(row.number < table.len()));
        rows.map(|row| row.cells.iter().map(|value| value.text().into_owned()).collect()).collect()
    }
}

/// The rows of one table that is sound.
#[track_caller]
fn rows(declaration: &str, source: &str, content: &str) -> Vec<Vec<String>> {
    let mut project = Project::new(declaration, &[(source, content.as_bytes())]);
    let (tables, diagnostics) = project.load();
    assert_eq!(project.report(&diagnostics), "");
    let table = tables.iter().next().unwrap();
    let rows = project.rows(table);
    assert_eq!(rows.len(), table.len());
    assert_eq!(rows, project.rows(table), "a table can be read again");
    rows
}

/// The report of one table with mistakes.
fn faults(declaration: &str, source: &str, content: impl AsRef<[u8]>) -> String {
    let mut project = Project::new(declaration, &[(source, content.as_ref())]);
    let (_, diagnostics) = project.load();
    project.report(&diagnostics)
}

const PLAIN: &str = "mx = { source = 'mx.csv' }";

#[test]
fn csv_as_the_world_writes_it() {
    let expected = [["1", "x, \"y\""], ["2", "line\nbreak"], ["3", "ü"]];
    let text = "\u{feff}a,b\r\n\r\n1,\"x, \"\"y\"\"\"\n  \n2,\"line\nbreak\"\r\n\n\n\"3\",ü";
    assert_eq!(rows(PLAIN, "mx.csv", text), expected);
    assert_eq!(rows("mx = { source = 'mx.tsv' }", "mx.tsv", "a\tb\n1\t2,3\n"), [["1", "2,3"]]);
}

#[test]
fn the_other_formats() {
    let columns = "columns = { ip = 'ipv4', name = 'fqdn', note = { optional = true } }";
    let expected = [["192.0.2.1", "a.example", ""], ["192.0.2.2", "b.example", "1.10"]];
    let txt = "# mail\n192.0.2.1   a.example. -\t# the first\n\n\t192.0.2.2 B.example 1.10\r\n";
    assert_eq!(rows(&format!("mx = {{ source = 'mx.txt', {columns} }}"), "mx.txt", txt), expected);
    let txt = format!("ip name note\n{txt}");
    assert_eq!(
        rows(&format!("mx = {{ source = 'mx.txt', header = true, {columns} }}"), "mx.txt", &txt),
        expected
    );
    let json = r#"[{"name": "a.example", "ip": "192.0.2.1", "note": null}, {"ip":"192.0.2.2","name":"b.example","note":1.10}]"#;
    assert_eq!(rows(&format!("mx = {{ source = 'mx.json', {columns} }}"), "mx.json", json), expected);
    let yaml =
        "# mail\n- ip: 192.0.2.1\n  name: a.example\n- {name: b.example, ip: \"192.0.2.2\", note: 1.10}\n";
    assert_eq!(rows(&format!("mx = {{ source = 'mx.yaml', {columns} }}"), "mx.yaml", yaml), expected);
    let toml =
        "[[mx]]\nip = '192.0.2.1'\nname = 'a.example'\n[[mx]]\nname='b.example'\nip='192.0.2.2'\nnote=1.10\n";
    assert_eq!(rows(&format!("mx = {{ source = 'mx.toml', {columns} }}"), "mx.toml", toml), expected);
}
