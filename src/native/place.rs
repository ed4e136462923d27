//! Places in what a program prints: a file of the private copy, and a line of it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use regex::Regex;

/// A line and a column, from 1.
type At = (usize, Option<usize>);

/// A place that a line of a program's output names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, by its number in the copy.
    pub(super) file: usize,
    /// The line and the column, from 1, where they are named.
    pub(super) at: Option<At>,
}

/// What the places of an output may be.
#[derive(Debug)]
pub(super) struct Files<'a> {
    /// The folder that is `{root}`, absolute.
    root: &'a Utf8Path,
    /// The files by their paths below it.
    paths: BTreeMap<&'a Utf8Path, usize>,
    /// Those that are the only ones of their name.
    names: BTreeMap<&'a str, Option<usize>>,
}

impl<'a> Files<'a> {
    /// Files below a folder, numbered as they come.
    pub(super) fn new(root: &'a Utf8Path, paths: impl IntoIterator<Item = &'a Utf8Path>) -> Self {
        let paths: BTreeMap<_, _> =
            paths.into_iter().enumerate().map(|(number, path)| (path, number)).collect();
        let mut names = BTreeMap::new();
        for (path, number) in &paths {
            let name = path.file_name().unwrap_or_default();
            names.entry(name).and_modify(|only| *only = None).or_insert(Some(*number));
        }
        Self { root, paths, names }
    }

    /// The place that a line names.
    pub(super) fn place(&self, line: &str) -> Option<Place> {
        let mut found = None;
        for word in words(line) {
            let Some((file, rest)) = self.file(word) else { continue };
            let at = behind(rest).or_else(|| named(line));
            if at.is_some() {
                return Some(Place { file, at });
            }
            found = found.or(Some(Place { file, at: None }));
        }
        found
    }

    /// The file that a word begins with, and what stands behind it.
    fn file<'w>(&self, word: &'w str) -> Option<(usize, &'w str)> {
        let inside = word.strip_prefix(self.root.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let path = inside.unwrap_or_else(|| word.strip_prefix("./").unwrap_or(word));
        let mut ends = path.char_indices().map(|(at, _)| at).chain([path.len()]).collect::<Vec<_>>();
        // The longest: a file may be called as another is with `:3` behind it.
        while let Some(end) = ends.pop() {
            let (name, rest) = path.split_at(end);
            let known = self.paths.get(Utf8Path::new(name)).copied();
            let known =
                known.or_else(|| self.names.get(name).copied().flatten().filter(|_| inside.is_none()));
            if let Some(file) = known.filter(|_| !goes_on(rest)) {
                return Some((file, rest));
            }
        }
        None
    }
}

/// Whether a name goes on: the dot of a sentence is none of a name.
fn goes_on(rest: &str) -> bool {
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/'))
}

/// The words of a line, without what quotes or brackets them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let is_border = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '[' | ']' | '<' | '>' | ',' | ';' | '=')
    };
    line.split(is_border).map(|word| word.trim_start_matches('(')).filter(|word| !word.is_empty())
}

/// The line, and the column, that stand directly behind a file: `:12`, `:12:3`, `(12)`.
fn behind(rest: &str) -> Option<At> {
    let (line, rest) = number(rest.strip_prefix([':', '('])?)?;
    let column = rest.strip_prefix([':', ',']).and_then(number).map(|(column, _)| column);
    Some((line, column))
}

fn number(text: &str) -> Option<(usize, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().filter(|number| *number > 0).map(|number| (number, &text[end..]))
}

/// The line that stands elsewhere in the text: `line 12`, and a column as in `line 12, column 3`.
fn named(line: &str) -> Option<At> {
    // The pattern is well-formed, as the test shows; folding case would take a feature that only the tests bring along.
    static LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\b[Ll]ine:? (?<line>[1-9][0-9]*)(?:,? [Cc]olumn (?<column>[1-9][0-9]*))?").ok()
    });
    let found = LINE.as_ref()?.captures(line)?;
    let number = |name: &str| found.name(name)?.as_str().parse().ok();
    Some((number("line")?, number("column")))
}

/// The only line of a file that holds a word of a message that could be something of the file, one in quotes, the last one
/// or a path: tools that name a parameter often name no line.
pub(super) fn only_line(text: &[u8], message: &str) -> Option<usize> {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let only = |word: &str| {
        let mut found = lines.iter().enumerate().filter(|(_, line)| holds(line, word));
        found.next().filter(|_| found.next().is_none()).map(|(number, _)| number + 1)
    };
    let quoted = message.split(['"', '\'', '`']).skip(1).step_by(2).filter(|word| !word.contains(' '));
    let paths = message.split_whitespace().filter(|word| word.contains('/'));
    let candidates = quoted.chain(message.split_whitespace().next_back()).chain(paths);
    let mut words = candidates.map(|word| {
        word.trim_matches(|c: char| matches!(c, '"' | '\'' | '`' | '(' | ')' | '.' | ',' | ':' | ';'))
    });
    words.find_map(|word| {
        // A word of a language stands anywhere.
        if word.chars().all(char::is_alphabetic) {
            return None;
        }
        let name = word.split_once('=').map(|(name, _)| name).filter(|name| name.len() > 2);
        only(word).or_else(|| only(name?))
    })
}

/// Whether a line holds a word, and not only as a part of another; a dot behind it may end a name of the DNS.
fn holds(line: &[u8], word: &str) -> bool {
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    memchr::memmem::find_iter(line, word).any(|at| {
        let (before, behind) = (&line[..at], &line[at + word.len()..]);
        let behind = behind.strip_prefix(b".").unwrap_or(behind);
        !before.last().is_some_and(is_of_word) && !behind.first().is_some_and(is_of_word)
    })
}

/// How many lines a text has; its end is on the line behind them.
pub(super) fn lines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count() + usize::from(!text.ends_with(b"\n"))
}

/// The bytes of a line, counted from 1, without the blanks around it, or from one of its columns on. Behind the last line,
/// the last one.
pub(super) fn bytes(text: &[u8], (line, column): At) -> std::ops::Range<usize> {
    let trimmed = text.strip_suffix(b"\n").unwrap_or(text);
    let breaks = memchr::memchr_iter(b'\n', trimmed).map(|at| at + 1);
    let start = std::iter::once(0).chain(breaks).take(line).last().unwrap_or_default();
    let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |at| start + at);
    let whole = &text[start..end];
    let blanks = whole.len() - whole.trim_ascii_start().len();
    let from = match column {
        Some(column) if column > blanks && column <= whole.len() => column - 1,
        _ => blanks,
    };
    let end = start + whole.trim_ascii_end().len();
    (start + from).min(end)..end
}

/// A line of an output as people see it: the copy is called what it is a copy of.
pub(super) fn shown(line: &str, copies: &[(Utf8PathBuf, String)]) -> String {
    // More is of no use to anybody.
    const MOST: usize = 400;
    let mut line = line.trim_end().to_owned();
    for (copy, name) in copies {
        line = line
            .replace(&format!("{copy}/"), &if name.is_empty() { String::new() } else { format!("{name}/") });
        line = line.replace(copy.as_str(), name);
    }
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 4] = ["nginx/nginx.conf", "postfix/main.cf", "a.service", "c/x:3"];

    #[track_caller]
    fn finds(line: &str, expected: Option<(&str, Option<At>)>) {
        let root = Utf8Path::new("/tmp/copy");
        let files = Files::new(root, FILES.map(Utf8Path::new));
        let found = files.place(line).map(|place| (FILES[place.file], place.at));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn places_as_programs_print_them() {
        let nginx = |line| Some(("nginx/nginx.conf", Some((line, None))));
        finds(r#"nginx: [emerg] unknown directive "x" in /tmp/copy/nginx/nginx.conf:12"#, nginx(12));
        finds("[ALERT] (1) : parsing [/tmp/copy/nginx/nginx.conf:3] : unknown keyword 'foo'", nginx(3));
        finds(
            "doveconf: Fatal: Error in configuration file /tmp/copy/nginx/nginx.conf line 7: Unknown",
            nginx(7),
        );
        finds("line 4 of \"/tmp/copy/nginx/nginx.conf\" is bad", nginx(4));
        finds("nginx/nginx.conf(9): bad", nginx(9));
        finds("./nginx/nginx.conf:9: bad", nginx(9));
        finds("/tmp/copy/nginx/nginx.conf:12:3-9: Error", Some(("nginx/nginx.conf", Some((12, Some(3))))));
        finds("in nginx.conf, line 2, column 5", Some(("nginx/nginx.conf", Some((2, Some(5))))));
        finds(
            "postconf: fatal: /tmp/copy/postfix/main.cf, line 5: missing '='",
            Some(("postfix/main.cf", Some((5, None)))),
        );
        finds(
            "postconf: warning: /tmp/copy/postfix/main.cf: unused parameter: x=y",
            Some(("postfix/main.cf", None)),
        );
        finds("/tmp/copy/a.service:4: Unknown key", Some(("a.service", Some((4, None)))));
        finds("a.service: Command /x is not executable", Some(("a.service", None)));
        finds("c/x:3:4: bad", Some(("c/x:3", Some((4, None)))));
    }

    #[test]
    fn what_is_no_place() {
        finds("/tmp/other/nginx/nginx.conf:12: bad", None);
        finds("/tmp/copy/nginx/nginx.conf.old:12: bad", None);
        finds("xnginx/nginx.conf:3", None);
        finds("line 3 is bad", None);
        finds("/tmp/copy/nginx/nginx.conf:0: bad", Some(("nginx/nginx.conf", None)));
        finds("/tmp/copy/nginx/nginx.conf:99999999999999999999999: bad", Some(("nginx/nginx.conf", None)));
        finds("", None);
    }

    #[test]
    fn a_parameter_that_stands_on_one_line_says_which() {
        let text = b"a = b\nsmtp_x = 1\nsmtp_y = 1\n  -o foo=bar\n  -o foo=baz\n";
        assert_eq!(only_line(text, "unused parameter: foo=baz"), Some(5));
        assert_eq!(only_line(text, "unused parameter: foo=other"), None);
        assert_eq!(only_line(text, "unused parameter: smtp_y=1"), Some(3));
        assert_eq!(only_line(text, "parameter \"smtp_x\"."), Some(2));
        assert_eq!(only_line(text, "unused parameter: x=1"), None);
        assert_eq!(only_line(b"ip=192.0.2.1\nip=192.0.2.17\n", "unused: ip=192.0.2.1"), Some(1));
        assert_eq!(only_line(text, "what is bar"), None);
        let conf = b"zone \"a\" { file \"z/a.zone\"; };\nzone \"b\" { file \"z/b.zone\"; };\n";
        assert_eq!(only_line(conf, "loading from master file z/b.zone failed: file not found"), Some(2));
        let zone = b"@ MX 10 mx1.example.org.\n@ MX 20 mx2.example.org.\n";
        assert_eq!(
            only_line(zone, "example.org/MX 'mx2.example.org' has no address records (A or AAAA)"),
            Some(2)
        );
        assert_eq!(only_line(text, ""), None);
    }

    #[test]
    fn the_bytes_of_a_line() {
        let text = b"one\n  two x \n\nlast";
        let of = |line, column| std::str::from_utf8(&text[bytes(text, (line, column))]).unwrap();
        assert_eq!((of(1, None), of(2, None), of(3, None), of(4, None)), ("one", "two x", "", "last"));
        assert_eq!(
            (of(2, Some(7)), of(2, Some(1)), of(2, Some(99)), of(9, None)),
            ("x", "two x", "two x", "last")
        );
        assert_eq!(bytes(b"", (1, Some(3))), 0..0);
        assert_eq!(bytes(b"x\n", (5, None)), 0..1);
    }
}
