//! Takes main.cf, master.cf and lookup tables apart, with the place of everything.

use std::ops::Range;

use camino::Utf8PathBuf;

use super::expand::group;
use crate::diagnostic::Code;
use crate::format::lexis::{Lexis, Statement, Word, statements};
use crate::format::postfix::{MAIN_LEXIS, MAP_LEXIS, MASTER_LEXIS};
use crate::lint::{Finding, Place};

pub(super) const MAIN: &str = "main.cf";
pub(super) const MASTER: &str = "master.cf";

/// Text that stands in a file, in parts that may stand apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) text: String,
    /// Where each part begins: in the text, and in the file.
    parts: Vec<(usize, usize)>,
}

impl Text {
    fn of<'t>(words: impl IntoIterator<Item = Word<'t>>) -> Self {
        let mut made = Self::default();
        for word in words {
            if !made.text.is_empty() {
                made.text.push(' ');
            }
            made.parts.push((made.text.len(), word.at));
            made.text.push_str(word.text);
        }
        made
    }

    /// Where a range of the text lies in the file.
    pub(super) fn place(&self, range: &Range<usize>) -> Range<usize> {
        let find = |at: usize| {
            let part = self.parts.iter().rev().find(|(start, _)| *start <= at).or(self.parts.first());
            part.map_or(0, |(start, offset)| offset + at.saturating_sub(*start))
        };
        let start = find(range.start);
        start..find(range.end.max(range.start + 1) - 1) + 1
    }
}

/// `name = value`, in main.cf or behind `-o`.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) file: &'static str,
    pub(super) name: String,
    name_at: usize,
    pub(super) value: Text,
}

impl Setting {
    fn new(file: &'static str, name: &str, name_at: usize, value: Text) -> Self {
        Self { file, name: name.to_owned(), name_at, value }
    }

    /// Where its name stands.
    pub(super) fn name_place(&self) -> Place {
        Place::new(self.file, self.name_at..self.name_at + self.name.len())
    }

    /// Where its value stands, or its name where it has none.
    pub(super) fn place(&self) -> Place {
        if self.value.text.is_empty() { self.name_place() } else { self.part(&(0..self.value.text.len())) }
    }

    /// Where a part of its value stands.
    pub(super) fn part(&self, range: &Range<usize>) -> Place {
        Place::new(self.file, self.value.place(range))
    }
}

/// What is not as it should be in a file, with its place.
#[derive(Debug, Clone)]
pub(super) struct Odd {
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Odd {
    /// What a rule says of it.
    pub(super) fn told(&self, code: &'static Code) -> Finding {
        Finding::new(code, self.place.clone(), self.message.clone()).hint(self.hint.clone())
    }

    fn new(file: &str, bytes: Range<usize>, message: impl Into<String>) -> Self {
        Self { place: Place::new(file, bytes), message: message.into(), hint: String::new() }
    }
}

/// A word of master.cf.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) text: String,
    at: usize,
}

impl Field {
    fn of(word: &Word<'_>) -> Self {
        Self { text: word.text.to_owned(), at: word.at }
    }

    pub(super) fn place(&self) -> Place {
        Place::new(MASTER, self.at..self.at + self.text.len())
    }
}

/// A service of master.cf.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) private: bool,
    /// The five fields between the type and the program, as they stand.
    pub(super) fields: [Field; 5],
    /// Whether it is woken up by itself.
    pub(super) wakes: bool,
    /// How many processes it may have; nothing for the default.
    pub(super) limit: Option<u32>,
    /// The program, without a folder.
    pub(super) program: String,
    pub(super) overrides: Vec<Setting>,
    /// The attributes of pipe(8) and spawn(8), such as `user=`; `argv=` is the last one.
    pub(super) attributes: Vec<Field>,
    /// What stands behind the program and is neither an option nor an attribute.
    pub(super) odd: Vec<Odd>,
    name_at: usize,
    program_at: usize,
}

impl Service {
    pub(super) fn place(&self) -> Place {
        Place::new(MASTER, self.name_at..self.name_at + self.name.len())
    }

    pub(super) fn program_place(&self) -> Place {
        Place::new(MASTER, self.program_at..self.program_at + self.program.len())
    }

    /// Whether it is of one of these programs.
    pub(super) fn runs(&self, programs: &[&str]) -> bool {
        programs.contains(&self.program.as_str())
    }
}

/// Text whose bytes stand where they stood: what is no UTF-8 is of no interest.
pub(super) fn readable(bytes: &[u8]) -> Vec<u8> {
    if std::str::from_utf8(bytes).is_ok() {
        return bytes.to_vec();
    }
    bytes.iter().map(|byte| if byte.is_ascii() { *byte } else { b'?' }).collect()
}

fn taken<'t>(lexis: &'static Lexis, file: &str, bytes: &'t [u8], odd: &mut Vec<Odd>) -> Vec<Statement<'t>> {
    statements(lexis, bytes).unwrap_or_else(|fault| {
        odd.push(Odd::new(file, fault.offset..fault.offset + 1, fault.message));
        Vec::new()
    })
}

/// `name = value`, of the words of a statement.
fn setting(file: &'static str, words: &[Word<'_>]) -> Option<Setting> {
    let (first, rest) = words.split_first()?;
    let rest = rest.iter().copied();
    if let Some((name, value)) = first.text.split_once('=') {
        let at = first.at + name.len() + 1;
        let value = (!value.is_empty()).then_some(Word { at, text: value });
        return Some(Setting::new(file, name, first.at, Text::of(value.into_iter().chain(rest))));
    }
    let (second, rest) = words[1..].split_first()?;
    let value = second.text.strip_prefix('=')?;
    let value = (!value.is_empty()).then_some(Word { at: second.at + 1, text: value });
    Some(Setting::new(file, first.text, first.at, Text::of(value.into_iter().chain(rest.iter().copied()))))
}

/// The settings of main.cf.
pub(super) fn main(bytes: &[u8], odd: &mut Vec<Odd>) -> Vec<Setting> {
    let mut list = Vec::new();
    for statement in taken(&MAIN_LEXIS, MAIN, bytes, odd) {
        let at = statement.at();
        match setting(MAIN, &statement.words) {
            Some(setting) if !setting.name.is_empty() => list.push(setting),
            _ => odd.push(Odd::new(
                MAIN,
                at..at + statement.word(0).len(),
                format!("expected `name = value`, found `{}`", statement.word(0)),
            )),
        }
    }
    list
}

/// The services of master.cf.
pub(super) fn master(bytes: &[u8], odd: &mut Vec<Odd>) -> Vec<Service> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let mut list = Vec::new();
    for statement in taken(&MASTER_LEXIS, MASTER, bytes, odd) {
        let words = joined(text, &statement.words);
        match service(&words) {
            Some(service) => list.push(service),
            None => odd.push(Odd::new(
                MASTER,
                statement.at()..statement.end_at,
                "a service has a name, a type, five settings and a command",
            )),
        }
    }
    list
}

/// The words of a statement, where what stands in nested braces is one.
fn joined<'t>(text: &'t str, words: &[Word<'t>]) -> Vec<Word<'t>> {
    let mut list: Vec<Word<'t>> = Vec::new();
    for word in words {
        if let Some(last) = list.last_mut()
            && last.text.starts_with('{')
            && group(last.text, '{', '}') == last.text.len()
            && last.text.matches('{').count() > last.text.matches('}').count()
        {
            last.text = &text[last.at..word.at + word.text.len()];
            continue;
        }
        list.push(*word);
    }
    list
}

fn service(words: &[Word<'_>]) -> Option<Service> {
    let [name, kind, private, unprivileged, chroot, wakeup, limit, program, arguments @ ..] = words else {
        return None;
    };
    let short = program.text.rsplit('/').next().unwrap_or_default();
    let mut service = Service {
        name: name.text.to_owned(),
        kind: kind.text.to_owned(),
        private: private.text != "n",
        fields: [private, unprivileged, chroot, wakeup, limit].map(Field::of),
        wakes: !matches!(wakeup.text, "-" | "0" | "0?"),
        limit: limit.text.parse().ok(),
        program: short.to_owned(),
        overrides: Vec::new(),
        attributes: Vec::new(),
        odd: Vec::new(),
        name_at: name.at,
        program_at: program.at + program.text.len() - short.len(),
    };
    // Of these programs, attributes follow the options, and the last one is the command that they run.
    let has_attributes = matches!(short, "pipe" | "spawn");
    let mut rest = arguments.iter();
    let mut odd_until = usize::MAX - 1;
    while let Some(word) = rest.next() {
        let Some(option) = word.text.strip_prefix('-') else {
            if has_attributes && word.text.contains('=') {
                service.attributes.push(Field::of(word));
                // The command's own words may be anything.
                if word.text.starts_with("argv=") {
                    break;
                }
                continue;
            }
            // What follows on what is wrong already is the rest of it.
            let before = std::mem::replace(&mut odd_until, word.at + word.text.len());
            if before + 1 == word.at {
                continue;
            }
            let message = format!("`{}` is no option of `{short}`: a value ends at white space", word.text);
            let hint = "write `-o name=value` without white space, or `-o { name = a value with spaces }`";
            let odd = Odd::new(MASTER, word.at..word.at + word.text.len(), message);
            service.odd.push(Odd { hint: hint.to_owned(), ..odd });
            continue;
        };
        match option.split_at_checked(1) {
            Some(("o", "")) => match rest.next() {
                Some(value) => {
                    if !overriding(&mut service, *value) {
                        odd_until = value.at + value.text.len();
                    }
                }
                None => {
                    service.odd.push(Odd::new(MASTER, word.at..word.at + 2, "`-o` has no setting behind it"));
                }
            },
            Some(("o", attached)) => _ = overriding(&mut service, Word { at: word.at + 2, text: attached }),
            Some(("i" | "m" | "n" | "s" | "t", "")) => _ = rest.next(),
            _ => {}
        }
    }
    Some(service)
}

/// Takes what stands behind `-o`; false where that is no setting.
fn overriding(service: &mut Service, word: Word<'_>) -> bool {
    let made = match word.text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        Some(inner) => inner.split_once('=').map(|(name, value)| {
            let at = word.at + 1 + inner.len() - inner.trim_start().len();
            let begin = value.len() - value.trim_start().len();
            let value_at = word.at + 1 + name.len() + 1 + begin;
            let value = Word { at: value_at, text: value.trim() };
            let value = Text::of((!value.text.is_empty()).then_some(value));
            Setting::new(MASTER, name.trim(), at, value)
        }),
        None => word.text.contains('=').then(|| setting(MASTER, &[word])).flatten(),
    };
    match made {
        Some(setting) if !setting.name.is_empty() => {
            service.overrides.push(setting);
            true
        }
        _ => {
            let message = format!("expected `name=value` behind `-o`, found `{}`", word.text);
            let hint = "write it without white space: `-o name=value`";
            let odd = Odd::new(MASTER, word.at..word.at + word.text.len(), message);
            service.odd.push(Odd { hint: hint.to_owned(), ..odd });
            false
        }
    }
}

/// An entry of a lookup table.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// What is looked up: a key, or a pattern.
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) value: String,
    pub(super) place: Place,
}

/// The entries of a table that is a file.
pub(super) fn map(file: &Utf8PathBuf, bytes: &[u8], patterns: bool) -> Vec<Entry> {
    let text = readable(bytes);
    let mut list = Vec::new();
    for statement in statements(&MAP_LEXIS, &text).unwrap_or_default() {
        let Some(first) = statement.words.first() else { continue };
        let line = &text[first.at..statement.end_at];
        let line = std::str::from_utf8(line).unwrap_or_default();
        // A pattern may have white space in it, up to the end that it begins with.
        let key_len = match line.chars().next() {
            Some(mark) if patterns && !mark.is_alphanumeric() && mark != '!' => {
                let end = line[mark.len_utf8()..].find(mark).map(|at| at + 2 * mark.len_utf8());
                let end = end.unwrap_or(first.text.len());
                end + line[end..].find(char::is_whitespace).unwrap_or(line.len() - end)
            }
            _ => first.text.len(),
        };
        let words = statement.words.iter().filter(|word| word.at >= first.at + key_len).copied();
        let value = Text::of(words);
        let key_place = Place::new(file.clone(), first.at..first.at + key_len);
        let place = if value.text.is_empty() {
            key_place.clone()
        } else {
            Place::new(file.clone(), value.place(&(0..value.text.len())))
        };
        list.push(Entry { key: line[..key_len].to_owned(), key_place, value: value.text, place });
    }
    list
}

/// The items of a list: what stands between commas and white space, and not in braces.
pub(super) fn split(text: &str) -> Vec<Range<usize>> {
    let mut list = Vec::new();
    let mut start = None;
    let (mut braces, mut parentheses) = (0_usize, 0_usize);
    for (at, character) in text.char_indices() {
        match character {
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            '(' if text[..at].ends_with('$') => parentheses += 1,
            ')' => parentheses = parentheses.saturating_sub(1),
            _ => {}
        }
        let divides = braces == 0 && parentheses == 0 && (character == ',' || character.is_whitespace());
        match (start, divides) {
            (None, false) => start = Some(at),
            (Some(from), true) => {
                list.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    list.extend(start.map(|from| from..text.len()));
    list
}
