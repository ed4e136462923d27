//! The tests of templates (`is defined`), in one table. The implementations are Tera's, but of those that ask
//! whether a value is there: an absent cell is `none`, which Tera counts as defined.

use tera::{Kwargs, State, Tera, Value};

use super::filter::{Argument, ArgumentKind, Input};

/// A test.
#[derive(Debug)]
pub struct Test {
    /// Its name.
    pub name: &'static str,
    /// What it takes on the left.
    pub input: Input,
    /// Its arguments, all by name.
    pub arguments: &'static [Argument],
    /// When it holds.
    pub about: &'static str,
    /// A template, and what it prints.
    pub example: (&'static str, &'static str),
}

const fn test(name: &'static str, about: &'static str, example: (&'static str, &'static str)) -> Test {
    Test { name, input: Input::Anything, arguments: &[], about, example }
}

const fn argument(name: &'static str, kind: ArgumentKind, about: &'static str) -> Argument {
    Argument { name, kind, required: true, about }
}

/// All tests.
pub static TESTS: &[Test] = &[
    test("defined", "Holds for a value that is there.", ("{{ 1 is defined }}", "true")),
    test("undefined", "Holds for a value that is not there.", ("{{ 1 is undefined }}", "false")),
    test("none", "Holds for an absent value.", ("{{ none is none }}", "true")),
    test("string", "Holds for text.", ("{{ 'a' is string }}", "true")),
    test("number", "Holds for integers and floats.", ("{{ 1 is number }}", "true")),
    test("integer", "Holds for integers.", ("{{ 1.5 is integer }}", "false")),
    test("float", "Holds for floats.", ("{{ 1.5 is float }}", "true")),
    test("bool", "Holds for true and false.", ("{{ false is bool }}", "true")),
    test("array", "Holds for lists.", ("{{ [1] is array }}", "true")),
    test("map", "Holds for maps and rows.", ("{{ {'a': 1} is map }}", "true")),
    test(
        "iterable",
        "Holds for what `for` can walk: lists, maps and text.",
        ("{{ [1] is iterable }}", "true"),
    ),
    Test {
        name: "odd",
        input: Input::Integer,
        arguments: &[],
        about: "Holds for odd integers.",
        example: ("{{ 3 is odd }}", "true"),
    },
    Test {
        name: "even",
        input: Input::Integer,
        arguments: &[],
        about: "Holds for even integers.",
        example: ("{{ 3 is even }}", "false"),
    },
    Test {
        name: "divisible_by",
        input: Input::Integer,
        arguments: &[argument(
            "divisor",
            ArgumentKind::Integer,
            "what to divide by; nothing is divisible by 0",
        )],
        about: "Holds where a division leaves no rest.",
        example: ("{{ 64 is divisible_by(divisor=8) }}", "true"),
    },
    Test {
        name: "starting_with",
        input: Input::Text,
        arguments: &[argument("pat", ArgumentKind::Text, "the start")],
        about: "Holds for text with this start.",
        example: ("{{ 'mx1' is starting_with(pat='mx') }}", "true"),
    },
    Test {
        name: "ending_with",
        input: Input::Text,
        arguments: &[argument("pat", ArgumentKind::Text, "the end")],
        about: "Holds for text with this end.",
        example: ("{{ 'mx.example.org' is ending_with(pat='.org') }}", "true"),
    },
    Test {
        name: "containing",
        input: Input::Container,
        arguments: &[argument("pat", ArgumentKind::Content, "a text within the text, an element, or a key")],
        about: "Holds for text with this text in it, a list with this element, a map with this key.",
        example: ("{{ ['a', 'b'] is containing(pat='b') }}", "true"),
    },
];

/// Gives an engine the tests whose implementation is ours. It must come before any template.
pub fn register(tera: &mut Tera) {
    fn is_absent(value: &Value) -> bool {
        value.is_none() || value.is_undefined()
    }
    tera.register_test("defined", |value: &Value, _: Kwargs, _: &State<'_>| !is_absent(value));
    tera.register_test("undefined", |value: &Value, _: Kwargs, _: &State<'_>| is_absent(value));
    tera.register_test("none", |value: &Value, _: Kwargs, _: &State<'_>| is_absent(value));
}

/// The test of a name.
pub fn find(name: &str) -> Option<&'static Test> {
    TESTS.iter().find(|test| test.name == name)
}
