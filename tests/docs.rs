//! The reference in `docs/` is made from the code, and stays so: `UPDATE_DOCS=1 cargo test --test docs` writes it anew;
//! likewise the shapes of the TOML files, which the code holds.
//!
//! A page may begin with text by hand; what is made stands behind [`MARK`].

#![expect(clippy::disallowed_methods, reason = "the test writes the repository's own documentation")]
#![expect(clippy::unwrap_used, reason = "helpers of tests count as no tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use confwright::diagnostic::{CODES, Diagnostics};
use confwright::format::FORMATS;
use confwright::source::{Sources, World};
use confwright::table::Column;
use confwright::table::spec::ColumnSpec;
use confwright::template::filter;
use confwright::{project, schema, target};
use serde_json::Value;

const MARK: &str = "<!-- What follows is made from the code by tests/docs.rs. -->\n";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Holds a file of `docs/` against what it should be, or writes it.
fn is_current(name: &str, expected: &str) {
    file_is_current(&format!("docs/{name}"), expected);
}

/// Holds a file of the repository against what it should be, or writes it.
fn file_is_current(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    if there == expected {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_DOCS").is_some(),
        "{name} is not what the code says; run `UPDATE_DOCS=1 cargo test --test docs` and look at the change"
    );
    std::fs::write(path, expected).unwrap();
}

/// The same for a page whose beginning is written by hand.
fn page_is_current(name: &str, made: &str) {
    let there = std::fs::read_to_string(docs().join(name)).unwrap_or_default();
    let by_hand = there.split(MARK).next().unwrap_or_default();
    is_current(name, &format!("{by_hand}{MARK}\n{made}"));
}

#[test]
fn filters() {
    is_current("filters.md", &filter::document());
}

#[test]
fn diagnostics() {
    let mut page = String::new();
    let mut stage = "";
    for code in CODES {
        let (of, _) = code.id.split_once("::").unwrap();
        if of != stage {
            stage = of;
            write!(page, "{}## {stage}\n\n| id | what it means |\n| --- | --- |\n", blank(&page)).unwrap();
        }
        writeln!(page, "| `{}` | {} |", code.id, cell(code.about)).unwrap();
    }
    page_is_current("diagnostics.md", &page);
}

#[test]
fn lints() {
    page_is_current("lint.md", &confwright::lint::postfix::document());
}

#[test]
fn schemas() {
    for (name, schema) in [
        ("project", schema::project()),
        ("target", schema::target()),
        ("report", schema::report()),
        ("list", schema::list()),
        ("lint", schema::lint()),
        ("explain", schema::explain()),
        ("new", schema::new()),
        ("trust", schema::trust()),
    ] {
        let text = serde_json::to_string_pretty(&schema).unwrap();
        is_current(&format!("{name}.schema.json"), &format!("{text}\n"));
    }
}

#[test]
fn shapes() {
    let mut all = BTreeMap::new();
    for (name, schema) in [("PROJECT", schema::project()), ("TARGET", schema::target())] {
        let mut shapes = Shapes { root: schema.as_value(), named: BTreeMap::new() };
        let shape = shapes.shape(shapes.root);
        shapes.named.insert(name.to_owned(), shape);
        for (name, shape) in shapes.named {
            let known = all.entry(name).or_insert_with(|| shape.clone());
            assert!(*known == shape, "two shapes have one name");
        }
    }
    let mut page =
        "//! What the schemas of confwright.toml and target.toml say of values. Made from them by \
                    tests/docs.rs.\n\nuse super::{Kind, PLAIN};\n"
            .to_owned();
    for (name, shape) in &all {
        let visible = if ["PROJECT", "TARGET"].contains(&name.as_str()) { "pub(crate) " } else { "" };
        write!(page, "\n{visible}static {name}: [Kind; {}] = [\n", shape.len()).unwrap();
        for kind in shape {
            writeln!(page, "    {},", kind.written("\n        ", "\n    ")).unwrap();
        }
        page.push_str("];\n");
    }
    file_is_current("src/document/shapes.rs", &page);
}

#[test]
fn project_file() {
    page_is_current("confwright.toml.md", &Reference::new(schema::project().as_value()).page());
}

#[test]
fn target_file() {
    let mut page = Reference::new(schema::target().as_value()).page();
    page.push_str("\n## Formats\n\n| format | files | a value |\n| --- | --- | --- |\n");
    for format in FORMATS {
        writeln!(page, "| `{}` | {} | {} |", format.name, cell(format.about), cell(format.values)).unwrap();
    }
    page_is_current("target.toml.md", &page);
}

#[test]
fn command_line() {
    let mut page = String::new();
    let mut all = confwright::cli::command().term_width(100);
    all.build();
    let names: Vec<String> = all
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| command.get_name().to_owned())
        .collect();
    let overview = all.render_long_help().to_string();
    write!(page, "```text\n{}\n```\n", trimmed(&overview)).unwrap();
    for name in names.iter().filter(|name| *name != "help") {
        let help = all.find_subcommand_mut(name).unwrap().render_long_help().to_string();
        // What every command takes is told once.
        let own = help.find("Options of every command:").map_or(help.clone(), |at| {
            let examples = help.find("Examples:").map_or("", |examples| &help[examples..]);
            format!("{}{examples}", &help[..at])
        });
        assert!(own.contains("Examples:"), "`confwright {name} --help` has no examples");
        write!(page, "\n## confwright {name}\n\n```text\n{}\n```\n", trimmed(&own)).unwrap();
    }
    page_is_current("cli.md", &page);
}

fn trimmed(text: &str) -> String {
    text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn blank(page: &str) -> &'static str {
    if page.is_empty() { "" } else { "\n" }
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// For each type: how to declare it, and what cells are tried.
const TYPES: &[(&str, &str, &[&str])] = &[
    ("string", "'string'", &["any text, as it is"]),
    ("name", "'name'", &["mx-01.a_b", "mx 01"]),
    ("int", "'int'", &["42", "-7", "007", "+1", "1.0"]),
    ("float", "'float'", &["0.25", "3", "1e3", ".5"]),
    ("bool", "'bool'", &["true", "false", "yes"]),
    ("enum", "{ type = 'enum', values = ['TLSv1.2', 'TLSv1.3'] }", &["TLSv1.2", "TLSv1.1"]),
    ("list", "{ type = 'list', of = 'port', separator = ',' }", &["25, 587", "25,,587"]),
    ("ipv4", "'ipv4'", &["192.0.2.1", "192.0.2.300", "192.0.2.01"]),
    ("ipv6", "'ipv6'", &["2001:DB8:0::1", "192.0.2.1", "fe80::1%eth0"]),
    ("ip", "'ip'", &["192.0.2.1", "2001:db8::1"]),
    ("cidr", "'cidr'", &["192.0.2.0/24", "2001:DB8::/32", "192.0.2.1/24"]),
    ("interface", "'interface'", &["192.0.2.1/24", "192.0.2.1"]),
    ("mac", "'mac'", &["00-53-00-AB-CD-EF", "0053.00ab.cdef", "00:53:00"]),
    ("port", "'port'", &["25", "0", "65536"]),
    ("fqdn", "'fqdn'", &["MX01.Example.ORG.", "localhost", "a_b.example.org"]),
    ("hostname", "'hostname'", &["Gateway", "-x"]),
    ("email", "'email'", &["Post.Master@Example.ORG", "postmaster"]),
    ("url", "'url'", &["HTTPS://Example.org:443/a", "example.org"]),
    ("path", "'path'", &["/etc/ssl/mail", "etc/ssl", "/etc/../ssl"]),
    ("size", "'size'", &["1024 KiB", "50MB", "12"]),
    ("duration", "'duration'", &["1h 30m", "90s", "PT24H", "90"]),
    ("date", "'date'", &["2027-03-31", "31.03.2027"]),
    (
        "ssh-public-key",
        "'ssh-public-key'",
        &[
            "ssh-ed25519   AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f  ops",
            "ssh-ed25519 AAAA",
        ],
    ),
    ("cert", "'cert'", &["/etc/ssl/mail/fullchain.pem", "fullchain.pem"]),
];

fn declared(spec: &str) -> (Column, Vec<String>) {
    let mut table: toml::Table = toml::from_str(&format!("column = {spec}")).unwrap();
    let spec: ColumnSpec = table.remove("column").unwrap().try_into().unwrap();
    let mut diagnostics = Diagnostics::default();
    let column = Column::resolve("column", &spec, None, &mut diagnostics);
    (column, diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect())
}

#[test]
fn column_types() {
    let schema = schema::project();
    let definitions = &schema.as_value()["definitions"];
    let names: Vec<(&str, &str)> = definitions["TypeName"]["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| (name["const"].as_str().unwrap(), name["description"].as_str().unwrap()))
        .collect();
    let mut page = String::from("## Types\n");
    let constraints =
        [("min", "1"), ("max", "1"), ("pattern", "'1'"), ("within", "'192.0.2.0/24'"), ("values", "['1']")];
    let mut matrix = String::from("\n## Which constraint belongs to which type\n\n| type |");
    for (constraint, _) in constraints {
        write!(matrix, " `{constraint}` |").unwrap();
    }
    matrix.push_str("\n| --- | --- | --- | --- | --- | --- |\n");
    for (name, about) in &names {
        write!(page, "\n### `{name}`\n\n{about}\n").unwrap();
        let tried = TYPES.iter().find(|(of, ..)| of == name);
        if let Some((_, spec, cells)) = tried {
            let (column, wrong) = declared(spec);
            assert!(wrong.is_empty(), "{name}: {wrong:?}");
            if !spec.starts_with('\'') {
                write!(page, "\nDeclared as `{}`:\n", spec.replace('\'', "\"")).unwrap();
            }
            page.push_str("\n| cell | value |\n| --- | --- |\n");
            for text in *cells {
                let shown = match column.parse(text) {
                    Ok(value) => format!("`{}`", value.text()),
                    Err(fault) => format!("error: {}", fault.message),
                };
                writeln!(page, "| `{text}` | {} |", cell(&shown)).unwrap();
            }
        } else {
            assert_eq!(*name, "ref", "no cells are tried for the type `{name}`");
        }
        write!(matrix, "| `{name}` |").unwrap();
        for (constraint, value) in constraints {
            let rest = match *name {
                "enum" => ", values = ['1']",
                "list" => ", of = 'string'",
                "ref" => ", table = 'hosts'",
                _ => "",
            };
            let rest = if constraint == "values" && *name == "enum" { "" } else { rest };
            let (_, wrong) = declared(&format!("{{ type = '{name}', {constraint} = {value}{rest} }}"));
            let fits = !wrong.iter().any(|message| message.contains("has no meaning"));
            matrix.push_str(if fits { " yes |" } else { " |" });
        }
        matrix.push('\n');
    }
    page.push_str("\n## What a declaration can say\n\n| key | meaning |\n| --- | --- |\n");
    for (key, field) in definitions["ColumnFields"]["properties"].as_object().unwrap() {
        writeln!(page, "| `{key}` | {} |", cell(field["description"].as_str().unwrap())).unwrap();
    }
    page.push_str(&matrix);
    page_is_current("column-types.md", &page);
}

/// The reference of a TOML file, from its schema.
struct Reference<'a> {
    root: &'a Value,
    /// The sections that are still to come: their headers and schemas.
    sections: Vec<(String, &'a Value)>,
    /// The definitions that are described already.
    told: BTreeSet<String>,
}

impl<'a> Reference<'a> {
    fn new(root: &'a Value) -> Self {
        Self { root, sections: Vec::new(), told: BTreeSet::new() }
    }

    fn page(mut self) -> String {
        let mut page = String::new();
        self.keys(&mut page, "", self.root);
        let mut next = 0;
        while let Some((header, schema)) = self.sections.get(next).cloned() {
            next += 1;
            write!(page, "\n## `{header}`\n\n{}\n\n", schema["description"].as_str().unwrap()).unwrap();
            let path = header.trim_matches(['[', ']']).to_owned();
            self.keys(&mut page, &path, schema);
        }
        page
    }

    /// The table of a section's keys.
    fn keys(&mut self, page: &mut String, path: &str, schema: &'a Value) {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        page.push_str("| key | value | meaning |\n| --- | --- | --- |\n");
        for (key, field) in schema["properties"].as_object().unwrap() {
            let own = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let kind = self.kind(&own, field);
            let need = if required.contains(&key.as_str()) { "; required" } else { "" };
            writeln!(page, "| `{key}` | {kind}{need} | {} |", cell(field["description"].as_str().unwrap()))
                .unwrap();
        }
    }

    /// What a key's value is; a section is added to those that are to come.
    fn kind(&mut self, path: &str, field: &'a Value) -> String {
        if let Some(options) = field["anyOf"].as_array() {
            let option = options.iter().find(|option| option["type"] != "null").unwrap();
            return self.kind(path, option);
        }
        if let Some(reference) = field["$ref"].as_str() {
            let name = reference.trim_start_matches("#/definitions/");
            return match name {
                "ColumnSpec" => "a [column](column-types.md)".to_owned(),
                "OneOrMany" => "text, or a list of texts".to_owned(),
                "format" => "a [format](target.toml.md#formats)".to_owned(),
                _ => self.definition(path, name, &self.root["definitions"][name]),
            };
        }
        if let Some(options) = field["oneOf"].as_array() {
            return choices(options);
        }
        let kind = match &field["type"] {
            Value::Array(kinds) => kinds[0].as_str().unwrap(),
            kind => kind.as_str().unwrap_or("any"),
        };
        match (kind, field.get("additionalProperties")) {
            ("object", Some(Value::Object(_))) => {
                let of = self.kind(&format!("{path}.NAME"), &field["additionalProperties"]);
                if of.starts_with("section") { of } else { format!("for each name: {of}") }
            }
            ("object", _) => "names and values".to_owned(),
            ("array", _) => match self.kind(path, &field["items"]) {
                of if of.starts_with("section") => {
                    let doubled = format!("[[{path}]]");
                    for (header, _) in &mut self.sections {
                        if *header == format!("[{path}]") {
                            header.clone_from(&doubled);
                        }
                    }
                    format!("sections `{doubled}`")
                }
                of => format!("a list: {of}"),
            },
            ("string", _) if field["format"] == "date" => "a date".to_owned(),
            ("string", _) => "text".to_owned(),
            ("boolean", _) => "`true` or `false`".to_owned(),
            (other, _) => other.to_owned(),
        }
    }

    fn definition(&mut self, path: &str, name: &str, schema: &'a Value) -> String {
        if let Some(options) = schema["oneOf"].as_array() {
            return choices(options);
        }
        let header = format!("[{path}]");
        if self.told.insert(name.to_owned()) {
            self.sections.push((header.clone(), schema));
        }
        format!("section `{header}`")
    }
}

fn choices(options: &[Value]) -> String {
    let names = options.iter().map(|option| {
        let about = option["description"].as_str().unwrap().trim_end_matches('.');
        format!("`{}` ({})", option["const"].as_str().unwrap(), about)
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Files in memory.
struct Memory(BTreeMap<Utf8PathBuf, String>);

impl World for Memory {
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, folder: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
        Ok(self.0.keys().filter(|path| path.starts_with(folder)).cloned().collect())
    }
}

/// The first TOML in a page.
fn example(page: &str) -> String {
    let page = std::fs::read_to_string(docs().join(page)).unwrap();
    page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

#[test]
fn the_examples_are_right() {
    let for_the_target = "[values]\ndomain = 'example.org'\n[targets.x]\n[tables.mx]\nsource = 'mx.csv'\n";
    for (text, targets) in [(example("confwright.toml.md"), false), (for_the_target.to_owned(), true)] {
        let files = [("confwright.toml", text), ("templates/x/target.toml", example("target.toml.md"))];
        let world = Memory(files.into_iter().map(|(path, text)| (path.into(), text)).collect());
        let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
        let project = project::load(&world, &mut sources, &mut found);
        if targets {
            let project = project.unwrap();
            let targets = target::load(&world, &mut sources, &project, &mut found);
            assert_eq!(targets.len(), 1);
        }
        assert_eq!(found.sorted(&sources), []);
    }
}

/// The templates that docs/templates.md shows pass the checks, with tables that have their columns.
#[test]
fn the_templates_shown_are_right() {
    let root = tempfile::tempdir().unwrap();
    let place = |path: &str| root.path().join(path);
    std::fs::create_dir_all(place("templates")).unwrap();
    let mut project = "[values]\ndomain = 'example.org'\n\
         [tables.hosts]\nsource = 'hosts.csv'\n[tables.hosts.columns]\naddress = 'ip'\nname = 'hostname'\n\
         alias = { type = 'hostname', optional = true }\n\
         [tables.mx]\nsource = 'mx.csv'\n[tables.mx.columns]\nip = 'ip'\nport = 'port'\nfqdn = 'fqdn'\n"
        .to_owned();
    std::fs::write(place("hosts.csv"), "address,name,alias\n192.0.2.1,a,b\n192.0.2.2,c,\n").unwrap();
    std::fs::write(place("mx.csv"), "ip,port,fqdn\n192.0.2.3,25,mx.example.org\n").unwrap();
    let page = std::fs::read_to_string(docs().join("templates.md")).unwrap();
    for (number, block) in page.split("```jinja\n").skip(1).enumerate() {
        let template = block.split("```").next().unwrap();
        // Lines that are about a host stand in its loop.
        let alone = template.lines().all(|line| !line.contains("{% for") && !line.contains("{% component"));
        let template = if alone {
            format!("{{% for host in hosts %}}{template}{{% endfor %}}")
        } else {
            template.to_owned()
        };
        std::fs::write(place(&format!("templates/{number}.tera")), template).unwrap();
        write!(project, "[[artifact]]\ntemplate = '{number}.tera'\npath = '{number}'\n").unwrap();
    }
    std::fs::write(place("confwright.toml"), project).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_confwright"))
        .args(["-C", root.path().to_str().unwrap(), "render"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(place("golden/2").exists(), "the page shows fewer templates than it did");
}

/// What the schema of a TOML file says of values.
struct Shapes<'a> {
    root: &'a Value,
    /// The shapes with a definition in the schema, by the names of their statics.
    named: BTreeMap<String, Vec<Kind>>,
}

/// One kind of value: what it is called, its texts, and its other fields as Rust.
#[derive(Clone, PartialEq, Default)]
struct Kind {
    name: Option<&'static str>,
    noun: Option<String>,
    texts: Vec<String>,
    others: Vec<String>,
}

impl Shapes<'_> {
    fn definition(&self, reference: &str) -> Value {
        self.root.pointer(reference.trim_start_matches('#')).unwrap().clone()
    }

    /// The kinds of value that a schema accepts; null is no value of TOML.
    fn shape(&mut self, schema: &Value) -> Vec<Kind> {
        let several = ["allOf", "anyOf", "oneOf"].into_iter().find_map(|key| schema[key].as_array());
        let mut kinds: Vec<Kind> = if let Some(reference) = schema["$ref"].as_str() {
            self.shape(&self.definition(reference))
        } else if let Some(several) = several {
            several.iter().flat_map(|schema| self.shape(schema)).collect()
        } else {
            let types = schema["type"].as_array().map(Vec::as_slice);
            let types = types.unwrap_or(std::slice::from_ref(&schema["type"]));
            let types = types.iter().map(Value::as_str).filter(|name| *name != Some("null"));
            types.map(|name| self.kind(schema, name)).collect()
        };
        for kind in &mut kinds {
            kind.noun = kind.noun.take().or(schema["title"].as_str().map(str::to_owned));
        }
        // The texts of an enumeration with descriptions are a schema each.
        kinds.dedup_by(|next, first| {
            let same = !first.texts.is_empty() && !next.texts.is_empty() && first.noun == next.noun;
            if same {
                first.texts.append(&mut next.texts);
            }
            same
        });
        kinds
    }

    fn kind(&mut self, schema: &Value, name: Option<&str>) -> Kind {
        let texts = |key: &str| schema[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut others = Vec::new();
        if name == Some("array") && schema["items"].is_object() {
            others.push(format!("entries: {}", self.reference(&schema["items"])));
        }
        if let (Some("object"), Some(keys)) = (name, schema["properties"].as_object()) {
            let keys = keys
                .iter()
                .map(|(key, schema)| format!("\n            ({key:?}, {}),", self.reference(schema)));
            others.push(format!("keys: &[{}\n        ]", keys.collect::<String>()));
        }
        match &schema["additionalProperties"] {
            Value::Bool(false) => others.push("others: None".to_owned()),
            schema if schema.is_object() => {
                others.push(format!("others: Some({})", self.reference(schema)));
            }
            _ => {}
        }
        let required: Vec<&str> = texts("required").collect();
        if !required.is_empty() {
            others.push(format!("required: &{required:?}"));
        }
        Kind {
            name: match name {
                Some("string") if schema["format"] == "date" => Some("a date"),
                Some("string") => Some("a text"),
                Some("integer") => Some("a whole number"),
                Some("number") => Some("a number"),
                Some("boolean") => Some("true or false"),
                Some("array") => Some("a list"),
                Some("object") => Some("a table"),
                _ => None,
            },
            noun: None,
            texts: schema["const"].as_str().into_iter().chain(texts("enum")).map(str::to_owned).collect(),
            others,
        }
    }

    /// How one shape refers to another: by the name of its definition, if it has one.
    fn reference(&mut self, schema: &Value) -> String {
        if let Some(reference) = schema["$ref"].as_str() {
            let mut name = String::new();
            for character in reference.trim_start_matches("#/definitions/").chars() {
                if character.is_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.extend(character.to_uppercase());
            }
            if !self.named.contains_key(&name) {
                // Known from here on, as it may refer to itself.
                self.named.insert(name.clone(), Vec::new());
                let shape = self.shape(&self.definition(reference));
                self.named.insert(name.clone(), shape);
            }
            return format!("&{name}");
        }
        let several = ["allOf", "anyOf"].into_iter().find_map(|key| schema[key].as_array());
        let mut several = several.into_iter().flatten().filter(|schema| schema["type"] != "null");
        if let (Some(only), None) = (several.next(), several.next()) {
            return self.reference(only);
        }
        let shape = self.shape(schema);
        if shape == [Kind::default()] {
            return "&[]".to_owned();
        }
        let kinds: Vec<String> = shape.iter().map(|kind| kind.written(" ", " ")).collect();
        format!("&[{}]", kinds.join(", "))
    }
}

impl Kind {
    fn written(&self, space: &str, end: &str) -> String {
        let mut fields: Vec<String> = self.name.iter().map(|name| format!("name: Some({name:?})")).collect();
        if !self.texts.is_empty() {
            fields.extend(self.noun.iter().map(|noun| format!("noun: Some({noun:?})")));
            fields.push(format!("texts: &{:?}", self.texts));
        }
        fields.extend(self.others.iter().cloned());
        fields.push("..PLAIN".to_owned());
        format!("Kind {{{space}{}{end}}}", fields.join(&format!(",{space}")))
    }
}
