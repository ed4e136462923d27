//! Diagnostics for people: the message, the source line with a caret, at each of its places.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::renderer::DEFAULT_TERM_WIDTH;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Label, Place, Severity};
use crate::source::{SourceFile, Sources, Span};

/// How many characters of a long line are shown.
const WIDTH: usize = 120;

/// How many of them stand before the caret.
const BEFORE: usize = 40;

/// More lines than these are not shown of a place; its first one then stands for all.
const LINES: usize = 5;

/// How many characters of a message are shown: it may quote a cell of many megabytes.
const MESSAGE: usize = 1000;

/// Of more than so many of one kind at one place, the first few are shown with their places; the rest has a line each.
const MANY: usize = 8;
const SHOWN: usize = 3;

/// So many lines there are for the rest.
const LISTED: usize = 20;

/// Begins a stand-in for a path; [`visible`] lets no such character through from a source.
const MARK: char = '\u{f0000}';

/// Writes diagnostics, each with an empty line after it.
///
/// With `styled`, the text has ANSI escape sequences for colours, and none otherwise: what comes from sources
/// and messages is made visible first.
pub fn human(out: &mut dyn Write, sources: &Sources, list: &[Diagnostic], styled: bool) -> io::Result<()> {
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() }.term_width(DEFAULT_TERM_WIDTH);
    for (kind, alike) in kinds(list) {
        let (shown, rest) = alike.split_at(if alike.len() > MANY { SHOWN } else { alike.len() });
        for diagnostic in shown {
            let excerpts: Vec<Option<Excerpt>> =
                diagnostic.labels.iter().map(|label| Excerpt::of(sources, &label.place)).collect();
            let text = renderer.render(&groups(diagnostic, &excerpts));
            writeln!(out, "{}\n", with_places(&text, sources, &diagnostic.labels).trim_end())?;
        }
        if let Some(first) = rest.first() {
            let title = level(first).primary_title(format!("{} more of this kind", rest.len()));
            writeln!(out, "{}", renderer.render(&[Group::with_title(title.id(first.code.as_ref()))]))?;
        }
        for diagnostic in rest.iter().take(LISTED) {
            writeln!(out, "  {}", line(sources, diagnostic, kind))?;
        }
        match rest.len().saturating_sub(LISTED) {
            0 if rest.is_empty() => {}
            0 => writeln!(out)?,
            more => writeln!(out, "  and {more} more, which `--format json` lists\n")?,
        }
    }
    Ok(())
}

/// Diagnostics of one code that share a place, such as a line of a template that goes wrong for each row; each of these
/// kinds stands where its first one does.
fn kinds(list: &[Diagnostic]) -> Vec<(Option<&Place>, Vec<&Diagnostic>)> {
    let mut sharing: HashMap<(&str, &Place), usize> = HashMap::new();
    for diagnostic in list {
        for place in spans(diagnostic).collect::<HashSet<_>>() {
            *sharing.entry((&diagnostic.code, place)).or_default() += 1;
        }
    }
    let mut kinds: Vec<(Option<&Place>, Vec<&Diagnostic>)> = Vec::new();
    let mut known: HashMap<(&str, &Place), usize> = HashMap::new();
    for diagnostic in list {
        let number = |place: &&Place| sharing.get(&(diagnostic.code.as_ref(), *place)).copied().unwrap_or(0);
        let place = spans(diagnostic).max_by_key(number).filter(|place| number(place) > MANY);
        let key = place.map(|place| (diagnostic.code.as_ref(), place));
        if let Some(at) = key.and_then(|key| known.get(&key)) {
            kinds[*at].1.push(diagnostic);
        } else {
            known.extend(key.map(|key| (key, kinds.len())));
            kinds.push((place, vec![diagnostic]));
        }
    }
    kinds
}

/// The places of a diagnostic that are not whole files.
fn spans(diagnostic: &Diagnostic) -> impl Iterator<Item = &Place> {
    diagnostic.labels.iter().map(|label| &label.place).filter(|place| matches!(place, Place::Span(_)))
}

/// A diagnostic as a line: its place, which is not the one that it shares with others, and the message.
fn line(sources: &Sources, diagnostic: &Diagnostic, shared: Option<&Place>) -> String {
    let own = |label: &&Label| matches!(label.place, Place::Span(_)) && Some(&label.place) != shared;
    let label = diagnostic.labels.iter().rfind(own).or(diagnostic.labels.first());
    let place = label.map(|label| match super::locate(sources, &label.place) {
        (path, Some(position)) => format!("{path}:{position}: "),
        (path, None) => format!("{path}: "),
    });
    let line = place.unwrap_or_default() + &shown(&diagnostic.message);
    line.chars().filter_map(visible).collect()
}

/// Marks in one line of a file, each with what to say of it.
#[derive(Debug)]
pub struct Marked {
    /// Where; all of them begin in one line.
    pub marks: Vec<(Span, String)>,
}

/// Writes marked lines below a title, which names the place of the first one, and then notes: what each is about,
/// and its text.
pub fn excerpt(
    out: &mut dyn Write,
    sources: &Sources,
    title: &str,
    lines: &[Marked],
    notes: &[(&str, String)],
    styled: bool,
) -> io::Result<()> {
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() }.term_width(DEFAULT_TERM_WIDTH);
    let mut labels = Vec::new();
    let mut group = Group::with_title(Level::NOTE.no_name().secondary_title(shown(title)));
    for (number, Marked { marks }) in lines.iter().enumerate() {
        let spans: Vec<Span> = marks.iter().map(|(span, _)| *span).collect();
        let (Some(first), Some(excerpt)) = (spans.first(), Excerpt::of_line(sources, &spans)) else {
            continue;
        };
        let mut snippet = Snippet::source(excerpt.text).line_start(excerpt.line);
        if number > 0 {
            snippet = snippet.path(format!("{MARK}{}", labels.len()));
            labels.push(Label { place: (*first).into(), text: String::new() });
        }
        group =
            group.element(snippet.annotations(excerpt.carets.iter().zip(marks).map(|(caret, (_, text))| {
                let caret = AnnotationKind::Primary.span(caret.clone());
                if text.is_empty() { caret } else { caret.label(shown(text)) }
            })));
    }
    let notes = notes.iter().map(|(name, text)| Level::NOTE.with_name(*name).message(shown(text)));
    let text = renderer.render(&[group.elements(notes)]);
    writeln!(out, "{}", with_places(&text, sources, &labels).trim_end())
}

/// Writes the last line of a run: how many errors and warnings there were, and what came of it; nothing where
/// there were none.
pub fn closing(out: &mut dyn Write, list: &[Diagnostic], outcome: &str, styled: bool) -> io::Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    let count = |severity, name: &str| {
        let number = list.iter().filter(|diagnostic| diagnostic.severity == severity).count();
        let plural = if number == 1 { "" } else { "s" };
        (number > 0).then(|| format!("{number} {name}{plural}"))
    };
    let errors = count(Severity::Error, "error");
    let level = if errors.is_some() { Level::ERROR } else { Level::WARNING };
    let parts = [errors, count(Severity::Warning, "warning"), Some(outcome.to_owned())];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    writeln!(out, "{}", renderer.render(&[Group::with_title(level.primary_title(parts.join(", ")))]))
}

fn level(diagnostic: &Diagnostic) -> Level<'static> {
    match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    }
}

/// The message with its first place and the hints, then a note for each further place.
fn groups<'a>(diagnostic: &'a Diagnostic, excerpts: &'a [Option<Excerpt>]) -> Vec<Group<'a>> {
    let title = level(diagnostic).primary_title(shown(&diagnostic.message)).id(diagnostic.code.as_ref());
    let mut groups = vec![Group::with_title(title)];
    for (at, (label, excerpt)) in diagnostic.labels.iter().zip(excerpts).enumerate() {
        let mut text = shown(&label.text);
        if at > 0 {
            let title = if text.is_empty() { "see also".to_owned() } else { std::mem::take(&mut text) };
            groups.push(Group::with_title(Level::NOTE.secondary_title(title)));
        }
        // There is one: the title's.
        let Some(group) = groups.pop() else { continue };
        groups.push(match excerpt {
            None => {
                let note = (!text.is_empty()).then(|| Level::NOTE.message(text));
                group.element(Origin::path(format!("{MARK}{at}"))).elements(note)
            }
            Some(excerpt) => {
                let caret = AnnotationKind::Primary.span(excerpt.carets[0].clone());
                let caret = if text.is_empty() { caret } else { caret.label(text) };
                let snippet = Snippet::source(excerpt.text.as_str()).line_start(excerpt.line);
                group.element(snippet.path(format!("{MARK}{at}")).annotation(caret))
            }
        });
        if at == 0 {
            groups = with_hints(groups, diagnostic);
        }
    }
    if diagnostic.labels.is_empty() { with_hints(groups, diagnostic) } else { groups }
}

fn with_hints<'a>(mut groups: Vec<Group<'a>>, diagnostic: &Diagnostic) -> Vec<Group<'a>> {
    let hints = diagnostic.hints.iter().map(|hint| Level::HELP.with_name("hint").message(shown(hint)));
    groups.pop().into_iter().map(|group| group.elements(hints.clone())).collect()
}

/// Puts the paths and positions in the place of their stand-ins, behind which stand a position in the excerpt.
fn with_places(text: &str, sources: &Sources, labels: &[Label]) -> String {
    let mut text = Cow::Borrowed(text);
    if labels.iter().all(|label| matches!(label.place, Place::File(_))) {
        // Without line numbers the arrow stands at the margin; we want it where it is otherwise.
        for arrow in [format!("--> {MARK}"), format!("--> \x1b[0m{MARK}")] {
            text = text.replace(&arrow, &format!(" {arrow}")).into();
        }
    }
    let mut parts = text.split(MARK);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(part.len());
        let (stand_in, rest) = part.split_at(end);
        let number = stand_in.split(':').next().and_then(|number| number.parse::<usize>().ok());
        if let Some(label) = number.and_then(|number| labels.get(number)) {
            let (path, position) = super::locate(sources, &label.place);
            whole.extend(path.chars().filter_map(visible));
            if let Some(position) = position {
                whole.push(':');
                whole += &position.to_string();
            }
        }
        whole += rest;
    }
    whole
}

/// The lines of a place, cut to what can be shown.
#[derive(Debug)]
struct Excerpt {
    /// The number of the first line.
    line: usize,
    text: String,
    /// The bytes of `text` to mark: for each span.
    carets: Vec<Range<usize>>,
}

impl Excerpt {
    /// Nothing for a file as a whole.
    fn of(sources: &Sources, place: &Place) -> Option<Self> {
        let Place::Span(span) = place else { return None };
        let file = sources.file(span.file);
        let line = file.position(span.start).line;
        // A place that ends with a line break ends on the line before it.
        let last = file.position(span.end.saturating_sub(1).max(span.start)).line;
        let lines: Vec<Range<usize>> =
            (line..=last).take(LINES + 1).filter_map(|line| file.line(line)).collect();
        let short = lines.len() <= LINES && lines.iter().all(|line| line.len() <= WIDTH);
        let mut builder = Builder::new(file, vec![*span]);
        for (at, line) in lines.into_iter().take(if short { LINES } else { 1 }).enumerate() {
            if at > 0 {
                builder.text.push('\n');
            }
            builder.line(line);
        }
        Some(builder.excerpt(line))
    }

    /// The line that spans begin in, each cut to the line.
    fn of_line(sources: &Sources, spans: &[Span]) -> Option<Self> {
        let file = sources.file(spans.first()?.file);
        let line = file.position(spans.first()?.start).line;
        let mut builder = Builder::new(file, spans.to_vec());
        builder.line(file.line(line)?);
        Some(builder.excerpt(line))
    }
}

/// Collects the visible text of lines, and where in it spans lie.
struct Builder<'a> {
    file: &'a SourceFile,
    /// Each span with its start and end in the text.
    spans: Vec<(Span, Option<usize>, usize)>,
    text: String,
}

impl<'a> Builder<'a> {
    fn new(file: &'a SourceFile, spans: Vec<Span>) -> Self {
        let spans = spans.into_iter().map(|span| (span, None, 0)).collect();
        Self { file, spans, text: String::new() }
    }

    fn excerpt(self, line: usize) -> Excerpt {
        let length = self.text.len();
        let carets = self.spans.iter().map(|(_, start, end)| {
            let start = start.unwrap_or(length);
            start..(*end).max(start)
        });
        Excerpt { line, carets: carets.collect(), text: self.text }
    }

    /// Adds a line, or the part of it around the first span's start if it is long.
    fn line(&mut self, line: Range<usize>) {
        // A character has at most 4 bytes, and an ill-formed sequence at most 3.
        let near = self.spans.first().map_or(0, |(span, ..)| span.start).clamp(line.start, line.end);
        let from = near.saturating_sub(4 * WIDTH).max(line.start);
        let to = near.saturating_add(4 * WIDTH).min(line.end);
        let bytes = self.file.part(from..to);
        let cut =
            if from > line.start { bytes.iter().take_while(|byte| **byte & 0xc0 == 0x80).count() } else { 0 };
        let mut characters = Vec::new();
        let mut at = from + cut;
        for chunk in bytes[cut..].utf8_chunks() {
            for character in chunk.valid().chars() {
                characters.push((at, character));
                at += character.len_utf8();
            }
            if !chunk.invalid().is_empty() {
                characters.push((at, char::REPLACEMENT_CHARACTER));
                at += chunk.invalid().len();
            }
        }
        let caret = characters.partition_point(|(at, _)| *at < near);
        let mut first = 0;
        if from > line.start || characters.len() > WIDTH {
            first = caret.saturating_sub(BEFORE);
        }
        let after = characters.len().min(first + WIDTH);
        if first > 0 || from > line.start {
            self.text.push('…');
        }
        for (at, character) in &characters[first..after] {
            self.mark(*at);
            // The renderer gives a tab its width.
            self.text.extend(if *character == '\t' { Some('\t') } else { visible(*character) });
        }
        self.mark(characters.get(after).map_or(line.end, |(at, _)| *at));
        if after < characters.len() || to < line.end {
            self.text.push('…');
        }
    }

    /// Notes where in the text the byte `at` of the file begins.
    fn mark(&mut self, at: usize) {
        for (span, start, end) in &mut self.spans {
            if start.is_none() && at >= span.start {
                *start = Some(self.text.len());
            }
            if at <= span.end {
                *end = self.text.len();
            }
        }
    }
}

/// A message cut to what can be shown, with nothing in it that a terminal would obey.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MESSAGE).filter_map(visible).collect();
    if text.chars().nth(MESSAGE).is_some() {
        shown.push('…');
    }
    shown
}

/// The character that stands for another one on a terminal; nothing for a byte order mark.
fn visible(character: char) -> Option<char> {
    Some(match character {
        '\u{feff}' => return None,
        '\0'..='\u{1f}' => {
            char::from_u32(0x2400 + u32::from(character)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        '\u{7f}' => '␡',
        // Line ends of Unicode, characters that turn the direction of writing, and those that are never assigned.
        '\u{80}'..='\u{9f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{f0000}'.. => char::REPLACEMENT_CHARACTER,
        _ => character,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use snapbox::{assert_data_eq, str};

    use super::*;
    use crate::diagnostic::code;
    use crate::source::FileId;

    fn sources(bytes: impl AsRef<[u8]>) -> (Sources, FileId) {
        let mut sources = Sources::default();
        let file = sources.add("data/mx.csv", bytes.as_ref());
        (sources, file)
    }

    fn text(sources: &Sources, list: &[Diagnostic]) -> String {
        let mut out = Vec::new();
        human(&mut out, sources, list, false).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn many_of_one_kind_have_a_line_each() {
        let (mut sources, data) = sources("1\n".repeat(40));
        let template = sources.add("main.cf.tera", &b"{{ row.ip }}"[..]);
        let wrong = |row: usize| {
            Diagnostic::error(&code::TEMPLATE_RENDER, format!("row {row}"))
                .at(Span::new(template, 3..9), "here")
                .at(Span::new(data, 2 * row..2 * row + 1), "for this row")
        };
        let few: Vec<Diagnostic> = (0..MANY).map(wrong).collect();
        assert!(!text(&sources, &few).contains("of this kind"));
        let mut list: Vec<Diagnostic> = (0..30).map(wrong).collect();
        // What stands alone is shown, and so is another kind at the place.
        list.insert(9, Diagnostic::error(&code::TABLE_TYPE, "other").at(Span::new(template, 3..9), ""));
        let text = text(&sources, &list);
        assert_eq!(text.matches(" --> main.cf.tera:1:4").count(), SHOWN + 1, "{text}");
        assert!(
            text.contains("error[template::render]: 27 more of this kind\n  data/mx.csv:4:1: row 3\n"),
            "{text}"
        );
        assert!(
            text.contains("  data/mx.csv:23:1: row 22\n  and 7 more, which `--format json` lists\n\n"),
            "{text}"
        );
        assert!(text.contains("error[table::type]: other"), "{text}");
    }

    fn at(bytes: impl AsRef<[u8]>, range: Range<usize>) -> String {
        let (sources, file) = sources(bytes);
        text(&sources, &[Diagnostic::error(&code::TABLE_TYPE, "wrong").at(Span::new(file, range), "here")])
    }

    #[test]
    fn two_files_and_hints() {
        let (mut sources, data) = sources("ip,fqdn\n192.0.2.300,mx16.example.org,mx16\n");
        let template = sources.add("templates/postfix/master.cf.tera", &b"\n{{ row.ip }}\n"[..]);
        let diagnostic = Diagnostic::error(&code::TABLE_TYPE, "`192.0.2.300` is not an IPv4 address")
            .at(Span::new(data, 8..19), "column `ip` is declared `ipv4`")
            .at(Span::new(template, 4..10), "the value is used here")
            .at_file("golden/master.cf", "it would stand here")
            .at(Span::new(template, 1..3), "")
            .hint("one")
            .hint("two");
        let expected = str![[r"
error[table::type]: `192.0.2.300` is not an IPv4 address
 --> data/mx.csv:2:1
  |
2 | 192.0.2.300,mx16.example.org,mx16
  | ^^^^^^^^^^^ column `ip` is declared `ipv4`
  |
  = hint: one
  = hint: two
note: the value is used here
 --> templates/postfix/master.cf.tera:2:4
  |
2 | {{ row.ip }}
  |    ^^^^^^
note: it would stand here
 --> golden/master.cf
note: see also
 --> templates/postfix/master.cf.tera:2:1
  |
2 | {{ row.ip }}
  | ^^


"]];
        assert_data_eq!(text(&sources, &[diagnostic]), expected);
    }

    #[test]
    fn whole_files_and_no_place() {
        let stale =
            Diagnostic::error(&code::GOLDEN_STALE, "stale").at_file("golden/x", "edited").hint("render");
        let alone = Diagnostic::warning(&code::USAGE, "no place").hint("one");
        let bare = Diagnostic::error(&code::USAGE, "nothing else");
        let expected = str![[r"
error[golden::stale]: stale
 --> golden/x
 = note: edited
 = hint: render

warning[cli::usage]: no place
 |
 = hint: one

error[cli::usage]: nothing else


"]];
        assert_data_eq!(text(&Sources::default(), &[stale, alone, bare]), expected);
    }

    #[test]
    fn tabs_wide_characters_and_what_a_terminal_would_obey() {
        let line = "a,\tb\u{1b}[31m\u{9b}3\u{202e}1mx,日本,x\r\n";
        let expected = str![[r"
error[table::type]: wrong
 --> data/mx.csv:1:18
  |
1 | a,    b␛[31m�3�1mx,日本,x
  |                      ^^^^ here


"]];
        assert_data_eq!(at(line, line.find('本').unwrap()..line.len() - 2), expected);
        let (mut sources, _) = sources("");
        let file = sources.add("a\u{1b}[2Jb\n.csv", &b"x"[..]);
        let diagnostic = Diagnostic::error(&code::TABLE_TYPE, "a\u{1b}[31m\n\u{f0000}0:1:1")
            .at(Span::new(file, 0..1), "b\u{7}\r\nc");
        let expected = str![[r"
error[table::type]: a␛[31m␊�0:1:1
 --> a␛[2Jb␊.csv:1:1
  |
1 | x
  | ^ b␇␍␊c
  |
  = hint: d�


"]];
        assert_data_eq!(text(&sources, &[diagnostic.hint("d\u{9b}")]), expected);
    }

    #[test]
    fn several_lines() {
        let expected = str![[r#"
error[table::type]: wrong
 --> data/mx.csv:1:3
  |
1 |   a,"b
  |  ___^
2 | | c
3 | | d",e
  | |__^ here


"#]];
        assert_data_eq!(at("a,\"b\nc\nd\",e\nf\n", 2..9), expected);
        let expected = str![[r"
error[table::type]: wrong
 --> data/mx.csv:1:1
  |
1 | /
2 | |
  | |_^ here


"]];
        assert_data_eq!(at("\n\n\n\n", 0..3), expected);
        let expected = str![[r"
error[table::type]: wrong
 --> data/mx.csv:1:3
  |
1 | first
  |   ^^^ here


"]];
        assert_data_eq!(at("first\nb\nc\nd\ne\nf\ng\nh\n", 2..17), expected);
    }

    #[test]
    fn ends_of_lines_and_of_files() {
        let expected = str![[r"
error[table::type]: wrong
 --> data/mx.csv:1:3
  |
1 | ab
  |   ^ here


"]];
        assert_data_eq!(at("ab\r\n", 2..2), expected);
        assert_eq!(at("ab\r\n", 2..2), at("ab\n", 2..3));
        let expected = str![[r"
error[table::type]: wrong
 --> data/mx.csv:2:1
  |
2 |
  | ^ here


"]];
        assert_data_eq!(at("ab\n", 3..3), expected);
        let expected = str![[r"
error[table::type]: wrong
 --> data/mx.csv:1:1
  |
1 |
  | ^ here


"]];
        assert_data_eq!(at("", 0..0), expected);
        assert_eq!(at("ab", 70..90), at("ab", 2..2));
    }

    #[test]
    fn bytes_that_are_no_text() {
        let expected = str![[r"
error[table::type]: wrong
 --> data/mx.csv:1:5
  |
1 | a��b,c
  |     ^ here


"]];
        assert_data_eq!(at(b"a\xff\xe2\x82b,c", 5..6), expected);
        let expected = str![[r"
error[table::type]: wrong
 --> data/mx.csv:1:1
  |
1 | a,b
  | ^ here


"]];
        assert_data_eq!(at("\u{feff}a,b", 3..4), expected);
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let expected = str![[r"
error[table::type]: wrong
 --> data/mx.csv:1:9000001
  |
1 | …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
  |                                          ^^ here


"]];
        assert_data_eq!(at("x".repeat(10_000_000), 9_000_000..9_000_002), expected);
        let expected = str![[r"
error[table::type]: wrong
 --> data/mx.csv:1:1
  |
1 | xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ here


"]];
        assert_data_eq!(at("x".repeat(500), 0..500), expected);
        let expected = str![[r"
error[table::type]: wrong
 --> data/mx.csv:1:491
  |
1 | …éééééééééééééééééééééééééééééééééééééééééééééééééé
  |                                          ^^^^^^^^^^ here


"]];
        assert_data_eq!(at("é".repeat(500), 980..1000), expected);
        let long = Diagnostic::error(&code::TABLE_TYPE, "x".repeat(10_000_000));
        assert!(text(&Sources::default(), &[long]).len() < 2 * MESSAGE);
    }

    #[test]
    fn colours_are_all_there_is_of_escapes() {
        let (sources, file) = sources("a\u{1b}[31mb");
        let mut out = Vec::new();
        let list = [Diagnostic::error(&code::TABLE_TYPE, "wr\u{1b}ong").at(Span::new(file, 0..1), "here")];
        human(&mut out, &sources, &list, true).unwrap();
        let styled = String::from_utf8(out).unwrap();
        assert!(styled.contains('\u{1b}'));
        assert_eq!(anstream::adapter::strip_str(&styled).to_string(), text(&sources, &list));
    }

    #[test]
    fn the_last_line_counts() {
        let last = |list: &[Diagnostic], outcome: &str| {
            let mut out = Vec::new();
            closing(&mut out, list, outcome, false).unwrap();
            String::from_utf8(out).unwrap()
        };
        let error = Diagnostic::error(&code::USAGE, "a");
        let warning = Diagnostic::warning(&code::USAGE, "a");
        let three = [error.clone(), error.clone(), error.clone()];
        assert_eq!(last(&three, "nothing was written"), "error: 3 errors, nothing was written\n");
        assert_eq!(last(&[error, warning.clone()], "x"), "error: 1 error, 1 warning, x\n");
        assert_eq!(last(&[warning.clone(), warning], ""), "warning: 2 warnings\n");
        assert_eq!(last(&[], "nothing was written"), "");
    }

    proptest! {
        #[test]
        fn no_source_and_no_span_make_it_panic(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0x1b), Just(0xe2), any::<u8>()], 0..900),
            places in prop::collection::vec((0..1000_usize, 0..1000_usize), 0..4),
        ) {
            let (sources, file) = sources(&bytes);
            let mut diagnostic = Diagnostic::error(&code::TABLE_TYPE, String::from_utf8_lossy(&bytes));
            let mut positions = Vec::new();
            for (start, length) in places {
                let span = Span::new(file, start..start + length);
                positions.push(format!("data/mx.csv:{}\n", sources.locate(span).1));
                diagnostic = diagnostic.at(span, String::from_utf8_lossy(&bytes));
            }
            let shown = text(&sources, &[diagnostic]);
            for position in positions {
                prop_assert!(shown.contains(&position), "{position} in {shown}");
            }
            prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
        }
    }
}
