//! Programs against Tera: the same bytes and the same errors, from the same project.

use proptest::prelude::*;

use crate::compile::{self, RenderFailure, Renderer, Selection};
use crate::diagnostic::Diagnostics;
use crate::project::tests::{Memory, lines};
use crate::source::Sources;
use crate::template::check::tests::random;

const PROJECT: &str = r#"
[project]
name = "mail"
[values]
domain = "example.org"
port = 25
dns = ["a", "b"]
nested = { deep = 1 }
[tables.mx]
source = "mx.csv"
key = "fqdn"
[tables.mx.columns]
ip = { type = "ipv4", unique = true }
ip6 = { type = "ipv6", optional = true }
fqdn = "fqdn"
port = { type = "port", default = 25 }
note = "string"
tags = { type = "list", separator = ";" }
tls = "bool"
host = { type = "ref", table = "hosts" }
peers = { type = "list", of = { type = "ref", table = "hosts" }, separator = ";" }
[tables.hosts]
source = "hosts.csv"
key = "name"
[tables.hosts.columns]
name = "name"
address = "interface"
rack = { type = "string", optional = true }
[[artifact]]
template = "main.tera"
path = "main"
[[artifact]]
template = "each.tera"
path = "each/{{ row.fqdn }}"
each = "mx"
"#;

const MX: &str = "ip,ip6,fqdn,port,note,tags,tls,host,peers
192.0.2.1,2001:DB8::1,MX1.example.org,,x y,t;u,true,a,a;b
192.0.2.2,,mx2.example.org,2525,\"a \"\"quoted\"\" one\",\"v;w;\u{e4}\",false,b,a
192.0.2.3,,mx3.example.org,25,z,t,true,a,b
";

const COMPONENTS: &str = "\
{% component twice(t) %}{% if t > 'm' %}{{ body }}{% endif %}{{ t }}{{ body }}{% endcomponent twice %}\
{% component length(t) %}{{ t }}{{ body | length }}{{ body | upper }}{{ <once t n={body} /> }}{% endcomponent length %}\
{% component once(t, @b='-', n='n', ...others) %}{% if t > 'm' %}{% set n = t %}{% endif %}\
{{ n }}{{ b }}{{ others | length }}{{ others | json }}{% endcomponent once %}\
{% component fresh(t) %}{% if t == 'x y' %}{% set y = t %}{% endif %}{{ y | default(value='-') }}{% endcomponent fresh %}\
{% component late(t) %}{% for q in ['x', 'y'] %}{{ t }}{% if q == 'x' %}{% set_global t = t ~ q %}{% endif %}\
{% endfor %}{{ t }}{% endcomponent late %}\
{% component of(h) %}{{ h.name }}{{ h | length }}{% endcomponent of %}\
{% component down(n) %}{{ n }}{% if n > 0 %}{{ <down n={n - 1} /> }}{% endif %}{% endcomponent down %}";

/// What a project with one pair of templates gives: for each artifact its bytes or its error.
#[derive(Debug, PartialEq)]
struct Outcome {
    artifacts: Vec<Result<String, String>>,
    /// How many of the templates have programs.
    programs: usize,
}

fn compile(main: &str, each: &str, renderer: Renderer) -> Result<Outcome, Vec<String>> {
    let world = Memory::with(&[
        ("confwright.toml", PROJECT),
        ("mx.csv", MX),
        ("hosts.csv", "name,address,rack\na,192.0.2.129/26,r1\nb,2001:db8::2/64,\n"),
        ("templates/main.tera", main),
        ("templates/each.tera", each),
        ("templates/parent.tera", "[{% block a %}A{% endblock %}|{% block b %}B{% endblock %}]"),
        ("templates/part.tera", "<{% set y = 'p' %}{{ y }}>"),
        ("templates/vars.tera", "{% set a = a ~ 'i' %}{{ a }}{% set_global b = b ~ 'j' %}{{ b }}"),
        ("templates/components.tera", COMPONENTS),
        ("templates/global.tera", "{% set_global i = '6' %}{{ i }}{% set i = '7' %}{{ i }}"),
    ]);
    let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
    let selection = Selection { renderer, ..Selection::default() };
    let compilation = compile::prepare(&world, &mut sources, &selection, &|_| {}, &mut diagnostics);
    let compilation = compilation.ok_or_else(|| lines(&diagnostics, &sources))?;
    let environment = &compilation.environments[0];
    let artifacts = environment.artifacts.iter().map(|planned| {
        let mut bytes = Vec::new();
        match environment.render(planned, &sources, &mut bytes) {
            Ok(()) => Ok(String::from_utf8(bytes).unwrap()),
            Err(RenderFailure::Diagnostic(diagnostic)) => {
                Err(lines(&Diagnostics::from(*diagnostic), &sources).concat())
            }
            Err(RenderFailure::Sink(error)) => Err(error.to_string()),
        }
    });
    Ok(Outcome { artifacts: artifacts.collect(), programs: environment.programs() })
}

/// Both templates have programs, which give what Tera gives.
#[track_caller]
fn same(main: &str, each: &str) -> Vec<Result<String, String>> {
    let segments = compile(main, each, Renderer::Segments).unwrap();
    let tera = compile(main, each, Renderer::Tera).unwrap();
    assert_eq!(segments.programs, 2, "{main}\n{each}");
    assert_eq!(tera.programs, 0);
    assert_eq!(segments.artifacts, tera.artifacts, "{main}\n{each}");
    segments.artifacts
}

/// Templates, all of which have programs and give what is expected.
#[track_caller]
fn each_gives(cases: &[(&str, &str)], each: &str) {
    let mut wrong = Vec::new();
    for (template, expected) in cases {
        let segments = compile(template, each, Renderer::Segments);
        let tera = compile(template, each, Renderer::Tera);
        let (Ok(segments), Ok(tera)) = (&segments, &tera) else {
            wrong.push(format!("{template}: {segments:?}"));
            continue;
        };
        let given = segments.artifacts.last().unwrap();
        if segments.programs != 2
            || given != &Ok((*expected).to_owned())
            || segments.artifacts != tera.artifacts
        {
            wrong.push(format!("{template}: {} {given:?} {:?}", segments.programs, tera.artifacts.last()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_a_program_can_express() {
    let each = "{{ row.fqdn }} {{ row.host.address | host }}{% if row.ip6 %} {{ row.ip6 }}{% endif %}";
    let cases = [
        ("plain", "plain"),
        ("{{ project.name }}.{{ values.domain }}:{{ values.port }}", "mail.example.org:25"),
        (
            "{% for r in mx %}{{ r.fqdn }}:{{ r.port }} {% endfor %}",
            "mx1.example.org:25 mx2.example.org:2525 mx3.example.org:25 ",
        ),
        (
            "{% for r in mx %}{{ loop.index }}{{ loop.index0 }}{% if loop.first %}f{% elif loop.last %}l{% endif %}{{ loop.length }} {% endfor %}",
            "10f3 213 32l3 ",
        ),
        ("{% for r in mx %}{% if r.ip6 %}{{ r.ip6 }}{% else %}-{% endif %}{% endfor %}", "2001:db8::1--"),
        (
            "{% for r in mx %}{% for t in r.tags %}{{ t }}/{{ loop.index }} {% else %}none{% endfor %}{% endfor %}",
            "t/1 u/2 v/1 w/2 \u{e4}/3 t/1 ",
        ),
        (
            "{% for r in mx %}{{ r.note | upper | replace(from='X', to='y') }};{% endfor %}",
            "y Y;A \"QUOTED\" ONE;Z;",
        ),
        (
            "{% for r in mx %}{% for h in hosts %}{% if h.name == r.host.name %}{{ h.name }}{{ r.host.rack | default(value='?') }} {% endif %}{% endfor %}{% endfor %}",
            "ar1 b? ar1 ",
        ),
        ("{% set n = [r.fqdn for r in mx if r.tls] | length %}{% if n > 1 %}{{ n }}{% endif %}", "2"),
        ("{{ mx | length }}{% if mx %}!{% endif %}", "3!"),
        (
            "{% set x %}{% for r in mx %}{{ r.note }},{% endfor %}{% endset %}[{{ x }}]",
            "[x y,a \"quoted\" one,z,]",
        ),
        (
            "{% filter upper %}{% for r in mx %}{{ r.note }}{% endfor %}{% endfilter %}",
            "X YA \"QUOTED\" ONEZ",
        ),
        (
            "{% component c(a, b, n=7) %}{{ a.fqdn }}={{ b }}{{ n }}{% endcomponent c %}{% for r in mx %}{{ <c a={r} b={r.ip ~ ':' ~ r.port} /> }} {% endfor %}",
            "mx1.example.org=192.0.2.1:257 mx2.example.org=192.0.2.2:25257 mx3.example.org=192.0.2.3:257 ",
        ),
        (
            "{% component c(t) %}<{{ t }}{{ body }}>{% endcomponent c %}{% for r in mx %}{% <c t={r.note}> %}{{ r.port }}{{ loop.index }}{% </c> %}{% endfor %}",
            "<x y251><a \"quoted\" one25252><z253>",
        ),
        (
            "{% extends \"parent.tera\" %}{% block a %}{{ super() }}+{{ values.domain }}{% endblock %}",
            "[A+example.org|B]",
        ),
        ("{% set y = 'q' %}{% include \"part.tera\" %}{{ y }}", "<p>q"),
        (
            "{% for r in mx %}{% if r.port == 2525 %}{% continue %}{% endif %}{% if loop.last %}{% break %}{% endif %}{{ r.fqdn }}{% endfor %}",
            "mx1.example.org",
        ),
        (
            "{% for site, rows in mx | group_by(attribute='tls') %}{{ site }}:{% for r in rows %}{{ r.fqdn }} {% endfor %}{% endfor %}",
            "true:mx1.example.org mx3.example.org false:mx2.example.org ",
        ),
        ("{% for r in mx | sort(attribute='port') %}{{ r.port }} {% endfor %}", "25 25 2525 "),
        ("{{ 7 + 2 * 3 - 1 }} {{ 7 / 2 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ -values.port }}", "12 3.5 3 3 -25"),
        (
            "{% set w = 1 %}{% for r in mx %}{% if r.tls %}{% set_global w = w + 1 %}{% endif %}{% endfor %}{{ w }}",
            "3",
        ),
        (
            "{% for r in mx %}{% set w = r.port %}{% if r.tls %}{% set w = 1 %}{% endif %}{{ w }} {% endfor %}",
            "1 2525 1 ",
        ),
        ("{% for k, v in {'a': values.port, 'b': 2} %}{{ k }}{{ v }}{% endfor %}", "a25b2"),
        (
            "{{ 'x' if values.port is odd else 'y' }}{% if 'a' in values.dns and not values.dns is containing(pat='c') %}!{% endif %}",
            "x!",
        ),
    ];
    each_gives(&cases, each);
}

#[test]
fn rows_and_lists_of_rows_are_values() {
    let cases = [
        ("{% for r in mx %}{{ r.host | length }}{{ r.host | get(key='name') }} {% endfor %}", "3a 3b 3a "),
        (
            "{% for r in [row for row in mx if row.tls] %}{{ r.fqdn }} {% endfor %}",
            "mx1.example.org mx3.example.org ",
        ),
        (
            "{% for r in mx %}{{ r | json }}{% break %}{% endfor %}",
            "{\"ip\":\"192.0.2.1\",\"ip6\":\"2001:db8::1\",\"fqdn\":\"mx1.example.org\",\"port\":25,\"note\":\"x y\",\"tags\":[\"t\",\"u\"],\"tls\":true,\"host\":{\"name\":\"a\",\"address\":\"192.0.2.129/26\",\"rack\":\"r1\"},\"peers\":[{\"name\":\"a\",\"address\":\"192.0.2.129/26\",\"rack\":\"r1\"},{\"name\":\"b\",\"address\":\"2001:db8::2/64\",\"rack\":null}]}",
        ),
        (
            "{% for r in mx %}{{ r.peers | length }}{% for p in r.peers | reverse %}{{ p.name }}{% endfor %} {% endfor %}",
            "2ba 1a 1b ",
        ),
        (
            "{% set h = hosts %}{% for x in h %}{{ x.name }}{% endfor %}{{ h[1].name }}{{ mx[-1].host.name }}{{ mx[1:][0].note }}",
            "abbaa \"quoted\" one",
        ),
        (
            "{% for r in mx %}{% if r == mx[1] %}{{ r.fqdn }}{% endif %}{{ r.host in [hosts[0]] }} {% endfor %}",
            "true mx2.example.orgfalse true ",
        ),
        (
            "{% for r in mx %}{% set h = hosts[0] %}{% if r.tls %}{% set h = r.host %}{% endif %}{{ h.name }}{% set h = r.host %}{{ h.name }}{% endfor %}",
            "aaabaa",
        ),
        (
            "{% set p = mx[0] %}{% for r in mx %}{% if p.port < r.port %}{% set_global p = r %}{% endif %}{% endfor %}{{ p.fqdn }}",
            "mx2.example.org",
        ),
    ];
    each_gives(&cases, "each");
    same(
        "each",
        "{{ row | length }}{{ row.host | json }}{% set r = row %}{% for h in [r.host] %}{{ h.name }}{% endfor %}",
    );
}

#[test]
fn expressions_that_only_the_engine_knows_are_left_to_it() {
    let cases = [
        (
            "{{ range(end=3) | join(sep='') }}{{ range(start=5, end=1, step_by=-2) | join(sep=',') }}",
            "0125,3",
        ),
        (
            "{{ values.domain[0:3] }}{{ values.domain[::-1] }}{{ values.dns[1:] | join(sep='') }}",
            "exagro.elpmaxeb",
        ),
        ("{{ 2 ** 3 }} {{ 2.0 ** values.port }} {{ 2 ** -1 }}", "8 33554432.0 0.5"),
        (
            "{{ values.domain[0] }}{{ values.dns[-1] }}{{ {'a': 1, 7: 2}['a'] | default(value=3) }}{{ {'a': 1}[values.dns[1]] | default(value=4) }}",
            "eb14",
        ),
        (
            "{% set l = ['x', ...values.dns, 'y'] %}{{ l | join(sep='') }}{{ {'z': 1, ...{'a': 2, 'b': 3}, 'b': 4} | json }}",
            "xaby{\"b\":4,\"a\":2,\"z\":1}",
        ),
        (
            "{{ {1: 'a', true: 'b', 'c': 'd'} | json }}{{ {'a': 1, 'b': 2, 'a': 3} | keys | join(sep='') }}",
            "{\"1\":\"a\",\"true\":\"b\",\"c\":\"d\"}ab",
        ),
        (
            "{{ 'ab cD' | capitalize }}{{ 'ab cD' | title }}{{ 'abc' | truncate(length=1) }}{{ 'a b' | wordcount }}{{ 2 | pluralize(plural='es') }}",
            "Ab cdAb Cda…2es",
        ),
        (
            "{{ '0x1f' | int(base=16) + 1 }}{{ '2.5' | float * 2 }}{{ -3 | abs }}{% for p in values | pairs %}{{ p | length }}{% endfor %}{{ values | keys | length }}",
            "325.0322224",
        ),
    ];
    each_gives(&cases, "each");
    for fails in [
        "{{ range(start=2, end=1) | length }}",
        "{{ 2 ** 200 }}",
        "{{ 'x' | int }}",
        "{{ values.dns[1:0:0] | length }}",
    ] {
        let looped = format!("{{% for r in mx %}}{fails}{{% endfor %}}");
        assert!(same(&looped, "each").last().unwrap().is_err(), "{fails}");
    }
}

#[test]
fn components_take_any_arguments_and_give_values() {
    let cases = [
        (
            "{% component c(a, ...rest) %}{{ a }}{{ rest | json }}{% endcomponent %}{% for r in mx %}{{ <c a={r.port} b={r.note} z={r.tls} /> }}{% break %}{% endfor %}",
            "25{\"b\":\"x y\",\"z\":true}",
        ),
        (
            "{% component c(a, b='B', ...rest) %}{{ a }}{{ b }}{{ rest | keys | join(sep='') }} {% endcomponent %}{{ <c {...{'a': 1, 'x': 2} } y={3} /> }}{{ <c a={1} {...{'b': 'q', 'a': 5} } b='w' /> }}",
            "1Byx 5w ",
        ),
        (
            "{% component c(@a, @mx, b=1) %}{{ a }}{{ b }}{{ mx | length }}{% endcomponent %}{% set a = 'x' %}{{ <c {...{'b': 2} } /> }}{{ <c /> }}",
            "x23x13",
        ),
        (
            "{% component c(t) %}<{{ t }}>{% endcomponent %}{% set x = <c t={values.port} /> %}{{ x }}{{ x | upper }}{{ [<c t={r.port} /> for r in mx] | join(sep='') }}{{ <c t={1} /> | length }}",
            "<25><25><25><2525><25>3",
        ),
        (
            "{% component c() %}{{ body | length }}{{ body | upper }}{{ <d t={body} /> }}{% endcomponent %}{% component d(t) %}[{{ t }}]{% endcomponent %}{% for r in mx %}{% <c> %}{{ r.note }}!{% </c> %}{% endfor %}",
            "4X Y![x y!]15A \"QUOTED\" ONE![a \"quoted\" one!]2Z![z!]",
        ),
        (
            "{% component c(t) %}{{ t }}{{ body }}{% endcomponent %}{% for r in mx %}{% set n = 'a' %}{% <c t={n}> %}{% set n = n ~ 'b' %}{{ n }}{% </c> %}{{ n }} {% endfor %}",
            "ababab ababab ababab ",
        ),
        (
            "{% component c(n) %}{{ n }}{% if n > 0 %}{{ <c n={n - 1} /> }}{% endif %}{% endcomponent %}{{ <c n={3} /> }}",
            "3210",
        ),
        (
            "{% component c(t) %}{% if t == 25 %}{% set y = 1 %}{% endif %}{{ y | default(value=2) }}{% endcomponent %}{{ [<c t={r.port} /> for r in mx] | join(sep='') }}",
            "121",
        ),
    ];
    each_gives(&cases, "each");
    let endless = "{% component c(n) %}{% if n > 0 %}{{ <c n={n - 1} /> }}{% endif %}{% endcomponent %}{{ <c n={NN} /> }}";
    assert!(same(&endless.replace("NN", "19"), "each").last().unwrap().is_ok());
    assert!(same(&endless.replace("NN", "20"), "each").last().unwrap().is_err());
}

#[test]
fn calls_that_are_too_much_are_left_to_tera() {
    let tree = "{% component leaf(@a='-', ...r) %}{{ a }}{{ r | json }}{% endcomponent %}\
        {% component t(n, x, p='p', ...rest) %}{{ n }}{{ x }}{{ p }}{% if n > 0 %}{{ <t n={n - 1} x={x} /> }}{{ <t n={n - 1} x={rest | length | str} /> }}\
        {% else %}{{ <leaf {...rest} /> }}{% endif %}{% endcomponent %}{% component b(n, x) %}{{ <t n={n} x={x} /> }}{{ body }}{% endcomponent %}";
    let cases = [
        (
            "{% set a = 'A' %}{% for r in mx %}{{ <t n={1} x={r.note} /> }};{% endfor %}",
            "1x yp0x ypA{}00pA{};1a \"quoted\" onep0a \"quoted\" onepA{}00pA{};1zp0zpA{}00pA{};",
        ),
        (
            "{{ <t n={0} x={'x'} z={1} /> }}{{ <t {...{'n': 0, 'y': mx[0].port} } x='q' p='P' /> }}",
            "0xp-{\"z\":1}0qP-{\"y\":25}",
        ),
        (
            "{% for r in mx %}{% <b n={0} x={r.note}> %}{{ r.port }}{% </b> %}{% endfor %}",
            "0x yp-{}250a \"quoted\" onep-{}25250zp-{}25",
        ),
        ("{% set x = <t n={0} x='q' /> %}{{ x | upper }}", "0QP-{}"),
    ];
    let cases: Vec<(String, &str)> =
        cases.iter().map(|(template, expected)| (format!("{tree}{template}"), *expected)).collect();
    let cases: Vec<(&str, &str)> =
        cases.iter().map(|(template, expected)| (&**template, *expected)).collect();
    each_gives(&cases, "each");
    let refused =
        format!("{tree}{{% for r in mx %}}{{{{ <t n={{0}} x={{r.note ~ '\n'}} /> }}}}{{% endfor %}}");
    assert!(same(&refused, "each").last().unwrap().is_err());
    let deep = format!("{tree}{{{{ <t n={{19}} x='q' /> }}}}");
    assert!(same(&deep, "each").last().unwrap().is_err());
    // What is in the body of a call is no deeper than the call.
    let body = "{% component c(n) %}{% if n > 0 %}{{ <c n={n - 1} /> }}{% endif %}{% endcomponent %}\
        {% component d() %}{{ body }}{% endcomponent %}{% <d> %}{{ <c n={19} /> }}{% </d> %}";
    assert!(same(body, "each").last().unwrap().is_ok());
}

#[test]
fn variables_live_as_long_as_with_tera() {
    let cases = [
        (
            "{% for r in mx %}{% if loop.first %}{% set_global x = r.fqdn %}{% endif %}{% endfor %}{{ x | default(value='-') }}",
            "mx1.example.org",
        ),
        (
            "{% for r in mx %}{% if r.tls %}{% continue %}{% endif %}{% set_global e = r.fqdn %}{% endfor %}{{ e | default(value='q') }}",
            "mx2.example.org",
        ),
        (
            "{% for a in ['x','y'] %}{% for b in ['p','q'] %}{% if a == 'x' %}{% set_global m = a ~ b %}{% endif %}{% endfor %}{% endfor %}{{ m | default(value='lost') }}",
            "xq",
        ),
        (
            "{% for r in mx %}{% if loop.first %}{% set_global x %}{{ r.port }}{% endset %}{% endif %}{% endfor %}{% if x %}{{ x }}{% endif %}",
            "25",
        ),
        ("{% set i = '5' %}{% include \"global.tera\" %}{{ i }}", "675"),
        (
            "{% set_global i = '5' %}{% for r in mx %}{% include \"global.tera\" %}{% endfor %}{{ i }}",
            "6767675",
        ),
        (
            "{% set y = mx[0].port %}{% for r in mx %}{% set z = y %}{% set_global y = r.port %}{{ z }} {% endfor %}{{ y }}",
            "25 25 2525 25",
        ),
        (
            "{% component c(@y) %}{{ y }}{% endcomponent %}{% set h = hosts[0] %}{% for r in mx %}{{ h.name }}{% set_global h = r.host %}{% endfor %}{{ h.name }}",
            "aaba",
        ),
        (
            "{% for r in mx %}{% set d = values.domain %}{% if r.tls %}{% set d = r.note %}{% endif %}{{ d }} {% endfor %}",
            "x y example.org z ",
        ),
        (
            "{% set h = values.domain %}{% for r in mx %}{% if r.tls %}{% set h = h ~ loop.index %}{% endif %}{{ h }} {% endfor %}{{ h }}",
            "example.org1 example.org example.org3 example.org",
        ),
        ("{% set x = mx %}{% if values.port == 25 %}{% set x = [] %}{% endif %}{{ x | length }}", "0"),
        (
            "{% for r in mx %}{% for t in r.tags %}{% else %}{% set q = 'none' %}{% endfor %}{{ q | default(value='some') }} {% endfor %}",
            "some some some ",
        ),
        (
            "{% for r in [] %}{% else %}{% set q = 'none' %}{% endfor %}{{ q | default(value='some') }}",
            "none",
        ),
        ("{% set i = mx[0] %}{% for r in mx %}{% set_global i = r %}{% endfor %}{{ i.port }}", "25"),
        (
            "{% component c() %}{% include \"global.tera\" %}{{ body }}{% endcomponent c %}{% for r in mx %}{% <c> %}{{ r.port }}{% </c> %}{% endfor %}",
            "67256725256725",
        ),
    ];
    each_gives(&cases, "each");
}

#[test]
fn errors_are_those_of_tera_with_the_row_that_passed() {
    // A value that is refused: the row is the one that printed it, not the first with that value.
    let refused = "{% for r in mx %}{{ r.note ~ '\n' }}{% endfor %}";
    let artifacts = same(refused, "each");
    assert!(artifacts.last().unwrap().as_ref().unwrap_err().starts_with("format::value: "), "{artifacts:?}");
    // A body that is never printed is tried all the same.
    for body in ["{{ throw(message='stop') }}", "{{ '' | slug }}", "{{ 1 / (values.port - 25) }}"] {
        let unprinted = format!(
            "{{% component c() %}}x{{% if false %}}{{{{ body }}}}{{% endif %}}{{% endcomponent c %}}{{% <c> %}}{body}{{% </c> %}}"
        );
        assert!(same(&unprinted, "each").last().unwrap().is_err(), "{body}");
    }
    let fails = "{% for r in mx %}{{ '!' ~ r.fqdn | slug }}{{ '' | slug }}{% endfor %}";
    let artifacts = same(fails, "each");
    assert!(
        artifacts.last().unwrap().as_ref().unwrap_err().contains("`slug` finds no letter"),
        "{artifacts:?}"
    );
}

/// Programs that are sound by their making: variables hold text from the beginning, fields are those of the loop.
mod sound {
    use super::*;

    fn text(looped: bool) -> BoxedStrategy<String> {
        let mut leaves = vec![
            "a",
            "b",
            "'l'",
            "values.domain",
            "h.name",
            "values.domain[1:4]",
            "values.dns[-1]",
            "values.domain[0]",
            "hosts[1].name",
            "([...values.dns, a] | join(sep='-'))",
            "({'k': a, ...{'j': b, 'k': b} } | json | upper)",
            "({2: a, true: b} | pairs | length | str)",
            "(range(start=1, end=4) | join(sep=''))",
            "(values.port ** 2 | str)",
            "([<fresh t={q.note} /> for q in mx] | join(sep=''))",
            "([q.host for q in mx if q.tls] | last | get(key='name'))",
        ];
        if looped {
            leaves.extend([
                "r.fqdn",
                "r.note",
                "(loop.index | str)",
                "r.host.name",
                "(r.port | str)",
                "(r.host | length | str)",
                "(r | get(key='note'))",
                "mx[loop.index0].note",
                "r.tags[0]",
                "(r.peers | json | upper)",
                "(r.ip6 | default(value='-'))",
                "(r.host.rack | default(value='', boolean=true))",
            ]);
        }
        let leaf = prop::sample::select(leaves).prop_map(str::to_owned);
        leaf.prop_recursive(2, 6, 3, move |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} ~ {b})")),
                inner.clone().prop_map(|a| format!("({a} | upper)")),
                inner.clone().prop_map(|a| format!("({a} | replace(from='x', to='é'))")),
                inner.clone().prop_map(|a| format!("({a} | truncate(length=9))")),
                inner.clone().prop_map(|a| format!("({a} | trim(pat='l') | lower)")),
                inner.clone().prop_map(|a| format!("({a} | capitalize)")),
                (condition(looped), inner.clone(), inner)
                    .prop_map(|(c, a, b)| format!("({a} if {c} else {b})")),
            ]
        })
        .boxed()
    }

    /// What is kept from round to round: what doubles in each would have no end.
    fn short(looped: bool) -> impl Strategy<Value = String> {
        text(looped).prop_map(|text| format!("({text} | truncate(length=99))"))
    }

    fn condition(looped: bool) -> BoxedStrategy<String> {
        let mut leaves = vec!["a == b", "a", "'l' in b", "a < b", "not b is containing(pat='x')", "hosts"];
        if looped {
            leaves.extend([
                "r.tls",
                "loop.first",
                "loop.last",
                "r.ip6",
                "r.port > 25",
                "r.host.rack is defined",
                "(r.note | upper) == 'X Y'",
                "(r.host.rack | default(value='') | trim)",
            ]);
        }
        prop::sample::select(leaves).prop_map(str::to_owned).boxed()
    }

    /// What a loop walks.
    fn rows() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "mx",
            "mx",
            "mx | sort(attribute='note')",
            "mx[1:]",
            "mx[9:]",
            "[q for q in mx if q.port > 25]",
            "(mx | reverse)",
        ])
    }

    /// `depth` is how far statements may still nest.
    pub(super) fn statements(depth: u32, looped: bool) -> BoxedStrategy<String> {
        let variable = prop::sample::select(vec!["a", "b"]);
        let mut choices = vec![
            (4, Just("t\n ".to_owned()).boxed()),
            (4, text(looped).prop_map(|e| format!("{{{{ {e} }}}}")).boxed()),
            (
                3,
                (variable.clone(), short(looped)).prop_map(|(v, e)| format!("{{% set {v} = {e} %}}")).boxed(),
            ),
            (2, (variable, short(looped)).prop_map(|(v, e)| format!("{{% set_global {v} = {e} %}}")).boxed()),
            (1, Just("{% include \"vars.tera\" %}".to_owned()).boxed()),
            (
                2,
                (
                    text(looped),
                    prop::sample::select(vec![
                        "",
                        " n='N'",
                        " {...{'n': 'M', 'z': 1} }",
                        " z={2} {...{'y': 3} }",
                    ]),
                )
                    .prop_map(|(e, more)| format!("{{{{ <once t={{{e}}}{more} /> }}}}"))
                    .boxed(),
            ),
            (
                1,
                text(looped)
                    .prop_map(|e| format!("{{% set k = <once t={{{e}}} /> %}}{{{{ k }}}}{{{{ k | upper }}}}"))
                    .boxed(),
            ),
            (1, text(looped).prop_map(|e| format!("{{{{ <late t={{{e}}} /> }}}}")).boxed()),
            (
                1,
                Just("{% <twice t={a}> %}{% set a = a ~ '+' %}{{ a }}{% </twice> %}{{ a }}".to_owned())
                    .boxed(),
            ),
            (1, Just("{% set h = hosts[1] %}{{ <down n={2} /> }}".to_owned()).boxed()),
            (1, Just("{% set_global h = hosts[1] %}{{ <of h={h} /> }}".to_owned()).boxed()),
            (1, Just("{{- a -}}\n".to_owned()).boxed()),
        ];
        if looped {
            choices.push((2, Just("{% set h = r.host %}".to_owned()).boxed()));
            choices.push((1, Just("{% set_global h = r.host %}".to_owned()).boxed()));
            choices.push((1, Just("{% set a = r.tags[0] %}{% set r = mx[1] %}".to_owned()).boxed()));
            choices.push((1, Just("{% break %}".to_owned()).boxed()));
            choices.push((1, Just("{% continue %}".to_owned()).boxed()));
        }
        if depth > 0 {
            let inner = statements(depth - 1, looped);
            let round = statements(depth - 1, true);
            choices.extend([
                // Set in a round, and read when the loop is over.
                (
                    2,
                    (round.clone(), condition(true), text(true), inner.clone())
                        .prop_map(|(a, c, e, b)| {
                            format!(
                                "{{% for r in mx %}}{a}{{% if {c} %}}{{% set_global g = {e} %}}{{% endif %}}\
                                 {{% endfor %}}{b}{{{{ g | default(value='-') }}}}"
                            )
                        })
                        .boxed(),
                ),
                (3, (condition(looped), inner.clone(), inner.clone())
                    .prop_map(|(c, a, b)| format!("{{% if {c} %}}{a}{{% else %}}{b}{{% endif %}}")).boxed()),
                (5, (rows(), round.clone(), inner.clone())
                    .prop_map(|(rows, a, b)| format!("{{% for r in {rows} %}}{a}{{% else %}}{b}{{% endfor %}}")).boxed()),
                (1, (text(looped), inner.clone())
                    .prop_map(|(e, a)| format!("{{% <length t={{{e}}}> %}}{a}{{% </length> %}}")).boxed()),
                (1, round.prop_map(|a| format!("{{% for x in ['p', 'q'] %}}{{% for r in mx %}}{{{{ x }}}}{a}{{% endfor %}}{{% endfor %}}")).boxed()),
                (2, (text(looped), inner.clone())
                    .prop_map(|(e, a)| format!("{{% <twice t={{{e}}}> %}}{a}{{% </twice> %}}")).boxed()),
                (1, inner.clone().prop_map(|a| format!("{{% set k %}}{a}{{% endset %}}{{{{ k }}}}{{{{ k | upper }}}}")).boxed()),
                (1, inner.prop_map(|a| format!("{{% filter indent(width=2) %}}{a}{{% endfilter %}}")).boxed()),
            ]);
        }
        let one = prop::strategy::Union::new_weighted(choices);
        prop::collection::vec(one, 1..4).prop_map(|parts| parts.concat()).boxed()
    }
}

/// What both make of a template; `None` where the checks refuse it.
fn compare(main: &str) -> Result<Option<Outcome>, TestCaseError> {
    let segments = compile(main, "each", Renderer::Segments);
    let tera = compile(main, "each", Renderer::Tera);
    prop_assert_eq!(
        segments.as_ref().map(|outcome| &outcome.artifacts),
        tera.as_ref().map(|outcome| &outcome.artifacts),
        "{}",
        main
    );
    Ok(segments.ok())
}

#[test]
fn sound_programs_give_what_tera_gives() {
    let config = ProptestConfig { cases: 1000, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let sound = (sound::statements(3, false), sound::statements(2, false), any::<bool>());
    let (expressed, rendered) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let head = "{% set a = 'A' %}{% set b = 'B' %}{% set h = hosts[0] %}";
    runner
        .run(&sound, |(body, block, child)| {
            let main = if child {
                format!("{{% extends \"parent.tera\" %}}{{% block a %}}{head}{body}{{{{ super() }}}}{{% endblock %}}{{% block b %}}{head}{block}{{% endblock %}}")
            } else {
                format!("{head}{body}")
            };
            if let Some(outcome) = compare(&main)? {
                prop_assert_eq!(outcome.programs, 2, "{}", main);
                expressed.set(expressed.get() + usize::from(outcome.programs == 2));
                rendered.set(rendered.get() + usize::from(outcome.artifacts[3].is_ok()));
            }
            Ok(())
        })
        .unwrap();
    assert!(expressed.get() > 300 && rendered.get() > 400, "{expressed:?} {rendered:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]
    #[test]
    fn programs_give_what_tera_gives(body in random::body()) {
        let component = "{% component c(t) %}{{ t }}{{ body }}{% endcomponent %}";
        let main = format!("{component}{{% for r in mx %}}{{% for row in mx %}}{body}{{% endfor %}}{{% endfor %}}");
        compare(&main)?;
    }
}
