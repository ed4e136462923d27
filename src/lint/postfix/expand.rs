//! `$name` and its kin in the values of main.cf and master.cf, as of postconf(5).

use std::collections::BTreeSet;
use std::ops::Range;

/// A part of a value.
#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Text(&'t str),
    /// `$name`, `${name}`, `$(name)`; with what it is where it has a value, and where it has none.
    Name {
        name: &'t str,
        at: usize,
        full: Option<&'t str>,
        empty: Option<&'t str>,
    },
    /// `${{a} == {b} ? {c} : {d}}`.
    Compare {
        left: &'t str,
        operator: &'t str,
        right: &'t str,
        yes: &'t str,
        no: &'t str,
    },
}

/// So many values may lie within each other; a circle of them has no end.
const DEEPEST: usize = 24;

/// The value of a text, where `lookup` gives that of a name, with no `$` resolved.
pub(super) fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    expand_into(text, lookup, DEEPEST, &mut out);
    out
}

fn expand_into(text: &str, lookup: &dyn Fn(&str) -> Option<String>, depth: usize, out: &mut String) {
    let Some(below) = depth.checked_sub(1) else { return };
    let value = |text: &str| {
        let mut value = String::new();
        expand_into(text, lookup, below, &mut value);
        value
    };
    for part in parts(text) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Name { name, full, empty, .. } => {
                let found = lookup(name).map(|text| value(&text)).unwrap_or_default();
                match (full, empty) {
                    (None, None) => out.push_str(&found),
                    _ if found.is_empty() => out.push_str(&value(empty.unwrap_or_default())),
                    _ => out.push_str(&value(full.unwrap_or_default())),
                }
            }
            Part::Compare { left, operator, right, yes, no } => {
                let holds = compare(&value(left), operator, &value(right));
                out.push_str(&value(if holds { yes } else { no }));
            }
        }
    }
}

fn compare(left: &str, operator: &str, right: &str) -> bool {
    let order = if operator.ends_with("level") {
        level(left).cmp(&level(right))
    } else {
        match (left.parse::<i64>(), right.parse::<i64>()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            _ => left.cmp(right),
        }
    };
    match operator.trim_end_matches("level") {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        _ => false,
    }
}

/// A compatibility level: numbers between dots.
pub(super) fn level(text: &str) -> Vec<u32> {
    let mut parts: Vec<u32> = text.trim().split('.').map(|part| part.parse().unwrap_or(0)).collect();
    parts.resize(3, 0);
    parts
}

/// The names that a text asks for, with their places in it.
pub(super) fn names(text: &str) -> Vec<(&str, Range<usize>)> {
    let mut found = Vec::new();
    names_into(text, 0, DEEPEST, &mut found);
    found
}

/// The circle of names that the value of one leads into, if it does.
pub(super) fn circle(name: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    circle_from(&mut vec![name.to_owned()], &mut done, lookup)
}

fn circle_from(
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Option<Vec<String>> {
    let value = lookup(path.last()?)?;
    for (name, _) in names(&value) {
        if let Some(begin) = path.iter().position(|other| other == name) {
            return Some(path[begin..].to_vec());
        }
        if done.insert(name.to_owned()) {
            path.push(name.to_owned());
            let found = circle_from(path, done, lookup);
            if found.is_some() {
                return found;
            }
            path.pop();
        }
    }
    None
}

fn names_into<'t>(text: &'t str, base: usize, depth: usize, found: &mut Vec<(&'t str, Range<usize>)>) {
    let Some(below) = depth.checked_sub(1) else { return };
    // Where a part of the text lies in it: both are slices of the same bytes.
    let offset = |part: &str| base + (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    for part in parts(text) {
        match part {
            Part::Text(_) => {}
            Part::Name { name, at, full, empty } => {
                found.push((name, base + at..base + at + name.len()));
                for inner in [full, empty].into_iter().flatten() {
                    names_into(inner, offset(inner), below, found);
                }
            }
            Part::Compare { left, right, yes, no, .. } => {
                for inner in [left, right, yes, no] {
                    names_into(inner, offset(inner), below, found);
                }
            }
        }
    }
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut list = Vec::new();
    let mut rest = 0;
    while let Some(found) = text[rest..].find('$') {
        let at = rest + found;
        if at > rest {
            list.push(Part::Text(&text[rest..at]));
        }
        let after = &text[at + 1..];
        let (part, len) = match after.as_bytes().first() {
            Some(b'$') => (Part::Text("$"), 1),
            Some(b'{') => braced(after, at + 1, '{', '}'),
            Some(b'(') => braced(after, at + 1, '(', ')'),
            _ => {
                let len = name_len(after);
                match len {
                    0 => (Part::Text("$"), 0),
                    _ => (Part::Name { name: &after[..len], at: at + 1, full: None, empty: None }, len),
                }
            }
        };
        list.push(part);
        rest = at + 1 + len;
    }
    if rest < text.len() {
        list.push(Part::Text(&text[rest..]));
    }
    list
}

fn name_len(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// How long the group is that a text begins with, with its ends; all of the text where it is not closed.
pub(super) fn group(text: &str, open: char, close: char) -> usize {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        if character == open {
            depth += 1;
        } else if character == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + close.len_utf8();
            }
        }
    }
    text.len()
}

/// What stands in `${…}`, and how long that is.
fn braced(text: &str, at: usize, open: char, close: char) -> (Part<'_>, usize) {
    let len = group(text, open, close);
    let inner = text[1..len].strip_suffix(close).unwrap_or(&text[1..len]);
    let trimmed = inner.trim_start();
    if trimmed.starts_with('{') {
        return (comparison(trimmed).unwrap_or(Part::Text("")), len);
    }
    let at = at + 1 + inner.len() - trimmed.len();
    let count = name_len(trimmed);
    let name = &trimmed[..count];
    let (full, empty) = match trimmed[count..].trim_start().split_at_checked(1) {
        Some(("?", rest)) => {
            let (yes, no) = choices(rest);
            (Some(yes), no)
        }
        // Nothing, where the name has a value.
        Some((":", rest)) => (Some(""), Some(unwrapped(rest))),
        _ => (None, None),
    };
    (Part::Name { name, at, full, empty }, len)
}

/// `{a} : {b}`, or a text.
fn choices(text: &str) -> (&str, Option<&str>) {
    let trimmed = text.trim();
    if !trimmed.starts_with('{') {
        return (text, None);
    }
    let len = group(trimmed, '{', '}');
    let no = trimmed[len..].trim_start().strip_prefix(':').map(unwrapped);
    (unwrapped(&trimmed[..len]), no)
}

/// A text without the braces around it.
fn unwrapped(text: &str) -> &str {
    let trimmed = text.trim();
    match trimmed.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        Some(inner) => inner.trim(),
        None => text,
    }
}

fn comparison(text: &str) -> Option<Part<'_>> {
    let left = group(text, '{', '}');
    let rest = text[left..].trim_start();
    let operator = rest.find('{')?;
    let (operator, rest) = rest.split_at(operator);
    let right = group(rest, '{', '}');
    let (yes, no) = choices(rest[right..].trim_start().strip_prefix('?')?);
    Some(Part::Compare {
        left: unwrapped(&text[..left]),
        operator: operator.trim(),
        right: unwrapped(&rest[..right]),
        yes,
        no: no.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lookup(name: &str) -> Option<String> {
        let value = match name {
            "a" => "one",
            "b" => "$a two",
            "e" => "",
            "level" => "3.6",
            "round" => "$round",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn values_are_expanded() {
        for (text, value) in [
            ("x $a y", "x one y"),
            ("${a}$(b)", "oneone two"),
            ("$$a", "$a"),
            ("${a?yes}${e?yes}${a:no}${e:no}", "yesno"),
            ("${a?{yes}:{no}} ${e?{yes}:{no}} ${none?{$a}:{$b}}", "yes no one two"),
            ("${{$level} <level {1} ? {} : {permit, $a}}", "permit, one"),
            ("${{$level} < {10} ? {x} : {y}}", "y"),
            ("${{a} == {a} ? {same}}", "same"),
            ("$round$none-", "-"),
            ("cost $", "cost $"),
        ] {
            assert_eq!(expand(text, &lookup), value, "{text}");
        }
    }

    #[test]
    fn circles_are_found() {
        assert_eq!(circle("round", &lookup), Some(vec!["round".to_owned()]));
        assert_eq!(circle("b", &lookup), None);
    }

    #[test]
    fn names_have_places() {
        let text = "$a ${bb?{$c}:{d $e}} ${{$f} == {x} ? {$(g)} : {}}";
        let found: Vec<&str> = names(text)
            .into_iter()
            .map(|(name, place)| {
                assert_eq!(&text[place], name);
                name
            })
            .collect();
        assert_eq!(found, ["a", "bb", "c", "e", "f", "g"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([${}()?:<=ab é]|level){0,40}") {
            expand(&text, &lookup);
            names(&text);
        }
    }
}
