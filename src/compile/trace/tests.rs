#![expect(clippy::disallowed_methods, reason = "the tests make a project with a long table")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;

use super::Window;
use crate::compile::{self, Compilation, Environment, Selection};
use crate::diagnostic::Diagnostics;
use crate::origin::{Cause, Excerpt, FrameKind, Input, Piece, Row};
use crate::source::{Disk, Sources, World};

/// Files in memory.
struct Memory(BTreeMap<Utf8PathBuf, String>);

impl World for Memory {
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn list(&self, folder: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
        Ok(self.0.keys().filter(|path| path.starts_with(folder)).cloned().collect())
    }
}

/// A project whose cells all differ and tell where they are; `templates` are those of an artifact for each row of `mx`.
fn memory(templates: &[(&str, String)]) -> Memory {
    let mut files = BTreeMap::new();
    let mut file = |path: &str, text: &str| files.insert(path.into(), text.to_owned());
    file(
        "confwright.toml",
        r#"
[values]
site = "values-0-site"
[tables.mx]
source = "mx.csv"
key = "name"
[tables.mx.columns]
name = "name"
note = "string"
host = { type = "ref", table = "hosts" }
[tables.hosts]
source = "hosts.csv"
key = "name"
[tables.hosts.columns]
name = "name"
rack = "string"
[[artifact]]
template = "main.tera"
path = "{{ row.name }}"
each = "mx"
"#,
    );
    file(
        "mx.csv",
        "name,note,host\nmx-0-name,mx-0-note,hosts-1-name\nmx-1-name,mx-1-note,hosts-0-name\n\
         mx-2-name,mx-2-note,hosts-1-name\n",
    );
    file("hosts.csv", "name,rack\nhosts-0-name,hosts-0-rack\nhosts-1-name,hosts-1-rack\n");
    for (name, text) in templates {
        file(&format!("templates/{name}"), text);
    }
    Memory(files)
}

fn prepare(world: &dyn World) -> (Sources, Compilation) {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let prepared = compile::prepare(world, &mut sources, &Selection::default(), &|_| {}, &mut diagnostics);
    (sources, prepared.unwrap_or_else(|| panic!("{diagnostics:?}")))
}

/// All of an artifact, with its bytes held against what their origins say; nothing if it does not render.
fn whole(environment: &Environment, path: &str, sources: &Sources) -> Option<Excerpt> {
    let planned = environment.artifacts.iter().find(|planned| planned.path.as_str() == path).unwrap();
    let excerpt = environment.trace(planned, sources, 1..usize::MAX).ok()?;
    if environment.traceable(planned).is_some() {
        let engine = environment.trace_by_engine(planned, sources, 1..usize::MAX).ok()?;
        let mut window = Window::new(1..usize::MAX);
        environment.render(planned, sources, &mut window).ok()?;
        let program = environment.traceable(planned)?;
        assert!(environment.recorded(program, planned, sources, &window).is_some(), "{path}");
        for (piece, by_engine) in excerpt.pieces.iter().zip(&engine.pieces) {
            assert_eq!(piece, by_engine, "{path}");
        }
        assert_eq!(excerpt, engine, "{path}");
        for first in [2, 5] {
            let lines = first..first + 2;
            let some = environment.trace(planned, sources, lines.clone()).ok()?;
            let cut = Excerpt::cut(&excerpt.text, &excerpt.pieces, lines);
            assert_eq!(Excerpt { lines: cut.lines, ..some }, cut, "{path}");
        }
    }
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
            _ => {}
        }
    }
    assert_eq!(at, excerpt.text.len());
    Some(excerpt)
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
    let (mut artifacts, mut values) = (0, 0);
    for environment in &compilation.environments {
        for planned in &environment.artifacts {
            let path = planned.path.as_str();
            let excerpt = whole(environment, path, &sources).unwrap();
            let text = |piece: &Piece| std::str::from_utf8(&excerpt.text[piece.bytes.clone()]).unwrap();
            for piece in &excerpt.pieces {
                values += usize::from(!piece.sources().is_empty());
                if let (Cause::Value { .. }, [Input::Cell { row, column }], []) =
                    (&piece.cause, piece.sources(), piece.filters())
                {
                    // Of a list, an entry may be printed alone, and of arithmetic a number; zones divide long texts.
                    let cell = cell(environment, row, column, &sources);
                    let written = text(piece).replace("\" \"", "");
                    assert!(cell.contains(&written) || written.parse::<u32>().is_ok(), "{path}: {cell}");
                }
            }
            artifacts += 1;
        }
    }
    assert!(artifacts > 10 && values > 2000, "{artifacts} artifacts, {values} values");
}

#[test]
fn programs_tell_what_tera_tells() {
    let component =
        "{% component c(a, b, @values) %}{{ a.rack }}{{ b | upper }}{{ values.site }}\n{% endcomponent %}";
    for template in [
        "{% for r in mx %}{{ r.name }}: {{ r.host.rack | upper }}\n{% else %}none{% endfor %}",
        "{% set h = row.host %}{{ h.name }} {{ values.site }}{{ 'lit' ~ row.note ~ values.site }}\n",
        "{% for r in mx %}{% set x = r.note if loop.first else r.host.name %}{{ x }}/{{ x | trim }}\n{% endfor %}",
        "{{ [q.note for q in mx if q.name != row.name] | join(sep=' ') }}{% for x in [row.name, 'a'] %}{{ x }}{% endfor %}",
        "{{ row.name if row.note else values.site }}{{ mx | length }}{{ row.host is defined }}\n",
        "{% if values.site == 'x' %}a{% else %}{% if mx %}b{% endif %}{{ not values.site }}{% endif %}",
        "{% block b %}{{ row.note | default(value=values.site) }}{% include \"inc.tera\" %}{% endblock %}",
        "{% for r in mx %}{{ <c a={r.host} b={r.note ~ values.site} /> }}{{ <c a={row.host} b={r.name} /> }}{% endfor %}",
        "{% for r in mx %}{% set_global w = r.name %}{% if loop.last %}{% break %}{% endif %}{% endfor %}{{ w | default(value='-') }}",
        "{% set x %}{{ row.name }} a{% endset %}{{ x }}{{ x }}\n{{ x | length }}{{ x ~ row.note }}",
        "{% set x | upper | indent(width=2) %}{{ row.name }}\nb\n\n c {{ values.site }}{% endset %}{% set y %}<{{ x | trim }}>{% endset %}{{ y }}",
        "{% filter upper %}{{ row.name }}lit {% for r in mx %}{{ r.host.rack }}{% endfor %}{% endfilter %}",
        "{% component d(t) %}{{ body }}{{ t }}{{ body | upper | length }}{% endcomponent %}{% for r in mx %}{% <d t={r.note}> %}{{ r.name }}\n{% </d> %}{% endfor %}",
        "{% component d(t) %}{{ t }}!{% endcomponent %}{% set x = <d t={row.name} /> %}{{ x }}{{ x | replace(from='!', to='?') }}{% set z = x | upper %}{{ z }}",
        "{% set x = 'a' %}{% for r in mx %}{% if loop.first %}{% set_global x = r.name %}{% endif %}{{ x }}{% endfor %}{% if row.note %}{% set x = row.note %}{% endif %}{{ x }}",
        "{{ values.site[1:4] }}{{ row.note[0:3] | capitalize }}{{ 2 ** 3 }}{{ [row.note, row.name][0] }}{{ ['x', ...[row.name]] | join(sep='') }}",
        "{{ row.name and values.site }}{{ (row.note == 'x' or row.name == 'y') }}{{ row.host.rack is containing(pat=row.note) }}",
    ] {
        let templates =
            [("main.tera", format!("{component}{template}")), ("inc.tera", "<{{ row.name }}>\n".into())];
        let (sources, compilation) = prepare(&memory(&templates));
        let environment = &compilation.environments[0];
        for planned in &environment.artifacts {
            assert!(environment.traceable(planned).is_some(), "{template}");
            assert!(whole(environment, planned.path.as_str(), &sources).is_some(), "{template}");
        }
    }
}

#[test]
fn rows_as_values_are_left_to_tera() {
    for template in [
        "{% for r in mx | sort(attribute='name') %}{{ r.name }}{% endfor %}",
        "{{ row.host | get(key='name') }}",
        "{{ mx[0].name }}",
        "{{ values | length }}",
    ] {
        let (sources, compilation) = prepare(&memory(&[("main.tera", template.to_owned())]));
        let environment = &compilation.environments[0];
        assert!(environment.traceable(&environment.artifacts[0]).is_none(), "{template}");
        assert!(whole(environment, "mx-0-name", &sources).is_some(), "{template}");
    }
}

#[test]
fn lines_of_a_long_table_are_traced_without_the_others() {
    let mut rows = String::from("name,note\n");
    let mut number = 0;
    while rows.len() < (1 << 20) + 1000 {
        writeln!(rows, "host-{number},note of {number} with some text to make it longer").unwrap();
        number += 1;
    }
    let project = "[tables.mx]\nsource = \"mx.csv\"\n[tables.mx.columns]\nname = \"string\"\nnote = \"string\"\n\
                   [[artifact]]\ntemplate = \"main.tera\"\npath = \"main\"\n";
    for (body, flat) in [
        ("{{ r.name }}", true),
        ("{{ r.name | upper }}", false),
        ("{% filter upper %}{{ r.name }}{% endfilter %}", false),
    ] {
        let template = format!("head\n{{% for r in mx %}}{body}\n  {{{{ r.note }}}}\n{{% endfor %}}tail\n");
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
        std::fs::create_dir(folder.path().join("templates")).unwrap();
        write("confwright.toml", project);
        write("mx.csv", &rows);
        write("templates/main.tera", &template);
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let (sources, compilation) = prepare(&Disk::new(root));
        let environment = &compilation.environments[0];
        let planned = &environment.artifacts[0];
        for row in [0, 1, number / 2, number - 1] {
            let line = 2 + 2 * row;
            let excerpt = environment.trace(planned, &sources, line..line + 1).unwrap();
            let name = format!("host-{row}");
            let name = if flat { name } else { name.to_uppercase() };
            assert_eq!(excerpt.text, format!("{name}\n").into_bytes());
            assert_eq!((excerpt.first, excerpt.lines.is_none()), (line, true));
            let row = Row { table: "mx".into(), number: row };
            assert_eq!(
                excerpt.pieces[0].sources(),
                [Input::Cell { row: row.clone(), column: "name".into() }]
            );
            assert_eq!(excerpt.pieces[0].frames[0].row, Some(row));
            assert_eq!(excerpt.pieces.len(), 2);
        }
        let behind = environment.trace(planned, &sources, 2 * number + 3..2 * number + 9).unwrap();
        assert_eq!((behind.lines, behind.text), (Some(2 * number + 2), Vec::new()));
    }
}

/// What a text says of the cells that it was made of.
fn told(text: &str) -> BTreeSet<String> {
    let text = text.to_lowercase();
    let rows = [("mx", 3, ["name", "note"]), ("hosts", 2, ["name", "rack"]), ("values", 1, ["site", ""])];
    let cells = rows.iter().flat_map(|(table, rows, columns)| {
        (0..*rows).flat_map(move |row| columns.map(|column| format!("{table}-{row}-{column}")))
    });
    cells.filter(|cell| !cell.ends_with('-') && text.contains(cell)).collect()
}

/// The cells of an origin, in the same words.
fn known(inputs: &[Input]) -> BTreeSet<String> {
    let names = inputs.iter().filter_map(|input| match input {
        // It only leads to the row.
        Input::Cell { column, .. } if &**column == "host" => None,
        Input::Cell { row, column } => Some(format!("{}-{}-{column}", row.table, row.number)),
        Input::Row(row) => Some(format!("{}-{}", row.table, row.number)),
        Input::Value(name) => Some(format!("values-0-{name}")),
    });
    names.collect()
}

/// Renders templates for each row; every printed value has to say what its origin says. With `followed`, programs
/// have to follow it.
fn holds(templates: &[(&str, String)], followed: bool) {
    let (sources, compilation) = prepare(&memory(templates));
    let environment = &compilation.environments[0];
    for planned in &environment.artifacts {
        assert!(!followed || environment.traceable(planned).is_some(), "{templates:#?}");
    }
    for number in 0..3 {
        let path = format!("mx-{number}-name");
        let Some(excerpt) = whole(environment, &path, &sources) else { continue };
        for piece in &excerpt.pieces {
            let text = std::str::from_utf8(&excerpt.text[piece.bytes.clone()]).unwrap();
            if let Cause::Value { sources: inputs, .. } = &piece.cause {
                assert_eq!(told(text), known(inputs), "`{text}` of {path} in {templates:#?}");
            }
            let first = piece.frames.first().map(|frame| (frame.kind, frame.row.clone()));
            let row = Row { table: "mx".into(), number };
            assert_eq!(first, Some((FrameKind::Artifact, Some(row))), "{path}");
        }
    }
}

/// What every template sees, in a component too.
const SEEN: &str = "r, h, x, cap, @values, @mx, @hosts";

/// With `rows`, rows are values in it too, which programs do not follow.
fn text(rows: bool) -> impl Strategy<Value = String> {
    let mut leaves = vec![
        "r.name",
        "r.note",
        "r['note']",
        "r.host.rack",
        "r.host['name']",
        "h.rack",
        "x",
        "values.site",
        "([q.note for q in mx if q.name != r.name] | join(sep=' '))",
        "([x for x in ['a', 'b']] | join(sep=' '))",
        "([x, r.note, h.name] | join(sep=' '))",
        "'lit'",
    ];
    if rows {
        leaves.extend([
            "mx[0].note",
            "mx[-1].host.name",
            "mx[1 - 1].host.rack",
            "(hosts | last | get(key='rack'))",
        ]);
    }
    let leaf = prop::sample::select(leaves).prop_map(str::to_owned);
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} ~ '/' ~ {b})")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("({a} if r.name == 'mx-1-name' else {b})")),
            (inner.clone(), prop_oneof![Just("upper"), Just("trim"), Just("replace(from='q', to='p')")])
                .prop_map(|(a, filter)| format!("({a} | {filter})")),
            inner.prop_map(|a| format!("(cap ~ ' ' ~ {a})")),
        ]
    })
}

fn dash() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(""), Just("-")]
}

/// A body; with `calls`, components and an include stand in it too, with `rows`, rows as values.
fn body(calls: bool, rows: bool) -> BoxedStrategy<String> {
    let literal = prop_oneof![
        Just("\n"),
        Just("  a\n"),
        Just(" b "),
        Just("é\u{2003}\n"),
        Just("\n c"),
        Just("{#- no -#}"),
        Just("{% raw -%}  {{ x }}\n {%- endraw %}"),
        Just("{%- raw %} {# y #} {% endraw -%}"),
        Just("{{ loop.index }}"),
    ];
    let rounds = "{% for r in mx %}";
    let leaf = prop_oneof![
        2 => literal.prop_map(move |text: &str| match text {
            "{{ loop.index }}" => format!("{rounds}{text}{{% endfor %}}"),
            text => text.to_owned(),
        }),
        4 => (text(rows), dash(), dash()).prop_map(|(e, a, b)| format!("{{{{{a} {e} {b}}}}}")),
        2 => (text(rows), any::<bool>()).prop_map(|(e, global)| {
            format!("{{% set{} x = {e} %}}", if global { "_global" } else { "" })
        }),
        1 => prop_oneof![
            Just(if rows { "{% set r = mx[2] %}" } else { "{% set y = x %}{{ y }}" }),
            Just(if rows { "{% set_global h = r.host %}" } else { "{{ x | upper }}" }),
            Just("{{ cap }}"),
            Just("{{- cap | upper -}}"),
            Just("{{ cap | indent(width=2, first=true) | trim }}"),
            Just("{% set cap = cap %}"),
        ].prop_map(str::to_owned),
        1 => (text(rows), dash()).prop_map(move |(e, a)| if calls {
            format!("{{{{{a} <c r={{r}} h={{h}} x={{{e}}} cap /> {a}}}}}")
        } else {
            String::new()
        }),
        1 => dash().prop_map(move |a| if calls { format!("{{%{a} include \"inc.tera\" {a}%}}") } else { String::new() }),
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        let many = prop::collection::vec(inner, 1..4).prop_map(|parts| parts.concat());
        let mut lists = vec!["r in mx", "h in hosts"];
        if rows {
            lists.extend([
                "r in mx | reverse",
                "r in mx | sort(attribute='note')",
                "r in mx[1:]",
                "r in mx[9:]",
                "k, rs in mx | group_by(attribute='note')",
            ]);
        }
        let list = prop::sample::select(lists);
        let end = prop_oneof![
            Just(""),
            Just("{% if loop.first %}{% break %}{% endif %}"),
            Just("{% if loop.first %}{% continue %}{% endif %} z"),
        ];
        prop_oneof![
            (list, many.clone(), many.clone(), end, dash(), dash()).prop_map(|(list, a, b, end, c, d)| {
                let key = if list.starts_with('k') {
                    "{{ k }}{% for r in rs %}{{ r.note }}{% endfor %}"
                } else {
                    ""
                };
                format!("{{%{c} for {list} {d}%}}{key}{a}{end}{{%{d} else {c}%}}{b}{{%{c} endfor {d}%}}")
            }),
            (many.clone(), many.clone(), dash(), dash()).prop_map(|(a, b, c, d)| {
                format!("{{%{c} if r.name == 'mx-1-name' {d}%}}{a}{{%{d} else {c}%}}{b}{{%{c} endif {d}%}}")
            }),
            (many.clone(), dash(), dash())
                .prop_map(|(a, c, d)| format!("{{%{c} set cap {d}%}}{a}{{%{d} endset {c}%}}")),
            (many.clone(), prop_oneof![Just("upper"), Just("trim"), Just("indent(width=3) | upper")], dash())
                .prop_map(|(a, filter, c)| format!(
                    "{{%{c} filter {filter} {c}%}}{a}{{%{c} endfilter {c}%}}"
                )),
            (many, text(rows), dash()).prop_map(move |(a, e, c)| if calls {
                let row = if rows { "mx[1]" } else { "r" };
                format!("{{%{c} <d r={{{row}}} h={{h}} x={{{e}}} cap> {c}%}}{a}{{%{c} </d> {c}%}}")
            } else {
                a
            }),
        ]
    })
    .boxed()
}

/// The bodies of a template, its parent, what it includes and two components; and whether rows are values in them.
fn bodies() -> impl Strategy<Value = ([String; 5], bool)> {
    any::<bool>().prop_flat_map(|rows| {
        let body = move |calls| body(calls, rows);
        ([body(true), body(true), body(false), body(false), body(false)], Just(rows))
    })
}

#[test]
fn a_component_knows_nothing_of_its_callers() {
    // It calls itself within its loop; the loop of the second call has no round.
    let template = "{% component c(start, @mx) %}{% for r in mx[start:] %}\
                    {% if start < 9 %}{{ <c start={start + 9} /> }}{% endif %}{{ r.name }} {% else %}-{% endfor %}\
                    {% endcomponent %}{{ <c start={0} /> }}";
    let (sources, compilation) = prepare(&memory(&[("main.tera", template.to_owned())]));
    let excerpt = whole(&compilation.environments[0], "mx-0-name", &sources).unwrap();
    let mut values = 0;
    for piece in &excerpt.pieces {
        if let [Input::Cell { row, .. }] = piece.sources() {
            values += 1;
            let kinds: Vec<FrameKind> = piece.frames.iter().map(|frame| frame.kind).collect();
            assert_eq!(kinds, [FrameKind::Artifact, FrameKind::Component, FrameKind::Loop]);
            assert_eq!(piece.frames[2].row.as_ref(), Some(row));
        }
    }
    assert_eq!(values, 3);

    let template = "{% component c(t) %}{{ body | length }}{% endcomponent %}\
                    {% set body = row.name %}{% <c t={1}> %}{{ row.note }}{% </c> %}";
    let (sources, compilation) = prepare(&memory(&[("main.tera", template.to_owned())]));
    let excerpt = whole(&compilation.environments[0], "mx-0-name", &sources).unwrap();
    assert_eq!(known(excerpt.pieces[0].sources()), BTreeSet::from(["mx-0-note".to_owned()]));
}

#[test]
fn where_an_expression_cannot_be_followed_its_value_is_unknown() {
    let long = vec!["row.name"; 90].join(" ~ ");
    let template = format!("name {{{{ {long} }}}}\n{{% for r in mx %}}{{{{ r.note }}}}{{% endfor %}}");
    let (sources, compilation) = prepare(&memory(&[("main.tera", template)]));
    let environment = &compilation.environments[0];
    let excerpt = environment.trace_by_engine(&environment.artifacts[0], &sources, 1..3).unwrap();
    let causes: Vec<(bool, usize)> =
        excerpt.pieces.iter().map(|piece| (piece.cause == Cause::Unknown, piece.bytes.len())).collect();
    let notes = [(true, 9), (true, 9), (true, 9)];
    assert_eq!(causes[..3], [(false, 5), (true, 9 * 90), (false, 1)]);
    assert_eq!(causes[3..], notes);
    // The loop is followed all the same.
    let row = |number| Row { table: "mx".into(), number };
    let rows: Vec<&Row> = excerpt.pieces[4].rows().collect();
    assert_eq!(rows, [&row(0), &row(1)]);
}

/// Few enough to be quick; `PROPTEST_CASES` asks for more.
fn cases(number: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|number| number.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(number), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn values_come_from_the_cells_that_they_show(
        ([main, parent, inc, c, d], rows) in bodies(), inherits in any::<bool>(),
    ) {
        let begin = "{% set r = row %}{% set h = row.host %}{% set x = row.name %}{% set cap %}cap{% endset %}";
        let components = format!(
            "{{% component c({SEEN}) %}}{c}{{% endcomponent %}}\
             {{% component d({SEEN}) %}}{d}{{{{ body }}}}{{{{ body | upper }}}}{{% endcomponent %}}"
        );
        let mut templates = vec![("inc.tera", inc), ("components.tera", components)];
        if inherits {
            templates.push(("base.tera", format!("{begin}{{% block b -%}}{parent}{{% endblock %}} end")));
            templates.push((
                "main.tera",
                format!("{{% extends \"base.tera\" %}}\n{{% block b %}}{main}{{{{ super() }}}}{{%- endblock -%}}\n"),
            ));
        } else {
            templates.push(("main.tera", format!("{begin}{main}")));
        }
        holds(&templates, !rows);
    }
}
