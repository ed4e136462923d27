//! The native checks of `confwright check --native`.

use std::collections::BTreeSet;
use std::env;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::determinism::temporary;
use super::session::Session;
use crate::compile::Compilation;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::manifest::Sha256;
use crate::native::process::Isolation;
use crate::native::trust::{self, Trusted};
use crate::native::{self, Outcome, Setting};
use crate::source::git::Repository;
use crate::source::{Disk, Sources};
use crate::{project, target};

/// The arguments that are about native checks.
#[derive(Debug, Args)]
pub(super) struct NativeChecks {
    /// Also run the programs that targets name in `[[check]]`, on private copies of what is rendered
    #[arg(long)]
    pub(super) native: bool,
    /// Take a program that is missing for an error
    #[arg(long, requires = "native")]
    require_tools: bool,
    /// Also run the commands that the targets have in a git revision: that which a change is merged into
    #[arg(long, value_name = "REV", requires = "native")]
    trust_revision: Option<String>,
}

impl NativeChecks {
    /// Runs the checks if they are asked for; false if they may not run, or were stopped.
    pub(super) fn run(
        &self,
        session: &mut Session,
        root: &Utf8Path,
        disk: &Disk,
        compilation: &Compilation,
    ) -> io::Result<bool> {
        if !self.native {
            return Ok(true);
        }
        let mut trusted = trust::carried();
        if let Some(revision) = &self.trust_revision {
            let reviewed = session.diagnostics.take(of_revision(revision, root));
            let Some(reviewed) = reviewed else { return Ok(false) };
            trusted.extend(reviewed);
        }
        let own = record(root);
        let is_trusted =
            |sha256: Sha256| trusted.contains(&sha256) || own.as_ref().is_ok_and(|own| own.has(sha256));
        let all = match native::known(disk, compilation, root, &is_trusted) {
            Ok(all) => all,
            Err(refused) => {
                session.diagnostics.extend(refused);
                session.diagnostics.extend(own.err());
                return Ok(false);
            }
        };
        session.worked();
        session.stop_on_signals()?;
        let folder = temporary()?;
        let path = native::search_path(env::var_os("PATH").as_deref(), root);
        let setting = Setting {
            compilation,
            sources: &session.sources,
            isolation: Isolation::find(env::current_exe()?.into(), path),
            temporary: &folder,
            require_tools: self.require_tools,
            stop: &session.stop,
        };
        let (checks, diagnostics) = native::run(&setting, &all);
        if !setting.isolation.is_there() && !all.is_empty() {
            let message =
                "native checks are not cut off from the network: this machine gives no namespaces for that";
            session.diagnostics.push(Diagnostic::warning(&code::NATIVE_NETWORK, message).hint(
                "`unshare` of util-linux makes them, for root or where users may make user namespaces",
            ));
        }
        session.diagnostics.extend(diagnostics);
        if session.stop.load(std::sync::atomic::Ordering::Relaxed) {
            session.diagnostics.push(Diagnostic::error(
                &code::GOLDEN_INTERRUPTED,
                "the native checks were interrupted; nothing was written",
            ));
            return Ok(false);
        }
        let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
        let parts = [(Outcome::Passed, "passed"), (Outcome::Failed, "failed"), (Outcome::Skipped, "skipped")];
        let parts: Vec<String> = parts
            .into_iter()
            .map(|(outcome, what)| (count(outcome), what))
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let told = if parts.is_empty() { "there are none".to_owned() } else { parts.join(", ") };
        session.checks = checks;
        session.say(&format!("native checks: {told}"))?;
        Ok(true)
    }
}

/// What this user trusts of the project at a root.
pub(super) fn record(root: &Utf8Path) -> Result<Trusted, Diagnostic> {
    let absolute = |name: &str| {
        let folder = env::var_os(name).and_then(|folder| Utf8PathBuf::from_os_string(folder).ok());
        // The specification has it that others are to be ignored.
        folder.filter(|folder| folder.is_absolute())
    };
    let states = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let states = states.ok_or_else(|| {
        let message =
            "there is no place to record what is trusted: neither XDG_STATE_HOME nor HOME names a folder";
        Diagnostic::error(&code::NATIVE_TRUST, message)
            .hint("in CI, `check --native --trust-revision REV` needs no record")
            .hint("set HOME, or name a folder outside of the project in XDG_STATE_HOME")
    })?;
    Trusted::read(&states, root)
}

/// What the targets run as they are in a revision.
fn of_revision(revision: &str, root: &Utf8Path) -> Result<BTreeSet<Sha256>, Diagnostic> {
    let repository = Repository::find(root)?;
    let world = repository.world(&repository.commit(revision)?, &repository.inside(root)?);
    let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
    let mut hashes = BTreeSet::new();
    if let Some(project) = project::load(&world, &mut sources, &mut diagnostics) {
        let targets = target::load(&world, &mut sources, &project, &mut diagnostics);
        for target in targets.values() {
            for check in &target.checks {
                hashes.insert(trust::known(&world, &project.templates, target, check)?.sha256);
            }
        }
    }
    match diagnostics.sorted(&sources).into_iter().next() {
        Some(first) if diagnostics.has_errors() => {
            let message = format!("what `{revision}` runs is not known: {}", first.message);
            Err(Diagnostic::error(&code::SOURCE_REVISION, message)
                .hint("name a revision in which the project is right"))
        }
        _ => Ok(hashes),
    }
}
