use super::*;

#[test]
fn smoke() {
    for source in [
        "a{{ b -}} c {# d -#} e {% if a.b[1] == 2 and not c is defined %}x{% elif d %}y{% else %}z{% endif %}",
        "{% component a.b(x: string = \"a\", @y, ...r) {\"a\": 1} %}{{ x }}{% endcomponent a.b %}{{ <a.b x=\"1\" y={2} z {...w} /> }}",
        "{% for k, v in m | f(a=1) %}{{ loop.index }}{% else %}{% endfor %}{% <c> %}{% </c> %}",
    ] {
        let tree = parse(source, Delimiters::Curly).unwrap();
        assert_eq!(tree.print(&[]), source);
    }
}
