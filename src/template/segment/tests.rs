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

const MX: &str = "ip,ip6,fqdn,port,note,tags,tls,host
192.0.2.1,2001:DB8::1,MX1.example.org,,x y,t;u,true,a
192.0.2.2,,mx2.example.org,2525,\"a \"\"quoted\"\" one\",\"v;w;\u{e4}\",false,b
192.0.2.3,,mx3.example.org,25,z,t,true,a
";

const COMPONENTS: &str =
    "{% component twice(t) %}{% if t > 'm' %}{{ body }}{% endif %}{{ t }}{{ body }}{% endcomponent twice %}";

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
    for (template, expected) in cases {
        let artifacts = same(template, each);
        assert_eq!(artifacts.last(), Some(&Ok(expected.to_owned())), "{template}");
    }
}

#[test]
fn what_is_declined_is_left_to_tera() {
    for template in [
        "{{ range(end=3) | join(sep='') }}",
        "{{ values.domain[0:3] }}",
        "{% for r in mx %}{{ r.host | length }}{% endfor %}",
        "{% for r in [row for row in mx if row.tls] %}{{ r.fqdn }}{% endfor %}",
        "{% set h = hosts %}{% for x in h %}{{ x.name }}{% endfor %}{{ 2 ** 3 }}",
    ] {
        let segments = compile(template, "each", Renderer::Segments).unwrap();
        let tera = compile(template, "each", Renderer::Tera).unwrap();
        assert_eq!(segments.programs, 1, "{template}");
        assert_eq!(segments.artifacts, tera.artifacts, "{template}");
    }
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
            "{% component c() %}{% include \"global.tera\" %}{{ body }}{% endcomponent c %}{% for r in mx %}{% <c> %}{{ r.port }}{% </c> %}{% endfor %}",
            "67256725256725",
        ),
    ];
    for (template, expected) in cases {
        let artifacts = same(template, "each");
        assert_eq!(artifacts.last(), Some(&Ok(expected.to_owned())), "{template}");
    }
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
        let mut leaves = vec!["a", "b", "'l'", "values.domain"];
        if looped {
            leaves.extend(["r.fqdn", "r.note", "(loop.index | str)", "r.host.name", "(r.port | str)"]);
            leaves
                .extend(["(r.ip6 | default(value='-'))", "(r.host.rack | default(value='', boolean=true))"]);
        }
        let leaf = prop::sample::select(leaves).prop_map(str::to_owned);
        leaf.prop_recursive(2, 6, 3, move |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} ~ {b})")),
                inner.clone().prop_map(|a| format!("({a} | upper)")),
                inner.clone().prop_map(|a| format!("({a} | replace(from='x', to='é'))")),
                inner.clone().prop_map(|a| format!("({a} | truncate(length=9))")),
                inner.clone().prop_map(|a| format!("({a} | trim(pat='l') | lower)")),
                (condition(looped), inner.clone(), inner)
                    .prop_map(|(c, a, b)| format!("({a} if {c} else {b})")),
            ]
        })
        .boxed()
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

    /// `depth` is how far statements may still nest.
    pub(super) fn statements(depth: u32, looped: bool) -> BoxedStrategy<String> {
        let variable = prop::sample::select(vec!["a", "b"]);
        let mut choices = vec![
            (4, Just("t\n ".to_owned()).boxed()),
            (4, text(looped).prop_map(|e| format!("{{{{ {e} }}}}")).boxed()),
            (3, (variable.clone(), text(looped)).prop_map(|(v, e)| format!("{{% set {v} = {e} %}}")).boxed()),
            (2, (variable, text(looped)).prop_map(|(v, e)| format!("{{% set_global {v} = {e} %}}")).boxed()),
            (1, Just("{% include \"vars.tera\" %}".to_owned()).boxed()),
            (1, Just("{{- a -}}\n".to_owned()).boxed()),
        ];
        if looped {
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
                (3, (round.clone(), inner.clone())
                    .prop_map(|(a, b)| format!("{{% for r in mx %}}{a}{{% else %}}{b}{{% endfor %}}")).boxed()),
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
    let config = ProptestConfig { cases: 1500, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let sound = (sound::statements(3, false), sound::statements(2, false), any::<bool>());
    let (expressed, rendered) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let head = "{% set a = 'A' %}{% set b = 'B' %}";
    runner
        .run(&sound, |(body, block, child)| {
            let main = if child {
                format!("{{% extends \"parent.tera\" %}}{{% block a %}}{head}{body}{{{{ super() }}}}{{% endblock %}}{{% block b %}}{head}{block}{{% endblock %}}")
            } else {
                format!("{head}{body}")
            };
            if let Some(outcome) = compare(&main)? {
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
