//! The parser against Tera's own, on templates written by hand, made by a grammar, and broken at random.

use std::collections::HashSet;

use proptest::prelude::*;
use tera::{Context, ErrorKind, Kwargs, State, Tera, Value};

use super::*;

// What Tera does

fn tera(delimiters: Delimiters) -> Tera {
    let mut tera = Tera::default();
    let pair = |(open, close): (&'static str, &'static str)| (open.into(), close.into());
    let (variable_start, variable_end) = pair(delimiters.print());
    let (block_start, block_end) = pair(delimiters.tag());
    let (comment_start, comment_end) = pair(delimiters.comment());
    tera.set_delimiters(tera::Delimiters {
        block_start,
        block_end,
        variable_start,
        variable_end,
        comment_start,
        comment_end,
    })
    .unwrap();
    tera.register_filter("same", |value: &Value, _: Kwargs, _: &State| value.clone());
    tera
}

/// Whether it is a template to Tera; whether all that it calls exists does not matter.
fn tera_reads(source: &str, delimiters: Delimiters) -> bool {
    match tera(delimiters).add_raw_template("t", source) {
        Ok(()) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::SyntaxError(_)),
    }
}

fn tera_renders(source: &str, delimiters: Delimiters) -> Result<String, String> {
    let mut tera = tera(delimiters);
    tera.add_raw_template("t", source).map_err(|error| error.to_string())?;
    let mut context = Context::new();
    context.insert("n", &3);
    context.insert("m", &-2);
    context.insert("f", &1.5);
    context.insert("t", "ab c");
    context.insert("yes", &true);
    context.insert("no", &false);
    context.insert("list", &[4, 5, 6, 7]);
    context.insert("row", &serde_json::json!({"n": 7, "t": "xy", "list": [1, 2], "in": {"n": 2}}));
    tera.render("t", &context).map_err(|error| error.to_string())
}

/// The refusals that `parse` lists, by their messages.
fn refused_on_top(errors: &[SyntaxError]) -> bool {
    [
        "begins with `__`",
        "noncharacter",
        "byte order mark",
        "carriage return",
        "is given twice",
        "`extends` cannot stand within",
        "a component cannot be defined within",
        "a field of `loop` has no field",
        "`loop` is not known before",
    ]
    .iter()
    .any(|on_top| errors[0].message.contains(on_top))
}

/// Both read it or neither does.
fn agree(source: &str, delimiters: Delimiters) {
    let ours = parse(source, delimiters);
    let theirs = tera_reads(source, delimiters);
    match ours {
        Ok(tree) => {
            assert!(theirs, "Tera refuses {source:?}");
            check_tree(&tree, source);
        }
        Err(errors) => {
            check_errors(&errors, source);
            assert!(!theirs || refused_on_top(&errors), "Tera reads {source:?}, here: {errors:?}");
        }
    }
}

// What holds for every tree

fn check_errors(errors: &[SyntaxError], source: &str) {
    assert!(!errors.is_empty());
    for error in errors {
        assert!(source.get(error.range.clone()).is_some(), "{error:?} in {source:?}");
        if let Some((range, _)) = &error.related {
            assert!(source.get(range.clone()).is_some(), "{error:?} in {source:?}");
        }
    }
}

fn check_tree(tree: &Tree, source: &str) {
    assert_eq!(tree.print(&[]), source);
    let mut end = 0;
    for token in tree.tokens() {
        assert_eq!(token.range.start, end);
        assert!(token.range.end > end);
        end = token.range.end;
    }
    assert_eq!(end, source.len());
    if !source.is_empty() {
        tiles(&tree.nodes, 0, source.len());
    }
    let expressions = expressions(tree);
    assert_eq!(expressions.len(), tree.expressions as usize);
    let mut start = 0;
    for (number, expression) in expressions.iter().enumerate() {
        assert_eq!(expression.id.0 as usize, number);
        assert!(expression.range.start >= start);
        start = expression.range.start;
        let text = &source[expression.range.clone()];
        assert_eq!(text.trim(), text);
        assert!(!text.is_empty());
        let mut inner = expression.clone();
        walk::expression(&mut inner, &mut |inner| {
            assert!(inner.range.start >= expression.range.start && inner.range.end <= expression.range.end);
        });
    }
}

fn tiles(nodes: &[Node], start: usize, end: usize) {
    let mut at = start;
    for node in nodes {
        assert_eq!(node.range.start, at);
        assert!(node.range.end > at);
        at = node.range.end;
        match &node.kind {
            NodeKind::Text { trimmed } => {
                assert!(trimmed.start >= node.range.start && trimmed.end <= node.range.end);
                assert!(trimmed.start <= trimmed.end);
            }
            NodeKind::SetBlock { body, .. }
            | NodeKind::Filter { body, .. }
            | NodeKind::Block { body, .. }
            | NodeKind::Call { body, .. } => within(body, node),
            NodeKind::Component(definition) => within(&definition.body, node),
            NodeKind::For { body, otherwise, .. } => {
                within(body, node);
                within(otherwise.as_deref().unwrap_or_default(), node);
            }
            NodeKind::If { branches, otherwise } => {
                for branch in branches {
                    within(&branch.body, node);
                }
                within(otherwise.as_deref().unwrap_or_default(), node);
            }
            _ => {}
        }
    }
    assert_eq!(at, end);
}

fn within(body: &[Node], outer: &Node) {
    if let [first, ..] = body {
        let last = &body[body.len() - 1];
        assert!(first.range.start > outer.range.start && last.range.end < outer.range.end);
        tiles(body, first.range.start, last.range.end);
    }
}

fn expressions(tree: &Tree) -> Vec<Expression> {
    let mut all = Vec::new();
    walk::nodes(&mut tree.nodes.clone(), &mut |expression| all.push(expression.clone()));
    all
}

// Rewriting

/// Puts every expression into parentheses that may have them, and each printed one through a filter.
fn parenthesize(tree: &Tree) -> String {
    let source = tree.source();
    let mut bare = HashSet::new();
    let mut nodes = tree.nodes.clone();
    let mut prints = HashSet::new();
    each_node(&nodes, &mut |node| match &node.kind {
        NodeKind::Print(value) => {
            prints.insert(value.id);
        }
        NodeKind::Call { call, .. } => bare_call(source, call, &mut bare),
        NodeKind::Component(definition) => {
            let defaults = definition.parameters.iter().filter_map(|it| it.default.clone());
            for mut literal in defaults.chain(definition.metadata.clone()) {
                walk::expression(&mut literal, &mut |inner| {
                    bare.insert(inner.id);
                });
            }
        }
        _ => {}
    });
    let mut insertions = Vec::new();
    walk::nodes(&mut nodes, &mut |expression| {
        match &*expression.kind {
            ExpressionKind::Attribute { base, .. }
            | ExpressionKind::Index { base, optional: true, .. }
            | ExpressionKind::Slice { base, optional: true, .. } => {
                bare.insert(base.id);
            }
            ExpressionKind::Index { base, .. } | ExpressionKind::Slice { base, .. }
                if bare.contains(&expression.id) =>
            {
                bare.insert(base.id);
            }
            ExpressionKind::Map(entries) => {
                for entry in entries {
                    if let Entry::Pair { key, .. } = entry {
                        bare.insert(key.id);
                    }
                }
            }
            ExpressionKind::Call(call) => bare_call(source, call, &mut bare),
            _ => {}
        }
        if !bare.contains(&expression.id) {
            insertions.push((expression.range.start, "(".to_owned()));
            let end = if prints.contains(&expression.id) { ") | same" } else { ")" };
            // Inner ones close first.
            insertions.insert(0, (expression.range.end, end.to_owned()));
        }
    });
    tree.print(&insertions)
}

fn bare_call(source: &str, call: &ComponentCall, bare: &mut HashSet<ExpressionId>) {
    for argument in &call.arguments {
        if let ComponentArgument::Named { value, .. } = argument
            && !source[..value.range.start].trim_end().ends_with('{')
        {
            bare.insert(value.id);
        }
    }
}

fn each_node(nodes: &[Node], visit: &mut dyn FnMut(&Node)) {
    for node in nodes {
        visit(node);
        match &node.kind {
            NodeKind::SetBlock { body, .. }
            | NodeKind::Filter { body, .. }
            | NodeKind::Block { body, .. }
            | NodeKind::Call { body, .. } => each_node(body, visit),
            NodeKind::Component(definition) => each_node(&definition.body, visit),
            NodeKind::For { body, otherwise, .. } => {
                each_node(body, visit);
                each_node(otherwise.as_deref().unwrap_or_default(), visit);
            }
            NodeKind::If { branches, otherwise } => {
                for branch in branches {
                    each_node(&branch.body, visit);
                }
                each_node(otherwise.as_deref().unwrap_or_default(), visit);
            }
            _ => {}
        }
    }
}

/// What a template of text, comments, raw blocks, printed strings and `if true` renders.
fn trimmed(source: &str, nodes: &[Node]) -> String {
    let mut out = String::new();
    for node in nodes {
        match &node.kind {
            NodeKind::Text { trimmed } => out.push_str(&source[trimmed.clone()]),
            NodeKind::Print(value) => match &*value.kind {
                ExpressionKind::Text(text) => out.push_str(text),
                other => panic!("{other:?}"),
            },
            NodeKind::If { branches, .. } => out.push_str(&trimmed(source, &branches[0].body)),
            NodeKind::Comment => {}
            other => panic!("{other:?}"),
        }
    }
    out
}

// Random templates

/// Decisions, drawn from a list that proptest shrinks; without any left, the first choice.
struct Dice<'a> {
    throws: std::slice::Iter<'a, u32>,
    delimiters: Delimiters,
    out: String,
    names: usize,
    loops: usize,
}

impl<'a> Dice<'a> {
    fn new(throws: &'a [u32], delimiters: Delimiters) -> Self {
        Self { throws: throws.iter(), delimiters, out: String::new(), names: 0, loops: 0 }
    }

    fn below(&mut self, count: usize) -> usize {
        self.throws.next().map_or(0, |throw| *throw as usize % count)
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn any(&mut self, choices: &[&str]) {
        let text = self.pick(choices);
        self.put(text);
    }

    fn print_tag(&mut self, inside: impl FnOnce(&mut Self)) {
        self.enclosed(self.delimiters.print(), inside);
    }

    fn tag(&mut self, inside: impl FnOnce(&mut Self)) {
        self.enclosed(self.delimiters.tag(), inside);
    }

    fn enclosed(&mut self, (open, close): (&str, &str), inside: impl FnOnce(&mut Self)) {
        self.put(open);
        self.any(&["", "-"]);
        self.any(&[" ", "\n", "  "]);
        inside(self);
        self.any(&[" ", "\n", "\t "]);
        self.any(&["", "-"]);
        self.put(close);
    }

    fn word(&mut self, word: &str) {
        self.tag(|dice| dice.put(word));
    }

    fn text(&mut self) {
        self.any(&["a", " a ", "\n", "", " \u{a0}\u{3000}", "{ } % [ ]", "ü\n ", "{ ", "-"]);
    }

    fn nodes(&mut self, depth: usize) {
        for _ in 0..=self.below(4) {
            self.node(depth);
        }
    }

    fn quiet(&mut self) {
        match self.below(4) {
            0 => self.text(),
            1 => {
                let (open, close) = self.delimiters.comment();
                self.put(open);
                self.any(&["", "-", " ", "- x -", " {{ if -"]);
                self.put(close);
            }
            2 => {
                self.word("raw");
                self.any(&["", " a ", "\n", " {{ a -}} {% if", "{# "]);
                self.word("endraw");
            }
            _ => self.print_tag(|dice| dice.any(&["'s'", "\" \"", "` `"])),
        }
    }

    /// What [`trimmed`] can render.
    fn quiet_nodes(&mut self, depth: usize) {
        for _ in 0..=self.below(6) {
            if depth > 0 && self.below(5) == 4 {
                self.word("if true");
                self.quiet_nodes(depth - 1);
                self.word("endif");
            } else {
                self.quiet();
            }
        }
    }

    fn node(&mut self, depth: usize) {
        let kinds = if depth == 0 { 4 } else { 13 };
        match self.below(kinds) {
            0 => self.quiet(),
            1 | 2 => {
                let kind = self.pick(&[Kind::Number, Kind::Truth, Kind::Text]);
                self.print_tag(|dice| dice.expression(kind, 3));
            }
            3 => self.tag(|dice| {
                dice.any(&["set ", "set_global "]);
                dice.any(&["n", "x", "y"]);
                dice.any(&[" = ", "="]);
                dice.expression(Kind::Number, 2);
            }),
            4 | 5 => {
                self.tag(|dice| {
                    dice.put("if ");
                    dice.expression(Kind::Truth, 3);
                });
                self.nodes(depth - 1);
                for _ in 0..self.below(3) {
                    self.tag(|dice| {
                        dice.put("elif ");
                        dice.expression(Kind::Truth, 2);
                    });
                    self.nodes(depth - 1);
                }
                if self.below(2) == 1 {
                    self.word("else");
                    self.nodes(depth - 1);
                }
                self.word("endif");
            }
            6 | 7 => {
                self.tag(|dice| match dice.below(3) {
                    0 => dice.put("for x in list"),
                    1 => dice.put("for key,x in row.in"),
                    _ => dice.put("for x in [n, 2, ...list] | reverse"),
                });
                self.loops += 1;
                self.nodes(depth - 1);
                self.loops -= 1;
                if self.below(2) == 1 {
                    self.word("else");
                    self.nodes(depth - 1);
                }
                self.word("endfor");
            }
            8 => {
                self.tag(|dice| {
                    dice.any(&["set x", "set_global y"]);
                    dice.any(&["", " | upper", "|trim | replace(from='a', to=t)"]);
                });
                self.nodes(depth - 1);
                self.word("endset");
            }
            9 => {
                self.tag(|dice| dice.any(&["filter upper", "filter trim|replace(from='a', to=t,)"]));
                self.nodes(depth - 1);
                self.word("endfilter");
            }
            10 if self.loops == 0 => {
                self.names += 1;
                let name = format!("block{}", self.names);
                self.word(&format!("block {name}"));
                self.nodes(depth - 1);
                let end = self.pick(&["", " "]).to_owned();
                self.word(&if end.is_empty() { "endblock".to_owned() } else { format!("endblock {name}") });
            }
            11 if self.loops > 0 => self.tag(|dice| dice.any(&["break", "continue"])),
            _ => {
                self.tag(|dice| {
                    dice.any(&["<c n=", "< c\nn = "]);
                    dice.put("{");
                    dice.expression(Kind::Number, 1);
                    dice.any(&["}>", "} t='x' {...{'f': 2}}>", "} t >"]);
                });
                let loops = std::mem::take(&mut self.loops);
                self.nodes(depth - 1);
                self.loops = loops;
                self.tag(|dice| dice.any(&["</c>", "</ c >"]));
            }
        }
    }

    fn expression(&mut self, kind: Kind, depth: usize) {
        let depth = if depth == 0 || self.throws.len() == 0 {
            return self.atom(kind);
        } else {
            depth - 1
        };
        match self.below(8) {
            0 | 1 => self.atom(kind),
            2 => {
                self.put("(");
                self.expression(kind, depth);
                self.put(")");
            }
            3 => {
                self.expression(kind, depth);
                self.put(" if ");
                self.expression(Kind::Truth, depth);
                self.put(" else ");
                self.expression(kind, depth);
            }
            _ => match kind {
                Kind::Number => {
                    match self.below(9) {
                        0 => self.put("-"),
                        1 => {
                            self.expression(kind, depth);
                            self.any(&[" | abs", "|int", " | same"]);
                            return;
                        }
                        _ => {
                            self.expression(kind, depth);
                            self.any(&[" + ", "-", " * ", "//", " % ", " ** ", " / ", " - "]);
                        }
                    }
                    self.expression(kind, depth);
                }
                Kind::Truth => match self.below(8) {
                    0 => {
                        self.put("not ");
                        self.expression(kind, depth);
                    }
                    1 | 2 => {
                        self.expression(kind, depth);
                        self.any(&[" and ", " or ", " == ", " != "]);
                        self.expression(kind, depth);
                    }
                    3 => {
                        self.expression(Kind::Number, depth);
                        self.any(&[" in ", " not in "]);
                        self.any(&["list", "[3, 4]", "row.list", "[n, ...list]"]);
                    }
                    4 => {
                        self.expression(Kind::Number, depth);
                        self.any(&[" is odd", " is not odd", " is defined", " is divisible_by(divisor=2)"]);
                    }
                    _ => {
                        self.expression(Kind::Number, depth);
                        self.any(&[" < ", "<=", " == ", " != ", ">", ">="]);
                        self.expression(Kind::Number, depth);
                    }
                },
                Kind::Text if self.below(4) == 0 => {
                    self.expression(kind, depth);
                    self.any(&[" | upper", "|replace(from='a', to=t)", " | default(value='x')"]);
                }
                Kind::Text => {
                    let left = self.pick(&[Kind::Number, Kind::Text]);
                    self.expression(left, depth);
                    self.any(&[" ~ ", "~"]);
                    self.expression(kind, depth);
                }
            },
        }
    }

    fn atom(&mut self, kind: Kind) {
        match kind {
            Kind::Number => self.any(&[
                "n",
                "1",
                "2",
                "m",
                "row.n",
                "list[0]",
                "list[n - 2]",
                "row.list[-1]",
                "row?.in.n",
                "row['list'][1]",
                "1.5",
                "2.",
                "[7, 8][1]",
                "{'a': 1, ...row}['n']",
                "(list | reverse)[1]",
                "list | first",
                "[v * 2 for v in list if v > n][0]",
                "row?['n']",
                "range(end=4)[2]",
                "row.x?.y | default(value=2)",
            ]),
            Kind::Truth => self.any(&["yes", "no", "true", "False", "n > 2", "not no", "t is defined"]),
            Kind::Text => self.any(&[
                "t",
                "'a\\'b'",
                "\"\\\\x\\n\"",
                "`q\"`",
                "row.t",
                "<c n={1} />",
                "<c n={n} t=\"y\" f/>",
                "t[1:]",
                "t[:-1]",
                "list[::2]|join(sep=',')",
                "[v for k, v in row.in] | join",
            ]),
        }
    }

    fn template(mut self) -> String {
        self.tag(|dice| {
            dice.any(&[
                "component c(n, t: string = \"z\", f: number = -1)",
                "component c(n, @t = `z`, ...rest)",
                "component c(n: Integer = 1, ...rest) {\"a\": [1, 2], 'b': {'c': none}}",
            ]);
        });
        self.put("n");
        self.print_tag(|dice| dice.put("n"));
        self.word("endcomponent");
        self.nodes(3);
        self.out
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Number,
    Truth,
    Text,
}

const PIECES: [&str; 66] = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "-",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "|",
    "'",
    "\"",
    "`",
    ",",
    ":",
    "=",
    "==",
    "not",
    "not ",
    "in",
    " in ",
    "is",
    " is ",
    "if",
    " if ",
    "else",
    " else ",
    "endif",
    "endfor",
    "raw",
    "{% raw %}",
    "{% endraw %}",
    ".",
    "?.",
    "?[",
    "...",
    "</",
    "/>",
    "<",
    ">",
    "~",
    "__x",
    "loop",
    "loop.index",
    "loop.index.first",
    "\u{fdd0}",
    "1.",
    "\\",
    "\\n",
    "é",
    "**",
    "%",
    "{% else %}",
    "{% endif %}",
    "{% extends 'a' %}",
    "{% include \"a\" %}",
    "{% for a in loop.index %}",
    "{% endfor %}",
    "{% break %}",
    " a='b'",
    "for x in y",
    "none",
];

fn mutate(source: &str, mutations: &[(usize, u8, usize)]) -> String {
    let mut chars: Vec<char> = source.chars().collect();
    for (place, what, piece) in mutations {
        let at = place % (chars.len() + 1);
        match what % 4 {
            0 if at < chars.len() => {
                chars.remove(at);
            }
            1 => {
                let end = (at + piece % 20).min(chars.len());
                chars.drain(at..end);
            }
            2 => {
                let end = (at + piece % 20).min(chars.len());
                let copy: Vec<_> = chars[at..end].to_vec();
                let to = (place / 7) % (chars.len() + 1);
                chars.splice(to..to, copy);
            }
            _ => {
                chars.splice(at..at, PIECES[piece % PIECES.len()].chars());
            }
        }
    }
    chars.into_iter().collect()
}

fn delimiters() -> impl Strategy<Value = Delimiters> {
    prop_oneof![3 => Just(Delimiters::Curly), 1 => Just(Delimiters::Square)]
}

fn throws() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_templates_are_read_as_tera_reads_them(throws in throws(), delimiters in delimiters()) {
        let source = Dice::new(&throws, delimiters).template();
        agree(&source, delimiters);
    }

    #[test]
    fn broken_templates_are_refused_as_tera_refuses_them(
        throws in throws(),
        delimiters in delimiters(),
        mutations in proptest::collection::vec((any::<usize>(), any::<u8>(), any::<usize>()), 1..6),
    ) {
        let source = Dice::new(&throws, delimiters).template();
        agree(&mutate(&source, &mutations), delimiters);
    }

    #[test]
    fn parentheses_change_nothing(throws in throws()) {
        let source = Dice::new(&throws, Delimiters::Curly).template();
        if let Ok(tree) = parse(&source, Delimiters::Curly) {
            let rewritten = parenthesize(&tree);
            let (before, after) =
                (tera_renders(&source, Delimiters::Curly), tera_renders(&rewritten, Delimiters::Curly));
            if before.is_ok() || after.is_ok() {
                prop_assert_eq!(&before, &after, "{} became {}", source, rewritten);
            }
        }
    }

    #[test]
    fn trimmed_text_is_what_tera_renders(throws in throws(), delimiters in delimiters()) {
        let mut dice = Dice::new(&throws, delimiters);
        dice.quiet_nodes(2);
        let source = dice.out;
        let tree = parse(&source, delimiters).unwrap();
        prop_assert_eq!(trimmed(&source, &tree.nodes), tera_renders(&source, delimiters).unwrap(), "{}", source);
    }

    #[test]
    fn any_text_is_read_or_refused(
        pieces in proptest::collection::vec(
            prop_oneof![
                3 => (0..PIECES.len()).prop_map(|piece| PIECES[piece].to_owned()),
                1 => ".{0,3}",
                1 => "[a-z0-9 ]{0,4}",
            ],
            0..30,
        ),
        delimiters in delimiters(),
    ) {
        let mut source = pieces.concat();
        if delimiters == Delimiters::Square {
            source = source.replace('{', "[").replace('}', "]");
        }
        agree(&source, delimiters);
        if let Ok((expression, count)) = parse_expression(&source) {
            prop_assert_eq!(source[expression.range.clone()].trim(), source.trim());
            prop_assert!(count > 0);
        }
    }

    #[test]
    fn an_offset_is_found_again(
        source in ".{0,20}",
        insertions in proptest::collection::vec((0usize..50, "[a-z]{0,3}"), 0..5),
    ) {
        let printed = insert(&source, &insertions);
        let originals: Vec<usize> =
            (0..=printed.len()).map(|at| original_offset(&source, &insertions, at)).collect();
        prop_assert!(originals.is_sorted());
        prop_assert_eq!(originals[printed.len()], source.len());
        // Every byte of the source is reached from the same byte of what was printed.
        for at in 0..source.len() {
            let same = |from| originals[from] == at && printed.as_bytes()[from] == source.as_bytes()[at];
            prop_assert!((0..printed.len()).any(same));
        }
    }
}

/// The template, the mistake in it between ⟦ and ⟧, and the whole message.
const MISTAKES: [(&str, &str); 70] = [
    ("{{ a ⟦%}⟧", "expected `}}`, found `%}`"),
    ("{{ a ⟦}⟧ don't & \" {% if b %}{{ c }}{% endif %}", "expected `}}`, found `}`"),
    ("{% if {'a': 1}['a'] ⟦}⟧ don't {% endif %}", "expected `%}`, found `}`"),
    ("{{ (⟦}⟧ # {{ a }}", "expected `}}`, found `}`"),
    ("{% if a ⟦}}⟧x{% endif %}", "expected `%}`, found `}}`"),
    ("{{ a⟦⟧", "expected `}}`, found the end"),
    ("{{ a ⟦{%⟧ if b %}", "expected `}}`, found `{%`"),
    ("{{ ⟦}}⟧", "expected an expression, found `}}`"),
    ("{{ a ⟦b⟧ }}", "expected `}}`, found `b`"),
    ("{{ a ⟦'b'⟧ }}", "expected `}}`, found a string"),
    ("{{ 1 + ⟦-}}⟧", "expected an expression, found `-}}`"),
    ("{{ a | ⟦}}⟧", "expected the name of a filter, found `}}`"),
    ("{{ a |⟦|⟧ b }}", "expected the name of a filter, found `|` (write `or`)"),
    ("{{ a ⟦&⟧& b }}", "`&` means nothing here (write `and`)"),
    ("{{ ⟦!⟧a }}", "expected an expression, found `!` (write `not`)"),
    ("{% if a ⟦=⟧ b %}{% endif %}", "expected `%}`, found `=` (`==` compares)"),
    ("{{ ⟦'⟧a }}", "this string is never closed (close it with `'`)"),
    (
        "{{ 'a⟦\\q⟧' }}",
        r#"`\q` is not an escape (the escapes are \" \' \/ \\ \n \t \r; a backslash is written `\\`)"#,
    ),
    ("⟦{#⟧ a", "this comment is never closed (close it with `#}`)"),
    ("⟦{% raw %}⟧a{% if", "this raw block is never closed (add `{% endraw %}`)"),
    ("a ⟦{% if b %}⟧ c", "`{% endif %}` is missing for this tag (add `{% endif %}`)"),
    (
        "{% for a in b %}{% if c %}⟦{% endfor %}⟧",
        "expected `{% endif %}`, found `{% endfor %}` [{% if c %}: opened here]",
    ),
    ("⟦{% endif⟧ %}", "`{% endif %}` closes nothing"),
    ("{% ⟦elseif⟧ a %}", "`elseif` is not a tag (did you mean `elif`?)"),
    ("{% ⟦fro⟧ a in b %}{% endfor %}", "`fro` is not a tag (did you mean `for`?)"),
    ("{% ⟦macro⟧ a() %}", "`macro` is not a tag (Tera 2 has components: `component`)"),
    ("{% ⟦'a'⟧ %}", "expected the word of a tag, found a string"),
    ("{% for a ⟦of⟧ b %}{% endfor %}", "expected `in`, found `of`"),
    (
        "{% for ⟦loop⟧ in b %}{% endfor %}",
        "`loop` is a word of the language, not a variable (choose another name)",
    ),
    (
        "{{ f(⟦1⟧) }}",
        "expected the name of an argument, found `1` (arguments are given by name: `name=value`)",
    ),
    ("{{ f(a⟦)⟧ }}", "expected `=`, found `)` (arguments are given by name: `name=value`)"),
    ("{{ f(a=1, ⟦a⟧=2) }}", "the argument `a` is given twice [a: first here]"),
    ("{{ a.b⟦(⟧) }}", "a field cannot be called (values are changed by filters: `value | filter`)"),
    ("{{ - ⟦-⟧1 }}", "`-` and `not` cannot follow each other (put the second one into parentheses)"),
    ("{{ a ~ ⟦-b⟧ }}", "`-` and `not` cannot stand behind `~` (give it a name with `set`)"),
    ("{{ [[⟦[⟧1]]] }}", "arrays nest deeper than 2"),
    ("{{ a[b[c[d[e⟦[⟧f]]]]] }}", "indexes nest deeper than 4"),
    (
        "{{ ⟦9223372036854775808⟧ }}",
        "`9223372036854775808` is too large (the largest whole number is 9223372036854775807)",
    ),
    ("{{ a not ⟦b⟧ }}", "expected `in`, found `b`"),
    ("{{ (a ⟦}}⟧", "expected `)`, found `}}`"),
    ("{{ [a ⟦b⟧] }}", "expected `,` or `]`, found `b`"),
    ("{{ {⟦a⟧: 1} }}", "expected a string, a whole number or a truth value as key, found `a`"),
    ("{{ a if b ⟦}}⟧", "expected `else`, found `}}`"),
    ("{{ [a for b in c ⟦for⟧ d in e] }}", "a list has one `for`"),
    (
        "{{ <a⟦>⟧ }}",
        "expected `/>`, found `>` (without a body it ends with `/>`; with one it is a tag: `{% <a …> %}`)",
    ),
    ("{% <a ⟦/⟧> %}", "expected `>`, found `/` (without a body, a component is printed: `{{ <… /> }}`)"),
    ("{% <a> %}{% </⟦b⟧> %}", "expected `a`, found `b` (the end repeats the name of what it ends)"),
    ("{{ <a b=⟦1⟧ /> }}", "expected a string or an expression in braces, found `1` (write `b={1}`)"),
    (
        "{{ <a b=⟦c⟧.d e={f} /> }}",
        "expected a string or an expression in braces, found `c` (write `b={c.d}`)",
    ),
    ("{% set a ⟦1⟧ %}", "expected `=`, found `1`"),
    ("{% include ⟦a⟧ %}", "expected the name of a template in quotes, found `a`"),
    ("x⟦{% extends 'a' %}⟧", "`extends` must be the first tag of a template [x: stands before it]"),
    (
        "{% extends 'a' %}\n ⟦x y⟧ ",
        "this is never rendered: the template extends another (put it into a block of the parent) \
         [{% extends 'a' %}: extends here]",
    ),
    (
        "{% extends 'a' %}⟦{% extends 'b' %}⟧",
        "a template extends one other [{% extends 'a' %}: extends here]",
    ),
    ("{% block a %}{% endblock ⟦b⟧ %}", "expected `a`, found `b` (the end repeats the name of what it ends)"),
    (
        "{% block a %}{% endblock %}{% block ⟦a⟧ %}{% endblock %}",
        "there is a block `a` already [a: first here]",
    ),
    (
        "{% for a in b %}⟦{% block c %}⟧{% endblock %}{% endfor %}",
        "a block cannot stand in a loop [{% for a in b %}: within this]",
    ),
    ("⟦{% break %}⟧", "`break` stands in no loop"),
    (
        "{% for a in b %}{% set c %}⟦{% continue %}⟧{% endset %}{% endfor %}",
        "`continue` cannot leave a `set` block [{% set c %}: within this]",
    ),
    (
        "{% component a(b: ⟦text⟧) %}{% endcomponent %}",
        "`text` is not a type (the types are string, bool, integer, float, number, array, map, bytes)",
    ),
    (
        "{% component a(b: string = ⟦-1⟧) %}{% endcomponent %}",
        "the default is not of type `string` [string: declared here]",
    ),
    ("{% component a(b = ⟦c⟧) %}{% endcomponent %}", "expected a literal, found `c`"),
    ("{% component a(b = ⟦[c]⟧) %}{% endcomponent %}", "a default can only hold literals"),
    (
        "{% component a(⟦body⟧) %}{% endcomponent %}",
        "`body` is what stands between a component's tags (choose another name)",
    ),
    ("{% component a(...b⟦,⟧ c) %}{% endcomponent %}", "expected `)`, found `,` (the rest comes last)"),
    (
        "{% component a(b) %}{% endcomponent %}{% component ⟦a⟧() %}{% endcomponent %}",
        "there is a component `a` already [a: first here]",
    ),
    (
        "{% if a %}⟦{% component b() %}⟧{% endcomponent %}{% endif %}",
        "a component cannot be defined within another tag [{% if a %}: within this]",
    ),
    (
        "{% for a in b %}{{ loop.⟦idx⟧ }}{% endfor %}",
        "`loop` has no field `idx` (its fields are index, index0, first, last and length)",
    ),
    ("{{ ⟦§⟧§ }}", "`§` means nothing here"),
    ("{{ 1 ⟦?⟧ }}", "`?` means nothing here"),
];

/// What Tera reads and [`parse`] refuses, as its documentation lists.
const REFUSED: [(&str, &str); 14] = [
    (
        "a⟦\r⟧\nb\r\n",
        "the template has a carriage return, which would be written into the artifact (end its lines with LF; print one that is meant with `{{ \"\\r\" | raw }}`)",
    ),
    (
        "⟦\u{feff}⟧a",
        "the template begins with a byte order mark (save it as UTF-8 without one: the mark would be written into the artifact)",
    ),
    ("{{ ⟦__tera_context⟧ }}", "`__tera_context` begins with `__`, which is kept for the engine"),
    ("{{ a | ⟦__f⟧ }}", "`__f` begins with `__`, which is kept for the engine"),
    ("{{ f(⟦__a⟧=1) }}", "`__a` begins with `__`, which is kept for the engine"),
    ("a⟦\u{fdd0}⟧", "U+FDD0 cannot stand in a template: it is a noncharacter that marks values"),
    (
        "{% raw %}⟦\u{fdef}⟧{% endraw %}",
        "U+FDEF cannot stand in a template: it is a noncharacter that marks values",
    ),
    ("{{ '⟦\u{fddf}⟧' }}", "U+FDDF cannot stand in a template: it is a noncharacter that marks values"),
    ("{{ <c a='1' ⟦a⟧='2' /> }}", "the argument `a` is given twice [a: first here]"),
    (
        "{% for a in b %}{% else %}⟦{% extends 'a' %}⟧{% endfor %}",
        "`extends` cannot stand within another tag [{% for a in b %}: within this]",
    ),
    (
        "{% for a in b %}{% else %}⟦{% component c() %}⟧{% endcomponent %}{% endfor %}",
        "a component cannot be defined within another tag [{% for a in b %}: within this]",
    ),
    ("{% for a in b %}{{ loop.index.⟦first⟧ }}{% endfor %}", "a field of `loop` has no field `first`"),
    ("{% for a in b %}{{ loop[0].⟦first⟧ }}{% endfor %}", "a field of `loop` has no field `first`"),
    ("{% for a in ⟦loop.index⟧ %}{% endfor %}", "`loop` is not known before the loop"),
];

/// The only mistake of a template is the marked one.
fn check_mistake(marked: &str, message: &str) -> String {
    let source = marked.replace(['⟦', '⟧'], "");
    let errors = parse(&source, Delimiters::Curly).expect_err(marked);
    let [error] = errors.as_slice() else { panic!("{source:?}: {errors:?}") };
    let mut told = error.message.clone();
    if let Some(hint) = &error.hint {
        told = format!("{told} ({hint})");
    }
    if let Some((range, text)) = &error.related {
        told = format!("{told} [{}: {text}]", &source[range.clone()]);
    }
    assert_eq!(told, message, "{source:?}");
    let start = marked.find('⟦').unwrap();
    let end = marked.find('⟧').unwrap() - '⟦'.len_utf8();
    assert_eq!(error.range, start..end, "{source:?}");
    source
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (marked, message) in MISTAKES {
        let source = check_mistake(marked, message);
        assert!(!tera_reads(&source, Delimiters::Curly), "{source:?}");
    }
}

#[test]
fn a_missing_bracket_ends_the_tag() {
    for (source, found) in [
        ("[[ a[0] ] don't & [[ b ]]", "expected `]]`, found `]`"),
        ("[% if a ] don't & [% endif %]", "expected `%]`, found `]`"),
        ("[[ a %] don't & [[ b ]]", "expected `]]`, found `%]`"),
    ] {
        let errors = parse(source, Delimiters::Square).expect_err(source);
        let told: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
        assert_eq!(told, [found], "{source}");
    }
}

#[test]
fn what_is_refused_on_top_is_read_by_tera() {
    for (marked, message) in REFUSED {
        let source = check_mistake(marked, message);
        assert!(tera_reads(&source, Delimiters::Curly), "{source:?}");
    }
}

#[test]
fn all_mistakes_are_told_in_one_run() {
    let source =
        "{{ a b }}{% if c d %}{{ § }}{% elif e %}{% set true = 1 %}{% endif %}{% set x = %}{% for %}";
    let errors = parse(source, Delimiters::Curly).unwrap_err();
    let told: Vec<_> =
        errors.iter().map(|error| (&source[error.range.clone()], error.message.as_str())).collect();
    assert_eq!(
        told,
        [
            ("b", "expected `}}`, found `b`"),
            ("d", "expected `%}`, found `d`"),
            ("§", "`§` means nothing here"),
            ("true", "`true` is a word of the language, not a variable"),
            ("%}", "expected an expression, found `%}`"),
            ("{% for %}", "`{% endfor %}` is missing for this tag"),
            ("%}", "expected the name of a variable, found `%}`"),
        ]
    );
}

/// Templates that hold every construct.
const CORPUS: [&str; 40] = [
    "",
    "a",
    "{ { } } {",
    "{{a}}{{-a-}}{{ a-}}{{-1}}{{- -1 -}}",
    "{##}{#-#}{#--#}{#- {{ -#}{# %} #}",
    "{%raw%}{%endraw%}{%-raw-%} {{ {%-endraw-%}{%-- raw %}{% if {% endra %}{%-endraw%}",
    "{{ 1 }}{{ 1. }}{{ 1.5 }}{{ 007 }}{{ 9223372036854775807 }}{{ -0.0 }}",
    "{{ 'a' }}{{ \"a\" }}{{ `a` }}{{ 'a\\'\\\"\\/\\\\\\n\\t\\r' }}{{ 'a\nb' }}{{ `\"'` }}{{ '}}' }}",
    "{{ true }}{{ True }}{{ false }}{{ False }}{{ none }}{{ None }}{{ null }}",
    "{{ [] }}{{ [1,] }}{{ [a, ...b, [c]] }}{{ {} }}{{ {'a': 1, 2: b, true: [3], ...c,} }}",
    "{{ {'a': {'b': 1} } }}{% set x = {'a': {'b': 1}} %}",
    "{{ a.b?.c[0]?['d'][e.f] }}{{ a[1:2:3] }}{{ a[:] }}{{ a[::-1] }}{{ a[1:] }}{{ a?[:1] }}",
    "{{ 'abc'[0] }}{{ [1][0] }}{{ (a)[0] }}{{ (a | f)[0] }}{{ a | f[0] }}{{ a is t[0] }}{{ f()[0] }}",
    "{{ a | f }}{{ a|f()|g(x=1,) }}{{ a | f(x=[1], y=b | g) }}",
    "{{ a is t }}{{ a is not t }}{{ a is t(x=1) }}{{ a is not not }}",
    "{{ f() }}{{ f(a=1) }}{{ super() }}{{ f(if=1, in=2) }}",
    "{{ a in b }}{{ a not in b }}{{ not a in b }}{{ not a not in b }}{{ a * b not in c }}",
    "{{ a if b else c }}{{ a if b if c else d else e if f else g }}",
    "{{ [a for a in b] }}{{ [a for k, v in b if c] }}{{ [a if b else c for d in e or f if g and h] }}",
    "{{ [for for for in for] }}{{ if }}{{ and and or }}",
    "{{ [[a for a in [1]] for b in [2]] }}",
    "{{ a ~ -1 }}{{ a ~ (-1) }}{{ a ~ -(1) }}{{ a ~ b is not t }}{{ a ~ (-b)[0] }}{{ -(-a) }}{{ not (not a) }}",
    "{{ <c /> }}{{ <a.b c d='1' e={f} {...g}/> }}{{ < a . b c = \"x\" / > }}",
    "{% <c> %}{% </c> %}{%<a.b c={d}>%}{{ body }}{% </a.b> %}",
    "{% component c() %}{% endcomponent %}{% component d.e(a, @b, c: string, @d: Integer = -1,) %}{% endcomponent d.e %}",
    "{% component c(a = [1, -2, (3), [none]], b: map = {'x': -1.5}, c: number = 2., ...r) {'a': {}} %}x{% endcomponent c %}",
    "{% component c(a: string = none, b: NUMBER = 1, in, loop) {} %}{% endcomponent %}",
    "{% set a = 1 %}{% set_global a = b | f %}{% set a %}x{% endset %}{% set_global a | f | g(x=1) %}x{% endset %}",
    "{% include 'a' %}{%- include `b` -%}",
    " {# #}{% component c() %}{% endcomponent %}\n{% extends 'a' %} {# x #}{% block b %}x{% if y %}{% block z %}{% endblock %}{% endif %}{% endblock b %}",
    "{% for a in b %}{{ loop.index ~ loop.index0 ~ loop.first ~ loop?.last }}{{ loop.length[0] }}{% endfor %}",
    "{% for a in b %}{% for c in loop.index %}{% endfor %}{{ [loop.index for d in e] }}{% endfor %}{{ loop.x }}",
    "{% for a, b in c %}{% if d %}{% break %}{% endif %}{% continue %}{% else %}{{ loop.x }}{% endfor %}",
    "{% for a in b %}{% else %}{% block c %}{% endblock %}{% endfor %}",
    "{% if a %}b{% elif c %}d{% elif e %}{% else %}f{% endif %}{% if a %}{% else %}{% endif %}",
    "{% filter f %}a{% endfilter %}{% filter f | g(x=1) %}{% block a %}{% endblock %}{% endfilter %}",
    "{% block block %}{% endblock block %}{% set x %}{% block a %}{% endblock %}{% endset %}",
    "{{ a+b-c*d/e//f%g**h~i }}{{ a<b }}{{ a<=b }}{{ a>b }}{{ a>=b }}{{ a==b }}{{ a!=b }}",
    "ü{{ 'ü' }}\u{a0}{{- a -}}\u{3000}ü\n{{-\ta\x0c}}",
    "{%\nif\na\n%}{%-endif-%}{% -%}",
];

#[test]
fn every_construct_is_read_as_tera_reads_it() {
    for source in CORPUS {
        let ends_badly = source.ends_with("{% -%}");
        assert_eq!(tera_reads(source, Delimiters::Curly), !ends_badly, "{source:?}");
        assert_eq!(parse(source, Delimiters::Curly).is_ok(), !ends_badly, "{source:?}");
        agree(source, Delimiters::Curly);
        let square = source.replace('{', "[").replace('}', "]");
        agree(&square, Delimiters::Square);
    }
}

#[test]
fn operators_bind_as_in_tera() {
    for (source, read) in [
        ("1 + 2 * n", "((1) + ((2) * (n)))"),
        ("1 - 2 - n", "(((1) - (2)) - (n))"),
        ("2 ** 3 ** 2", "((2) ** ((3) ** (2)))"),
        ("-2 ** 2", "((-(2)) ** (2))"),
        ("1 + m | abs", "((1) + ((m) | abs))"),
        ("-2 | abs", "((-(2)) | abs)"),
        ("n ~ 1 * 2", "(((n) ~ (1)) * (2))"),
        ("1 + 2 < 4 and yes or no", "(((((1) + (2)) < (4)) and (yes)) or (no))"),
        ("not n == 3", "(not ((n) == (3)))"),
        ("not yes and no", "((not (yes)) and (no))"),
        ("not n in list", "(not ((n) in (list)))"),
        ("n not in list", "(((n) not in (list)))"),
        ("n * 2 not in list and yes", "(((((n) * (2)) not in (list))) and (yes))"),
        ("n is odd == yes", "(((n) is odd) == (yes))"),
        ("n + 1 is odd", "(((n) + (1)) is odd)"),
        ("n == 3 if yes else m if no else 1", "(((n) == (3)) if (yes) else ((m) if (no) else (1)))"),
        ("list | reverse[0]", "(((list) | reverse)[(0)])"),
        ("-list[0]", "(-((list)[(0)]))"),
        ("-(list)[0]", "(-((((list)))[(0)]))"),
        ("row.list[n - 2]", "((row.list)[((n) - (2))])"),
        ("row.in?.n + 1", "((row.in?.n) + (1))"),
        (
            "[v + n for v in list or [1] if v > n]",
            "([((v) + (n)) for v in ((list) or ([(1)])) if ((v) > (n))])",
        ),
        ("[...list, n]", "([...(list), (n)])"),
        ("{'a': n + 1, ...row}", "({'a': ((n) + (1)), ...(row)})"),
        ("t | replace(from='a', to=t | upper)", "((t) | replace(from=('a'), to=((t) | upper)))"),
    ] {
        let source = format!("{{{{ {source} }}}}");
        let tree = parse(&source, Delimiters::Curly).unwrap();
        let rewritten = parenthesize(&tree);
        assert_eq!(rewritten, format!("{{{{ {read} | same }}}}"));
        assert_eq!(
            tera_renders(&source, Delimiters::Curly).ok(),
            tera_renders(&rewritten, Delimiters::Curly).ok(),
            "{source}"
        );
    }
}

#[test]
fn trims_reach_as_far_as_in_tera() {
    let gaps = [
        " ",
        " {# #} ",
        " {#- #} ",
        " {# -#} ",
        " {% raw %} {% endraw %} ",
        " {%- raw -%} x {%- endraw -%} ",
    ];
    let ends = [
        "{{ 's' }}",
        "{{- 's' -}}",
        "{% if true %} y {% endif %}",
        "{%- if true -%} y {%- endif -%}",
        "{##}",
        "{#--#}",
    ];
    for first in ends {
        for gap in gaps {
            for second in ends {
                for between in ["", "\n", "{##}", "{% raw %} {% endraw %}"] {
                    let source = format!("a {first}{between}{gap}{second} b");
                    let tree = parse(&source, Delimiters::Curly).unwrap();
                    let expected = tera_renders(&source, Delimiters::Curly).unwrap();
                    assert_eq!(trimmed(&source, &tree.nodes), expected, "{source:?}");
                }
            }
        }
    }
}

#[test]
fn limits_are_those_of_tera() {
    let repeated = |before: &str, open: &str, middle: &str, close: &str, after: &str, count: usize| {
        format!("{before}{}{middle}{}{after}", open.repeat(count), close.repeat(count))
    };
    let mut sources = Vec::new();
    for (before, open, middle, close, after) in [
        ("{{ ", "(", "a", ")", " }}"),
        ("{{ ", "not (", "a", ")", " }}"),
        ("{{ ", "[", "a", "]", " }}"),
        ("{{ ", "{'a': ", "1", " }", " }}"),
        ("{{ ", "a[", "a", "]", " }}"),
        ("{{ a", "", "", ".a", " }}"),
        ("{{ a", "", "", "[0]", " }}"),
        ("{{ a", "", "", " + a", " }}"),
        ("{{ a", "", "", " ** a", " }}"),
        ("{{ a", "", "", " | f", " }}"),
        ("{{ a", "", "", " is t", " }}"),
        ("{{ ", "f(a=", "1", ")", " }}"),
        ("{{ ", "<c a={", "1", "} />", " }}"),
        ("{{ ", "a if b else ", "c", "", " }}"),
        ("{{ ", "[a for a in ", "b", "]", " }}"),
        ("", "{% if a %}", "", "{% endif %}", ""),
        ("", "{% <a> %}", "", "{% </a> %}", ""),
        ("", "{% if a %}{% else %}", "", "{% endif %}", ""),
        ("{% component c(a={'a': ", "{'a': ", "1", "}", "}) %}{% endcomponent %}"),
        ("{{ a }}", "{{ a", "", "", ""),
    ] {
        for count in (0..60).chain(250..260).chain([50_000]) {
            // Nothing overflows a thread's usual stack.
            let source = repeated(before, open, middle, close, after, count);
            let _ = parse(&source, Delimiters::Curly);
            sources.push(source);
        }
    }
    // Tera takes more of it.
    let check = || sources.iter().for_each(|source| agree(source, Delimiters::Curly));
    std::thread::scope(|scope| {
        std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, check).unwrap().join().unwrap();
    });
    let chain = |count| format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(count));
    assert!(parse(&chain(100).repeat(2), Delimiters::Curly).is_ok());
    assert!(parse(&chain(101), Delimiters::Curly).is_err());
    assert!(parse(&chain(10_000), Delimiters::Curly).is_err());
}

#[test]
fn a_tree_knows_what_it_holds() {
    let source = "{% extends 'base' %}{% component a.b(x: string = 'y', @z, ...r) %}{% endcomponent %}\
                  {% component c() %}{% endcomponent %}";
    let tree = parse(source, Delimiters::Curly).unwrap();
    let parent = tree.extends().unwrap();
    assert_eq!((parent.text.as_str(), &source[parent.range.clone()]), ("base", "'base'"));
    let names: Vec<_> = tree.components().map(|component| component.name.text.as_str()).collect();
    assert_eq!(names, ["a.b", "c"]);
    let component = tree.components().next().unwrap();
    assert_eq!(component.rest.as_ref().unwrap().text, "r");
    let [x, z] = component.parameters.as_slice() else { panic!("{component:?}") };
    assert_eq!((x.ty.as_ref().unwrap().text.as_str(), x.implicit), ("string", false));
    assert_eq!(*x.default.as_ref().unwrap().kind, ExpressionKind::Text("y".to_owned()));
    assert!(z.implicit && z.ty.is_none() && z.default.is_none());
}

#[test]
fn a_text_is_a_single_expression() {
    let (expression, count) = parse_expression(" 'out-' ~ row.fqdn | slug\n").unwrap();
    assert_eq!((expression.range, count), (1..25, 5));
    assert!(parse_expression("{'a': {'b': 1}}").is_ok());
    for (source, message, range) in [
        ("", "expected an expression, found the end", 0..0),
        ("a b", "expected the end of the expression, found `b`", 2..3),
        ("a }}", "expected the end of the expression, found `}}`", 2..4),
        ("{{ a }}", "expected a string, a whole number or a truth value as key, found `{`", 1..2),
        ("'a", "this string is never closed", 0..1),
        ("__a", "`__a` begins with `__`, which is kept for the engine", 0..3),
    ] {
        let error = parse_expression(source).unwrap_err();
        assert_eq!((error.message.as_str(), error.range), (message, range), "{source:?}");
    }
}
