//! The commands: their arguments, what they print, their exit codes. One file a command under `cli/`.

mod check;
mod completions;
mod determinism;
mod diff;
mod explain;
mod lint;
mod list;
mod man;
mod merge_driver;
mod native;
mod new;
mod progress;
mod render;
mod schema;
mod session;
mod trust;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

pub(crate) use explain::Document as ExplainDocument;
pub(crate) use lint::Document as LintDocument;
pub(crate) use list::Document as ListDocument;
pub(crate) use new::Document as NewDocument;
use session::Session;
pub(crate) use trust::Document as TrustDocument;

use crate::native::process::{CHILD, become_check};

/// Compiles block templates and tables into complete configuration, deterministically.
#[derive(Debug, Parser)]
#[command(
    name = "confwright",
    version,
    after_help = "Exit status: 0 clean; 1 golden differs or something was found; 2 the command line, the project, its \
                  data, templates or rules are wrong, or it was interrupted, and nothing was written.\n\n\
                  Results go to standard output, diagnostics and remarks to standard error.\n\n\
                  Examples:\n  confwright new mail --target postfix   make a project\n  \
                  confwright -C mail render              compile it and write golden/\n  \
                  confwright -C mail diff                what a render would change\n  \
                  confwright -C mail check               the gate for commits and CI"
)]
struct Cli<C: Subcommand> {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: C,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Work on the project in this folder, or in the nearest one above it
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true, default_value = ".")]
    directory: Utf8PathBuf,
    /// How results are printed
    #[arg(long, value_enum, global = true, default_value_t = Output::Human)]
    format: Output,
    /// When to use colours
    #[arg(long, value_enum, global = true, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
    /// Print errors and asked-for results only
    #[arg(short, long, global = true)]
    quiet: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Human,
    /// One JSON document
    Json,
    /// Workflow commands of GitHub (check only)
    Github,
    /// A SARIF 2.1.0 log (check only)
    Sarif,
    /// A comment for a review (diff only)
    Markdown,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal that wants them
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The command of the child processes of `check --deterministic`; no word that is mistyped is near it.
const DETERMINISM_CHILD: &str = "__determinism-child";

/// Everything that can be run; help, completions and the manual know [`Command`] only.
#[derive(Debug, Subcommand)]
enum Any {
    #[command(flatten)]
    Known(Command),
    /// What `check --deterministic` has its child processes do
    #[command(hide = true, name = DETERMINISM_CHILD)]
    RenderInto {
        /// Write the golden trees below this folder, and nothing into the project
        into: Utf8PathBuf,
        #[command(flatten)]
        render: render::Render,
    },
    /// What stands between `unshare` and a native check
    #[command(hide = true, name = CHILD)]
    BecomeCheck {
        /// Raise the loopback interface
        #[arg(long)]
        loopback: bool,
        /// The command of the check
        #[arg(last = true)]
        words: Vec<OsString>,
    },
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Render(render::Render),
    Diff(diff::Diff),
    Check(check::Check),
    Lint(lint::Lint),
    Trust(trust::Trust),
    Explain(explain::Explain),
    List(list::List),
    MergeDriver(merge_driver::MergeDriver),
    Completions(completions::Completions),
    Man(man::ManPage),
    Schema(schema::SchemaCommand),
}

/// Which part of the project a command works on.
#[derive(Debug, Args)]
struct Part {
    /// Only this target; may be given several times
    #[arg(long = "target", value_name = "TARGET")]
    targets: Vec<String>,
    /// Only the targets of this stage: config, image, deploy, verify, access
    #[arg(long = "stage", value_name = "STAGE", value_parser = stage)]
    stages: Vec<crate::target::Stage>,
    /// Only this environment; without, all of them
    #[arg(long = "environment", short = 'e', value_name = "ENVIRONMENT")]
    environments: Vec<String>,
    /// What renders templates: the fast path and Tera for what it cannot express, or Tera alone, to compare
    #[arg(long, value_enum, default_value_t = Engine::Segments, value_name = "ENGINE")]
    engine: Engine,
}

/// What renders templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// The fast path, and Tera for what it cannot express
    Segments,
    /// Tera alone
    Tera,
}

impl Part {
    /// Whether all of the project is meant, and rendered as it always is.
    fn is_all(&self) -> bool {
        self.selection().is_whole() && self.environments.is_empty() && self.engine == Engine::Segments
    }

    fn selection(&self) -> crate::compile::Selection {
        crate::compile::Selection {
            targets: self.targets.clone(),
            stages: self.stages.clone(),
            environments: self.environments.clone(),
            renderer: match self.engine {
                Engine::Segments => crate::compile::Renderer::Segments,
                Engine::Tera => crate::compile::Renderer::Tera,
            },
            lenient: false,
        }
    }

    /// The arguments that name the same part.
    fn arguments(&self) -> Vec<String> {
        let stages = self.stages.iter().map(|stage| format!("--stage={}", stage.name()));
        let targets = self.targets.iter().map(|target| format!("--target={target}"));
        let environments = self.environments.iter().map(|name| format!("--environment={name}"));
        let engine = (self.engine == Engine::Tera).then(|| "--engine=tera".to_owned());
        targets.chain(stages).chain(environments).chain(engine).collect()
    }
}

fn stage(text: &str) -> Result<crate::target::Stage, String> {
    use crate::target::Stage;
    let all = [Stage::Config, Stage::Image, Stage::Deploy, Stage::Verify, Stage::Access];
    all.into_iter()
        .find(|stage| stage.name() == text)
        .ok_or_else(|| format!("expected one of {}", all.map(Stage::name).join(", ")))
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Nothing is wrong, and golden is what the sources give.
    Clean,
    /// Golden differs, or something was found.
    Differs,
    /// The command line, the project, its data, templates or rules are wrong.
    Error,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Clean => Self::SUCCESS,
            Exit::Differs => Self::from(1),
            Exit::Error => Self::from(2),
        }
    }
}

/// The definition of the command line.
pub fn command() -> clap::Command {
    Cli::<Command>::command()
}

/// Parses the arguments of the process and runs the command that they name.
pub fn main() -> ExitCode {
    let cli = match Cli::<Any>::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is no reason to complain.
            let _ = error.print();
            return if error.use_stderr() { Exit::Error.into() } else { Exit::Clean.into() };
        }
    };
    if let Any::BecomeCheck { loopback, words } = &cli.command {
        let (status, why) = become_check(*loopback, words);
        let _ = writeln!(io::stderr(), "{why}");
        return ExitCode::from(status);
    }
    let misplaced = match cli.global.format {
        Output::Github | Output::Sarif if !matches!(cli.command, Any::Known(Command::Check(_))) => {
            Some("`--format github` and `--format sarif` are for `check` only")
        }
        Output::Markdown if !matches!(cli.command, Any::Known(Command::Diff(_))) => {
            Some("`--format markdown` is for `diff` only")
        }
        _ => None,
    };
    if let Some(message) = misplaced {
        let error = command().error(clap::error::ErrorKind::ArgumentConflict, message);
        let _ = error.print();
        return Exit::Error.into();
    }
    let mut session = Session::new(&cli.global);
    let ran = match cli.command {
        Any::Known(Command::New(command)) => command.run(&mut session),
        Any::Known(Command::Render(command)) => command.run(&mut session),
        Any::Known(Command::Diff(command)) => command.run(&mut session),
        Any::Known(Command::Check(command)) => command.run(&mut session),
        Any::Known(Command::Lint(command)) => command.run(&mut session),
        Any::Known(Command::Trust(command)) => command.run(&mut session),
        Any::Known(Command::Explain(command)) => command.run(&mut session),
        Any::Known(Command::List(command)) => command.run(&mut session),
        Any::Known(Command::MergeDriver(command)) => command.run(&mut session),
        // It has returned by now, or is no longer this program.
        Any::BecomeCheck { .. } => Ok(Exit::Error),
        Any::RenderInto { into, mut render } => {
            render.into = Some(into);
            render.run(&mut session)
        }
        Any::Known(Command::Completions(command)) => command.run(&mut session),
        Any::Known(Command::Man(command)) => command.run(&mut session),
        Any::Known(Command::Schema(command)) => command.run(&mut session),
    };
    let flushed = ran.and_then(|exit| session.out.flush().map(|()| exit));
    match flushed {
        Ok(exit) => exit.into(),
        Err(error) => {
            let _ = writeln!(session.err, "error: the output cannot be written: {error}");
            // 2 says that nothing was written.
            if session.committed { Exit::Differs.into() } else { Exit::Error.into() }
        }
    }
}
