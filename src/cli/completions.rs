//! `confwright completions`: what a shell needs to complete command lines.

use std::io;

use clap::Args;
use clap_complete::Shell;

use super::Exit;
use super::session::Session;

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confwright completions bash > ~/.local/share/bash-completion/completions/confwright\n  \
    confwright completions zsh > ~/.zfunc/_confwright\n  \
    confwright completions fish > ~/.config/fish/completions/confwright.fish")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        // The generator panics when it cannot write, as to a closed pipe.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "confwright", &mut script);
        session.out.write_all(&script)?;
        Ok(Exit::Clean)
    }
}
