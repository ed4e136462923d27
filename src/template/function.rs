//! The functions of templates, in one table. Both implementations are Tera's.

use super::filter::{Argument, ArgumentKind, Output};

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Its arguments, all by name.
    pub arguments: &'static [Argument],
    /// What it gives.
    pub output: Output,
    /// What it is for.
    pub about: &'static str,
    /// A template, and what it prints.
    pub example: (&'static str, &'static str),
}

/// All functions.
pub static FUNCTIONS: &[Function] = &[
    Function {
        name: "range",
        arguments: &[
            Argument {
                name: "end",
                kind: ArgumentKind::Integer,
                required: true,
                about: "where to stop; not part of the list",
            },
            Argument {
                name: "start",
                kind: ArgumentKind::Integer,
                required: false,
                about: "where to start, 0 if not given",
            },
            Argument {
                name: "step_by",
                kind: ArgumentKind::Integer,
                required: false,
                about: "the distance of two numbers, 1 if not given",
            },
        ],
        output: Output::Integers,
        about: "A list of integers, 100,000 at most.",
        example: ("{{ range(start=1, end=4) | join(sep=' ') }}", "1 2 3"),
    },
    Function {
        name: "throw",
        arguments: &[Argument {
            name: "message",
            kind: ArgumentKind::Text,
            required: true,
            about: "what to tell the user",
        }],
        output: Output::Never,
        about: "Stops with an error of your own.",
        example: ("{% if 1 > 2 %}{{ throw(message='one is more than two') }}{% endif %}ok", "ok"),
    },
];

/// The function of a name.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}
