//! `confwright man`: the manual.

use std::io;

use clap::Args;
use clap_mangen::Man;

use super::Exit;
use super::session::Session;
use crate::diagnostic::{Diagnostic, code};

/// Print a page of the manual
///
/// Without a command, the page that describes confwright as a whole.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  confwright man | man -l -\n  confwright man render | man -l -\n  \
                        confwright man > /usr/local/share/man/man1/confwright.1")]
pub(super) struct ManPage {
    /// The command that the page is about
    command: Option<String>,
}

impl ManPage {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let mut all = super::command();
        all.build();
        let page = match &self.command {
            None => Some(all),
            Some(name) => all.find_subcommand(name).cloned(),
        };
        let Some(page) = page else {
            let name = self.command.unwrap_or_default();
            let all = super::command();
            let shown = all.get_subcommands().filter(|command| !command.is_hide_set());
            session.diagnostics.push(
                Diagnostic::error(&code::USAGE, format!("there is no command `{name}`"))
                    .hint_nearest(&name, shown.map(clap::Command::get_name)),
            );
            return session.fail("nothing was printed");
        };
        let page = page.disable_help_subcommand(true);
        Man::new(page)
            .manual("confwright")
            .source(concat!("confwright ", env!("CARGO_PKG_VERSION")))
            .render(&mut session.out)?;
        Ok(Exit::Clean)
    }
}
