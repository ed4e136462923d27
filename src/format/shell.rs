//! Scripts for a POSIX shell or Bash: a value is one word, or part of one.
//!
//! The writer follows quotes, expansions, comments and here-documents of the template's text (POSIX.1-2024,
//! XCU 2, and what Bash adds). Where it is not certain how a value would be read, the value is refused.

use std::borrow::Cow;

use super::json::excerpt;
use super::mark::{Emitted, Kind};
use super::text::{LINE_BREAK, one_line};
use super::{Fault, Follow, Format, Refused, Writer};

mod command;

use command::{Commands, LONGEST, RESERVED, end_word, is_name, is_name_byte, name_refused};

pub(super) static FORMAT: Format = Format {
    name: "shell",
    about: "scripts for a POSIX shell or Bash",
    values: "is escaped between quotes; bare it becomes one word, quoted where it needs to be",
    strict: true,
    follow: Follow::Writer(|| Box::new(Shell::default())),
    check: Some(check),
};

/// A value as one word: as it is where that is certain to be one, else in single quotes.
pub fn word(text: &str) -> Cow<'_, str> {
    if is_plain(text) && !RESERVED.contains(&text) { Cow::Borrowed(text) } else { Cow::Owned(quoted(text)) }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Whether text has characters only that mean nothing to a shell.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(
            |byte| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'/' | b':' | b'-'),
        )
}

/// A construct that is open.
#[derive(Debug)]
enum Open {
    /// A list of commands: the script itself, or within `$( )`.
    Commands(Commands),
    Single,
    Double,
    /// `$' '` of Bash.
    AnsiC,
    /// `${ }`.
    Parameter,
    /// `$(( ))`, `(( ))` or a subscript, with the bracket that nests and how many are open.
    Arithmetic {
        bracket: (u8, u8),
        depth: u32,
    },
    Backtick,
    Comment,
}

/// A here-document.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
struct Heredoc {
    delimiter: Vec<u8>,
    /// A quoted delimiter: the body has no expansions.
    quoted: bool,
    /// `<<-`: tabs at the start of lines do not count.
    tabs: bool,
    /// The quote that is open in the delimiter, a backslash for one character.
    quote: Option<u8>,
    started: bool,
    /// What reads it takes it for code.
    code: bool,
}

/// The line of a here-document's body that the text stands in.
#[derive(Debug, Default)]
struct BodyLine {
    /// Its start, as long as a delimiter at most.
    text: Vec<u8>,
    has_value: bool,
}

/// What follows a `$`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Dollar {
    #[default]
    None,
    Sign,
    Name,
}

/// What the value just before must not be followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Glue {
    #[default]
    None,
    /// Digits: a `<` or `>` would take them for a file descriptor.
    Descriptor,
    /// Several words.
    Words,
    /// A number in arithmetic.
    Number,
}

#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
struct Shell {
    open: Vec<(Open, usize)>,
    /// How many bytes of output there were.
    position: usize,
    escaped: bool,
    dollar: Dollar,
    /// How many `<` stand directly before.
    less: u8,
    /// A variable was declared to be an integer, so that an assignment may be arithmetic.
    integers: bool,
    /// A command of this line reads its input as code.
    reads_code: bool,
    /// A parenthesis stands directly before: `$(` or one where a command begins.
    parenthesis: bool,
    /// The delimiter that is being read.
    delimiter: Option<Heredoc>,
    /// Here-documents whose bodies come after this line.
    pending: Vec<Heredoc>,
    body: Option<Heredoc>,
    line: BodyLine,
    /// The body has expansions that are not followed.
    opaque: bool,
    previous: u8,
    glue: Glue,
    /// Why the value before cannot stand where the text after it makes it stand.
    refused: Option<Refused>,
    /// Why the structure is not certain any more.
    lost: Option<&'static str>,
}

impl Default for Shell {
    fn default() -> Self {
        Self {
            open: vec![(Open::Commands(Commands::new(false)), 0)],
            position: 0,
            escaped: false,
            dollar: Dollar::None,
            less: 0,
            integers: false,
            reads_code: false,
            parenthesis: false,
            delimiter: None,
            pending: Vec::new(),
            body: None,
            line: BodyLine::default(),
            opaque: false,
            previous: 0,
            glue: Glue::None,
            refused: None,
            lost: None,
        }
    }
}

impl Shell {
    fn push(&mut self, open: Open) {
        self.open.push((open, self.position));
    }

    /// Closes the innermost construct; the outermost stays.
    fn pop(&mut self) {
        if self.open.len() > 1 {
            self.open.pop();
        }
        self.dollar = Dollar::None;
    }

    fn step(&mut self, byte: u8) -> Result<(), Refused> {
        if self.body.is_some() {
            self.body_step(byte)?;
        } else if self.delimiter.is_some() {
            self.delimiter_step(byte);
        } else if self.less == 2 && byte != b'<' {
            self.less = 0;
            self.delimiter = Some(Heredoc { tabs: byte == b'-', ..Heredoc::default() });
            if byte != b'-' {
                self.delimiter_step(byte);
            }
        } else {
            self.structure(byte);
        }
        self.previous = byte;
        self.position += 1;
        self.refused.take().map_or(Ok(()), Err)
    }

    fn structure(&mut self, byte: u8) {
        if self.lost.is_some() {
            return;
        }
        if let [.., (Open::Commands(commands), _), (Open::Single | Open::Double, _)] =
            self.open.as_mut_slice()
        {
            self.refused = commands.quoted(byte);
        }
        match self.open.last() {
            Some((Open::Single, _)) if byte == b'\'' => return self.pop(),
            Some((Open::AnsiC, _)) => {
                return match byte {
                    b'\'' => self.pop(),
                    b'\\' => self.lost = Some("an escape in `$' '`"),
                    _ => {}
                };
            }
            Some((Open::Comment, _)) => {
                if byte == b'\n' {
                    self.pop();
                    self.commands(byte);
                }
                return;
            }
            Some((Open::Single, _)) => return,
            _ => {}
        }
        if std::mem::take(&mut self.escaped) {
            // An escaped line break is nothing at all.
            if byte != b'\n' {
                self.dollar = Dollar::None;
                self.mix_word();
            }
            return;
        }
        if byte == b'\\' {
            self.escaped = true;
            return;
        }
        if self.after_dollar(byte) {
            return;
        }
        if byte == b'$' {
            self.dollar = Dollar::Sign;
            self.parenthesis = false;
            return self.mix_word();
        }
        let in_double = self.open.iter().any(|(open, _)| matches!(open, Open::Double));
        match (self.open.last_mut().map(|(open, _)| open), byte) {
            (Some(Open::Backtick), b'`') | (Some(Open::Double), b'"') | (Some(Open::Parameter), b'}') => {
                self.pop();
            }
            (Some(Open::Backtick) | None, _) => {}
            (Some(Open::Arithmetic { .. }), b'\'' | b'"' | b'`') => {
                self.lost = Some("quotes within arithmetic");
            }
            (_, b'`') => {
                self.mix_word();
                self.push(Open::Backtick);
            }
            (Some(Open::Arithmetic { bracket, depth }), _) => {
                if byte == bracket.0 {
                    *depth += 1;
                } else if byte == bracket.1 {
                    *depth -= 1;
                    if *depth == 0 {
                        self.pop();
                    }
                }
            }
            (Some(Open::Parameter), b'\'' | b'"') if in_double => {
                self.lost = Some("quotes within `${ }` within quotes");
            }
            (Some(Open::Parameter), b'\'') => self.push(Open::Single),
            (Some(Open::Parameter), b'"') => self.push(Open::Double),
            (Some(Open::Commands(_)), _) => self.commands(byte),
            _ => {}
        }
    }

    /// Takes a byte that belongs to the `$` before it.
    fn after_dollar(&mut self, byte: u8) -> bool {
        let bare = matches!(self.open.last(), Some((Open::Commands(_), _)));
        match std::mem::take(&mut self.dollar) {
            Dollar::Name if is_name_byte(byte) => self.dollar = Dollar::Name,
            Dollar::None | Dollar::Name => return false,
            Dollar::Sign => match byte {
                b'(' => {
                    self.push(Open::Commands(Commands::new(true)));
                    self.parenthesis = true;
                }
                b'{' => self.push(Open::Parameter),
                b'[' => self.lost = Some("arithmetic in `$[ ]`"),
                b'\'' if bare => self.push(Open::AnsiC),
                b'"' if bare => self.push(Open::Double),
                b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!' => {}
                _ if is_name_byte(byte) => self.dollar = Dollar::Name,
                _ => return false,
            },
        }
        true
    }

    /// Takes a byte of a list of commands that is not quoted.
    fn commands(&mut self, byte: u8) {
        let after_parenthesis = std::mem::take(&mut self.parenthesis);
        let less = std::mem::take(&mut self.less);
        let Some((Open::Commands(commands), start)) = self.open.last_mut() else { return };
        self.refused = commands.misnamed(byte);
        commands.duplicating = byte == b'&' && matches!(self.previous, b'<' | b'>');
        if !matches!(byte, b' ' | b'\t') {
            commands.quoted_name = false;
        }
        match byte {
            b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => {
                let descriptor =
                    matches!(byte, b'<' | b'>') && commands.word.text.iter().all(u8::is_ascii_digit);
                if commands.word.value && commands.before_arguments && commands.word.is_one_of(RESERVED) {
                    self.refused = Some(name_refused("a reserved word of the shell"));
                }
                commands.quoted_name |= commands.word.quoted_value && matches!(byte, b' ' | b'\t');
                self.integers |= commands.declares_integers();
                self.refused = self.refused.take().or_else(|| commands.misread());
                if let Some(why) = end_word(commands, descriptor) {
                    self.lost = Some(why);
                }
                if !matches!(byte, b' ' | b'\t' | b'<' | b'>') && commands.reads_code() {
                    self.reads_code = true;
                    self.refused = self.refused.take().or_else(|| commands.piped.then(piped_refused));
                }
            }
            _ => {}
        }
        match byte {
            b' ' | b'\t' => {}
            b'<' | b'>' => {
                commands.redirection = true;
                commands.here_string = byte == b'<' && less == 2;
                self.less = if byte == b'<' { less + 1 } else { 0 };
            }
            b'\n' | b';' | b'&' | b'|' => {
                commands.end(byte, self.previous);
                if byte == b'\n' {
                    let code = std::mem::take(&mut self.reads_code);
                    self.pending.iter_mut().for_each(|heredoc| heredoc.code |= code);
                    if !self.pending.is_empty() {
                        self.start_body();
                    }
                }
            }
            b'(' if after_parenthesis => {
                // `$((` or `((`: the parenthesis before was not one of commands.
                let arithmetic = Open::Arithmetic { bracket: (b'(', b')'), depth: 2 };
                if commands.parentheses == 0 && commands.substitution {
                    let start = *start;
                    self.open.pop();
                    self.open.push((arithmetic, start));
                } else {
                    commands.parentheses = commands.parentheses.saturating_sub(1);
                    commands.word.mix();
                    self.push(arithmetic);
                }
            }
            b'(' => {
                commands.parentheses += 1;
                commands.before_arguments = true;
                // That of `<( )`, whose commands are no file.
                commands.redirection = false;
                self.parenthesis = true;
            }
            b')' => {
                commands.before_arguments = true;
                if commands.parentheses > 0 {
                    commands.parentheses -= 1;
                } else if commands.substitution {
                    self.pop();
                }
            }
            b'#' if !commands.word.started => self.push(Open::Comment),
            b'\'' | b'"' => {
                commands.word.mix();
                self.push(if byte == b'"' { Open::Double } else { Open::Single });
            }
            b'[' if commands.before_arguments && !commands.word.mixed && is_name(&commands.word.text) => {
                commands.word.push(byte);
                self.push(Open::Arithmetic { bracket: (b'[', b']'), depth: 1 });
            }
            _ => {
                let word = &mut commands.word;
                match byte {
                    b'~' if !word.started || matches!(self.previous, b'=' | b':') => word.tilde = true,
                    b'/' => word.tilde = false,
                    b'[' => word.bracket = true,
                    b']' => word.bracket = false,
                    b'{' => word.brace = true,
                    _ => {}
                }
                word.note(byte);
                word.push(byte);
            }
        }
    }

    /// Notes that the word has something that is not plain text.
    fn mix_word(&mut self) {
        if let Some((Open::Commands(commands), _)) = self.open.last_mut() {
            commands.word.mix();
        }
    }

    fn delimiter_step(&mut self, byte: u8) {
        let Some(heredoc) = &mut self.delimiter else { return };
        match (heredoc.quote, byte) {
            (Some(b'\\'), _) => {
                heredoc.quote = None;
                heredoc.delimiter.push(byte);
            }
            (Some(quote), _) if quote == byte => heredoc.quote = None,
            (Some(_), b'\n') => self.lost = Some("a line break in the delimiter of a here-document"),
            (None, b' ' | b'\t') if !heredoc.started => return,
            (None, b'\'' | b'"' | b'\\') => {
                heredoc.quote = Some(byte);
                heredoc.quoted = true;
            }
            (None, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')') => {
                self.pending.extend(self.delimiter.take());
                if let Some((Open::Commands(commands), _)) = self.open.last_mut() {
                    commands.redirection = false;
                }
                self.structure(byte);
                return;
            }
            (None, b'$' | b'`') => self.lost = Some("an expansion in the delimiter of a here-document"),
            _ => heredoc.delimiter.push(byte),
        }
        if let Some(heredoc) = &mut self.delimiter {
            heredoc.started = true;
        }
    }

    fn start_body(&mut self) {
        self.body = Some(self.pending.remove(0));
        self.line = BodyLine::default();
        (self.opaque, self.escaped, self.dollar) = (false, false, Dollar::None);
    }

    fn body_step(&mut self, byte: u8) -> Result<(), Refused> {
        let Some(heredoc) = &self.body else { return Ok(()) };
        if byte == b'\n' {
            self.end_line()?;
            let Some(heredoc) = &self.body else { return Ok(()) };
            if std::mem::take(&mut self.escaped) && !heredoc.quoted {
                self.lost = Some("an escaped line break in a here-document");
            }
            let ended = self.line.text == heredoc.delimiter;
            self.line = BodyLine::default();
            self.dollar = Dollar::None;
            if ended {
                self.body = None;
                if !self.pending.is_empty() {
                    self.start_body();
                }
            }
            return Ok(());
        }
        let skipped = heredoc.tabs && byte == b'\t' && self.line.text.is_empty();
        if !skipped && self.line.text.len() <= heredoc.delimiter.len() {
            self.line.text.push(byte);
        }
        if std::mem::take(&mut self.escaped) {
            return Ok(());
        }
        self.dollar = match (self.dollar, byte) {
            (Dollar::Sign, b'(' | b'{' | b'[') => {
                self.opaque = true;
                Dollar::None
            }
            (Dollar::Sign | Dollar::Name, _) if is_name_byte(byte) => Dollar::Name,
            (Dollar::Sign, b'$') => Dollar::None,
            (_, b'$') => Dollar::Sign,
            _ => Dollar::None,
        };
        match byte {
            b'\\' => self.escaped = true,
            b'`' => self.opaque = true,
            _ => {}
        }
        Ok(())
    }

    /// Refuses a line of a body that a value makes the last one, or that dash does not read as it is.
    fn end_line(&mut self) -> Result<(), Refused> {
        let Some(heredoc) = self.body.as_ref().filter(|_| self.line.has_value) else { return Ok(()) };
        let delimiter = String::from_utf8_lossy(&heredoc.delimiter);
        let common = self.line.text.iter().zip(&heredoc.delimiter).take_while(|(a, b)| a == b).count();
        match self.line.text.get(common) {
            _ if common == heredoc.delimiter.len() => Err(Refused::value(format!(
                "with this value the line reads like `{delimiter}`, the end of the here-document"
            ))),
            // Where it has compared a part of the delimiter, dash (seen in 0.5.12) drops such a byte.
            Some(byte) if common > 0 && !byte.is_ascii() => Err(Refused {
                hint: "give the here-document a delimiter that no line begins like, such as `_END_`",
                ..Refused::value(format!(
                    "with this value the line begins like `{delimiter}`, the end of the here-document, and then has a character outside ASCII, which some shells lose a part of"
                ))
            }),
            _ => Ok(()),
        }
    }

    fn body_value(&mut self, value: &Emitted<'_>, out: &mut String) -> Result<(), Refused> {
        one_line(value.text, "a here-document")?;
        let Some(heredoc) = &self.body else { return Ok(()) };
        if heredoc.code && !is_plain(value.text) && !matches!(value.kind, Kind::Word | Kind::Words) {
            return Err(uncertain(
                "in a here-document that a shell reads as code",
                "put `| shell` on a value that is a word there; or hand it over as an argument",
            ));
        }
        let start = out.len();
        if heredoc.quoted {
            out.push_str(value.text);
        } else {
            if self.opaque {
                return Err(uncertain(
                    "after an expansion in a here-document",
                    "quote its delimiter, or expand before",
                ));
            }
            self.refuse_after_dollar()?;
            escape(value.text, &['$', '`', '\\'], out);
        }
        self.line.has_value = true;
        let room = (heredoc.delimiter.len() + 1).saturating_sub(self.line.text.len());
        let skip_tabs = heredoc.tabs && self.line.text.is_empty();
        let bytes = out.as_bytes()[start..].iter().skip_while(|byte| skip_tabs && **byte == b'\t');
        self.line.text.extend(bytes.take(room));
        Ok(())
    }

    fn refuse_after_dollar(&self) -> Result<(), Refused> {
        match self.dollar {
            Dollar::None if !self.escaped => Ok(()),
            Dollar::None => {
                Err(uncertain("after a backslash", "leave the backslash out: values are quoted already"))
            }
            Dollar::Sign => Err(uncertain("after a `$`", "assign the value to a variable of a fixed name")),
            Dollar::Name => {
                Err(uncertain("directly after the name of a variable", "put the name in braces: `${name}`"))
            }
        }
    }

    /// Refuses a value in an argument that is read as code once more, unless it means nothing there or was
    /// quoted for it.
    fn refuse_code(&self, value: &Emitted<'_>) -> Result<(), Refused> {
        let evaluated = self
            .open
            .iter()
            .any(|(open, _)| matches!(open, Open::Commands(commands) if commands.evaluates()));
        let within_quotes = matches!(self.open.last(), Some((Open::Single | Open::Double, _)));
        let quoted_twice = within_quotes && matches!(value.kind, Kind::Word | Kind::Words);
        if evaluated && !quoted_twice && (!is_plain(value.text) || RESERVED.contains(&value.text)) {
            return Err(uncertain(
                "among the arguments of a command such as eval, trap or ssh",
                "put the code in quotes, and `| shell` on the value in it",
            ));
        }
        Ok(())
    }

    fn bare_value(&mut self, value: &Emitted<'_>, out: &mut String) -> Result<(), Refused> {
        if self.escaped || self.dollar == Dollar::Sign {
            self.refuse_after_dollar()?;
        }
        let follows_name = std::mem::take(&mut self.dollar) == Dollar::Name;
        self.parenthesis = false;
        self.less = 0;
        let Some((Open::Commands(commands), _)) = self.open.last_mut() else { return Ok(()) };
        let may_assign = commands.may_assign();
        let (text, word) = (value.text, &mut commands.word);
        if word.tilde {
            return Err(uncertain("after a `~`", "use \"$HOME\", or print the path as a whole"));
        }
        let fragile = commands.conditional || word.bracket;
        if value.kind == Kind::Words {
            if word.started {
                return Err(uncertain(
                    "as a list of words in the middle of a word",
                    "put a space before the expression",
                ));
            }
            if fragile {
                return Err(uncertain("as a list of words where words are read again", "use a variable"));
            }
            out.push_str(text);
            self.glue = Glue::Words;
            return Ok(());
        }
        if fragile && !is_plain(text) {
            return Err(uncertain(
                "within `[[ ]]` or a subscript",
                "assign it to a variable first, or use `[ ]`",
            ));
        }
        if word.bracket && !text.bytes().all(is_name_byte) {
            return Err(uncertain(
                "within brackets, where `-`, `.` and `:` are read as more",
                "use a variable",
            ));
        }
        let duplicating = std::mem::take(&mut commands.duplicating);
        if duplicating && !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(uncertain("as a file descriptor, which has to be a number", "print a number"));
        }
        let digits_only = !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (!word.started || !word.mixed && word.text.iter().all(u8::is_ascii_digit));
        // Where a command begins, what a word is must not depend on the value: a name of a command, a variable or
        // a function is all that it can be.
        if may_assign && !commands.conditional && !follows_name && !word.mixed {
            let name = [&word.text, text.as_bytes()].concat();
            let reserved = RESERVED.iter().any(|reserved| reserved.as_bytes() == name);
            if !text.is_empty() && name.len() <= LONGEST && is_name(&name) && !reserved {
                word.text = name;
                word.started = true;
                word.value = true;
                out.push_str(text);
                return Ok(());
            }
        }
        if commands.naming {
            return Err(name_refused("the name of a variable or a function"));
        }
        let names_command = commands.before_arguments && !commands.redirection && !word.is_assignment();
        let must_quote = names_command && !duplicating || word.brace || follows_name;
        match value.kind {
            Kind::Word if !is_plain(text) => out.push_str(text),
            _ if must_quote => out.push_str(&quoted(text)),
            _ => out.push_str(&self::word(text)),
        }
        word.mix();
        word.value = true;
        word.quoted_value = true;
        if digits_only {
            self.glue = Glue::Descriptor;
        }
        Ok(())
    }
}

fn escape(text: &str, special: &[char], out: &mut String) {
    for character in text.chars() {
        if special.contains(&character) {
            out.push('\\');
        }
        out.push(character);
    }
}

/// Refuses a value that reaches a shell as its input.
fn piped_refused() -> Refused {
    uncertain(
        "in the input of a shell, which is code",
        "hand it over as an argument of a script, or assign it in one",
    )
}

fn uncertain(place: &str, hint: &'static str) -> Refused {
    Refused::ambiguous(format!("a value stands {place}, where a shell may read it as more than text"), hint)
}

impl Writer for Shell {
    fn literal(&mut self, text: &[u8]) -> Result<(), Refused> {
        let Some(&first) = text.first() else { return Ok(()) };
        match std::mem::take(&mut self.glue) {
            Glue::Descriptor if matches!(first, b'<' | b'>') => {
                return Err(Refused::ambiguous(
                    "a number stands directly before a redirection, which would take it for a file descriptor",
                    "put a space between",
                ));
            }
            Glue::Words if !matches!(first, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')') => {
                return Err(Refused::ambiguous(
                    "text follows directly on a list of words",
                    "put a space between",
                ));
            }
            Glue::Number if is_name_byte(first) || matches!(first, b'#' | b'.' | b'[' | b'(') => {
                return Err(Refused::ambiguous(
                    "text follows directly on a number in arithmetic",
                    "put a space or an operator between",
                ));
            }
            _ => {}
        }
        text.iter().try_for_each(|byte| self.step(*byte))
    }

    fn value(&mut self, value: &Emitted<'_>, out: &mut String) -> Result<(), Refused> {
        let text = value.text;
        // No shell can hold NUL, and Bash garbles U+0001 and U+007F in some places: none of them is ever meant.
        let control =
            |(_, character): &(usize, char)| character.is_control() && !matches!(character, '\t' | '\n');
        if let Some((at, character)) = text.char_indices().find(control) {
            return Err(Refused::character(at, character, "a control character", "a shell script"));
        }
        if matches!(std::mem::take(&mut self.glue), Glue::Words | Glue::Number) {
            return Err(uncertain("directly after another one", "put a space between"));
        }
        if let Some(what) = self.lost {
            return Err(Refused::ambiguous(
                format!("a value stands after {what}, where quoting is not certain"),
                "assign the value to a variable before it",
            ));
        }
        if self.delimiter.is_some() || self.less == 2 {
            return Err(uncertain("in the delimiter of a here-document", "use a fixed delimiter"));
        }
        if !self.pending.is_empty()
            && let Some(at) = text.find('\n')
        {
            return Err(Refused::character(at, '\n', LINE_BREAK, "the line that begins a here-document"));
        }
        let start = out.len();
        if self.body.is_some() {
            self.body_value(value, out)?;
        } else {
            let within_parameter =
                self.open.iter().rev().nth(1).is_some_and(|(open, _)| matches!(open, Open::Parameter));
            if !matches!(self.open.last(), Some((Open::Comment, _))) {
                self.refuse_code(value)?;
            }
            if let [.., (Open::Commands(commands), _)]
            | [.., (Open::Commands(commands), _), (Open::Single | Open::Double, _)] =
                self.open.as_mut_slice()
            {
                commands.take(text, self.integers)?;
            }
            match self.open.last().map(|(open, _)| open) {
                Some(Open::Single | Open::Double) if within_parameter => {
                    return Err(uncertain("within `${ }`", "assign it to a variable first"));
                }
                Some(Open::Single) => out.push_str(&text.replace('\'', r"'\''")),
                Some(Open::Double) => {
                    self.refuse_after_dollar()?;
                    escape(text, &['$', '`', '"', '\\'], out);
                }
                Some(Open::Comment) => {
                    one_line(text, "a comment")?;
                    out.push_str(text);
                }
                Some(Open::Commands(_)) => self.bare_value(value, out)?,
                Some(Open::Arithmetic { .. }) => {
                    self.refuse_after_dollar()?;
                    let number = text == "0"
                        || !text.is_empty()
                            && !text.starts_with('0')
                            && text.bytes().all(|byte| byte.is_ascii_digit());
                    if !number || is_name_byte(self.previous) || matches!(self.previous, b'#' | b'.' | b']') {
                        return Err(Refused::ambiguous(
                            format!(
                                "`{}` stands in arithmetic, where only whole numbers are certain",
                                excerpt(text)
                            ),
                            "assign it to a variable first",
                        ));
                    }
                    out.push_str(text);
                    self.glue = Glue::Number;
                }
                Some(Open::Parameter) => {
                    return Err(uncertain("within `${ }`", "assign it to a variable first"));
                }
                Some(Open::AnsiC) => return Err(uncertain("within `$' '`", "use plain quotes")),
                Some(Open::Backtick) | None => {
                    return Err(uncertain("within backticks", "use `$( )`"));
                }
            }
        }
        self.position += out.len() - start;
        // Whatever it ends with, it is quoted.
        self.previous = b'\'';
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Refused> {
        if self.body.is_some() { self.end_line() } else { self.literal(b"\n") }
    }
}

pub(super) fn check(artifact: &[u8]) -> Result<(), Fault> {
    let mut shell = Shell::default();
    if shell.literal(artifact).is_err() || shell.lost.is_some() {
        // Without values nothing is refused; what is not followed is not judged.
        return Ok(());
    }
    let last_line = shell.line.text;
    if let Some(heredoc) = shell.body.as_ref().filter(|heredoc| heredoc.delimiter != last_line) {
        let delimiter = String::from_utf8_lossy(&heredoc.delimiter);
        return Err(Fault {
            offset: artifact.len(),
            message: format!("a here-document has no end: a line with `{delimiter}`"),
        });
    }
    let unclosed = shell.open.iter().skip(1).find_map(|(open, offset)| {
        let what = match open {
            Open::Single | Open::AnsiC => "a single quote",
            Open::Double => "a double quote",
            Open::Parameter => "`${`",
            Open::Backtick => "a backtick",
            Open::Arithmetic { .. } => "an arithmetic expression",
            Open::Commands(_) => "`$(`",
            Open::Comment => return None,
        };
        Some(Fault { offset: *offset, message: format!("{what} is never closed") })
    });
    unclosed.map_or(Ok(()), Err)
}
