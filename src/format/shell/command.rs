//! Where in a list of commands a script stands, and what the command makes of its arguments.

use super::super::Refused;
use super::{is_plain, piped_refused, uncertain};

/// Words that are read as grammar where a command begins.
pub(super) const RESERVED: &[&str] = &[
    "!", "{", "}", "[[", "]]", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for",
    "function", "if", "in", "select", "then", "time", "until", "while",
];

/// Commands that read their arguments as code.
const EVALUATING: &[&str] = &["alias", "eval", "ssh", "trap", "watch"];

/// Commands that read as code what follows their option `-c`, and their input where they have no such option.
const SHELLS: &[&str] = &["ash", "bash", "dash", "ksh", "sh", "su", "zsh"];

/// Commands whose arguments are names, or assignments `name=value`.
const DECLARING: &[&str] = &["declare", "export", "local", "readonly", "typeset", "unset"];

/// Commands whose arguments are names of variables, in which Bash evaluates what stands in brackets.
const NAMING: &[&str] = &["getopts", "mapfile", "read", "readarray", "wait"];

/// Commands to which the name of a variable may be given behind `-v`.
const TESTING: &[&str] = &["[", "printf", "test"];

/// Commands that run another one, which stands behind options and assignments.
const RUNNING: &[&str] = &[
    "builtin", "chroot", "command", "doas", "env", "exec", "nice", "nohup", "setsid", "sudo", "timeout",
    "xargs",
];

/// Operators of `[[ ]]` between numbers.
const COMPARING: &[&str] = &["-eq", "-ge", "-gt", "-le", "-lt", "-ne"];

/// Reserved words that the name of a variable or a function follows.
const NAMED: &[&str] = &["for", "function", "select"];

/// What a command makes of its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Role {
    /// Words.
    #[default]
    Plain,
    /// Code.
    Code,
    /// Arithmetic.
    Arithmetic,
    /// Assignments.
    Declaring,
    /// Names of variables.
    Naming,
    /// Words, and names of variables behind `-v`.
    Testing,
    /// Options and assignments, then another command.
    Running,
}

impl Role {
    /// What the command of a name does.
    fn of(name: &Word) -> Self {
        const ROLES: [(&[&str], Role); 6] = [
            (EVALUATING, Role::Code),
            (&["let"], Role::Arithmetic),
            (DECLARING, Role::Declaring),
            (NAMING, Role::Naming),
            (TESTING, Role::Testing),
            (RUNNING, Role::Running),
        ];
        let found = ROLES.iter().find(|(names, _)| name.is_one_of(names) || name.names(names));
        found.map_or(Self::Plain, |(_, role)| *role)
    }
}

/// What a command does with its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Input {
    #[default]
    Data,
    /// It hands it to a shell on the host that comes next.
    Host,
    /// It reads it as code, unless a script or a command follows.
    Code,
    /// It reads it as code, whatever follows.
    Always,
}

/// Where in a list of commands the text stands.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct Commands {
    /// Whether it ends with the parenthesis that was not opened in it.
    pub(super) substitution: bool,
    pub(super) parentheses: u32,
    /// Not yet past the name of a command, as far as is certain.
    pub(super) before_arguments: bool,
    /// Within `[[ ]]`.
    pub(super) conditional: bool,
    role: Role,
    /// The command that a [`Role::Running`] one runs has come.
    ran: bool,
    /// The name of a shell has come, so that code may follow `-c`.
    shell: bool,
    input: Input,
    /// `declare -n`: what is assigned is a name.
    nameref: bool,
    /// The next word is the name of a variable, behind `-v`; or a number, behind `-eq`.
    variable_next: bool,
    number_next: bool,
    /// The next word is code, behind `-C` of `mapfile`.
    callback_next: bool,
    /// The word before this one has a value that is no number.
    odd_operand: bool,
    /// The command has a value that may be code, or the one before it in a pipe has.
    odd_value: bool,
    pub(super) piped: bool,
    /// The next word is the name of a variable or a function.
    pub(super) naming: bool,
    /// The word before this one has a value in quotes, and a `(` would make it the name of a function.
    pub(super) quoted_name: bool,
    /// Directly after `>&` or `<&`.
    pub(super) duplicating: bool,
    /// The next word is the target of a redirection; of `<<<`.
    pub(super) redirection: bool,
    pub(super) here_string: bool,
    pub(super) word: Word,
}

impl Commands {
    pub(super) fn new(substitution: bool) -> Self {
        Self { substitution, before_arguments: true, ..Self::default() }
    }

    /// Whether the arguments are read as code.
    pub(super) fn evaluates(&self) -> bool {
        self.role == Role::Code && !self.before_arguments || self.callback_next
    }

    /// Whether the command, as far as it has come, reads its input as code.
    pub(super) fn reads_code(&self) -> bool {
        matches!(self.input, Input::Code | Input::Always)
    }

    /// Whether this word may be an assignment.
    pub(super) fn may_assign(&self) -> bool {
        let assigns = self.role == Role::Declaring || self.role == Role::Running && !self.ran;
        (self.before_arguments || assigns) && !self.redirection
    }

    /// Whether this word is the option of `declare` that makes integers of variables.
    pub(super) fn declares_integers(&self) -> bool {
        !self.before_arguments && self.role == Role::Declaring && self.word.has_option(b'i')
    }

    /// Ends a command at a separator.
    pub(super) fn end(&mut self, byte: u8, previous: u8) {
        self.piped = match byte {
            b'|' => previous != b'|' && (self.piped || self.odd_value),
            b'\n' => previous == b'|' && self.piped,
            _ => false,
        };
        self.before_arguments = true;
        self.role = Role::Plain;
        self.input = Input::Data;
        self.naming = false;
        self.redirection = false;
        (self.ran, self.shell, self.nameref, self.odd_value) = (false, false, false, false);
        (self.variable_next, self.number_next, self.odd_operand) = (false, false, false);
        self.callback_next = false;
    }

    /// Refuses a byte that makes a name of a word with a value in quotes: what the shell reads is no name then.
    pub(super) fn misnamed(&self, byte: u8) -> Option<Refused> {
        let word = &self.word;
        let assigns = self.may_assign() && !self.conditional;
        match byte {
            b'=' | b'[' if assigns && word.quoted_value && !word.equals => {
                Some(name_refused("the name of a variable"))
            }
            b'(' if word.quoted_value || self.quoted_name => Some(name_refused("the name of a function")),
            b'<' | b'>' if word.brace && word.value => Some(name_refused("the name of a variable")),
            _ => None,
        }
    }

    /// Takes a byte of the template that stands in quotes in a word.
    pub(super) fn quoted(&mut self, byte: u8) -> Option<Refused> {
        // In quotes, a word is an assignment to commands only.
        let named = byte == b'=' && !self.before_arguments && self.may_assign();
        let refused = named && self.word.odd_value && !self.word.equals;
        self.word.note(byte);
        refused.then(|| name_refused("the name of a variable"))
    }

    /// Refuses a value that this word, as the command reads it, makes more than text. It comes next in the word.
    pub(super) fn take(&mut self, text: &str, integers: bool) -> Result<(), Refused> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_part = !text.is_empty()
            && text.bytes().all(is_name_byte)
            && (self.word.started || !text.starts_with(|first: char| first.is_ascii_digit()));
        let word = &mut self.word;
        let directly = word.fresh;
        word.fresh &= text.is_empty();
        self.odd_value |= !is_plain(text);
        word.odd_value |= !is_part;
        word.no_number |= !is_number;
        if self.redirection {
            let read = self.here_string && self.reads_code() && !is_plain(text);
            return if read { Err(piped_refused()) } else { Ok(()) };
        }
        let is_argument = !self.before_arguments;
        if self.number_next && !is_number
            || self.role == Role::Arithmetic && is_argument && !is_number
            || integers
                && word.equals
                && !is_number
                && (self.before_arguments || self.role == Role::Declaring)
        {
            return Err(uncertain(
                "where Bash reads arithmetic, in which names stand for more",
                "print a whole number",
            ));
        }
        let names = self.variable_next
            || self.role == Role::Naming && is_argument
            || self.role == Role::Declaring && is_argument && !word.equals;
        if names && (text.contains('[') || word.subscript && !is_number) {
            return Err(name_refused("the name of a variable"));
        }
        if self.role != Role::Declaring || !is_argument {
            return Ok(());
        }
        if !word.equals && !is_part || word.equals && self.nameref && !is_name(text.as_bytes()) {
            return Err(name_refused("the name of a variable"));
        }
        // `declare a='($(date))'` is a list where `a` is an array.
        if directly && text.starts_with('(') || word.list && !is_plain(text) {
            return Err(uncertain(
                "where `declare` may read a list in parentheses, and what is in it as code",
                "assign it before, as in `name=…; export name`",
            ));
        }
        Ok(())
    }

    /// Refuses what the word that ends makes of the values in the one before it.
    pub(super) fn misread(&self) -> Option<Refused> {
        let compares = self.conditional && self.odd_operand && self.word.is_one_of(COMPARING);
        compares.then(|| {
            uncertain("where Bash reads arithmetic, in which names stand for more", "print a whole number")
        })
    }

    /// Takes the end of an argument.
    fn argument(&mut self, word: &Word) {
        let option = word.text.first() == Some(&b'-');
        self.nameref |= self.role == Role::Declaring && word.has_option(b'n');
        self.callback_next = self.role == Role::Naming && word.is_one_of(&["-C"]);
        self.variable_next =
            (self.role == Role::Testing || self.conditional) && word.is_one_of(&["-v", "-R"]);
        self.number_next = self.conditional && word.is_one_of(COMPARING);
        self.odd_operand = word.no_number && word.value;
        if self.conditional {
            return;
        }
        if self.role == Role::Running && !self.ran {
            self.ran = !option && !word.equals;
            if self.ran {
                self.command(word);
                // It may have been the argument of an option.
                if self.role == Role::Plain {
                    self.role = Role::Running;
                }
                return;
            }
        }
        if word.names(SHELLS) {
            self.shell = true;
            if matches!(self.role, Role::Running | Role::Code) {
                self.input = Input::Code;
            }
        } else if self.shell && option && word.text.contains(&b'c') && !word.text.starts_with(b"--") {
            self.role = Role::Code;
            self.input = Input::Data;
        } else {
            self.input = match self.input {
                Input::Host if !option => Input::Code,
                Input::Code if option && word.is_one_of(&["-s"]) => Input::Always,
                Input::Code if !option => Input::Data,
                same => same,
            };
        }
    }

    /// Takes the end of the name of a command.
    fn command(&mut self, word: &Word) {
        self.role = Role::of(word);
        // A name that is not certain may be that of a shell.
        self.shell = word.mixed || word.names(SHELLS);
        self.input = if word.names(&["ssh"]) {
            Input::Host
        } else if word.names(&["su"]) {
            Input::Always
        } else if word.names(SHELLS) {
            Input::Code
        } else {
            Input::Data
        };
    }
}

/// The word that the text stands in.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct Word {
    pub(super) started: bool,
    /// Its start, as far as it is neither quoted nor expanded nor a value.
    pub(super) text: Vec<u8>,
    /// It has other things than `text`.
    pub(super) mixed: bool,
    /// It has a value, and the value in quotes.
    pub(super) value: bool,
    pub(super) quoted_value: bool,
    /// It has a value that is no part of a name; that is no number.
    odd_value: bool,
    no_number: bool,
    /// The template has a `=` in it, and nothing came after that; a `(` directly after it.
    equals: bool,
    fresh: bool,
    list: bool,
    /// The template has a `[` in it, in quotes or not.
    subscript: bool,
    /// It begins with `~`, and no `/` has come.
    pub(super) tilde: bool,
    /// An unquoted bracket or brace is open.
    pub(super) bracket: bool,
    pub(super) brace: bool,
}

/// What longest text of a word is of interest: names of variables and reserved words.
pub(super) const LONGEST: usize = 256;

impl Word {
    pub(super) fn push(&mut self, byte: u8) {
        self.started = true;
        if self.mixed {
            return;
        }
        if self.text.len() < LONGEST { self.text.push(byte) } else { self.mixed = true }
    }

    pub(super) fn mix(&mut self) {
        self.started = true;
        self.mixed = true;
    }

    /// Takes note of a byte of the template, in quotes or not.
    pub(super) fn note(&mut self, byte: u8) {
        let quote = matches!(byte, b'\'' | b'"');
        if !self.equals {
            self.equals = byte == b'=';
            self.fresh = self.equals;
        } else if !quote {
            self.list |= self.fresh && byte == b'(';
            self.fresh = false;
        }
        self.subscript |= byte == b'[';
    }

    /// Whether it begins with `name=`, `name+=` or `name[…]=`.
    pub(super) fn is_assignment(&self) -> bool {
        self.text.iter().position(|byte| *byte == b'=').is_some_and(|at| {
            let name = &self.text[..at];
            let name = name.strip_suffix(b"+").unwrap_or(name);
            is_name(name.strip_suffix(b"[").unwrap_or(name))
        })
    }

    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        !self.mixed && words.iter().any(|word| word.as_bytes() == self.text)
    }

    /// Whether it is the name of one of these programs, with a path or not.
    fn names(&self, programs: &[&str]) -> bool {
        let name = self.text.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        !self.mixed && programs.iter().any(|program| program.as_bytes() == name)
    }

    /// Whether it is a group of options with this one among them.
    fn has_option(&self, option: u8) -> bool {
        self.text.first() == Some(&b'-') && self.text.contains(&option)
    }
}

pub(super) fn is_name(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| !byte.is_ascii_digit()) && bytes.iter().all(|byte| is_name_byte(*byte))
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Ends a word, if there is one. It gives a reason if the structure is not certain after it.
pub(super) fn end_word(commands: &mut Commands, descriptor: bool) -> Option<&'static str> {
    let word = std::mem::take(&mut commands.word);
    if !word.started || descriptor && !word.mixed {
        return None;
    }
    if std::mem::take(&mut commands.redirection) {
        return None;
    }
    if commands.conditional {
        commands.conditional = !word.is_one_of(&["]]"]);
        commands.argument(&word);
    } else if commands.before_arguments {
        if word.is_one_of(&["case"]) && commands.substitution {
            return Some("`case` within `$( )`");
        }
        commands.conditional = word.is_one_of(&["[["]);
        if !word.is_one_of(RESERVED) && !word.is_assignment() {
            commands.before_arguments = false;
            commands.command(&word);
        }
        commands.naming = word.is_one_of(NAMED);
    } else {
        commands.argument(&word);
    }
    None
}

pub(super) fn name_refused(what: &str) -> Refused {
    Refused::ambiguous(
        format!(
            "a value stands in {what}, which has to be letters, digits and `_`, begin with no digit and be no reserved word"
        ),
        "print a value that makes such a name, or put the value elsewhere",
    )
}
