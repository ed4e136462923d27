//! The filters of templates, in one table: what each accepts and gives, its documentation, and its
//! implementation where it is not Tera's own.
//!
//! The template front end checks calls against [`FILTERS`], engines take [`register`], and
//! [`document`] writes `docs/filters.md`.

use std::borrow::Cow;
use std::fmt::Write as _;

use tera::{Error, ErrorKind, Kwargs, State, Tera, TeraResult, Value};

use crate::format::mark;

mod list;
mod network;
mod number;
mod print;
mod text;

pub(crate) use network::within;
pub(super) use print::emit;
pub use print::{Printed, register_emitter};
pub(crate) use print::{plain, printed};
pub(crate) use text::OfText;

/// A filter.
#[derive(Debug)]
pub struct Filter {
    /// Its name.
    pub name: &'static str,
    /// What it takes on the left.
    pub input: Input,
    /// Its arguments, all by name.
    pub arguments: &'static [Argument],
    /// What it gives.
    pub output: Output,
    /// What it does with the parts of captured text.
    pub parts: Parts,
    /// What it is for, in a sentence or two.
    pub about: &'static str,
    /// A template, and what it prints.
    pub example: (&'static str, &'static str),
    /// Its implementation; none where it is Tera's.
    pub implementation: Option<Implementation>,
}

/// The shape of every implementation of ours.
pub type Implementation = fn(&Value, &Kwargs) -> TeraResult<Value>;

/// A named argument of a filter, test or function.
#[derive(Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: ArgumentKind,
    /// Whether it must be given.
    pub required: bool,
    /// What it is for.
    pub about: &'static str,
}

const fn required(name: &'static str, kind: ArgumentKind, about: &'static str) -> Argument {
    Argument { name, kind, required: true, about }
}

const fn optional(name: &'static str, kind: ArgumentKind, about: &'static str) -> Argument {
    Argument { name, kind, required: false, about }
}

/// What an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// Text.
    Text,
    /// Text of one character.
    Character,
    /// An integer.
    Integer,
    /// An integer that is not negative.
    Count,
    /// `true` or `false`.
    Bool,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// The path of a scalar in a row, such as `site` or `host.site`.
    Attribute,
    /// A key of the map on the left.
    Key,
    /// Anything of the input's own type: it takes the input's place.
    Substitute,
    /// Anything that the input may contain.
    Content,
}

/// What a filter or test takes on the left. Where text is wanted, so are all scalars that are held as text
/// (names, addresses, dates); a value that may be absent is accepted by [`Input::Anything`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Any value, an absent one too.
    Anything,
    /// Any value that is there.
    Present,
    /// Text.
    Text,
    /// An integer or a float.
    Number,
    /// An integer.
    Integer,
    /// Text, a number, or true and false.
    Scalar,
    /// An IP address. Plain text is accepted and checked when it is rendered.
    Address,
    /// An address with a prefix length: a `cidr` or an `interface`. Plain text is checked when it is rendered.
    Prefix,
    /// An address, with a prefix length or without. Plain text is checked when it is rendered.
    Place,
    /// A list.
    List,
    /// A list of scalars.
    Scalars,
    /// A list of scalars of one type; or of rows, where the argument `attribute` is given.
    Comparable,
    /// A list of rows.
    Rows,
    /// A list of addresses and prefixes; or of rows, where the argument `attribute` is given.
    Addresses,
    /// A map or a row.
    Map,
    /// Text or a list.
    Sequence,
    /// Text, a list or a map.
    Container,
    /// A scalar or a list of scalars.
    Words,
}

/// What a filter or function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Text.
    Text,
    /// An integer.
    Integer,
    /// A float.
    Float,
    /// What the input is.
    Same,
    /// The input or the argument `value`; absent only where that is.
    Default,
    /// An element of the list, absent where there is none.
    Element,
    /// What the map has at the argument `key`, or the argument `default`.
    Entry,
    /// A list of text.
    Texts,
    /// A list of integers.
    Integers,
    /// A map from the attribute's values to lists of the input's rows.
    Groups,
    /// A list of the map's values.
    Values,
    /// A list of the map's keys.
    Keys,
    /// A list of lists: a key and its value.
    Pairs,
    /// Text that says itself how it enters a format; only printing it makes sense.
    Preformatted,
    /// Nothing: rendering stops.
    Never,
}

/// What a filter does with captured text (`set` blocks, `filter` sections, component bodies), which is made of
/// the template's own text and of printed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// It works on each part by itself, and what it gives is captured text again. Only so where its arguments
    /// are literals: a value in them would pass for the template's own text.
    Keep,
    /// It takes the whole as one plain text: put [`PLAIN`] before it.
    Plain,
}

/// The name of the filter that makes plain text of captured text. It is for the front end to insert.
pub const PLAIN: &str = "__plain";

/// Filters of Tera that do not exist here, with the reason.
pub static REFUSED: &[(&str, &str)] = &[
    ("safe", "each artifact's format decides how values are escaped; `raw` exempts one value"),
    ("escape", "each artifact's format decides how values are escaped"),
    ("escape_html", "each artifact's format decides how values are escaped"),
    ("escape_xml", "each artifact's format decides how values are escaped"),
    ("newlines_to_br", "artifacts are configuration, not web pages"),
];

/// All filters, by topic.
pub static FILTERS: &[Filter] = &[
    Filter {
        name: "reverse_pointer",
        input: Input::Address,
        arguments: &[],
        output: Output::Text,
        parts: Parts::Plain,
        about: "The name of an address in the reverse DNS, below in-addr.arpa or ip6.arpa (RFC 1035, RFC 3596), \
                without a dot at the end.",
        example: ("{{ '192.0.2.10' | reverse_pointer }}", "10.2.0.192.in-addr.arpa"),
        implementation: Some(network::reverse_pointer),
    },
    Filter {
        name: "reverse_zone",
        input: Input::Prefix,
        arguments: &[],
        output: Output::Text,
        parts: Parts::Plain,
        about: "The name of the zone that a network's addresses have their names in, without a dot at the end. An \
                IPv4 network that is smaller than a /24 has the zone of RFC 2317, with its first and last number; \
                a single address, and a network that ends within a number, or in IPv6 within a digit, has none: \
                that is an error.",
        example: ("{{ '192.0.2.64/26' | reverse_zone }}", "64-127.2.0.192.in-addr.arpa"),
        implementation: Some(network::reverse_zone),
    },
    Filter {
        name: "host",
        input: Input::Prefix,
        arguments: &[],
        output: Output::Text,
        parts: Parts::Plain,
        about: "The address without its prefix length.",
        example: ("{{ '192.0.2.10/24' | host }}", "192.0.2.10"),
        implementation: Some(network::host),
    },
    Filter {
        name: "network",
        input: Input::Prefix,
        arguments: &[],
        output: Output::Text,
        parts: Parts::Plain,
        about: "The network that an address with a prefix length is in: its host bits are zero.",
        example: ("{{ '192.0.2.10/24' | network }}", "192.0.2.0/24"),
        implementation: Some(network::network),
    },
    Filter {
        name: "netmask",
        input: Input::Prefix,
        arguments: &[],
        output: Output::Text,
        parts: Parts::Plain,
        about: "The prefix length as a dotted mask. IPv6 has no such masks: it is an error there.",
        example: ("{{ '192.0.2.10/24' | netmask }}", "255.255.255.0"),
        implementation: Some(network::netmask),
    },
    Filter {
        name: "prefix_length",
        input: Input::Prefix,
        arguments: &[],
        output: Output::Integer,
        parts: Parts::Plain,
        about: "The prefix length as a number.",
        example: ("{{ '2001:db8::1/64' | prefix_length }}", "64"),
        implementation: Some(network::prefix_length),
    },
    Filter {
        name: "cidrs",
        input: Input::Addresses,
        arguments: &[optional("attribute", ArgumentKind::Attribute, "where a row has its address")],
        output: Output::Texts,
        parts: Parts::Plain,
        about: "The fewest networks that cover exactly these addresses and networks, sorted, IPv4 first. An \
                address counts as a network of its own; one with host bits, as an `interface` has, is an error: \
                put `host` or `network` first.",
        example: (
            "{{ ['192.0.2.1', '192.0.2.0', '2001:db8::/33', '2001:db8:8000::/33'] | cidrs | join(sep=' ') }}",
            "192.0.2.0/31 2001:db8::/32",
        ),
        implementation: Some(network::cidrs),
    },
    Filter {
        name: "slug",
        input: Input::Text,
        arguments: &[],
        output: Output::Text,
        parts: Parts::Plain,
        about: "A name of lower-case letters, digits and single dashes. All else becomes a dash; if nothing is \
                left, it is an error. Different texts may give the same slug: declare such columns `unique`.",
        example: ("{{ 'Mail (eu) #1' | slug }}", "mail-eu-1"),
        implementation: Some(text::slug),
    },
    Filter {
        name: "json",
        input: Input::Anything,
        arguments: &[],
        output: Output::Preformatted,
        parts: Parts::Plain,
        about: "Any value as compact JSON, keys in their order, absent values as null.",
        example: ("{{ ['a', 1, true] | json }}", r#"["a",1,true]"#),
        implementation: Some(print::json),
    },
    Filter {
        name: "shell",
        input: Input::Words,
        arguments: &[],
        output: Output::Preformatted,
        parts: Parts::Plain,
        about: "One word of the POSIX shell, quoted where it must be; of a list, a word for each element.",
        example: ("{{ ['ls', 'a b', \"it's\"] | shell }}", r"ls 'a b' 'it'\''s'"),
        implementation: Some(print::shell),
    },
    Filter {
        name: "raw",
        input: Input::Scalar,
        arguments: &[],
        output: Output::Preformatted,
        parts: Parts::Plain,
        about: "Prints a value as it is, whatever the artifact's format says. `check` lists where it is used.",
        example: ("{{ 'a; b' | raw }}", "a; b"),
        implementation: Some(print::raw),
    },
    Filter {
        name: "default",
        input: Input::Anything,
        arguments: &[
            required("value", ArgumentKind::Substitute, "what to take instead"),
            optional("boolean", ArgumentKind::Bool, "also where the value is false, 0 or empty"),
        ],
        output: Output::Default,
        parts: Parts::Plain,
        about: "Another value where this one is absent.",
        example: ("{{ none | default(value='25') }}", "25"),
        implementation: Some(text::default),
    },
    Filter {
        name: "upper",
        input: Input::Text,
        arguments: &[],
        output: Output::Text,
        parts: Parts::Keep,
        about: "Upper case.",
        example: ("{{ 'mx1' | upper }}", "MX1"),
        implementation: Some(text::upper),
    },
    Filter {
        name: "lower",
        input: Input::Text,
        arguments: &[],
        output: Output::Text,
        parts: Parts::Keep,
        about: "Lower case.",
        example: ("{{ 'MX1' | lower }}", "mx1"),
        implementation: Some(text::lower),
    },
    Filter {
        name: "capitalize",
        input: Input::Text,
        arguments: &[],
        output: Output::Text,
        parts: Parts::Plain,
        about: "The first character in upper case, the rest in lower case.",
        example: ("{{ 'mail HOST' | capitalize }}", "Mail host"),
        implementation: None,
    },
    Filter {
        name: "title",
        input: Input::Text,
        arguments: &[],
        output: Output::Text,
        parts: Parts::Plain,
        about: "The first character of every word in upper case, the rest in lower case.",
        example: ("{{ 'mail host' | title }}", "Mail Host"),
        implementation: None,
    },
    Filter {
        name: "replace",
        input: Input::Text,
        arguments: &[
            required("from", ArgumentKind::Text, "what to look for"),
            required("to", ArgumentKind::Text, "what to put there"),
        ],
        output: Output::Text,
        parts: Parts::Keep,
        about: "Replaces every occurrence of a text. In captured text, an occurrence that is partly a printed \
                value and partly not is left alone.",
        example: ("{{ 'mx1.example.org' | replace(from='.', to='-') }}", "mx1-example-org"),
        implementation: Some(text::replace),
    },
    Filter {
        name: "trim",
        input: Input::Text,
        arguments: &[optional("pat", ArgumentKind::Text, "what to take away, instead of white space")],
        output: Output::Text,
        parts: Parts::Keep,
        about: "Takes white space away at both ends.",
        example: ("{{ ' mx ' | trim }}", "mx"),
        implementation: Some(text::trim),
    },
    Filter {
        name: "trim_start",
        input: Input::Text,
        arguments: &[optional("pat", ArgumentKind::Text, "what to take away, instead of white space")],
        output: Output::Text,
        parts: Parts::Keep,
        about: "Takes white space away at the start.",
        example: ("{{ '//mx' | trim_start(pat='/') }}", "mx"),
        implementation: Some(text::trim_start),
    },
    Filter {
        name: "trim_end",
        input: Input::Text,
        arguments: &[optional("pat", ArgumentKind::Text, "what to take away, instead of white space")],
        output: Output::Text,
        parts: Parts::Keep,
        about: "Takes white space away at the end.",
        example: ("{{ 'mx.' | trim_end(pat='.') }}", "mx"),
        implementation: Some(text::trim_end),
    },
    Filter {
        name: "indent",
        input: Input::Text,
        arguments: &[
            optional("width", ArgumentKind::Count, "how many, 4 if not given, 1000 at most"),
            optional("indentation", ArgumentKind::Character, "another character than a space"),
            optional("first", ArgumentKind::Bool, "the first line too"),
            optional("blank", ArgumentKind::Bool, "blank lines too"),
        ],
        output: Output::Text,
        parts: Parts::Keep,
        about: "Puts spaces before every line but the first. Line ends become plain line feeds.",
        example: ("{% filter indent(width=2) %}a\nb{% endfilter %}", "a\n  b"),
        implementation: Some(text::indent),
    },
    Filter {
        name: "truncate",
        input: Input::Text,
        arguments: &[
            required("length", ArgumentKind::Count, "how many characters to keep"),
            optional("end", ArgumentKind::Text, "what to put after a text that was cut, `…` if not given"),
        ],
        output: Output::Text,
        parts: Parts::Plain,
        about: "The first characters of a text.",
        example: ("{{ 'configuration' | truncate(length=4, end='') }}", "conf"),
        implementation: None,
    },
    Filter {
        name: "split",
        input: Input::Text,
        arguments: &[required("pat", ArgumentKind::Text, "what stands between the elements")],
        output: Output::Texts,
        parts: Parts::Plain,
        about: "A list of the texts between separators.",
        example: ("{{ 'mx1.example.org' | split(pat='.') | first }}", "mx1"),
        implementation: Some(text::split),
    },
    Filter {
        name: "wordcount",
        input: Input::Text,
        arguments: &[],
        output: Output::Integer,
        parts: Parts::Plain,
        about: "How many words a text has.",
        example: ("{{ 'a b  c' | wordcount }}", "3"),
        implementation: None,
    },
    Filter {
        name: "pluralize",
        input: Input::Integer,
        arguments: &[
            optional("singular", ArgumentKind::Text, "the ending for 1 and -1, empty if not given"),
            optional("plural", ArgumentKind::Text, "the ending for all other numbers, `s` if not given"),
        ],
        output: Output::Text,
        parts: Parts::Plain,
        about: "The ending of a word that follows a number.",
        example: ("{{ 2 }} host{{ 2 | pluralize }}", "2 hosts"),
        implementation: None,
    },
    Filter {
        name: "str",
        input: Input::Scalar,
        arguments: &[],
        output: Output::Text,
        parts: Parts::Plain,
        about: "A number, or true and false, as text.",
        example: ("{{ 25 | str | length }}", "2"),
        implementation: Some(text::str),
    },
    Filter {
        name: "int",
        input: Input::Scalar,
        arguments: &[optional("base", ArgumentKind::Count, "from 2 to 36, 10 if not given")],
        output: Output::Integer,
        parts: Parts::Plain,
        about: "Text or a whole float as an integer.",
        example: ("{{ '0x19' | int(base=16) }}", "25"),
        implementation: None,
    },
    Filter {
        name: "float",
        input: Input::Scalar,
        arguments: &[],
        output: Output::Float,
        parts: Parts::Plain,
        about: "Text or an integer as a float.",
        example: ("{{ '2.5' | float }}", "2.5"),
        implementation: None,
    },
    Filter {
        name: "abs",
        input: Input::Number,
        arguments: &[],
        output: Output::Same,
        parts: Parts::Plain,
        about: "A number without its sign.",
        example: ("{{ -5 | abs }}", "5"),
        implementation: None,
    },
    Filter {
        name: "round",
        input: Input::Number,
        arguments: &[
            optional(
                "method",
                ArgumentKind::Choice(&["ceil", "floor"]),
                "up or down instead of to the nearest",
            ),
            optional("precision", ArgumentKind::Integer, "how many decimals, from -15 to 15, 0 if not given"),
        ],
        output: Output::Float,
        parts: Parts::Plain,
        about: "A float that is rounded; `int` makes an integer of it.",
        example: ("{{ 2.5 | round | int }}", "3"),
        implementation: Some(number::round),
    },
    Filter {
        name: "length",
        input: Input::Container,
        arguments: &[],
        output: Output::Integer,
        parts: Parts::Plain,
        about: "How many characters, elements or entries there are.",
        example: ("{{ [1, 2, 3] | length }}", "3"),
        implementation: Some(list::length),
    },
    Filter {
        name: "reverse",
        input: Input::Sequence,
        arguments: &[],
        output: Output::Same,
        parts: Parts::Plain,
        about: "A list or text, last element first.",
        example: ("{{ [1, 2, 3] | reverse | join(sep=',') }}", "3,2,1"),
        implementation: Some(list::reverse),
    },
    Filter {
        name: "first",
        input: Input::List,
        arguments: &[],
        output: Output::Element,
        parts: Parts::Plain,
        about: "The first element of a list; absent if the list is empty.",
        example: ("{{ [1, 2, 3] | first }}", "1"),
        implementation: Some(list::first),
    },
    Filter {
        name: "last",
        input: Input::List,
        arguments: &[],
        output: Output::Element,
        parts: Parts::Plain,
        about: "The last element of a list; absent if the list is empty.",
        example: ("{{ [1, 2, 3] | last }}", "3"),
        implementation: Some(list::last),
    },
    Filter {
        name: "nth",
        input: Input::List,
        arguments: &[required("n", ArgumentKind::Count, "which element, from 0")],
        output: Output::Element,
        parts: Parts::Plain,
        about: "An element of a list; absent if the list is shorter.",
        example: ("{{ [1, 2, 3] | nth(n=1) }}", "2"),
        implementation: Some(list::nth),
    },
    Filter {
        name: "join",
        input: Input::Scalars,
        arguments: &[optional("sep", ArgumentKind::Text, "what to put between the elements")],
        output: Output::Text,
        parts: Parts::Plain,
        about: "The elements of a list as one text.",
        example: ("{{ ['a', 'b'] | join(sep=', ') }}", "a, b"),
        implementation: Some(list::join),
    },
    Filter {
        name: "sort",
        input: Input::Comparable,
        arguments: &[optional("attribute", ArgumentKind::Attribute, "what to sort rows by")],
        output: Output::Same,
        parts: Parts::Plain,
        about: "A sorted list. Texts are compared by code points, equal elements keep their order, absent values \
                come last; values of unlike types are an error.",
        example: ("{{ [3, 1, 2] | sort | join(sep=',') }}", "1,2,3"),
        implementation: Some(list::sort),
    },
    Filter {
        name: "unique",
        input: Input::List,
        arguments: &[],
        output: Output::Same,
        parts: Parts::Plain,
        about: "A list without repetitions; the first of equal elements stays.",
        example: ("{{ ['b', 'a', 'b'] | unique | join(sep=',') }}", "b,a"),
        implementation: Some(list::unique),
    },
    Filter {
        name: "group_by",
        input: Input::Rows,
        arguments: &[required("attribute", ArgumentKind::Attribute, "what to group by")],
        output: Output::Groups,
        parts: Parts::Plain,
        about: "A map from each value of an attribute to the rows that have it, both in the order of their first \
                appearance. A row without the attribute is an error.",
        example: (
            "{% for site, rows in [{'site': 'b', 'n': 1}, {'site': 'a', 'n': 2}, {'site': 'b', 'n': 3}] \
             | group_by(attribute='site') %}{{ site }}:{% for row in rows %}{{ row.n }}{% endfor %} {% endfor %}",
            "b:13 a:2 ",
        ),
        implementation: Some(list::group_by),
    },
    Filter {
        name: "get",
        input: Input::Map,
        arguments: &[
            required("key", ArgumentKind::Key, "which entry"),
            optional("default", ArgumentKind::Content, "what to take if there is no such entry"),
        ],
        output: Output::Entry,
        parts: Parts::Plain,
        about: "An entry of a map; an error if there is none and no default.",
        example: ("{{ {'a': 1} | get(key='b', default=0) }}", "0"),
        implementation: None,
    },
    Filter {
        name: "keys",
        input: Input::Map,
        arguments: &[],
        output: Output::Keys,
        parts: Parts::Plain,
        about: "The keys of a map, in their order.",
        example: ("{{ {'b': 1, 'a': 2} | keys | join(sep=',') }}", "b,a"),
        implementation: None,
    },
    Filter {
        name: "values",
        input: Input::Map,
        arguments: &[],
        output: Output::Values,
        parts: Parts::Plain,
        about: "The values of a map, in the order of their keys.",
        example: ("{{ {'b': 1, 'a': 2} | values | join(sep=',') }}", "1,2"),
        implementation: None,
    },
    Filter {
        name: "pairs",
        input: Input::Map,
        arguments: &[],
        output: Output::Pairs,
        parts: Parts::Plain,
        about: "A list of two-element lists: a key and its value.",
        example: ("{% for pair in {'b': 1} | pairs %}{{ pair[0] }}={{ pair[1] }}{% endfor %}", "b=1"),
        implementation: None,
    },
];

/// The filter of a name.
pub fn find(name: &str) -> Option<&'static Filter> {
    FILTERS.iter().find(|filter| filter.name == name)
}

/// Gives an engine all filters whose implementation is ours, and [`PLAIN`]. It must come before any template.
pub fn register(tera: &mut Tera) {
    for filter in FILTERS {
        if let Some(implementation) = filter.implementation {
            tera.register_filter(filter.name, move |value: &Value, arguments: Kwargs, _: &State<'_>| {
                implementation(value, &arguments)
            });
        }
    }
    tera.register_filter(PLAIN, |value: &Value, _: Kwargs, _: &State<'_>| print::plain(value));
}

/// The message of an error that a filter, test or function gave, in the style of our own: one lower-case phrase
/// without the names of Rust types.
pub fn error_text(error: &Error) -> String {
    let type_name = |name: &str| match name.trim_start_matches('&') {
        "str" | "String" | "Cow<str>" | "string" => "text",
        "Map" | "map/struct" => "a map",
        "[Value]" | "Vec<Value>" | "array" => "a list",
        "bool" => "true or false",
        "f32" | "f64" | "Number" => "a number",
        "none" | "undefined" => "an absent value",
        "usize" | "u8" | "u16" | "u32" | "u64" | "u128" | "i8" | "i16" | "i32" | "i64" | "i128" => {
            "an integer"
        }
        _ => "another value",
    };
    let message = match error.kind() {
        ErrorKind::RenderingError(report) => report.message().to_owned(),
        _ => error.to_string(),
    };
    // Of an error that a filter gives, only its text reaches us.
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (first, second) = (quoted.next().unwrap_or_default(), quoted.next().unwrap_or_default());
    if message.starts_with("Invalid type for the value") {
        format!("expected {}, found {}", type_name(first), type_name(second))
    } else if message.starts_with("Missing keyword argument") {
        format!("the argument `{first}` is missing")
    } else if message.contains("is out of range for") {
        format!("the number {first} is out of range")
    } else {
        lower_phrase(&message)
    }
}

fn lower_phrase(message: &str) -> String {
    let message = message.trim_end_matches('.');
    let mut characters = message.chars();
    match characters.next() {
        Some(first) if !characters.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => message.to_owned(),
    }
}

/// The plain text of a value that a filter needs as text.
fn text<'v>(value: &'v Value, filter: &str) -> TeraResult<Cow<'v, str>> {
    value.as_str().map(mark::strip).ok_or_else(|| mismatch(filter, "text", value))
}

/// The error for an input of a wrong type.
fn mismatch(filter: &str, expected: &str, value: &Value) -> Error {
    Error::message(format!("`{filter}` takes {expected}, found {}", describe(value)))
}

/// What a value is, for messages.
fn describe(value: &Value) -> &'static str {
    match value {
        value if value.is_string() => "text",
        value if value.is_bool() => "true or false",
        value if value.is_number() => "a number",
        value if value.is_array() => "a list",
        value if value.is_map() => "a map",
        value if value.is_bytes() => "bytes",
        _ => "an absent value",
    }
}

/// The reference of filters, tests and functions, in Markdown: `docs/filters.md`.
pub fn document() -> String {
    let mut out = String::from(
        "# Filters, tests and functions\n\n\
         Templates are written in Tera 2. Besides its control structures they have these filters, tests and\n\
         functions, and no others.\n\n## Filters\n",
    );
    let section =
        |out: &mut String, name: &str, about: &str, arguments: &[Argument], example: (&str, &str)| {
            // Writing to a string cannot fail.
            let _ = write!(out, "\n### `{name}`\n\n{about}\n");
            if !arguments.is_empty() {
                out.push_str("\n| argument | | |\n| --- | --- | --- |\n");
                for argument in arguments {
                    let need = if argument.required { "required" } else { "optional" };
                    let _ = writeln!(out, "| `{}` | {need} | {} |", argument.name, argument.about);
                }
            }
            let _ = write!(out, "\n```text\n{}\n```\ngives\n```text\n{}\n```\n", example.0, example.1);
        };
    for filter in FILTERS {
        section(&mut out, filter.name, filter.about, filter.arguments, filter.example);
    }
    out.push_str("\n## Tests\n");
    for test in super::test::TESTS {
        section(&mut out, test.name, test.about, test.arguments, test.example);
    }
    out.push_str("\n## Functions\n");
    for function in super::function::FUNCTIONS {
        section(&mut out, function.name, function.about, function.arguments, function.example);
    }
    out.push_str("\n## Not available\n\n| filter of Tera | reason |\n| --- | --- |\n");
    for (name, reason) in REFUSED {
        let _ = writeln!(out, "| `{name}` | {reason} |");
    }
    out
}

#[cfg(test)]
mod tests;
