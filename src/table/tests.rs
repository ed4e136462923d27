//! Tables from source to value, and every malformed one with the exact place of its mistake.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use super::spec::ColumnSpec;
use super::*;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{Disk, Stream, World};

/// Files in memory, of which those of rows are streamed or not.
#[derive(Default)]
struct Memory(BTreeMap<Utf8PathBuf, Vec<u8>>, bool);

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl Stream for Bytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.0.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl World for Memory {
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn stream(&self, path: &Utf8Path) -> io::Result<Option<Arc<dyn Stream>>> {
        let bytes = self.read(path)?;
        Ok(self.1.then(|| Arc::new(Bytes(bytes)) as Arc<dyn Stream>))
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
    key: Option<::toml::Value>,
    columns: Option<IndexMap<String, ColumnSpec>>,
    #[serde(default)]
    required: IndexMap<String, ColumnSpec>,
    header: Option<bool>,
}

impl Project {
    fn new(declarations: &str, files: &[(&str, &[u8])]) -> Self {
        let mut sources = Sources::default();
        let toml = sources.add("confwright.toml", declarations.as_bytes());
        // The place of a name stands for the span that the real reader of confwright.toml gives.
        let place = |name: &str| {
            let at = declarations.find(name).unwrap();
            Span::new(toml, at..at + name.len())
        };
        let tables: IndexMap<String, Declared> = ::toml::from_str(declarations).unwrap();
        let placed = |columns: IndexMap<String, ColumnSpec>| {
            columns.into_iter().map(|(name, spec)| (name.clone(), (spec, place(&name)))).collect()
        };
        let specs = tables.into_iter().map(|(name, table)| TableSpec {
            hold: false,
            elsewhere: Vec::new(),
            span: place(&name),
            source_span: place(table.source.as_str()),
            key: match table.key {
                None => Vec::new(),
                Some(::toml::Value::String(key)) => vec![key],
                Some(keys) => keys.try_into().unwrap(),
            },
            columns: table.columns.map(placed),
            required: placed(table.required),
            constraints: Vec::new(),
            header: table.header,
            source: table.source,
            name,
        });
        let specs = specs.collect();
        let files = files.iter().map(|(path, bytes)| (Utf8PathBuf::from(*path), bytes.to_vec()));
        Self { world: Memory(files.collect(), false), sources, specs }
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
                let end = if number == 0 {
                    writeln!(report, "{} {place} {}\n  {}", diagnostic.code, diagnostic.message, label.text)
                } else {
                    writeln!(report, "  {place} {}", label.text)
                };
                end.unwrap();
            }
            for hint in &diagnostic.hints {
                writeln!(report, "  hint: {hint}").unwrap();
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

#[test]
fn malformed_csv() {
    let report = |text: &str| faults(PLAIN, "mx.csv", text);
    let quote = "  hint: close it with `\"`, and write a quote inside of it as `\"\"`\n";
    assert_eq!(
        report("a,b\n1,\"open\n2,x\n"),
        format!("table::syntax mx.csv:2:3-1 a quote is never closed\n  it is opened here\n{quote}")
    );
    assert_eq!(
        report("a,b\n1,x\n2,\""),
        format!("table::syntax mx.csv:3:3-1 a quote is never closed\n  it is opened here\n{quote}")
    );
    assert_eq!(
        report("a,b\r\n1,x\"y\r\n\"1\"2,x\r\n1,2\r\n"),
        "table::syntax mx.csv:2:4-1 there is a quote in the middle of a cell that does not begin with one\n  \
         this quote\n  hint: put all of the cell between quotes, and write this one as `\"\"`\n\
         table::syntax mx.csv:3:4-1 there is text behind a closing quote\n  the cell has ended before it\n  \
         hint: put all of the cell between the quotes, and write a quote inside of it as `\"\"`\n"
    );
    assert_eq!(
        report("a,b\n1,x\ry\n"),
        "table::syntax mx.csv:2:4-1 there is a carriage return without a line feed\n  lines end with LF or CRLF\n  \
         hint: convert the line ends, or put the cell between quotes\n"
    );
    // A carriage return and what is behind it are text behind the quote too.
    assert!(
        report("a\n\"\"\rü\n")
            .starts_with("table::syntax mx.csv:2:3-1 there is text behind a closing quote\n")
    );
    assert_eq!(
        report("a,b\nü,x\u{0}y\n"),
        "table::syntax mx.csv:2:3-3 this cell has a NUL character in it\n  column `b` is declared `string`\n  hint: remove it; no text file holds one\n"
    );
    assert_eq!(
        faults(PLAIN, "mx.csv", b"a,b\n1,x\xff\n"),
        "source::utf8 mx.csv:2:4-1 `mx.csv` is not UTF-8\n  this byte is part of no character\n  \
         hint: convert it, for example with `iconv -f latin1 -t utf-8`\n"
    );
    for wide in [b"\xff\xfea\0,\0b\0", b"\xfe\xff\0a\0,\0b"] {
        let report = faults(PLAIN, "mx.csv", wide);
        assert!(report.ends_with("`iconv -f utf-16 -t utf-8`\n"), "{report}");
    }
    assert_eq!(
        report("\u{feff}\u{feff}a,b\n"),
        "table::header mx.csv:1:1-4 `\\u{feff}a` begins with a second byte order mark\n  this column\n  \
         hint: remove all byte order marks: the file is UTF-8\n"
    );
}

#[test]
fn ragged_rows_and_empty_cells() {
    assert_eq!(
        faults(PLAIN, "mx.csv", "a,b\n\n\"1\n2\",3,4\r\n5\n6,\n"),
        "table::ragged mx.csv:3:1-9 row 1 has 3 cells instead of 2\n  the columns are `a, b`\n\
         table::ragged mx.csv:5:1-1 row 2 has 1 cell instead of 2\n  the columns are `a, b`\n\
         table::empty mx.csv:6:3-0 the column `b` needs a value\n  column `b` is declared `string`\n  \
         hint: fill the cell, or declare the column `optional` or give it a `default`\n"
    );
    let declaration =
        "mx = { source = 'mx.csv', columns = { a = { optional = true }, b = { default = 'x' } } }";
    assert_eq!(rows(declaration, "mx.csv", "a,b\n,\n\"\",\"\"\n"), [["", "x"], ["", "x"]]);
    assert_eq!(
        faults(
            "mx = { source = 'mx.json', columns = { a = 'int', b = 'int' } }",
            "mx.json",
            "[{\"a\": null}]"
        ),
        "table::empty mx.json:1:2-11 the column `b` needs a value\n  this row has no `b`\n  \
         hint: fill the cell, or declare the column `optional` or give it a `default`\n\
         table::empty mx.json:1:8-4 the column `a` needs a value\n  column `a` is declared `int`\n  \
         hint: fill the cell, or declare the column `optional` or give it a `default`\n"
    );
}

#[test]
fn headers() {
    assert_eq!(
        faults(PLAIN, "mx.csv", "a,,Bé,a,loop\n1,2,3,4,5\n"),
        "table::header mx.csv:1:3-0 column 2 has no name in the header\n  a name is missing here\n  \
         hint: name it, or remove the column and the separator before it\n\
         table::header mx.csv:1:4-3 `Bé` is not a name: `a` to `z`, digits and `_`, no digit first\n  this column\n  \
         hint: write it `b_`\n\
         table::header mx.csv:1:7-1 the column `a` is twice in the header\n  the second one\n  mx.csv:1:1-1 the first one\n\
         table::header mx.csv:1:9-4 the name `loop` is reserved\n  this column\n  \
         hint: call it otherwise, such as `loop_name`\n"
    );
    assert_eq!(
        faults(PLAIN, "mx.csv", "ip;fqdn\n"),
        "table::header mx.csv:1:1-7 `ip;fqdn` is not a name: `a` to `z`, digits and `_`, no digit first\n  this column\n  \
         hint: cells are divided by `,` in .csv and by a tab in .tsv\n"
    );
    for empty in ["", "\u{feff}", "\r\n \n"] {
        assert_eq!(
            faults(PLAIN, "mx.csv", empty).lines().next(),
            Some("table::header mx.csv:1:1-0 the table `mx` has no header line")
        );
    }
    let columns = "mx = { source = 'mx.csv', columns = { address = 'ipv4', port = { type = 'port', optional = true }, \
                   sum = { expr = 'x' } } }";
    assert_eq!(
        faults(columns, "mx.csv", "adress,sum\n1,2\n"),
        "table::column mx.csv:1:1-6 the table `mx` has no column `adress`\n  this column is not declared\n  \
         confwright.toml:1:1-2 the table is declared here\n  hint: did you mean `address`?\n\
         table::column mx.csv:1:1-10 the column `port` of the table `mx` is missing\n  it is not in this header\n  \
         confwright.toml:1:57-4 it is declared here\n\
         table::column mx.csv:1:8-3 the column `sum` is derived, so it cannot be in the source too\n  this column\n  \
         confwright.toml:1:100-3 its `expr` is declared here\n"
    );
    assert_eq!(
        faults("mx = { source = 'mx.txt' }", "mx.txt", "a b\n"),
        "table::header confwright.toml:1:1-2 the table `mx` has no header line and no declared columns\n  this table\n  \
         hint: declare them in their order under [tables.mx.columns], or set `header = true`\n"
    );
}

#[test]
fn types_come_from_what_targets_require() {
    let declaration = "mx = { source = 'mx.csv', required = { ip = 'ipv4', port = 'port' } }";
    assert_eq!(rows(declaration, "mx.csv", "note,port,ip\nx,25,192.0.2.1\n"), [["x", "25", "192.0.2.1"]]);
    assert_eq!(
        faults(declaration, "mx.csv", "ip\n192.0.2.300\n"),
        "table::column mx.csv:1:1-2 the column `port` of the table `mx` is missing\n  it is not in this header\n  \
         confwright.toml:1:53-4 a target requires it\n"
    );
    let declaration =
        "mx = { source = 'mx.json', key = 'name', required = { ip = { type = 'ipv4', optional = true } } }";
    assert_eq!(
        rows(declaration, "mx.json", r#"[{"name": "a", "x": 1}, {"x": 2, "ip": "192.0.2.1", "name": "b"}]"#),
        [["a", "1", ""], ["b", "2", "192.0.2.1"]]
    );
}

#[test]
fn cells_of_the_wrong_type() {
    let declaration =
        "mx = { source = 'mx.csv', columns = { ip = 'ipv4', port = { type = 'port', max = 1023 } } }";
    assert_eq!(
        faults(declaration, "mx.csv", "ip,port\n\"192.0.2.300\",25\n192.0.2.1,2525\n 192.0.2.1,007\n"),
        "table::type mx.csv:2:1-13 `192.0.2.300` is not an IPv4 address\n  column `ip` is declared `ipv4`\n\
         table::constraint mx.csv:3:11-4 `2525` is more than the `max` of 1023\n  column `port` is declared `port`\n  \
         confwright.toml:1:52-4 the constraint is declared here\n\
         table::type mx.csv:4:1-10 ` 192.0.2.1` is not an IPv4 address\n  column `ip` is declared `ipv4`\n  \
         hint: remove the white space around it\n\
         table::type mx.csv:4:12-3 `007` is not a port\n  column `port` is declared `port`\n  hint: write `7`\n"
    );
}

#[test]
fn many_mistakes_are_counted() {
    let mut text = "n\n".to_owned();
    for row in 0..100_000 {
        writeln!(text, "x{row}").unwrap();
    }
    let mut project =
        Project::new("t = { source = 't.csv', columns = { n = 'int' } }", &[("t.csv", text.as_bytes())]);
    let (_, diagnostics) = project.load();
    assert_eq!(diagnostics.len(), 21);
    assert_eq!(
        project.report(&diagnostics[20..]),
        "table::type t.csv:22:1-3 99980 more cells of the column `n` of the table `t` are wrong\n  from here on\n"
    );
}

#[test]
fn keys_are_unique_and_there() {
    let declaration = "mx = { source = 'mx.csv', key = 'name', columns = { name = 'fqdn', ip = { type = 'ip', unique = true } } }";
    assert_eq!(
        faults(declaration, "mx.csv", "name,ip\na.example,::1\nb.example,0:0::1\nA.example.,::2\n"),
        "table::unique mx.csv:3:11-6 two rows have the same `ip`: `::1`\n  the second one\n  mx.csv:2:11-3 the first one\n\
         table::unique mx.csv:4:1-10 two rows have the key `a.example`\n  the second one\n  mx.csv:2:1-9 the first one\n"
    );
    let declaration =
        "mx = { source = 'mx.csv', key = 'name', columns = { name = { type = 'name', optional = true } } }";
    assert_eq!(
        faults(declaration, "mx.csv", "name\n\"\"\n"),
        "table::empty mx.csv:2:1-2 the key `name` is empty\n  every row needs its key\n  \
         confwright.toml:1:1-2 the key is declared here\n"
    );
    let declaration = "t = { source = 't.csv', key = ['a', 'b'] }";
    let mut project = Project::new(declaration, &[("t.csv", b"a,b\nx,y\nx,z\nx,y\n")]);
    let (tables, diagnostics) = project.load();
    assert_eq!(
        project.report(&diagnostics),
        "table::unique t.csv:4:1-1 two rows have the key `x/y`\n  the second one\n  t.csv:2:1-1 the first one\n"
    );
    assert_eq!(tables.get("t").unwrap().find(&project.sources, "x/z"), Some(1));
    assert_eq!(tables.get("t").unwrap().find(&project.sources, "x"), None);
    assert_eq!(
        faults("mx = { source = 'mx.csv', key = 'nam' }", "mx.csv", "name\nx\n"),
        "project::unknown-name confwright.toml:1:1-2 the key `nam` is no column of the table `mx`\n  this table\n  \
         hint: did you mean `name`?\n"
    );
}

const TWO: &str = "hosts = { source = 'hosts.txt', key = 'fqdn', columns = { fqdn = 'fqdn', ip = 'ip' } }\n\
                   mx = { source = 'mx.csv', columns = { name = 'name', host = { type = 'ref', table = 'hosts' } } }";

#[test]
fn references_are_rows() {
    let hosts = b"a.example 192.0.2.1\nb.example ::1\n";
    let mut project =
        Project::new(TWO, &[("hosts.txt", hosts), ("mx.csv", b"name,host\nx,B.example.\ny,a.example\n")]);
    let (tables, diagnostics) = project.load();
    assert_eq!(project.report(&diagnostics), "");
    let mx = tables.get("mx").unwrap();
    let refs: Vec<Value> = mx.rows(&project.sources).map(|row| row.cells[1].clone()).collect();
    assert_eq!(refs, [Value::Ref(1), Value::Ref(0)]);
    let hosts = tables.get("hosts").unwrap();
    assert_eq!(hosts.held(1).unwrap()[1], Value::Text("::1".into()));
    assert_eq!(tables.text(&mx.schema().columns[1], &refs[0]), "b.example");
    assert_eq!(hosts.find(&project.sources, "A.EXAMPLE"), Some(0));
    assert!(mx.held(0).is_none(), "a table that is only walked is not held");

    let mut project =
        Project::new(TWO, &[("hosts.txt", b"a.example ::1\n"), ("mx.csv", b"name,host\nx,a.exampel\n")]);
    let (_, diagnostics) = project.load();
    assert_eq!(
        project.report(&diagnostics),
        "table::ref mx.csv:2:3-9 the table `hosts` has no row `a.exampel`\n  column `host` refers to the table `hosts`\n  \
         confwright.toml:1:1-5 its key is `fqdn`\n  hint: did you mean `a.example`?\n"
    );
    // A row that is wrong itself is not missed as well.
    let mut project =
        Project::new(TWO, &[("hosts.txt", b"a_example ::1\n"), ("mx.csv", b"name,host\nx,a_example\n")]);
    let (_, diagnostics) = project.load();
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0].code, "table::type");
}

#[test]
fn references_that_cannot_be() {
    let declaration = "mx = { source = 'mx.csv', columns = { name = 'name', host = { type = 'ref', table = 'hots' } } }\n\
                       hosts = { source = 'hosts.csv' }\n\
                       vms = { source = 'mx.csv', columns = { name = 'name', host = { type = 'list', of = { type = 'ref', table = 'hosts' } } } }";
    let mut project =
        Project::new(declaration, &[("mx.csv", b"name,host\nx,y\n"), ("hosts.csv", b"name\ny\n")]);
    let (_, diagnostics) = project.load();
    assert_eq!(
        project.report(&diagnostics),
        "project::unknown-name confwright.toml:1:54-4 the column `host` refers to the table `hots`, which does not exist\n  \
         this column\n  hint: did you mean `hosts`?\n\
         project::value confwright.toml:1:54-4 the column `host` refers to the table `hosts`, which has no key of one column\n  \
         this column\n  confwright.toml:2:1-5 give this table a `key`\n"
    );
}

#[test]
fn circles_of_rows() {
    let declaration = "vms = { source = 'vms.csv', key = 'name', columns = { name = 'name', \
                       parent = { type = 'ref', table = 'vms', optional = true } } }";
    assert_eq!(
        faults(declaration, "vms.csv", "name,parent\na,b\nb,c\nc,b\nd,\ne,e\n"),
        "table::cycle vms.csv:3:3-1 rows refer to each other in a circle: `b` -> `c` -> `b`\n  `b` refers to `c`\n  \
         vms.csv:4:3-1 `c` refers to `b`\n\
         table::cycle vms.csv:6:3-1 rows refer to each other in a circle: `e` -> `e`\n  `e` refers to `e`\n"
    );
    assert_eq!(
        rows(declaration, "vms.csv", "name,parent\na,b\nb,c\nc,\n"),
        [["a", "#1"], ["b", "#2"], ["c", ""]]
    );
    let between = "a = { source = 'a.csv', key = 'name', columns = { name = 'name', to_b = { type = 'list', optional = true, of = { type = 'ref', table = 'b' } } } }\n\
                   b = { source = 'b.csv', key = 'name', columns = { name = 'name', to_a = { type = 'ref', table = 'a' } } }";
    let mut project =
        Project::new(between, &[("a.csv", b"name,to_b\nx,\ny,p q\n"), ("b.csv", b"name,to_a\np,x\nq,y\n")]);
    let (_, diagnostics) = project.load();
    assert_eq!(
        project.report(&diagnostics),
        "table::cycle a.csv:3:3-3 rows refer to each other in a circle: `y` -> `q` -> `y`\n  `y` refers to `q`\n  \
         b.csv:3:3-1 `q` refers to `y`\n"
    );
}

#[test]
fn a_long_chain_of_rows() {
    let declaration = "vms = { source = 'vms.csv', key = 'name', columns = { name = 'name', \
                       parent = { type = 'ref', table = 'vms', optional = true } } }";
    let count = 100_000;
    let chain = |last: &str| {
        let rows = (0..count).map(|row| match row + 1 {
            next if next == count => format!("v{row},{last}\n"),
            next => format!("v{row},v{next}\n"),
        });
        format!("name,parent\n{}", rows.collect::<String>())
    };
    // The first of the rows whose chain is too long, found without a stack as deep.
    let report = faults(declaration, "vms.csv", chain(""));
    assert!(report.starts_with("table::depth vms.csv:2:1-"), "{report}");
    let report = faults(declaration, "vms.csv", chain("v0"));
    assert!(
        report
            .starts_with("table::cycle vms.csv:2:4-2 rows refer to each other in a circle: `v0` -> `v1` ->")
    );
    assert!(report.contains("-> … 99992 more rows -> `v0`\n"), "{report}");
    let report = faults(declaration, "vms.csv", chain("nowhere"));
    assert!(
        report.contains("table::ref vms.csv:100001:8-7 the table `vms` has no row `nowhere`"),
        "{report}"
    );
}

#[test]
fn derived_columns() {
    let declaration = "mx = { source = 'mx.csv', key = 'id', columns = { name = 'name', host = { type = 'ref', table = 'hosts' }, \
                       id = { type = 'name', expr = 'X' }, port = { type = 'port', expr = 'Y' } } }\n\
                       hosts = { source = 'hosts.csv', key = 'fqdn' }\n\
                       out = { source = 'out.csv', columns = { via = { type = 'ref', table = 'mx' } } }";
    let mut project = Project::new(
        declaration,
        &[("mx.csv", b"name,host\na,h\nb,h\n"), ("hosts.csv", b"fqdn,n\nh,24\n"), ("out.csv", b"via\nb-h\n")],
    );
    let derive = |tables: &Tables, schema: &Schema, column: usize, cells: &[Value]| {
        let Value::Ref(host) = cells[1] else { panic!("resolved before") };
        let host = tables.get("hosts").unwrap().held(host).unwrap();
        assert_eq!(schema.name, "mx");
        Ok(match schema.columns[column].name.as_str() {
            "id" => Value::Text(format!("{}-{}", cells[0].text(), host[0].text()).into()),
            _ => Value::Int(i64::try_from(cells[2].text().len()).unwrap() + 22),
        })
    };
    let (tables, diagnostics) = project.load_with(&derive);
    assert_eq!(project.report(&diagnostics), "");
    assert_eq!(project.rows(tables.get("mx").unwrap()), [["a", "#0", "a-h", "25"], ["b", "#0", "b-h", "25"]]);
    assert_eq!(project.rows(tables.get("out").unwrap()), [["#1"]]);

    let same = |_: &Tables, _: &Schema, column: usize, _: &[Value]| match column {
        2 => Ok(Value::Text("same".into())),
        _ => Ok(Value::Text("port".into())),
    };
    let (_, diagnostics) = project.load_with(&same);
    let report = project.report(&diagnostics);
    assert!(
        report.contains(
            "table::type confwright.toml:1:144-4 `port` is not a port\n  column `port` is declared `port`\n  \
             mx.csv:3:1-3 computed for this row\n  hint: a port is a number from 1 to 65535\n"
        ),
        "{report}"
    );
}

#[test]
fn derived_columns_are_unique_too() {
    let declaration = "mx = { source = 'mx.csv', key = 'id', columns = { name = 'name', id = { type = 'name', expr = 'X' }, \
                       other = { type = 'name', unique = true, expr = 'Y' } } }";
    let mut project = Project::new(declaration, &[("mx.csv", b"name\na\nb\n")]);
    let (_, diagnostics) = project.load_with(&|_, _, _, _| Ok(Value::Text("same".into())));
    assert_eq!(
        project.report(&diagnostics),
        "table::unique mx.csv:3:1-1 two rows have the key `same`\n  the second one\n  mx.csv:2:1-1 the first one\n\
         table::unique mx.csv:3:1-1 two rows have the same `other`: `same`\n  the second one\n  mx.csv:2:1-1 the first one\n"
    );
}

#[test]
fn derived_columns_see_derived_columns_of_the_rows_they_refer_to() {
    let declaration = "vms = { source = 'vms.csv', key = 'name', columns = { name = 'name', \
                       parent = { type = 'ref', table = 'vms', optional = true }, path = { expr = 'x' } } }";
    let mut project = Project::new(declaration, &[("vms.csv", b"name,parent\nleaf,mid\nmid,root\nroot,\n")]);
    let (tables, diagnostics) = project.load_with(&|tables, schema, _, cells| {
        let parent = match cells[1] {
            Value::Ref(row) => tables.get(&schema.name).unwrap().held(row).unwrap()[2].text().into_owned(),
            _ => String::new(),
        };
        Ok(Value::Text(format!("{parent}/{}", cells[0].text()).into()))
    });
    assert_eq!(project.report(&diagnostics), "");
    let paths: Vec<String> =
        project.rows(tables.get("vms").unwrap()).into_iter().map(|mut row| row.remove(2)).collect();
    assert_eq!(paths, ["/root/mid/leaf", "/root/mid", "/root"]);
}

#[test]
fn malformed_json() {
    let report = |text: &str| {
        faults("t = { source = 't.json', columns = { a = { optional = true } } }", "t.json", text)
    };
    assert_eq!(
        report("[{\"a\": 1,\n  \"b\" 2}]"),
        "table::syntax t.json:2:7-1 this is not well-formed JSON\n  expected `:`\n"
    );
    assert_eq!(
        report("[{\"a\": \"ü\", }]"),
        "table::syntax t.json:1:13-1 this is not well-formed JSON\n  key must be a string\n"
    );
    assert_eq!(
        report("[{\"a\": 1}"),
        "table::syntax t.json:1:9-1 this is not well-formed JSON\n  EOF while parsing a list\n"
    );
    assert_eq!(
        report(""),
        "table::syntax t.json:1:1-0 this is not well-formed JSON\n  EOF while parsing a value\n"
    );
    assert_eq!(
        report(" {\"a\": 1}"),
        "table::syntax t.json:1:2-0 a JSON table is an array of objects\n  expected `[`\n"
    );
    assert_eq!(
        report("[{\"a\": 1, \"a\": 2}, 3]"),
        "table::syntax t.json:1:11-3 the key `a` is there twice\n  the second one\n  t.json:1:3-3 the first one\n\
         table::syntax t.json:1:20-1 a row of a JSON table is an object\n  expected `{`\n"
    );
    assert_eq!(
        report("[{\"a\": \"x\\u0000\"}, {\"aa\": 1}, {\"aa\": 1}, {\"a\": {}}, {\"a\": true}]"),
        "table::syntax t.json:1:8-9 this cell has a NUL character in it\n  column `a` is declared `string`\n  hint: remove it; no text file holds one\n\
         table::column t.json:1:21-4 the table `t` has no column `aa`\n  this column is not declared\n  \
         confwright.toml:1:1-1 the table is declared here\n  hint: did you mean `a`?\n\
         table::type t.json:1:48-2 an object is not text\n  column `a` is declared `string`\n\
         table::type t.json:1:59-4 `true` is not text: it is a truth value\n  column `a` is declared `string`\n  \
         hint: put quotes around it if it is meant as text\n"
    );
}

#[test]
fn malformed_yaml() {
    let report =
        |text: &str| faults("t = { source = 't.yml', columns = { a = { optional = true } } }", "t.yml", text);
    assert_eq!(
        report("a: 1\n"),
        "table::syntax t.yml:1:1-0 a YAML table is a list of maps\n  expected `- `\n"
    );
    assert_eq!(
        report("# nothing\n").lines().next(),
        Some("table::syntax t.yml:2:1-0 a YAML table is a list of maps")
    );
    assert_eq!(
        report("# ü\n- a: ü\n- é\n- a: 1\n  a: 2\n"),
        "table::syntax t.yml:3:3-2 a row of a YAML table is a map\n  expected `name: value`\n\
         table::syntax t.yml:5:3-1 the key `a` is there twice\n  the second one\n  t.yml:4:3-1 the first one\n"
    );
    assert!(report("- a: \"x\n").starts_with("table::syntax t.yml:"));
    assert!(report("- a: [1, 2\n").starts_with("table::syntax t.yml:"));
    assert_eq!(
        report("- a: 1\n---\n- a: 2\n"),
        "table::syntax t.yml:2:1-3 a YAML table is one document\n  the second one begins here\n"
    );
    assert_eq!(
        report("- a: !!int 3\n- a: &x [1]\n- a: *x\n"),
        "table::syntax t.yml:1:6-7 a value with a tag is not read\n  this value\n  \
         hint: leave the tag out; the column's type decides\n\
         table::type t.yml:2:6-6 a list is not text\n  column `a` is declared `string`\n\
         table::syntax t.yml:3:6-2 an alias stands for a single value only\n  this alias\n"
    );
}

#[test]
fn yaml_scalars_keep_their_source_text() {
    let declaration = "t = { source = 't.yaml', columns = { a = 'string', b = { type = 'bool', default = false }, \
                       l = { type = 'list', default = [] } } }";
    let yaml = "- a: no\n- a: 1.10\n- a: 0x1f\n- {a: 2027-03-31, b: true, l: [no, 1.0, 'x y']}\n- a: &n 'ü: #'\n  b: false # é\n\
                - a: *n\n  l: [*n]\n- a: |\n    two\n    lines\n";
    assert_eq!(
        rows(declaration, "t.yaml", yaml),
        [
            ["no", "false", ""],
            ["1.10", "false", ""],
            ["0x1f", "false", ""],
            ["2027-03-31", "true", "no 1.0 x y"],
            ["ü: #", "false", ""],
            ["ü: #", "false", "ü: #"],
            ["two\nlines\n", "false", ""],
        ]
    );
    assert_eq!(
        faults(declaration, "t.yaml", "- a: x\n  b: no\n- a: x\n  b: 'true'\n"),
        "table::type t.yaml:2:6-2 `no` is not a truth value\n  column `b` is declared `bool`\n  hint: write `true` or `false`\n\
         table::type t.yaml:4:6-6 `true` is not a truth value: it is text\n  column `b` is declared `bool`\n  \
         hint: leave out the quotes: true\n"
    );
}

#[test]
fn malformed_toml() {
    let report = |text: &str| {
        faults("t = { source = 't.toml', columns = { a = { optional = true } } }", "t.toml", text)
    };
    assert!(report("[[t]]\na = \n").starts_with("table::syntax t.toml:2:"));
    assert!(
        report("[[t]]\na = 1\na = 2\n")
            .starts_with("table::syntax t.toml:3:1-1 this is not well-formed TOML")
    );
    assert_eq!(
        report("x = 1\n[[t]]\na = 1\n"),
        "table::syntax t.toml:1:1-1 `x` is not an array of tables\n  expected rows, such as `[[t]]`\n"
    );
    assert_eq!(
        report("[[x]]\na = 1\n[[y]]\na = 1\n"),
        "table::syntax t.toml:3:3-1 unknown key `y`: the file has its rows in `x`\n  a file has one list of tables\n"
    );
    assert_eq!(
        report("[[other]]\na = 1\n[[t]]\na = '1'\n"),
        "table::syntax t.toml:1:3-5 unknown key `other`: the file has its rows in `t`\n  a file has one list of tables\n"
    );
    assert_eq!(
        report("[[t]]\na = '1'\n[[tt]]\na = '2'\n"),
        "table::syntax t.toml:3:3-2 unknown key `tt`: the file has its rows in `t`\n  a file has one list of tables\n  \
         hint: did you mean `t`?\n"
    );
    assert_eq!(report("[[x]]\na = '1'\n"), "");
    assert_eq!(
        report("[[t]]\na.b = 1\n"),
        "table::type t.toml:2:1-1 an object is not text\n  column `a` is declared `string`\n"
    );
}

#[test]
fn sources_that_cannot_be_read() {
    assert_eq!(
        faults("t = { source = 'data/t.csv' }", "x.csv", ""),
        "source::read confwright.toml:1:17-10 the table `t` cannot be read from `data/t.csv`\n  it does not exist\n"
    );
    assert_eq!(
        faults("t = { source = 't.xls' }", "t.xls", ""),
        "project::value confwright.toml:1:17-5 `t.xls` is not a table by its name\n  this file\n  \
         hint: a table's file ends in one of .csv .tsv .txt .json .yaml .yml .toml\n"
    );
    assert_eq!(
        faults("row = { source = 't.csv' }", "t.csv", "a\n"),
        "project::name confwright.toml:1:1-3 the name `row` is reserved\n  this table\n  \
         hint: call it otherwise, such as `row_name`\n"
    );
    assert!(faults("t = { source = 't.json', header = true }", "t.json", "[]").starts_with("project::value"));
}

#[test]
fn a_broken_table_keeps_its_schema() {
    let mut project =
        Project::new("t = { source = 't.csv', columns = { a = 'int' } }\nu = { source = 'u.csv' }", &[]);
    let (tables, diagnostics) = project.load();
    assert_eq!(diagnostics.len(), 2);
    let schema = tables.get("t").unwrap().schema();
    assert!(schema.complete && schema.columns[0].name == "a");
    assert!(!tables.get("u").unwrap().schema().complete);
    assert_eq!(tables.get("t").unwrap().rows(&project.sources).count(), 0);
}

#[test]
fn a_cell_of_ten_megabytes() {
    let long = "ü\"\n".repeat(2_500_000);
    let text = format!("a,b\n1,\"{}\"\n2,x\n", long.replace('"', "\"\""));
    let mut project = Project::new(
        "t = { source = 't.csv', columns = { a = 'int', b = 'string' } }",
        &[("t.csv", text.as_bytes())],
    );
    let (tables, diagnostics) = project.load();
    assert_eq!(project.report(&diagnostics), "");
    let table = tables.get("t").unwrap();
    assert!(
        matches!(&table.rows(&project.sources).next().unwrap().cells[1], Value::Text(text) if **text == *long)
    );
    let span = table.cell_span(&project.sources, 1, 1).unwrap();
    assert_eq!(project.sources.locate(span).1.line, 2_500_003);
    // A mistake in it is told in a few words.
    let report = faults("t = { source = 't.csv', columns = { a = 'int', b = 'name' } }", "t.csv", &text);
    assert!(report.len() < 1000, "{}", report.len());
}

#[test]
fn a_carriage_return_alone_divides_nothing() {
    let declaration = "t = { source = 't.txt', columns = { one = 'name', two = 'name' } }";
    assert_eq!(rows(declaration, "t.txt", "a b\r\nc d\r\n"), [["a", "b"], ["c", "d"]]);
    for (text, place) in [("a b\rc d\r", "1:4-1"), ("a b\r\nc\rd\n", "2:2-1"), ("# a\rb c\r\n", "1:4-1")] {
        let expected = format!(
            "table::syntax t.txt:{place} there is a carriage return without a line feed\n  \
             lines end with LF or CRLF\n  hint: convert the line ends\n"
        );
        assert_eq!(faults(declaration, "t.txt", text), expected);
    }
}

#[test]
fn lists_take_the_rest_of_a_plain_line() {
    let declaration = "hosts = { source = 'hosts.txt', key = 'ip', columns = { ip = 'ip', names = { type = 'list', of = 'hostname', optional = true } } }";
    let text = "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost  IP6-loopback # both\n192.0.2.1 -\n";
    assert_eq!(
        rows(declaration, "hosts.txt", text),
        [["127.0.0.1", "localhost"], ["::1", "localhost ip6-localhost ip6-loopback"], ["192.0.2.1", ""]]
    );
    assert_eq!(
        faults(declaration, "hosts.txt", "::1 localhost ip6_localhost\n::2\n"),
        "table::type hosts.txt:1:15-13 `ip6_localhost` is not a host name\n  column `names` is declared `list of hostname`\n  \
         hint: a host name has letters, digits and `-` only, not `_`\n\
         table::ragged hosts.txt:2:1-3 row 2 has 1 cell instead of 2\n  the columns are `ip, names`\n  hint: write `-` for an empty cell\n"
    );
}

#[test]
fn lines_lead_to_rows() {
    let mut project = Project::new(PLAIN, &[("mx.csv", b"a,b\r\n\r\n1,\"x\r\ny\"\r\n2,z\r\n")]);
    let (tables, _) = project.load();
    let table = tables.get("mx").unwrap();
    let rows: Vec<_> = (0..8).map(|line| table.row_at(&project.sources, line)).collect();
    assert_eq!(rows, [None, None, None, Some(0), Some(0), Some(1), None, None]);
    assert_eq!(project.sources.locate(table.row_span(&project.sources, 1).unwrap()).1.line, 5);
}

#[test]
fn certificates_are_read_where_they_are_public() {
    let declaration = "t = { source = 't.csv', columns = { cert = { type = 'cert', local = 'pki' } } }";
    let key = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    let (good, secret) = (key.cert.pem(), key.signing_key.serialize_pem());
    let csv = "cert\n/etc/ssl/good.pem\n/etc/ssl/secret.pem\n/etc/ssl/none.pem\n/etc/ssl/text.pem\n";
    let mut project = Project::new(
        declaration,
        &[
            ("t.csv", csv.as_bytes()),
            ("pki/good.pem", good.as_bytes()),
            ("pki/secret.pem", secret.as_bytes()),
            ("pki/text.pem", b"text"),
        ],
    );
    let (_, diagnostics) = project.load();
    let report = project.report(&diagnostics);
    let lines: Vec<&str> = report.lines().step_by(2).collect();
    assert_eq!(
        lines,
        [
            "table::cert t.csv:3:1-19 `pki/secret.pem` is not a certificate chain: it holds a private key, which has no place in the project",
            "table::cert t.csv:4:1-17 `pki/none.pem` is not a certificate chain: it does not exist",
            "table::cert t.csv:5:1-17 `pki/text.pem` is not a certificate chain: there is no certificate in it",
        ]
    );
}

#[test]
fn no_local_file_stands_for_two_certificates() {
    let declaration = "t = { source = 't.csv', columns = { cert = { type = 'cert', local = 'pki' } } }";
    let key = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    let chain = key.cert.pem();
    let csv = "cert\n/ssl/mx01/chain.pem\n/ssl/mx02/chain.pem\n/ssl/mx02/chain.pem\n/ssl/web/only.pem\n";
    let mut project = Project::new(
        declaration,
        &[
            ("t.csv", csv.as_bytes()),
            ("pki/chain.pem", chain.as_bytes()),
            ("pki/mx01/chain.pem", chain.as_bytes()),
            ("pki/only.pem", chain.as_bytes()),
            ("pki/web/only.pem", b"the longer end counts"),
        ],
    );
    let (_, diagnostics) = project.load();
    let report = project.report(&diagnostics);
    let lines: Vec<&str> = report.lines().filter(|line| line.starts_with("table::")).collect();
    assert_eq!(
        lines,
        [
            "table::cert t.csv:3:1-19 `pki/mx02/chain.pem` is not a certificate chain: it does not exist",
            "table::cert t.csv:4:1-19 `pki/mx02/chain.pem` is not a certificate chain: it does not exist",
            "table::cert t.csv:5:1-17 `pki/web/only.pem` is not a certificate chain: there is no certificate in it",
        ]
    );
}

mod random {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        proptest::string::string_regex("[a-c \",;\t\nü]{0,6}|\r\n").unwrap()
    }

    fn quote(cell: &str, force: bool) -> String {
        if force || cell.contains(['"', ',', '\n', '\r']) || cell.trim_matches(' ').is_empty() {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.to_owned()
        }
    }

    /// What is known of a project once it is loaded: the report, and of each table its rows and all places.
    fn known(declaration: &str, files: &[(&str, &[u8])], streamed: bool) -> Vec<String> {
        let mut project = Project::new(declaration, files);
        project.world.1 = streamed;
        let (tables, diagnostics) = project.load();
        let mut known = vec![project.report(&diagnostics)];
        for table in tables.iter() {
            let sources = &project.sources;
            known.push(format!("{} {:?}", table.len(), table.schema()));
            for row in table.rows(sources) {
                known.push(format!("{row:?} {:?}", table.row_span(sources, row.number)));
                for column in 0..row.cells.len() {
                    known.push(format!("{:?}", table.cell_span(sources, row.number, column)));
                }
            }
            let Some(file) = table.file().map(|file| sources.file(file)) else { continue };
            for offset in 0..file.len() + 2 {
                known.push(format!("{:?} {:?}", file.position(offset), file.line(offset)));
                known.push(format!("{:?}", table.row_at(sources, offset)));
            }
        }
        known
    }

    /// A row with a cell of each kind, and how it is written in each format.
    fn cells() -> impl Strategy<Value = (String, String, String, i32, String, Vec<u8>, Option<bool>)> {
        (
            "(1|22|103)\\.0\\.2\\.[1-9]|::1|0:0::2",
            "[ab]{1,3}\\.[abC]{1,2}\\.?",
            "[a-c \",ü']{0,6}",
            -3..2000,
            "-?[1-9](\\.[0-9]{1,2})?",
            prop::collection::vec(any::<u8>(), 1..4),
            any::<Option<bool>>(),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn a_streamed_table_is_the_same(
            text in prop_oneof![
                "(\u{feff})?a,b\n([ab1]{0,2},[12]{0,2}\r?\n){0,40}",
                "(\u{feff})?a,b\n(a|b|1|12|,|,|\n|\n|\r\n|\"a,b\"|\"\"|\"x\"\"y\n\"| |\"|ü|<<<<<<< a|\n>>>>>>> b\n){0,80}",
            ],
            odd in prop::option::weighted(0.1, 0..200_usize),
            columns in prop::sample::select(vec![
                "",
                ", key = 'a'",
                ", key = ['a', 'b'], columns = { b = { type = 'int', optional = true }, a = 'name' }",
                ", columns = { a = { unique = true, default = 'x' }, b = { type = 'float', unique = true, optional = true } }",
            ]),
        ) {
            let mut bytes = text.into_bytes();
            if let Some(byte) = odd.and_then(|at| bytes.get_mut(at)) {
                *byte = 0xff;
            }
            let declaration = format!("t = {{ source = 't.csv' {columns} }}");
            let files: &[(&str, &[u8])] = &[("t.csv", &bytes)];
            prop_assert_eq!(known(&declaration, files, true), known(&declaration, files, false));
        }

        #[test]
        fn what_walks_by_is_what_is_held(
            rows in prop::collection::vec(cells(), 0..12),
            streamed in any::<bool>(),
        ) {
            let columns = "key = 'k', columns = { k = 'name', ip = 'ip', host = 'fqdn', note = { optional = true }, \
                           n = { type = 'int' }, f = 'float', l = { type = 'list', of = 'int' }, \
                           b = { type = 'bool', default = true } }";
            let names = ["k", "ip", "host", "note", "n", "f", "l", "b"];
            let mut texts: BTreeMap<&str, String> = BTreeMap::new();
            texts.insert("csv", names.join(",") + "\n");
            texts.insert("tsv", names.join("\t") + "\n");
            texts.insert("txt", String::new());
            let mut list = Vec::new();
            for (number, (ip, host, note, n, f, l, b)) in rows.iter().enumerate() {
                let l: Vec<String> = l.iter().map(u8::to_string).collect();
                let b = b.map(|b| b.to_string());
                let word = note.replace([' ', '#', '-'], "_");
                let cells = |note: String| {
                    let b = b.clone().unwrap_or_default();
                    [format!("r{number}"), ip.clone(), host.clone(), note, n.to_string(), f.clone(), l.join(" "), b]
                };
                *texts.get_mut("csv").unwrap() += &(cells(quote(note, number % 2 == 0)).join(",") + "\n");
                *texts.get_mut("tsv").unwrap() += &(cells(quote(note, true)).join("\t") + "\n");
                let mut words = cells(word);
                words[6] = l[0].clone();
                let words = words.map(|word| if word.is_empty() { "-".to_owned() } else { word });
                *texts.get_mut("txt").unwrap() += &(words.join("  ") + "\n");
                let note = format!("\"{}\"", note.replace('"', "\\\""));
                let cells = [
                    format!("\"r{number}\""), format!("\"{ip}\""), format!("\"{host}\""), note, n.to_string(),
                    f.clone(), format!("[{}]", l.join(", ")), b.unwrap_or("true".to_owned()),
                ];
                list.push(cells);
            }
            let pairs = |divider: &'static str| {
                let pair = move |(name, cell): (&&str, &String)| format!("{name}{divider}{cell}");
                list.iter().map(move |cells| names.iter().zip(cells).map(pair).collect::<Vec<_>>())
            };
            let objects: Vec<String> = pairs("\": ").map(|pairs| format!("{{\"{}}}", pairs.join(", \""))).collect();
            texts.insert("json", format!("[{}]", objects.join(",\n")));
            texts.insert("yaml", if objects.is_empty() { "[]".to_owned() } else { format!("- {}\n", objects.join("\n- ")) });
            texts.insert("toml", pairs(" = ").map(|pairs| format!("[[t]]\n{}\n", pairs.join("\n"))).collect());
            for (ending, text) in &texts {
                let path = format!("t.{ending}");
                let walked = format!("t = {{ source = '{path}', {columns} }}");
                let held = format!("{walked}\nu = {{ source = 'u.csv', columns = {{ t = {{ type = 'ref', table = 't' }} }} }}");
                let files: &[(&str, &[u8])] = &[(&path, text.as_bytes()), ("u.csv", b"t\n")];
                let mut walked = Project::new(&walked, files);
                walked.world.1 = streamed;
                let mut held = Project::new(&held, files);
                let ((tables, diagnostics), (held_tables, _)) = (walked.load(), held.load());
                prop_assert_eq!(walked.report(&diagnostics), "", "{}\n{}", ending, text);
                let (table, held) = (tables.get("t").unwrap(), held_tables.get("t").unwrap());
                prop_assert_eq!((table.len(), table.held(0), held.len()), (rows.len(), None, rows.len()));
                let mut walk = table.walk(&walked.sources, &[true; 8]);
                for number in 0..rows.len() {
                    let row = walk.next().unwrap();
                    prop_assert_eq!(row.number(), number);
                    for (column, value) in held.held(number).unwrap().iter().enumerate() {
                        prop_assert_eq!(&row.cell(column).to_value(), value, "{} {}", ending, column);
                    }
                }
                prop_assert!(walk.next().is_none());
            }
        }

        #[test]
        fn a_table_reads_back(
            table in prop::collection::vec(prop::collection::vec((text(), any::<bool>()), 3), 0..8),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\n\n", "\r\n  \r\n"]), 8),
            bom in any::<bool>(),
        ) {
            let mut csv = if bom { "\u{feff}a,b,c".to_owned() } else { "a,b,c".to_owned() };
            for (row, end) in table.iter().zip(&ends) {
                let cells: Vec<String> = row.iter().map(|(cell, force)| quote(cell, *force)).collect();
                csv += end;
                csv += &cells.join(",");
            }
            let declaration = "t = { source = 't.csv', columns = { a = { optional = true }, b = { optional = true }, c = { optional = true } } }";
            let mut project = Project::new(declaration, &[("t.csv", csv.as_bytes())]);
            let (tables, diagnostics) = project.load();
            prop_assert_eq!(project.report(&diagnostics), "");
            let read = tables.get("t").unwrap();
            let expected: Vec<Vec<String>> =
                table.iter().map(|row| row.iter().map(|(cell, _)| cell.clone()).collect()).collect();
            prop_assert_eq!(project.rows(read), expected.clone());
            for (number, row) in table.iter().enumerate() {
                for (column, (cell, force)) in row.iter().enumerate() {
                    let span = read.cell_span(&project.sources, number, column).unwrap();
                    prop_assert_eq!(&csv[span.range()], quote(cell, *force));
                }
            }

            // The peer, which takes more than we do, agrees on all that we take.
            let mut peer = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(csv.as_bytes());
            let records: Vec<Vec<String>> = peer
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
                // It takes a line of spaces for a row of one cell.
                .filter(|record: &Vec<String>| record.len() == 3)
                .skip(1)
                .collect();
            prop_assert_eq!(records, expected);
        }

        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            noise in "[-\\[\\]{}:,&*!|>'\"# \n\ta-c0-9é\u{0}]{0,60}",
            ending in prop::sample::select(vec!["csv", "tsv", "txt", "json", "yaml", "toml"]),
        ) {
            let path = format!("t.{ending}");
            for columns in ["", ", columns = { a = 'int', b = { type = 'list', of = 'ip' } }"] {
                let declaration = format!("t = {{ source = '{path}' {columns} }}");
                let json = format!("[{noise}]");
                let yaml = format!("- {noise}");
                for content in [&bytes[..], noise.as_bytes(), json.as_bytes(), yaml.as_bytes()] {
                    let mut project = Project::new(&declaration, &[(&path, content)]);
                    let (tables, diagnostics) = project.load();
                    project.report(&diagnostics);
                    if diagnostics.is_empty() {
                        let table = tables.get("t").unwrap();
                        prop_assert_eq!(project.rows(table).len(), table.len());
                    }
                }
            }
        }
    }
}

#[test]
fn tables_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Tables::default());
}

/// A table that is longer than what is held of it.
fn long(rows: usize) -> String {
    let row = |row: usize| {
        format!("h{row:06}.example,10.0.{}.{},{}\n", row / 251 % 256, row % 251, row % 65_535 + 1)
    };
    format!("host,ip,port\n{}", (0..rows).map(row).collect::<String>())
}

const LONG: &str =
    "t = { source = 't.csv', key = 'host', columns = { host = 'fqdn', ip = 'ipv4', port = 'port' } }";

#[test]
fn a_long_table() {
    const ROWS: usize = 200_000;
    let text = long(ROWS);
    let mut project = Project::new(LONG, &[("t.csv", text.as_bytes())]);
    project.world.1 = true;
    let (tables, diagnostics) = project.load();
    assert_eq!(project.report(&diagnostics), "");
    let table = tables.get("t").unwrap();
    assert_eq!(table.len(), ROWS);
    let mut walk = table.walk(&project.sources, &[true, false, true]);
    let mut lines = text.lines().skip(1);
    while let Some(row) = walk.next() {
        let CellRef::Text(host) = row.cell(0) else { panic!("text as it is written") };
        let line = lines.next().unwrap();
        let mut cells = line.split(',');
        assert_eq!(cells.next(), Some(host));
        assert_eq!(row.cell(2).to_value().text(), cells.nth(1).unwrap());
    }
    assert_eq!(lines.next(), None);
    let span = table.cell_span(&project.sources, 150_000, 1).unwrap();
    assert_eq!(project.sources.locate(span).1.to_string(), "150002:17");
    assert_eq!(&text[span.range()], "10.0.85.153");
    assert_eq!(table.row_at(&project.sources, 150_002), Some(150_000));

    let doubled = format!(
        "{}H000007.example.,10.0.0.1,1\nh019999.example,10.0.0.1,0\nh000007.example,1,1",
        long(20_000)
    );
    let mut project = Project::new(LONG, &[("t.csv", doubled.as_bytes())]);
    project.world.1 = true;
    let (_, diagnostics) = project.load();
    assert_eq!(
        project.report(&diagnostics),
        "table::unique t.csv:20002:1-16 two rows have the key `h000007.example`\n  the second one\n  \
         t.csv:9:1-15 the first one\n\
         table::unique t.csv:20003:1-15 two rows have the key `h019999.example`\n  the second one\n  \
         t.csv:20001:1-15 the first one\n\
         table::type t.csv:20003:26-1 `0` is not a port\n  column `port` is declared `port`\n  \
         hint: a port lies between 1 and 65535\n\
         table::unique t.csv:20004:1-15 two rows have the key `h000007.example`\n  the second one\n  \
         t.csv:9:1-15 the first one\n\
         table::type t.csv:20004:17-1 `1` is not an IPv4 address\n  column `ip` is declared `ipv4`\n"
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "files of the test")]
fn a_long_file_that_changes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let (path, text) = (root.join("t.csv"), long(50_000));
    let changes: [(&str, &dyn Fn()); 5] = [
        ("nothing", &|| {}),
        ("written anew", &|| std::fs::write(&path, &text).unwrap()),
        ("one byte", &|| std::fs::write(&path, text.replacen("h040000", "h040001", 1)).unwrap()),
        ("cut off", &|| std::fs::write(&path, &text[..1 << 19]).unwrap()),
        ("not text", &|| std::fs::write(&path, [text.as_bytes(), b"\xff\n"].concat()).unwrap()),
    ];
    for (number, (what, change)) in changes.into_iter().enumerate() {
        std::fs::write(&path, &text).unwrap();
        let world = Disk::new(root);
        let mut project = Project::new(LONG, &[]);
        let mut diagnostics = Diagnostics::default();
        let tables = Tables::load(
            &project.specs,
            &world,
            &mut project.sources,
            &|_, _, _, _| panic!(),
            &mut diagnostics,
        );
        assert!(!diagnostics.has_errors());
        change();
        let table = tables.get("t").unwrap();
        let walked = table.rows(&project.sources).count();
        assert!(walked == table.len() || number > 2, "{what}");
        let own = |diagnostic: &Diagnostic| diagnostic.message.starts_with("`t.csv` changed while");
        assert_eq!(project.sources.changed(&world).iter().any(own), number > 1, "{what}");
    }
}

#[test]
fn a_cell_is_found_again_in_its_row() {
    let columns = "columns = { a = 'string', b = { type = 'list', optional = true } }";
    let tables: [(&str, &str); 6] = [
        ("t.csv", "\u{feff}a,b\r\n\r\n\"x\ny\",1 2\r\n  \r\né,\"3 \"\r\n"),
        ("t.tsv", "b\ta\n\n1 2\t\"x\"\n3\té"),
        ("t.txt", "# a b\n x 1 2 # c\n\n\té 3\n"),
        ("t.json", "[ {\"a\": \"x\", \"b\": [1, \"2\"]},\n{\"b\": [3], \"a\": \"é\"} ]"),
        ("t.yaml", "- a: x\n  b: [1, 2]\n- b:\n  - 3\n  a: é\n"),
        ("t.toml", "[[t]]\na = 'x'\nb = [1, 2]\n[[t]]\nb = [3]\na = 'é'\n"),
    ];
    for (file, text) in tables {
        let mut project =
            Project::new(&format!("t = {{ source = '{file}', {columns} }}"), &[(file, text.as_bytes())]);
        let (tables, diagnostics) = project.load();
        assert_eq!(project.report(&diagnostics), "", "{file}");
        let table = tables.get("t").unwrap();
        let cell = |row, column| {
            let span = table.cell_span(&project.sources, row, column).unwrap();
            std::str::from_utf8(&project.sources.file(span.file).bytes()[span.range()]).unwrap().to_owned()
        };
        for (row, a, b) in [(0, ['x'], ['1', '2']), (1, ['é'], ['3', '3'])] {
            let (first, second) = (cell(row, 0), cell(row, 1));
            assert!(first.contains(a) && !first.contains(b), "{file} {first}");
            assert!(b.iter().all(|entry| second.contains(*entry)) && !second.contains(a), "{file} {second}");
        }
    }
}

#[test]
fn one_more_is_told_as_one() {
    let rows = format!("a\n{}", "x\n".repeat(21));
    let mut project =
        Project::new("t = { source = 't.csv', columns = { a = 'int' } }", &[("t.csv", rows.as_bytes())]);
    let (_, diagnostics) = project.load();
    let report = project.report(&diagnostics);
    assert!(
        report.contains(" one more of the cells of the column `a` of the table `t` is wrong\n"),
        "{report}"
    );
}
