//! sudoers(5): what is no name of a user, host or command can say who may do what, so a value is a plain name.

use super::lexis::{CommentAt, Lexis, Quote, Words, statements};
use super::{Follow, Format};

pub(super) static FORMAT: Format = Format {
    name: "sudoers",
    about: "sudoers and its parts",
    values: "is a plain name or path, and never `ALL`; between quotes, of plain words",
    strict: true,
    follow: Follow::Lexis(&LEXIS),
    check: Some(|artifact| statements(&LEXIS, artifact).map(drop)),
};

static LEXIS: Lexis = Lexis {
    place: "sudoers",
    comment_at: CommentAt::Word,
    directives: true,
    quotes: &[Quote {
        open: b'"',
        close: b'"',
        escapes: true,
        within: true,
        write: |character, out| {
            out.push(character);
            character == ' ' || (NAME.allowed)(character)
        },
        limit: None,
    }],
    escapes: true,
    words: |_| &NAME,
    ..Lexis::LINES
};

/// No comma, which goes on with a list; none of `! = : ( ) % + * ?`, which say more than a name.
static NAME: Words = Words {
    allowed: |character| character.is_alphanumeric() || matches!(character, '.' | '/' | '_' | '-' | '@'),
    leading: "-@",
    reserved: &[
        "ALL",
        "sudoedit",
        "list",
        "Defaults",
        "User_Alias",
        "Runas_Alias",
        "Host_Alias",
        "Cmnd_Alias",
        "Cmd_Alias",
    ],
    ..Words::WORD
};
