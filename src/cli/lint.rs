//! `confwright lint`: what is wrong with configurations, of a project or of a folder.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::check::date;
use super::session::Session;
use super::{Exit, Output};
use crate::compile::Selection;
use crate::diagnostic::{Diagnostic, Label, code, nearest};
use crate::finding;
use crate::format::{FORMATS, Format};
use crate::lint::postfix::{self, Version};
use crate::lint::{Files, Finding, Findings, Found, Options, Place};
use crate::report::{self, DiagnosticDocument, Status};
use crate::source::host::{self, Host};
use crate::source::{Disk, Span};

/// Lint configurations: those in folders, or all that the project makes
///
/// With a folder it needs no project: `confwright lint postfix /etc/postfix` judges main.cf, master.cf, their lookup tables
/// and certificates, and `confwright lint nginx /etc/nginx` whether each file is well-formed, in any format that artifacts
/// have. Without one, the instances of Postfix that the project renders are judged, as `check` does. Exits with 1 where
/// something was found.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  confwright lint postfix /etc/postfix\n  \
                        confwright lint postfix /etc/postfix --postfix-version 3.9   what an upgrade would change\n  \
                        confwright lint nginx /etc/nginx\n  \
                        confwright lint zone example.org.zone\n  \
                        confwright lint                                              the project's")]
pub(super) struct Lint {
    /// What is judged: `postfix`, or files of a format, such as `nginx`, `zone` or `sudoers`
    #[arg(value_name = "KIND", value_parser = LintKind::parse)]
    kind: Option<LintKind>,
    /// Folders with a configuration, or with folders of several; for a format, files or folders of files
    #[arg(value_name = "PATH", requires = "kind")]
    paths: Vec<Utf8PathBuf>,
    /// Judge for this version of Postfix: what is newer or gone in it, and which defaults are others
    #[arg(long, value_name = "VERSION")]
    postfix_version: Option<Version>,
    /// The day that certificates are judged on, instead of today
    #[arg(long, value_name = "DATE", value_parser = date)]
    as_of: Option<jiff::civil::Date>,
    /// Count what depends on the day as an error
    #[arg(long)]
    strict: bool,
}

/// What can be linted.
#[derive(Debug, Clone, Copy)]
enum LintKind {
    /// An instance of Postfix.
    Postfix,
    /// Files of a format.
    Format(&'static Format),
}

impl LintKind {
    fn parse(name: &str) -> Result<Self, String> {
        if name == "postfix" {
            return Ok(Self::Postfix);
        }
        let formats = || FORMATS.iter().filter(|format| format.is_checked());
        formats().find(|format| format.name == name).map(|format| Self::Format(format)).ok_or_else(|| {
            let names: Vec<&str> = formats().map(|format| format.name).collect();
            let near = nearest(name, names.iter().copied().chain(["postfix"]));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!("known are `postfix`, and the formats {}{near}", names.join(", "))
        })
    }
}

/// The result of `confwright lint`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "The result of confwright lint")]
pub(crate) struct Document<'a> {
    /// How the run ended.
    status: Status,
    /// The folders of the configurations that were judged, or the files.
    folders: &'a [String],
    /// What was found, sorted by place.
    findings: Vec<DiagnosticDocument<'a>>,
    /// What could not be judged here.
    unchecked: &'a BTreeSet<String>,
}

/// What all configurations gave.
#[derive(Default)]
struct Judged {
    folders: Vec<String>,
    unchecked: BTreeSet<String>,
}

/// So many things that are not checked are told.
const MOST: usize = 5;

const NOTHING: &str = "nothing was judged";

impl Lint {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let judged = match self.kind {
            None => self.project(session),
            Some(LintKind::Postfix) => {
                if self.paths.is_empty() {
                    self.project(session)
                } else {
                    self.in_folders(session)
                }
            }
            Some(LintKind::Format(format)) => self.files(session, format),
        };
        let Some(judged) = judged else { return session.fail(NOTHING) };
        let list = session.diagnostics.sorted(&session.sources);
        let status = if session.diagnostics.has_errors() { Status::Findings } else { Status::Clean };
        if session.output == Output::Json {
            let document = Document {
                status,
                folders: &judged.folders,
                findings: report::diagnostics(&session.sources, &list),
                unchecked: &judged.unchecked,
            };
            report::document_as_json(&mut session.out, &document)?;
            return Ok(if status == Status::Clean { Exit::Clean } else { Exit::Differs });
        }
        let exit = session.report(status, Vec::new(), "docs/lint.md says why")?;
        if !judged.unchecked.is_empty() && !session.quiet {
            writeln!(session.err, "not checked:")?;
            for what in judged.unchecked.iter().take(MOST) {
                writeln!(session.err, "  {what}")?;
            }
            if judged.unchecked.len() > MOST {
                writeln!(
                    session.err,
                    "  and {} more, which `--format json` lists",
                    judged.unchecked.len() - MOST
                )?;
            }
        }
        if status == Status::Clean {
            let of = match judged.folders.as_slice() {
                [] => "there is no configuration that is linted".to_owned(),
                [only] => format!("`{only}`: nothing is wrong"),
                folders => format!("{} configurations: nothing is wrong", folders.len()),
            };
            session.say(&of)?;
        }
        Ok(exit)
    }

    fn options(&self) -> Options {
        Options {
            version: self.postfix_version,
            from: None,
            as_of: self.as_of.unwrap_or_else(crate::clock::today),
            strict: self.strict,
        }
    }

    /// Judges what the project makes.
    fn project(&self, session: &mut Session) -> Option<Judged> {
        let root = session.root()?;
        let disk = Disk::new(root);
        let compilation = session.prepare(&disk, &Selection::default())?;
        // What else is wrong with the project is not asked for.
        session.diagnostics = crate::diagnostic::Diagnostics::default();
        let mut judged = Judged::default();
        let mut allowed = BTreeSet::new();
        for environment in &compilation.environments {
            let linted = finding::lint(
                &compilation,
                environment,
                &session.sources,
                self.options(),
                &finding::Faulty::new(),
                &mut allowed,
            );
            session.diagnostics.extend(linted.diagnostics);
            judged.folders.extend(linted.folders.into_iter().map(Utf8PathBuf::into_string));
            judged.unchecked.extend(linted.unchecked);
        }
        session.worked();
        Some(judged)
    }

    /// Judges whether files are well-formed.
    fn files(&self, session: &mut Session, format: &Format) -> Option<Judged> {
        let mut judged = Judged::default();
        if self.paths.is_empty() {
            let message = format!("expected files of the format `{}` to judge", format.name);
            let hint = format!("name them: `confwright lint {} PATH`", format.name);
            session.diagnostics.push(Diagnostic::error(&code::USAGE, message).hint(hint));
            return None;
        }
        for path in &self.paths {
            let files = host::files(path);
            if files.is_empty() {
                let message = format!("there is no file at `{path}`");
                let diagnostic = Diagnostic::error(&code::LINT_FOLDER, message);
                session
                    .diagnostics
                    .push(diagnostic.at_file(path.clone(), "expected a file, or a folder of files"));
                return None;
            }
            for (path, bytes) in files {
                match bytes {
                    Ok(bytes) => {
                        let fault = format.check(&bytes);
                        let file = session.sources.add(path.clone(), bytes);
                        session.diagnostics.extend(fault.err().map(|fault| {
                            let message = format!("this is not well-formed: {}", fault.message);
                            let span = Span::new(file, fault.offset..fault.offset + 1);
                            Diagnostic::error(&code::FORMAT_STRUCTURE, message).at(span, "")
                        }));
                    }
                    Err(error) => {
                        judged.unchecked.extend([format!("`{path}`, which cannot be read: {error}")]);
                    }
                }
                judged.folders.push(path.into_string());
            }
        }
        Some(judged)
    }

    /// Judges what lies in the folders.
    fn in_folders(&self, session: &mut Session) -> Option<Judged> {
        let mut judged = Judged::default();
        for folder in &self.paths {
            let below = || Host::folders(folder);
            let hosts: Vec<(Utf8PathBuf, Host)> = std::iter::once(folder.clone())
                .chain(below())
                .filter_map(|folder| Some((folder.clone(), Host::new(&folder).ok()?)))
                .filter(|(_, host)| postfix::is_instance(host))
                .collect();
            if hosts.is_empty() {
                let message = format!("`{folder}` holds no configuration of Postfix");
                let diagnostic = Diagnostic::error(&code::LINT_FOLDER, message)
                    .at_file(folder.clone(), "expected main.cf and master.cf in it, or in folders below it");
                session.diagnostics.push(diagnostic);
                return None;
            }
            // A folder that holds one is not searched for more.
            let own = hosts.iter().any(|(found, _)| found == folder);
            let judged_here: Vec<&(Utf8PathBuf, Host)> =
                hosts.iter().filter(|(found, _)| !own || found == folder).collect();
            for (found, host) in &judged_here {
                let findings = postfix::lint(host, self.options());
                show(session, host, &findings);
                judged.unchecked.extend(findings.unchecked);
                judged.folders.push(found.to_string());
            }
            let together: Vec<(&Utf8Path, &dyn Files)> =
                judged_here.iter().map(|(found, host)| (found.as_path(), host as &dyn Files)).collect();
            for (number, finding) in postfix::lint_together(&together, self.options()) {
                let diagnostic = told(session, &judged_here[number].1, &finding);
                session.diagnostics.push(diagnostic);
            }
        }
        Some(judged)
    }
}

/// Puts findings into the report, with their places.
fn show(session: &mut Session, host: &Host, findings: &Findings) {
    for finding in &findings.list {
        let diagnostic = told(session, host, finding);
        session.diagnostics.push(diagnostic);
    }
}

fn told(session: &mut Session, host: &Host, finding: &Finding) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(finding.code, finding.message.clone());
    diagnostic.severity = finding.severity;
    diagnostic.hints.extend((!finding.hint.is_empty()).then(|| finding.hint.clone()));
    diagnostic.labels.push(Label { place: place(session, host, &finding.place), text: String::new() });
    if let Some((other, text)) = &finding.other {
        diagnostic.labels.push(Label { place: place(session, host, other), text: (*text).to_owned() });
    }
    diagnostic
}

fn place(session: &mut Session, host: &Host, place: &Place) -> crate::diagnostic::Place {
    let path = host.path(&place.file);
    let (start, end) = place.bytes;
    let file = session.sources.find(&path).or_else(|| match host.find(&place.file) {
        Found::File(bytes) => Some(session.sources.add(path.clone(), bytes.into_owned())),
        Found::Absent | Found::Unknown => None,
    });
    match file {
        Some(file) if end > 0 => Span::new(file, start..end).into(),
        _ => crate::diagnostic::Place::File(path),
    }
}
