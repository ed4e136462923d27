use super::*;
use crate::format::mark::{Emitted, Kind};
use proptest::prelude::*;
use tera::Context;

fn engine() -> Tera {
    let mut tera = Tera::default();
    tera.autoescape_on(Vec::<&str>::new());
    register(&mut tera);
    super::super::test::register(&mut tera);
    tera
}

/// What a template renders to with our filters, without marks.
fn render(template: &str, context: &Context) -> Result<String, String> {
    render_with(engine(), template, context).map(|text| mark::strip(&text).into_owned())
}

fn render_with(mut tera: Tera, template: &str, context: &Context) -> Result<String, String> {
    tera.add_raw_template("t", template).map_err(|error| error.to_string())?;
    tera.render("t", context).map_err(|error| error_text(&error))
}

#[test]
fn examples_give_what_they_say() {
    let filters = FILTERS.iter().map(|it| it.example);
    let tests = super::super::test::TESTS.iter().map(|it| it.example);
    let functions = super::super::function::FUNCTIONS.iter().map(|it| it.example);
    for (template, output) in filters.chain(tests).chain(functions) {
        assert_eq!(render(template, &Context::new()).as_deref(), Ok(output), "{template}");
    }
}

#[test]
fn error_texts() {
    for (template, expected) in [
        (
            "{{ '2001:db8::1/64' | netmask }}",
            "`2001:db8::1/64` is IPv6, which has no netmask; `prefix_length` gives 64",
        ),
        (
            "{{ '192.0.2.1' | network }}",
            "`192.0.2.1` is not an address with a prefix length, such as 192.0.2.10/24",
        ),
        ("{{ 'mx' | reverse_pointer }}", "`mx` is not an IP address"),
        (
            "{{ '192.0.2.1/24' | reverse_zone }}",
            "`192.0.2.1/24` is an address; put `network` before `reverse_zone`",
        ),
        (
            "{{ '10.0.0.0/12' | reverse_zone }}",
            "`10.0.0.0/12` has no zone of its own: the prefix length has to be 8, 16, or 24 to 31",
        ),
        (
            "{{ '0.0.0.0/0' | reverse_zone }}",
            "`0.0.0.0/0` has no zone of its own: the prefix length has to be 8, 16, or 24 to 31",
        ),
        (
            "{{ '2001:db8::/33' | reverse_zone }}",
            "`2001:db8::/33` has no zone of its own: the prefix length has to be a multiple of 4 below 128",
        ),
        ("{{ 'mx' is within(network='::/0') }}", "`mx` is neither an address nor a network"),
        ("{{ 1.5 | round(precision=400) }}", "`precision` is from -15 to 15, found 400"),
        ("{{ 1.5 | round(precision=-16) }}", "`precision` is from -15 to 15, found -16"),
        ("{{ 'x' | round }}", "`round` takes a number, found text"),
        ("{{ 9007199254740993 | round }}", "9007199254740993 is too large for `round`"),
        ("{{ 7 | host }}", "`host` takes an address with a prefix length, found a number"),
        (
            "{{ ['192.0.2.1/24'] | cidrs }}",
            "`192.0.2.1/24` is an address in the network `192.0.2.0/24`; put `host` or `network` before `cidrs`",
        ),
        ("{{ '--' | slug }}", "`slug` finds no letter or digit of ASCII in `--`"),
        ("{{ [1, 'a'] | sort }}", "`sort` cannot compare a number with text"),
        ("{{ [[1]] | sort }}", "`sort` takes text, numbers, or true and false, found a list"),
        ("{{ [{'a': 1}, {}] | sort(attribute='a') }}", "`sort` finds no `a` in element 2 of the list"),
        (
            "{{ [{'a': {'b': none} }] | group_by(attribute='a.b') }}",
            "`group_by` finds `a.b` absent in element 1 of the list",
        ),
        (
            "{{ [{'a': 1}] | group_by(attribute='a.b') }}",
            "`group_by` finds no `a.b` in element 1 of the list",
        ),
        ("{{ [] | group_by }}", "the argument `attribute` is missing"),
        ("{{ [1] | raw }}", "`raw` takes text, a number, or true and false, found a list"),
        ("{{ [[1]] | shell }}", "`shell` takes text, a number, or true and false, found a list"),
        ("{{ 'x' | indent(indentation='ab') }}", "`indentation` takes one character, found `ab`"),
        ("{{ 1 | upper }}", "`upper` takes text, found a number"),
        ("{{ 1 | split(pat=',') }}", "`split` takes text, found a number"),
        ("{{ 1 | length }}", "`length` takes text, a list or a map, found a number"),
        ("{{ 1 | wordcount }}", "expected text, found an integer"),
        ("{{ 'x' | truncate(length=-1) }}", "the number -1 is out of range"),
    ] {
        assert_eq!(render(template, &Context::new()), Err(expected.to_owned()), "{template}");
    }
}

#[test]
fn addresses() {
    for (template, expected) in [
        (
            "{{ '2001:db8::1' | reverse_pointer }}",
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        ),
        ("{{ '10.0.0.0/8' | reverse_zone }}", "10.in-addr.arpa"),
        ("{{ '192.0.2.0/24' | reverse_zone }}", "2.0.192.in-addr.arpa"),
        ("{{ '192.0.2.128/25' | reverse_zone }}", "128-255.2.0.192.in-addr.arpa"),
        ("{{ '2001:db8::/32' | reverse_zone }}", "8.b.d.0.1.0.0.2.ip6.arpa"),
        ("{{ '192.0.2.64/26' is within(network='192.0.2.0/24') }}", "true"),
        ("{{ '192.0.2.0/24' is within(network='192.0.2.64/26') }}", "false"),
        ("{{ '::1' is within(network='0.0.0.0/0') }}", "false"),
        ("{{ '2001:DB8::5/48' | network }}", "2001:db8::/48"),
        ("{{ '2001:db8::5/48' | host }}", "2001:db8::5"),
        ("{{ '192.0.2.1/0' | netmask }}", "0.0.0.0"),
        ("{{ '192.0.2.1/32' | netmask }}", "255.255.255.255"),
        (
            "{{ [{'h': {'ip': '::1'} }, {'h': {'ip': '10.0.0.1'} }] | cidrs(attribute='h.ip') | json }}",
            r#"["10.0.0.1/32","::1/128"]"#,
        ),
        ("{{ ['0.0.0.0/1', '128.0.0.0/1', '10.0.0.0/8'] | cidrs | json }}", r#"["0.0.0.0/0"]"#),
        ("{{ [] | cidrs | json }}", "[]"),
        ("{{ none | default(value=1) }}{{ nothing | default(value=2) }}{{ '' | default(value=3) }}", "12"),
        ("{{ '' | default(value=3, boolean=true) }}", "3"),
        (
            "{{ {'b': [none, 1.0, 0.5], 'a': {'c': false} } | json }}",
            r#"{"b":[null,1.0,0.5],"a":{"c":false}}"#,
        ),
        ("{{ ['', 'if', '-n', '$(x)'] | shell }}", "'' 'if' -n '$(x)'"),
        ("{% set t %} {{ 1 }} {% endset %}{{ t | __plain | length }}", "3"),
        (
            "{{ [{'a': none, 'b': 1}, {'a': 2, 'b': 2}, {'a': 1, 'b': 3}] | sort(attribute='a') | json }}",
            r#"[{"a":1,"b":3},{"a":2,"b":2},{"a":null,"b":1}]"#,
        ),
    ] {
        assert_eq!(render(template, &Context::new()).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn emitters() {
    let render = |printed: Printed, template: &str| {
        let mut tera = engine();
        register_emitter(&mut tera, 1, Printed::Value);
        let name = register_emitter(&mut tera, 7, printed);
        assert_eq!(name, "__emit7");
        render_with(tera, template, &Context::new())
    };
    let part = |expression, kind, text: &str| Emitted { expression, kind, text }.marked();
    for (template, expected) in [
        ("{{ 'a' | __emit7 }}", Ok(part(7, Kind::Text, "a"))),
        ("{{ true | __emit7 }}", Ok(part(7, Kind::Literal, "true"))),
        ("{{ [1] | json | __emit7 }}", Ok(part(7, Kind::Json, "[1]"))),
        ("{{ 'a b' | shell | __emit7 }}", Ok(part(7, Kind::Word, "'a b'"))),
        ("{{ ['a', 'b'] | shell | __emit7 }}", Ok(part(7, Kind::Words, "a b"))),
        ("{{ 1 | raw | __emit7 }}", Ok(part(7, Kind::Raw, "1"))),
        ("{{ [1] | __emit7 }}", Err("a list is printed")),
        ("{{ none | __emit7 }}", Err("an absent value is printed")),
        (
            "{% set c %}x{{ 1 | __emit1 }}{% endset %}{{ c | __emit7 }}",
            Err("captured text is printed together with a value"),
        ),
        (
            "{% set c %}{{ 1 | __emit1 }}{% endset %}{{ c | __emit7 }}",
            Err("captured text is printed together with a value"),
        ),
        (
            "{% set c %}{{ 1 | __emit1 }}{% endset %}{{ c[2:] | __emit7 }}",
            Err("the text holds parts of printed values that were taken apart"),
        ),
    ] {
        assert_eq!(render(Printed::Value, template), expected.map_err(str::to_owned), "{template}");
    }
    let capture = "{% set c %}x{{ 1 | __emit1 }}{% endset %}{{ c | upper | __emit7 }}";
    assert_eq!(render(Printed::Captured, capture), Ok(format!("X{}", part(1, Kind::Text, "1"))));
}

/// Templates whose output must be what Tera gives. `t`, `u` are text, `list` is a list of text, `ints` of
/// integers, `rows` of rows.
const SAME: &[&str] = &[
    "{{ t | upper }}",
    "{{ t | lower }}",
    "{{ t | replace(from='a', to=u) }}",
    "{{ t | trim }}|{{ t | trim_start }}|{{ t | trim_end }}",
    "{{ t | trim(pat='a') }}|{{ t | trim_start(pat='ab') }}|{{ t | trim_end(pat='b') }}",
    "{{ t | indent }}",
    "{{ t | indent(width=2, first=true) }}",
    "{{ t | indent(width=1, blank=true, indentation='\t') }}",
    "{{ t | indent(width=2, first=true, blank=true) }}",
    "{{ t | default(value=u, boolean=true) }}|{{ nothing | default(value=u) }}",
    "{{ list | sort | join(sep='|') }}",
    "{{ list | unique | join(sep='|') }}",
    "{{ ints | sort | join(sep=',') }}|{{ ints | unique | join(sep=',') }}",
    "{{ rows | sort(attribute='n') | map_text }}",
    "{% for key, group in rows | group_by(attribute='k') | sorted %}{{ key }}={{ group | map_text }};{% endfor %}",
];

proptest! {
    #[test]
    fn ours_agree_with_tera(
        t in "[ab \n\r\tÄß]{0,12}",
        u in "[ab$]{0,3}",
        list in prop::collection::vec("[abÄ]{0,2}", 0..8),
        ints in prop::collection::vec(any::<i64>().prop_map(|n| n % 9), 0..8),
        rows in prop::collection::vec(("[ab]", 0..4i64), 0..8),
    ) {
        let mut context = Context::new();
        context.insert("t", &t);
        context.insert("u", &u);
        context.insert("list", &list);
        context.insert("ints", &ints);
        let rows: Vec<Value> = rows
            .into_iter()
            .enumerate()
            .map(|(id, (k, n))| Value::from(std::collections::BTreeMap::from([
                ("id", Value::from(id)), ("k", k.into()), ("n", n.into()),
            ])))
            .collect();
        context.insert_value("rows", Value::from(rows));
        for template in SAME {
            let both = [Tera::default(), engine()].map(|mut tera| {
                tera.autoescape_on(Vec::<&str>::new());
                tera.register_filter("map_text", |value: &Value, _: Kwargs, _: &State| value.to_string());
                // Tera's own group_by has no order.
                tera.register_filter("sorted", |value: &Value, _: Kwargs, _: &State| {
                    let map = value.as_map().cloned().unwrap_or_default();
                    Value::from(map.into_iter().collect::<std::collections::BTreeMap<_, _>>())
                });
                render_with(tera, template, &context)
            });
            prop_assert_eq!(&both[0], &both[1], "{}", template);
        }
    }

    /// A filter that keeps parts changes the plain text as it does plain text.
    #[test]
    fn kept_parts_hold_the_same_text(pieces in prop::collection::vec((any::<bool>(), "[a \n\t]{0,4}"), 0..6)) {
        let mut marked = String::new();
        for (value, text) in &pieces {
            if *value {
                Emitted { expression: 1, kind: Kind::Text, text }.write(&mut marked);
            } else {
                marked.push_str(text);
            }
        }
        let plain = mark::strip(&marked).into_owned();
        for call in ["upper", "trim", "trim_start", "trim_end", "indent", "indent(first=true)", "replace(from='a', to='bc')"] {
            let outputs = [&marked, &plain].map(|text| {
                let mut context = Context::new();
                context.insert("t", text);
                render(&format!("{{{{ t | {call} }}}}"), &context).unwrap()
            });
            prop_assert_eq!(&outputs[0], &outputs[1], "{} {:?}", call, pieces);
        }
    }

    #[test]
    fn aggregated_networks_cover_the_same(addresses in prop::collection::vec((0..32u8, 27..=32u8), 0..20)) {
        let nets: Vec<ipnet::Ipv4Net> = addresses
            .iter()
            .map(|(last, length)| ipnet::Ipv4Net::new([192, 0, 2, *last].into(), *length).unwrap().trunc())
            .collect();
        let mut context = Context::new();
        context.insert("nets", &nets.iter().map(ToString::to_string).collect::<Vec<_>>());
        let output = render("{{ nets | cidrs | join(sep=' ') }}", &context).unwrap();
        let merged: Vec<ipnet::Ipv4Net> = output.split_whitespace().map(|net| net.parse().unwrap()).collect();
        prop_assert!(merged.is_sorted());
        for last in 0..64u8 {
            let address = std::net::Ipv4Addr::from([192, 0, 2, last]);
            let count = merged.iter().filter(|net| net.contains(&address)).count();
            prop_assert_eq!(count, usize::from(nets.iter().any(|net| net.contains(&address))));
        }
    }
}

/// Ours is Tera's but for what it refuses and for numbers that have no decimals.
#[test]
fn numbers_are_rounded_as_tera_does() {
    let theirs = |template: &str| Tera::default().render_str(template, &Context::new(), false).unwrap();
    for number in ["0", "-2.5", "2.5", "1.005", "1234.5678", "-0.4", "7"] {
        for arguments in ["", "method='ceil'", "precision=2", "precision=-2", "method='floor', precision=1"] {
            let template = format!("{{{{ ({number}) | round({arguments}) }}}}");
            assert_eq!(render(&template, &Context::new()), Ok(theirs(&template)), "{template}");
        }
    }
    let large = "(10.0 ** 300)";
    assert_eq!(
        render(&format!("{{{{ {large} | round(precision=15) == {large} }}}}"), &Context::new()).as_deref(),
        Ok("true")
    );
}

/// What a filter makes of a text: what [`OfText`] gives, where it takes the arguments, and its implementation.
#[track_caller]
fn of_text(name: &str, arguments: &[(&'static str, Value)], text: &str) {
    let mut map = tera::Map::new();
    for (name, value) in arguments {
        map.insert(tera::value::Key::Str(name), value.clone());
    }
    let of_text = OfText::new(name, &map).unwrap();
    let implementation = find(name).unwrap().implementation.unwrap();
    let expected = implementation(&text.into(), &Kwargs::new(map.into())).unwrap();
    for given in [Cow::Borrowed(text), Cow::Owned(text.to_owned())] {
        assert_eq!(Some(&*of_text.apply(given)), expected.as_str(), "{name} {arguments:?} {text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_without_parts_needs_no_value(
        text in prop_oneof!["[ab ,]{0,12}", "[ \\tA\u{df}\u{130}\u{3a3}\u{2003}]{0,6}", "\\PC{0,8}"],
        pattern in "[ab ,]{1,2}|\u{df}|\u{3a3}",
        to in "[ab]{0,2}",
        boolean in any::<bool>(),
    ) {
        for name in ["upper", "lower", "trim", "trim_start", "trim_end"] {
            of_text(name, &[], &text);
        }
        for name in ["trim", "trim_start", "trim_end"] {
            of_text(name, &[("pat", pattern.clone().into())], &text);
        }
        of_text("replace", &[("from", pattern.into()), ("to", to.clone().into())], &text);
        of_text("default", &[("value", to.clone().into())], &text);
        of_text("default", &[("value", to.into()), ("boolean", boolean.into())], &text);
    }
}

#[test]
fn other_arguments_need_a_value() {
    let marked = Emitted { expression: 1, kind: Kind::Text, text: "a" }.marked();
    for (name, arguments) in [
        ("replace", vec![("from", Value::from("")), ("to", "a".into())]),
        ("replace", vec![("from", "a".into()), ("to", marked.clone().into())]),
        ("default", vec![("value", 1.into())]),
        ("default", vec![("value", "a".into()), ("boolean", 1.into())]),
        ("trim", vec![("pat", marked.into())]),
        ("slug", vec![]),
    ] {
        let mut map = tera::Map::new();
        map.extend(arguments.iter().map(|(name, value)| (tera::value::Key::Str(name), value.clone())));
        assert!(OfText::new(name, &map).is_none(), "{name} {arguments:?}");
    }
}
