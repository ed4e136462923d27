//! One line a case: a template, and what the checks say of it. A template that passes is rendered too, so that what
//! is certain before rendering holds while rendering.

use std::collections::BTreeMap;
use std::rc::Rc;

use indexmap::IndexMap;
use tera::{Context, Value as Data};

use super::{Checked, Entrance, Globals, View, check};
use crate::diagnostic::Diagnostics;
use crate::format;
use crate::origin::{Cause, Excerpt};
use crate::source::Sources;
use crate::source::Span;
use crate::template::engine::{Engine, Failure};
use crate::template::library::Unparsed;
use crate::template::syntax::Delimiters;
use crate::template::types::{TextKind, Type, ViewId};
use crate::template::{Known, Library, Origin, Traced, Tracer};

fn columns(list: &[(&str, Type)]) -> IndexMap<String, Type> {
    list.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect()
}

/// Tables `mx` (ip, ip6?, fqdn, port, tags, host -> hosts) and `hosts` (name, address, rack?), values domain, port, dns.
fn globals() -> Globals {
    let mx = columns(&[
        ("ip", Type::Text(TextKind::Address)),
        ("ip6", Type::Text(TextKind::Address).optional()),
        ("fqdn", Type::Text(TextKind::Clean)),
        ("port", Type::Int),
        ("note", Type::TEXT),
        ("tags", Type::TEXT.list()),
        ("tls", Type::Bool),
        ("host", Type::Row(ViewId(1))),
    ]);
    let hosts = columns(&[
        ("name", Type::Text(TextKind::Clean)),
        ("address", Type::Text(TextKind::Prefix)),
        ("rack", Type::TEXT.optional()),
    ]);
    let view = |name: &str, columns, hidden: &[&str]| View {
        name: name.into(),
        table: name.into(),
        columns,
        hidden: hidden.iter().map(|name| (*name).to_owned()).collect(),
        derives: false,
        complete: true,
    };
    let values = columns(&[
        ("domain", Type::Text(TextKind::Clean)),
        ("port", Type::Int),
        ("dns", Type::TEXT.list()),
        ("nested", Type::Map(Rc::new(columns(&[("deep", Type::Int)])))),
    ]);
    Globals {
        views: vec![view("mx", mx, &["secret"]), view("hosts", hosts, &[])],
        tables: [("mx".to_owned(), ViewId(0)), ("hosts".to_owned(), ViewId(1))].into_iter().collect(),
        values: Type::Map(Rc::new(values)),
    }
}

fn data(value: impl Into<serde_json::Value>) -> Data {
    Data::from_serializable(&value.into())
}

fn context() -> Context {
    let host = |name: &str, rack: serde_json::Value| serde_json::json!({"name": name, "address": "192.0.2.1/24", "rack": rack});
    let hosts = serde_json::json!([host("a", "r1".into()), host("b", serde_json::Value::Null)]);
    let mx = |number: u32, ip6: serde_json::Value| {
        serde_json::json!({
            "ip": format!("192.0.2.{number}"), "ip6": ip6, "fqdn": format!("mx{number}.example.org"),
            "port": 25, "note": "x y", "tags": ["t", "u"], "tls": number == 1,
            "host": host("a", "r1".into()),
        })
    };
    let rows = serde_json::json!([mx(1, "2001:db8::1".into()), mx(2, serde_json::Value::Null)]);
    let mut context = Context::new();
    context.insert_value("project", data(serde_json::json!({"name": "mail"})));
    context.insert_value("environment", data("prod"));
    context.insert_value(
        "values",
        data(serde_json::json!({"domain": "example.org", "port": 25, "dns": ["a", "b"], "nested": {"deep": 1}})),
    );
    context.insert_value("row", data(rows[0].clone()));
    context.insert_value("mx", data(rows));
    context.insert_value("hosts", data(hosts));
    context
}

struct Outcome {
    diagnostics: Vec<String>,
    rendered: Option<Result<String, String>>,
}

fn run(templates: &[(&str, &str)], format: &str) -> Outcome {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let unparsed = templates
        .iter()
        .map(|(name, text)| Unparsed {
            name: (*name).to_owned(),
            origin: Origin::File(sources.add(*name, text.as_bytes().to_vec())),
            text: (*text).to_owned(),
            delimiters: Delimiters::Curly,
        })
        .collect();
    let library = Library::build(unparsed, &sources, &mut diagnostics);
    let format = format::find(format).unwrap();
    let entrance = library.find("main").map(|template| Entrance {
        template,
        row: Some(ViewId(0)),
        strict: format.strict,
    });
    let entrances: Vec<Entrance> = entrance.into_iter().collect();
    let checked = check(&library, &globals(), &entrances, &mut diagnostics);
    let sound = !diagnostics.has_errors();
    let rendered = sound.then(|| {
        let engine = Engine::new(&library, checked.clone(), Delimiters::Curly)
            .unwrap_or_else(|failed| panic!("{failed:?}"));
        let mut out = Vec::new();
        let rendered = engine.render(&library, "main", format, &context(), &mut out);
        if rendered.is_ok() {
            traced(&library, &checked, format, &out);
        }
        match rendered {
            Ok(()) => Ok(String::from_utf8(out).unwrap()),
            Err(Failure::Diagnostic { diagnostic, .. }) => {
                Err(format!("{}: {}", diagnostic.code, diagnostic.message))
            }
            Err(Failure::Sink(error)) => Err(error.to_string()),
        }
    });
    let shown = |diagnostic: crate::diagnostic::Diagnostic| {
        let place = match diagnostic.labels.first().map(|label| &label.place) {
            Some(crate::diagnostic::Place::Span(span)) => {
                let text = sources.file(span.file).text().unwrap();
                text.get(span.range()).unwrap_or("?").to_owned()
            }
            _ => String::new(),
        };
        let hints: String = diagnostic.hints.iter().map(|hint| format!(" // {hint}")).collect();
        format!("{} [{place}] {}{hints}", diagnostic.code, diagnostic.message)
    };
    Outcome { diagnostics: diagnostics.into_iter().map(shown).collect(), rendered }
}

/// A trace has the bytes of the untraced render, and every one of them has an origin.
#[track_caller]
fn traced(library: &Library, checked: &Checked, format: &format::Format, plain: &[u8]) {
    let sources = || library.templates.iter().map(|template| template.tree.source()).collect::<Vec<_>>();
    let tracer = Tracer::new(library, checked, Delimiters::Curly, Known::default())
        .unwrap_or_else(|| panic!("{:?} cannot be traced", sources()));
    let Traced { bytes, pieces } = tracer
        .trace(library, "main", format, &context(), None)
        .unwrap_or_else(|fault| panic!("{:?} does not render when it is traced: {fault:?}", sources()));
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(plain), "{:?}", sources());
    let excerpt = Excerpt::cut(&bytes, &pieces, 1..usize::MAX);
    let mut at = 0;
    for piece in &excerpt.pieces {
        assert_eq!(piece.bytes.start, at);
        at = piece.bytes.end;
        let text = String::from_utf8_lossy(&bytes[piece.bytes.clone()]);
        assert_ne!(piece.cause, Cause::Unknown, "{text:?} of {:?}", sources());
        let template = |span: Span| {
            let numbers = library.templates.iter().map(|template| template.span(0..0).file);
            let sources: Vec<_> = numbers.zip(sources()).collect();
            sources.iter().find(|(file, _)| *file == span.file).unwrap().1[span.range()].to_owned()
        };
        if let Cause::Literal { span, filters } = &piece.cause
            && filters.is_empty()
        {
            assert_eq!(text, template(*span));
        }
    }
    assert_eq!(at, bytes.len());
}

#[track_caller]
fn refused(template: &str, expected: &str) {
    refused_all(&[("main", template)], &[expected]);
}

#[track_caller]
fn refused_all(templates: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(run(templates, "text").diagnostics, expected, "{templates:?}");
}

#[track_caller]
fn passes(template: &str, expected: &str) {
    passes_in("text", &[("main", template)], expected);
}

#[track_caller]
fn passes_in(format: &str, templates: &[(&str, &str)], expected: &str) {
    let outcome = run(templates, format);
    assert_eq!(outcome.diagnostics, Vec::<String>::new(), "{templates:?}");
    assert_eq!(outcome.rendered, Some(Ok(expected.to_owned())), "{templates:?}");
}

#[test]
fn a_column_that_does_not_exist_is_found_wherever_it_is_used() {
    let unknown = "template::unknown-column [fqnd] table `mx` has no column `fqnd` // did you mean `fqdn`?";
    for template in [
        "{{ row.fqnd }}",
        "{% if row.fqnd %}x{% endif %}",
        "{% if row.fqnd == 1 %}x{% endif %}",
        "{% if row.fqnd is defined %}x{% endif %}",
        "{% if row.tls and not row.fqnd %}x{% endif %}",
        "{% if row.tls %}x{% elif row.fqnd %}y{% endif %}",
        "{% if row.tls %}x{% else %}{{ row.fqnd }}{% endif %}",
        "{{ 'a' if row.fqnd else 'b' }}",
        "{{ row.fqnd if row.tls else 'b' }}",
        "{% set x = row.fqnd %}",
        "{% set x %}{{ row.fqnd }}{% endset %}",
        "{% for r in mx %}{{ r.fqnd }}{% endfor %}",
        "{% for r in mx %}{% else %}{{ row.fqnd }}{% endfor %}",
        "{% for r in mx | reverse %}{{ r.fqnd }}{% endfor %}",
        "{% for t in row.fqnd %}{{ t }}{% endfor %}",
        "{% for k, rows in mx | group_by(attribute='host.name') %}{% for r in rows %}{{ r.fqnd }}{% endfor %}{% endfor %}",
        "{% set f = mx | first %}{{ f.fqnd }}",
        "{{ mx[0].fqnd }}",
        "{{ [r.fqnd for r in mx] | join(sep=',') }}",
        "{{ [r.fqdn for r in mx if r.fqnd] | join(sep=',') }}",
        "{{ row.fqnd | upper }}",
        "{{ row.fqnd | default(value='x') }}",
        "{{ 'x' | default(value=row.fqnd) }}",
        "{{ 'a' ~ row.fqnd }}",
        "{{ row.fqnd?.x }}",
        "{{ row.tags[row.fqnd] }}",
        "{% filter upper %}{{ row.fqnd }}{% endfilter %}",
        "{% block b %}{{ row.fqnd }}{% endblock %}",
        "{% component c(a) %}{{ a }}{% endcomponent %}{{ <c a={row.fqnd} /> }}",
        "{% component c(a) %}{{ body }}{% endcomponent %}{% <c a={1}> %}{{ row.fqnd }}{% </c> %}",
        "{{ range(end=row.fqnd) | join }}",
    ] {
        assert_eq!(run(&[("main", template)], "text").diagnostics, [unknown], "{template}");
    }
    for (template, place) in [
        ("{{ row['fqnd'] }}", "'fqnd'"),
        ("{{ mx | sort(attribute='fqnd') | length }}", "'fqnd'"),
        ("{% for k, r in mx | group_by(attribute='fqnd') %}{{ k }}{% endfor %}", "'fqnd'"),
        ("{{ mx | cidrs(attribute='fqnd') | join }}", "'fqnd'"),
        ("{{ row | get(key='fqnd') }}", "'fqnd'"),
    ] {
        refused(template, &unknown.replace("[fqnd]", &format!("[{place}]")));
    }
    refused(
        "{{ row.host.nam }}",
        "template::unknown-column [nam] table `hosts` has no column `nam` // did you mean `name`?",
    );
    refused(
        "{{ row.secret }}",
        "template::unknown-column [secret] table `mx` has no column `secret` // the project's table `mx` has it; \
         add it to `[requires.tables.mx]` in target.toml",
    );
}

#[test]
fn names_that_do_not_exist() {
    refused(
        "{{ values.domian }}",
        "template::unknown-value [domian] there is no value `domian` // did you mean `domain`?",
    );
    refused(
        "{{ values.nested.depe }}",
        "template::unknown-variable [depe] there is no field `depe` // did you mean `deep`?",
    );
    refused(
        "{{ domain }}",
        "template::unknown-variable [domain] there is no variable `domain` here // did you mean `values.domain`?",
    );
    refused(
        "{{ hots | length }}",
        "template::unknown-variable [hots] there is no variable `hots` here // did you mean `hosts`?",
    );
    refused(
        "{{ row.fqdn | uper }}",
        "template::unknown-filter [uper] there is no filter `uper` // did you mean `upper`?",
    );
    refused(
        "{% if row.fqdn is strng %}{% endif %}",
        "template::unknown-test [strng] there is no test `strng` // did you mean `string`?",
    );
    refused("{{ now() }}", "template::unknown-function [now] there is no function `now`");
    refused("{{ loop.index }}", "template::unknown-variable [loop] `loop` is used outside a `for`");
    refused(
        "{{ 'a' | safe }}",
        "template::refused [safe] the filter `safe` is not available: each artifact's format decides how values are escaped; `raw` exempts one value",
    );
    refused("{{ 'a' | upper(x=1) }}", "template::argument [x] `upper` has no argument `x` // it takes none");
    refused(
        "{{ row.tags | join(spe=',') }}",
        "template::argument [spe] `join` has no argument `spe` // did you mean `sep`?",
    );
    refused(
        "{{ 'a' | split | join }}",
        "template::argument [split] `split` needs the argument `pat`: what stands between the elements",
    );
    refused("{{ 'a' | split(pat=1) | join }}", "template::type [1] expected text, found a whole number");
    refused(
        "{{ super() }}",
        "template::unknown-function [super()] `super()` has no block of a parent to print // it stands in a block that a template above this one defines too",
    );
    refused_all(
        &[("main", "{{ <lisener ip={row.ip} /> }}{% component listener(ip) %}{{ ip }}{% endcomponent %}")],
        &["template::component [lisener] there is no component `lisener` // did you mean `listener`?"],
    );
    refused_all(
        &[("main", "{{ <c /> }}{% component c(ip) %}{{ ip }}{% endcomponent %}")],
        &["template::component [c] component `c` needs the argument `ip`"],
    );
    refused_all(
        &[("main", "{{ <c ip={row.ip} pi={1} /> }}{% component c(ip) %}{{ ip }}{% endcomponent %}")],
        &["template::component [pi] component `c` has no argument `pi` // did you mean `ip`?"],
    );
    refused_all(
        &[("main", "{{ <c n={row.ip} /> }}{% component c(n: integer) %}{{ n }}{% endcomponent %}")],
        &["template::component [n] argument `n` is declared `integer`, found text"],
    );
    refused_all(
        &[("main", "{{ <c /> }}{% component c() %}{{ mx | length }}{% endcomponent %}")],
        &[
            "template::unknown-variable [mx] there is no variable `mx` here // a component sees its arguments only: declare `@mx` among those of `c`, or pass it",
        ],
    );
}

#[test]
fn a_recursion_that_nothing_ends_is_found() {
    let endless = |body: &str| {
        let template = format!("{{% component c(n) %}}{body}{{% endcomponent %}}{{{{ <c n={{1}} /> }}}}");
        refused(
            &template,
            "template::cycle [c] components call each other without end: c -> c // put the call into an `if` that ends it",
        );
    };
    endless("{{ <c n={n} /> }}");
    endless("{{ <c n={[n]} /> }}");
    endless("{% set a = <c n={n} /> %}");
    endless("{% set a %}{{ <c n={n} /> }}{% endset %}");
    endless("{% filter upper %}{{ <c n={n} /> }}{% endfilter %}");
    endless("{% if <c n={n} /> %}{% endif %}");
    endless("{% for m in [<c n={n} />] %}{% endfor %}");
    endless("{% if <c n={n} /> and n %}{% endif %}");
    let ends = |body: &str| {
        let template = format!("{{% component c(n) %}}{body}{{% endcomponent %}}{{{{ <c n={{1}} /> }}}}");
        assert_eq!(run(&[("main", &template)], "text").diagnostics, Vec::<String>::new(), "{body}");
    };
    ends("{% if n > 0 %}{{ <c n={n - 1} /> }}{% endif %}");
    ends("{% if n > 0 %}{% else %}{{ <c n={n - 1} /> }}{% endif %}");
    ends("{% if n > 0 %}{% elif <c n={n} /> == '' %}{% endif %}");
    ends("{% for m in range(end=n) %}{{ <c n={m} /> }}{% endfor %}");
    ends("{% for m in range(end=n) %}{% else %}{{ <c n={1} /> }}{% endfor %}");
    ends("{{ <c n={n - 1} /> if n > 0 else '' }}");
    ends("{% if n < 0 and <c n={n} /> == '' %}{% endif %}");
    ends("{{ [<c n={m} /> for m in range(end=n)] | join(sep='') }}");
}

#[test]
fn components_are_called_as_deep_as_tera_does() {
    let chain = |depth: usize| {
        let component =
            |at: usize| format!("{{% component c{at}() %}}{{{{ <c{} /> }}}}{{% endcomponent %}}", at + 1);
        let components: String = (1..depth).map(component).collect();
        format!("{components}{{% component c{depth}() %}}x{{% endcomponent %}}{{{{ <c1 /> }}}}")
    };
    passes(&chain(20), "x");
    refused(&chain(21), "template::component [c21] components call each other more than 20 deep");
    let counted =
        "{% component c(n) %}{% if n > 1 %}{{ <c n={n - 1} /> }}{% endif %}{{ n }}{% endcomponent %}";
    let to = |n: usize| format!("{counted}{{{{ <c n={{{n}}} /> }}}}");
    passes(&to(20), &(1..=20).map(|n| n.to_string()).collect::<String>());
    let too_deep = "template::render: components call each other more than 20 deep";
    assert_eq!(run(&[("main", &to(21))], "text").rendered, Some(Err(too_deep.to_owned())));
}

#[test]
fn a_component_is_checked_for_each_distinct_call() {
    let component = "{% component c(r) %}{{ r.address }}{% endcomponent %}";
    refused_all(
        &[("main", &format!("{component}{{{{ <c r={{row.host}} /> }}}}{{{{ <c r={{row}} /> }}}}"))],
        &["template::unknown-column [address] table `mx` has no column `address`"],
    );
    passes(&format!("{component}{{{{ <c r={{row.host}} /> }}}}"), "192.0.2.1/24");
    passes("{% component c(@row) %}{{ row.fqdn }}{% endcomponent %}{{ <c /> }}", "mx1.example.org");
    passes(
        "{% component d(@mx) %}{{ mx | length }}{% endcomponent %}{% component c() %}{{ <d /> }}{% endcomponent %}{{ <c /> }}",
        "2",
    );
    passes("{% component c(a='x', ...rest) %}{{ a }}{{ rest.b }}{% endcomponent %}{{ <c b={1} /> }}", "x1");
    passes(
        "{% component c(n) %}{{ n }}{% if n > 0 %}{{ <c n={n - 1} /> }}{% endif %}{% endcomponent %}{{ <c n={2} /> }}",
        "210",
    );
}

#[test]
fn absent_values_need_a_guard() {
    refused(
        "{{ row.ip6 }}",
        "template::optional [row.ip6] a value that may be absent is printed // guard it with `{% if row.ip6 %}`, or give `| default(value=…)`",
    );
    for template in [
        "{{ row.ip6 ~ 'x' }}",
        "{% if row.ip6 == 'x' %}{% endif %}",
        "{{ row.ip6 | upper }}",
        "{% for x in row.host.rack %}{% endfor %}",
        "{{ row.ip6 | reverse_pointer }}",
    ] {
        let found = run(&[("main", template)], "text").diagnostics;
        assert!(found.len() == 1 && found[0].starts_with("template::optional"), "{template}: {found:?}");
    }
    passes("{% if row.ip6 %}{{ row.ip6 }}{% endif %}", "2001:db8::1");
    passes("{% for r in mx %}{% if r.ip6 %}{{ r.ip6 }}{% else %}-{% endif %}{% endfor %}", "2001:db8::1-");
    passes(
        "{% for r in mx %}{% if not r.ip6 %}-{% else %}{{ r.ip6 }}{% endif %}{% endfor %}",
        "2001:db8::1-",
    );
    passes("{% for r in mx %}{% if r.ip6 is defined %}{{ r.ip6 }}{% endif %}{% endfor %}", "2001:db8::1");
    passes(
        "{% for r in mx %}{% if r.ip6 is not defined %}-{% else %}{{ r.ip6 }}{% endif %}{% endfor %}",
        "2001:db8::1-",
    );
    passes("{% for r in mx %}{% if r.ip6 is undefined %}-{% endif %}{% endfor %}", "-");
    passes("{% for r in mx %}{% if r.ip6 is none %}-{% endif %}{% endfor %}", "-");
    passes("{% for r in mx %}{% if r.ip6 and r.ip6 == '2001:db8::1' %}={% endif %}{% endfor %}", "=");
    passes("{% for r in mx %}{{ r.ip6 if r.ip6 else '-' }}{% endfor %}", "2001:db8::1-");
    passes("{% for r in mx %}{{ r.ip6 | default(value='-') }}{% endfor %}", "2001:db8::1-");
    passes("{% for r in mx %}{{ r.ip6 or '-' }}{% endfor %}", "2001:db8::1-");
    passes("{{ [r.ip6 for r in mx if r.ip6] | join(sep=',') }}", "2001:db8::1");
    passes("{% for h in hosts %}{{ h.rack | default(value='none') | upper }} {% endfor %}", "R1 NONE ");
    refused(
        "{% if row.ip6 %}{% for row in mx %}{{ row.ip6 }}{% endfor %}{% endif %}",
        "template::optional [row.ip6] a value that may be absent is printed // guard it with `{% if row.ip6 %}`, or give `| default(value=…)`",
    );
}

#[test]
fn unlike_types_and_things_that_do_not_print() {
    refused(
        "{% if row.port == '25' %}{% endif %}",
        "template::type [row.port == '25'] a whole number is compared with text: they are never equal // write `25` without quotes",
    );
    refused(
        "{% if row.port != values.domain %}{% endif %}",
        "template::type [row.port != values.domain] a whole number is compared with text: they are never equal // put `| int` behind the text",
    );
    refused(
        "{% if row.port in values.dns %}{% endif %}",
        "template::type [row.port in values.dns] a whole number is compared with text: they are never equal",
    );
    refused(
        "{{ row.port + row.fqdn }}",
        "template::type [row.fqdn] `+` adds numbers, found text // text is joined with `~`, as in `\"a\" ~ row.name`",
    );
    refused(
        "{{ row.tags }}",
        "template::print [row.tags] a list is printed // print its entries with `| join(sep=\", \")` or a `for`",
    );
    refused(
        "{{ row.host }}",
        "template::print [row.host] a row is printed // print one of its columns: `name`, `address`, `rack`",
    );
    refused(
        "{{ values }}",
        "template::print [values] a map is printed // print one of its entries: `domain`, `port`, `dns`, `nested`; or all with `| json`",
    );
    refused(
        "{{ mx }}",
        "template::print [mx] a list of rows is printed // walk it with `{% for row in … %}`",
    );
    refused(
        "{{ mx.fqdn }}",
        "template::type [fqdn] `.fqdn` is taken of a list of rows // walk it with `{% for row in … %}`",
    );
    refused("{{ row.fqdn.x }}", "template::type [x] `.x` is taken of text");
    refused("{% for r in row %}{% endfor %}", "template::type [row] a row is walked // name its columns");
    refused(
        "{% for r in values.nested %}{% endfor %}",
        "template::type [values.nested] a map is walked with one variable // write `{% for key, value in … %}`",
    );
    refused("{% set mx = 1 %}", "template::refused [mx] `mx` is a table; use another name");
    refused("{% set values = 1 %}", "template::refused [values] `values` is reserved; use another name");
    refused(
        "{{ row.fqdn | reverse_pointer }}",
        "template::type [row.fqdn] `reverse_pointer` takes an address, found text",
    );
    refused(
        "{{ row.ip | netmask }}",
        "template::type [row.ip] `netmask` takes an address with a prefix length, found an address // an address does not say how large its network is: declare the column `interface`, with cells such as `192.0.2.10/24`",
    );
    refused(
        "{% if row.fqdn is within(network=\"::/0\") %}{% endif %}",
        "template::type [row.fqdn] `within` takes an address or a network, found text",
    );
    passes(
        "{{ row.ip | reverse_pointer }} {{ row.host.address | network }}",
        "1.2.0.192.in-addr.arpa 192.0.2.0/24",
    );
}

#[test]
fn variables_are_followed_through_the_template() {
    passes("{% set x = row %}{{ x.host.name }}", "a");
    passes("{% set x = 'a' %}{% if row.tls %}{% set x = 'b' %}{% endif %}{{ x }}", "b");
    refused(
        "{% if row.tls %}{% set x = 'b' %}{% endif %}{{ x }}",
        "template::optional [x] a value that may be absent is printed // guard it with `{% if x %}`, or give `| default(value=…)`",
    );
    passes("{% if row.tls %}{% set x = 'b' %}{% else %}{% set x = 'c' %}{% endif %}{{ x }}", "b");
    refused(
        "{% if row.tls %}{% set x = 'b' %}{% else %}{% set x = row %}{% endif %}{{ x }}",
        "template::type [x] the type of this expression is not known: values of unlike types meet here",
    );
    refused(
        "{% for r in mx %}{% set x = r %}{% endfor %}{{ x.fqdn }}",
        "template::unknown-variable [x] there is no variable `x` here",
    );
    passes("{% set n = 0 %}{% for r in mx %}{% set_global n = n + r.port %}{% endfor %}{{ n }}", "50");
    refused(
        "{% set x = 1 %}{% for r in mx %}{{ x + 1 }}{% set_global x = 'a' %}{% endfor %}",
        "template::type [x] expected a number, found something unknown",
    );
    passes_in(
        "text",
        &[("main", "{% for r in mx %}{% include 'i' %}{% endfor %}"), ("i", "{{ r.port }};")],
        "25;25;",
    );
    refused_all(
        &[
            ("main", "{% include 'i' %}{% for r in mx %}{% include 'i' %}{% endfor %}"),
            ("i", "{{ r.port }};"),
        ],
        &["template::unknown-variable [r] there is no variable `r` here"],
    );
    passes_in(
        "text",
        &[
            ("main", "{% extends 'base' %}{% block b %}{{ super() }}+{{ row.port }}{% endblock %}"),
            ("base", "<{% block b %}{{ row.fqdn }}{% endblock %}>"),
        ],
        "<mx1.example.org+25>",
    );
    refused_all(
        &[
            ("main", "{% extends 'base' %}{% block b %}{{ row.x }}{% endblock %}"),
            ("base", "{% block b %}{{ row.y }}{% endblock %}"),
        ],
        &[
            "template::unknown-column [x] table `mx` has no column `x`",
            "template::unknown-column [y] table `mx` has no column `y`",
        ],
    );
    passes("{% for k, v in values.nested %}{{ k }}{{ v }}{% endfor %}", "deep1");
    passes("{% for r in mx %}{{ loop.index }}{{ ',' if not loop.last else '' }}{% endfor %}", "1,2");
    passes("{% for p in values.nested | pairs %}{{ p[0] | json }}{% endfor %}", "\"deep\"");
}

#[test]
fn what_is_never_printed_is_checked_too() {
    refused_all(
        &[
            ("main", "{% extends 'base' %}{% block b %}x{% endblock %}"),
            ("base", "{% block b %}{{ row.typo }}{% endblock %}"),
        ],
        &["template::unknown-column [typo] table `mx` has no column `typo`"],
    );
    refused_all(
        &[("main", "{% component c(r) %}{{ r.x }}{{ row.fqdn }}{{ 'a' | uper }}{% endcomponent %}")],
        &[
            "template::unknown-variable [row] there is no variable `row` here // a component sees its arguments only: declare `@row` among those of `c`, or pass it",
            "template::unknown-filter [uper] there is no filter `uper` // did you mean `upper`?",
        ],
    );
    passes("{% component c(r, ...rest) %}{{ r.x }}{{ rest.y }}{{ body }}{% endcomponent %}ok", "ok");
    // The innermost block is the one whose parent `super()` prints.
    passes_in(
        "text",
        &[
            ("main", "{% extends 'mid' %}{% block a %}{{ super() }}+{% endblock %}"),
            (
                "mid",
                "{% extends 'base' %}{% block z %}<{% block a %}{{ super() }}m{% endblock %}>{% endblock %}",
            ),
            ("base", "{% block z %}{% block a %}{{ row.port }}{% endblock %}{% endblock %}"),
        ],
        "<25m+>",
    );
}

#[test]
fn missing_and_circular_templates() {
    refused_all(
        &[("main", "{% include 'nope' %}")],
        &["template::missing ['nope'] there is no template `nope`"],
    );
    refused_all(
        &[("main", "{% include 'a' %}"), ("a", "{% include 'b' %}"), ("b", "{% include 'a' %}")],
        &["template::cycle ['a'] templates lead back to themselves: a -> b -> a"],
    );
    refused_all(
        &[("main", "{% extends 'main' %}")],
        &["template::cycle ['main'] templates lead back to themselves: main -> main"],
    );
    refused_all(
        &[("main", "{% component Big() %}{% endcomponent %}")],
        &["template::component [Big] `Big` cannot be the name of a component"],
    );
    refused_all(
        &[("main", "{% component c() %}{% endcomponent %}"), ("b", "{% component c() %}{% endcomponent %}")],
        &[
            "template::component [c] component `c` is defined twice; components are known by name in all templates",
        ],
    );
}

#[test]
fn what_would_be_dropped_or_taken_apart_is_refused() {
    refused(
        "{% component a() %}x{% endcomponent %}{% <a> %}hi{% </a> %}",
        "template::component [a] component `a` does not print the body of its call // write `<a … />` without a body, or print it in the component",
    );
    refused(
        "{% for x in row.fqdn %}{{ x }}{% endfor %}",
        "template::type [row.fqdn] text is walked, character by character // make a list of it with `| split(pat=…)`; `name={row.list}` hands a component a list",
    );
}

#[test]
fn a_template_that_extends_another_is_not_included() {
    refused_all(
        &[("main", "{% include \"child\" %}"), ("child", "{% extends \"base\" %}"), ("base", "x")],
        &[
            "template::refused [\"child\"] `child` extends another template, and is included // include what it extends, or put what both need into a component",
        ],
    );
}

#[test]
fn bodies_lie_no_deeper_than_the_stack_allows() {
    let deep = |next: &str| {
        let inside = if next.is_empty() { "end".into() } else { format!("{{% include \"{next}\" %}}") };
        format!("{}{inside}{}", "{% if row.tls %}".repeat(39), "{% endif %}".repeat(39))
    };
    let chain = |length: usize| -> Vec<(String, String)> {
        let name = |number: usize| if number == 0 { "main".to_owned() } else { format!("t{number}") };
        let next = |number: usize| if number + 1 == length { String::new() } else { name(number + 1) };
        (0..length).map(|number| (name(number), deep(&next(number)))).collect()
    };
    let check = |length: usize| {
        let templates = chain(length);
        let templates: Vec<(&str, &str)> =
            templates.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        run(&templates, "text")
    };
    assert_eq!(check(4).rendered, Some(Ok("end".into())));
    let outcome = check(300);
    assert_eq!(outcome.diagnostics.len(), 1);
    assert!(outcome.diagnostics[0].contains("nest deeper than 200"), "{:?}", outcome.diagnostics);
}

#[test]
fn captured_text_keeps_its_parts() {
    passes("{% set x %}a\n{{ row.note }}\n{% endset %}{{ x }}", "a\nx y\n");
    passes("{% set x %}a\n{{ row.note }}{% endset %}{{ x | upper }}", "A\nX Y");
    passes(
        "{% set x %}{{ row.note }}{% endset %}{{ x | length }} {{ 'y' in x }} {{ x == 'x y' }} {{ x ~ '!' }}",
        "3 true true x y!",
    );
    passes("{% set x %}{{ row.note }}{% endset %}{% if x %}yes{% endif %}", "yes");
    passes("{% set x %}{% endset %}{% if x %}yes{% else %}no{% endif %}", "no");
    passes("{% filter indent(width=2, first=true) %}a\n{{ row.note }}{% endfilter %}", "  a\n  x y");
    passes(
        "{% component c() %}<{{ body }}>{% endcomponent %}{% <c> %}a\n{{ row.note }}{% </c> %}",
        "<a\nx y>",
    );
    passes(
        "{% component c(t) %}<{{ t }}>{% endcomponent %}{% set x %}a\n{{ row.note }}{% endset %}{{ <c t={x} /> }}",
        "<a\nx y>",
    );
    passes(
        "{% set x = <c n={row.note} /> %}{{ x }}{% component c(n) %}a\n{{ n }}{% endcomponent %}",
        "a\nx y",
    );
    passes_in(
        "json",
        &[("main", "{% set x %}[{{ row.note }}, \"{{ row.note }}\"]{% endset %}{{ x }}")],
        "[\"x y\", \"x y\"]",
    );
    passes_in(
        "json",
        &[(
            "main",
            "{\"a\": {{ row.port }}, \"b\": {{ row.tags | json }}, \"c\": {{ row.fqdn if row.tls else 1 }}}",
        )],
        "{\"a\": 25, \"b\": [\"t\",\"u\"], \"c\": \"mx1.example.org\"}",
    );
    passes_in(
        "shell",
        &[("main", "echo {{ row.note }} \"{{ row.note }}\" {{ row.tags | shell }}\n")],
        "echo 'x y' \"x y\" t u\n",
    );
    refused(
        "{% component c(t) %}{{ t }}{% endcomponent %}{% set x %}a{% endset %}{{ <c t={x} /> }}{{ <c t={row.note} /> }}",
        "template::type [t] captured text and a plain value are both printed by this expression // print each in a branch of its own",
    );
}

/// What the walk lets pass renders without an error of types: random programs of typed parts.
pub(crate) mod random {
    use super::*;
    use proptest::prelude::*;

    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("row.fqdn"),
            Just("row.port"),
            Just("row.ip6"),
            Just("row.tags"),
            Just("row.host"),
            Just("row.note"),
            Just("row.tls"),
            Just("values.dns"),
            Just("mx"),
            Just("r.port"),
            Just("r.ip6"),
            Just("x"),
            Just("row.typo"),
            Just("'lit'"),
            Just("7"),
            Just("none"),
            Just("values.nested"),
            Just("row.host.rack"),
            Just("cap"),
        ]
        .prop_map(str::to_owned);
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                (
                    inner.clone(),
                    prop_oneof![
                        Just("upper"),
                        Just("length"),
                        Just("first"),
                        Just("default(value='d')"),
                        Just("json"),
                        Just("join(sep=',')"),
                        Just("trim"),
                        Just("reverse"),
                        Just("sort"),
                        Just("unique"),
                        Just("keys"),
                        Just("int"),
                        Just("str"),
                        Just("abs"),
                        Just("slug"),
                        Just("shell"),
                        Just("raw"),
                        Just("split(pat='x')"),
                        Just("group_by(attribute='fqdn')"),
                        Just("get(key='deep')"),
                        Just("replace(from='a', to='b')"),
                        Just("cidrs(attribute='ip')"),
                    ]
                )
                    .prop_map(|(a, f)| format!("({a} | {f})")),
                (
                    inner.clone(),
                    prop_oneof![
                        Just("+"),
                        Just("~"),
                        Just("=="),
                        Just("<"),
                        Just("and"),
                        Just("or"),
                        Just("in"),
                        Just("*"),
                    ],
                    inner.clone()
                )
                    .prop_map(|(a, o, b)| format!("({a} {o} {b})")),
                (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
                inner.clone().prop_map(|a| format!("(not {a})")),
                inner.clone().prop_map(|a| format!("({a} is defined)")),
                inner.clone().prop_map(|a| format!("[{a}]")),
                (inner.clone(), inner).prop_map(|(a, b)| format!("[{a} for x in {b}]")),
            ]
        })
    }

    pub(crate) fn body() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            expression().prop_map(|e| format!("{{{{ {e} }}}}")),
            expression().prop_map(|e| format!("{{% set x = {e} %}}")),
            Just("text\n".to_owned()),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let many = prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat());
            prop_oneof![
                many.clone(),
                (expression(), many.clone(), many.clone())
                    .prop_map(|(e, a, b)| format!("{{% if {e} %}}{a}{{% else %}}{b}{{% endif %}}")),
                (expression(), many.clone())
                    .prop_map(|(e, a)| format!("{{% for r in {e} %}}{a}{{% endfor %}}")),
                many.clone().prop_map(|a| format!("{{% set x %}}{a}{{% endset %}}")),
                many.clone().prop_map(|a| format!("{{% set cap %}}{a}{{% endset %}}{{{{ cap | upper }}}}")),
                many.prop_map(|a| format!("{{% <c t={{row.note}}> %}}{a}{{% </c> %}}")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]
        #[test]
        fn what_passes_renders(body in body()) {
            let template = format!("{{% component c(t) %}}{{{{ t }}}}{{{{ body }}}}{{% endcomponent %}}{{% for r in mx %}}{body}{{% endfor %}}");
            let outcome = run(&[("main", &template)], "text");
            if let Some(Err(error)) = outcome.rendered {
                // What only a value decides.
                let of_values = ["cannot be converted to an int", "a line break", "nothing is left", "divide by 0"];
                prop_assert!(of_values.iter().any(|known| error.contains(known)), "{}\n{}", template, error);
            }
        }
    }
}

/// What the checks find in a template.
fn checked(text: &str) -> Checked {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let file = sources.add("main", text.as_bytes().to_vec());
    let unparsed = Unparsed {
        name: "main".into(),
        origin: Origin::File(file),
        text: text.into(),
        delimiters: Delimiters::Curly,
    };
    let library = Library::build(vec![unparsed], &sources, &mut diagnostics);
    let entrance = Entrance { template: 0, row: None, strict: false };
    check(&library, &globals(), &[entrance], &mut diagnostics)
}

/// The columns that a template uses, each with the text at the first place, and the tables that it walks.
fn uses(text: &str) -> (BTreeMap<String, &str>, Vec<ViewId>) {
    let checked = checked(text);
    let uses = checked.uses.iter();
    let uses = uses.map(|(cell, span)| (format!("{}.{}", cell.table, cell.column), &text[span.range()]));
    (uses.collect(), checked.tables.iter().copied().collect())
}

#[test]
fn uses_name_a_place_for_every_column() {
    let (used, tables) = uses("{% for r in mx %}{{ r.host.name }}{% endfor %}");
    assert_eq!(used, BTreeMap::from([("hosts.name".to_owned(), "name"), ("mx.host".to_owned(), "host")]));
    assert_eq!(tables, [ViewId(0)]);
    let columns = ["address", "name", "rack"].map(|column| (format!("hosts.{column}"), "json"));
    assert_eq!(uses("{{ hosts | json }}").0, BTreeMap::from(columns));
    assert_eq!(uses("{{ hosts | length }}").0, BTreeMap::new());
}

#[test]
fn values_and_tables_that_are_named_are_known() {
    let values = |text: &str| checked(text).values.into_iter().collect::<Vec<_>>();
    assert_eq!(values("{{ values.domain }}{{ values[\"port\"] }}"), ["domain", "port"]);
    assert_eq!(values("{% if values.dns is containing(pat=\"a\") %}{% endif %}"), ["dns"]);
    assert_eq!(values("{{ values.nested.deep }}"), ["nested"]);
    let all = ["dns", "domain", "nested", "port"];
    assert_eq!(values("{% set all = values %}{{ all.domain }}"), all);
    assert_eq!(values("{% for key, value in values %}{{ key }}{% endfor %}"), all);
    let named: Vec<_> = checked("{% for r in mx %}{{ r.host.name }}{% endfor %}").named.into_iter().collect();
    assert_eq!(named, ["mx"]);
}
