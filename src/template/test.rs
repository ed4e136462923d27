//! The tests of templates (`is defined`), in one table. Those that ask whether a value is there differ from Tera's:
//! an absent cell is `none`, which Tera counts as defined.

use tera::value::Key;
use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

use super::filter::{self, Argument, ArgumentKind, Input};

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
    /// Its implementation.
    pub implementation: Implementation,
}

/// The shape of every implementation.
pub type Implementation = fn(&Value, &Kwargs) -> TeraResult<bool>;

const fn test(
    name: &'static str,
    about: &'static str,
    example: (&'static str, &'static str),
    implementation: Implementation,
) -> Test {
    Test { name, input: Input::Anything, arguments: &[], about, example, implementation }
}

const fn argument(name: &'static str, kind: ArgumentKind, about: &'static str) -> Argument {
    Argument { name, kind, required: true, about }
}

/// All tests.
pub static TESTS: &[Test] = &[
    test("defined", "Holds for a value that is there.", ("{{ 1 is defined }}", "true"), |value, _| {
        Ok(!is_absent(value))
    }),
    test(
        "undefined",
        "Holds for a value that is not there.",
        ("{{ 1 is undefined }}", "false"),
        |value, _| Ok(is_absent(value)),
    ),
    test("none", "Holds for an absent value.", ("{{ none is none }}", "true"), |value, _| {
        Ok(is_absent(value))
    }),
    test("string", "Holds for text.", ("{{ 'a' is string }}", "true"), |value, _| Ok(value.is_string())),
    test("number", "Holds for integers and floats.", ("{{ 1 is number }}", "true"), |value, _| {
        Ok(value.is_number())
    }),
    test("integer", "Holds for integers.", ("{{ 1.5 is integer }}", "false"), |value, _| {
        Ok(value.is_number() && !value.is_f64())
    }),
    test("float", "Holds for floats.", ("{{ 1.5 is float }}", "true"), |value, _| Ok(value.is_f64())),
    test(
        "bool",
        "Holds for true and false.",
        ("{{ false is bool }}", "true"),
        |value, _| Ok(value.is_bool()),
    ),
    test("array", "Holds for lists.", ("{{ [1] is array }}", "true"), |value, _| Ok(value.is_array())),
    test("map", "Holds for maps and rows.", ("{{ {'a': 1} is map }}", "true"), |value, _| Ok(value.is_map())),
    test(
        "iterable",
        "Holds for what `for` can walk: lists, maps and text.",
        ("{{ [1] is iterable }}", "true"),
        |value, _| Ok(value.is_array() || value.is_map() || value.is_string()),
    ),
    Test {
        name: "odd",
        input: Input::Integer,
        arguments: &[],
        about: "Holds for odd integers.",
        example: ("{{ 3 is odd }}", "true"),
        implementation: |value, _| Ok(integer(value)? % 2 != 0),
    },
    Test {
        name: "even",
        input: Input::Integer,
        arguments: &[],
        about: "Holds for even integers.",
        example: ("{{ 3 is even }}", "false"),
        implementation: |value, _| Ok(integer(value)? % 2 == 0),
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
        implementation: divisible_by,
    },
    Test {
        name: "starting_with",
        input: Input::Text,
        arguments: &[argument("pat", ArgumentKind::Text, "the start")],
        about: "Holds for text with this start.",
        example: ("{{ 'mx1' is starting_with(pat='mx') }}", "true"),
        implementation: |value, arguments| Ok(text(value)?.starts_with(arguments.must_get::<&str>("pat")?)),
    },
    Test {
        name: "ending_with",
        input: Input::Text,
        arguments: &[argument("pat", ArgumentKind::Text, "the end")],
        about: "Holds for text with this end.",
        example: ("{{ 'mx.example.org' is ending_with(pat='.org') }}", "true"),
        implementation: |value, arguments| Ok(text(value)?.ends_with(arguments.must_get::<&str>("pat")?)),
    },
    Test {
        name: "within",
        input: Input::Place,
        arguments: &[argument("network", ArgumentKind::Text, "an address with a prefix length")],
        about: "Holds for an address, or a network, that lies in a network.",
        example: ("{{ '192.0.2.70' is within(network='192.0.2.64/26') }}", "true"),
        implementation: |value, arguments| {
            filter::within(text(value)?, arguments.must_get::<&str>("network")?)
        },
    },
    Test {
        name: "containing",
        input: Input::Container,
        arguments: &[argument("pat", ArgumentKind::Content, "a text within the text, an element, or a key")],
        about: "Holds for text with this text in it, a list with this element, a map with this key.",
        example: ("{{ ['a', 'b'] is containing(pat='b') }}", "true"),
        implementation: containing,
    },
];

/// Gives an engine all tests. It must come before any template.
pub fn register(tera: &mut Tera) {
    for test in TESTS {
        tera.register_test(test.name, |value: &Value, arguments: Kwargs, _: &State<'_>| {
            (test.implementation)(value, &arguments)
        });
    }
}

fn is_absent(value: &Value) -> bool {
    value.is_none() || value.is_undefined()
}

fn integer(value: &Value) -> TeraResult<i128> {
    let number = value.as_number().filter(|_| !value.is_f64()).and_then(|number| number.as_integer());
    number.ok_or_else(|| Error::message("this test takes an integer"))
}

fn text(value: &Value) -> TeraResult<&str> {
    value.as_str().ok_or_else(|| Error::message("this test takes text"))
}

fn divisible_by(value: &Value, arguments: &Kwargs) -> TeraResult<bool> {
    let divisor = arguments.must_get::<i128>("divisor")?;
    Ok(integer(value)?.checked_rem(divisor) == Some(0))
}

fn containing(value: &Value, arguments: &Kwargs) -> TeraResult<bool> {
    let content = arguments.must_get::<Value>("pat")?;
    contains(value, &content).ok_or_else(|| Error::message("this test takes text, a list or a map"))
}

/// Whether a list has an element, a text a text within it, or a map a key; nothing for other values.
pub(crate) fn contains(container: &Value, content: &Value) -> Option<bool> {
    if let Some(list) = container.as_array() {
        return Some(list.contains(content));
    }
    if let Some(text) = container.as_str() {
        return Some(content.as_str().is_some_and(|part| text.contains(part)));
    }
    let map = container.as_map()?;
    Some(content.as_str().is_some_and(|name| map.contains_key(&Key::Str(name))))
}

/// The test of a name.
pub fn find(name: &str) -> Option<&'static Test> {
    TESTS.iter().find(|test| test.name == name)
}
