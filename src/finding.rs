//! What is wrong with a rendered artifact: bytes of it and why, told with the place in the template and the cells or the
//! row that made them.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};

use crate::compile::{Compilation, Environment, MOST_CELLS};
use crate::diagnostic::{Code, Diagnostic, Label, code};
use crate::explain::Resolver;
use crate::format::zone::Zone;
use crate::lint::{self, Files as _, Found, Options, postfix};
use crate::origin::{Cause, Input, Piece, Row};
use crate::plan::Planned;
use crate::project::RowName;
use crate::source::git::Served;
use crate::source::{Sources, Span};

/// Something that was found wrong with an artifact.
struct Finding<'a> {
    environment: &'a Environment,
    planned: &'a Planned,
    code: &'static Code,
    /// A phrase that goes on behind the line and the artifact, with what stands between.
    message: String,
    /// The bytes that are at fault, never none.
    bytes: Range<usize>,
    /// The line, from 1, that they begin on.
    line: usize,
}

/// Lines of artifacts that are not well-formed.
pub(crate) type Faulty = BTreeSet<(Utf8PathBuf, usize)>;

/// The structural faults of an environment's artifacts, with their lines.
pub(crate) fn structure(
    compilation: &Compilation,
    environment: &Environment,
    sources: &Sources,
) -> (Vec<Diagnostic>, Faulty) {
    let (mut found, mut lines) = (Vec::new(), Faulty::new());
    for planned in environment.artifacts.iter().filter(|planned| planned.format.is_checked()) {
        let mut artifact = Vec::new();
        // What cannot be rendered was told when it was compared.
        if environment.render(planned, sources, &mut artifact).is_err() {
            continue;
        }
        if let Err(fault) = planned.format.check(&artifact) {
            let finding = Finding::new(
                (environment, planned, &artifact),
                &code::FORMAT_STRUCTURE,
                format!(" is not well-formed: {}", fault.message),
                fault.offset..fault.offset + 1,
            );
            lines.insert((planned.path.to_path_buf(), finding.line));
            found.push(finding.told(compilation, sources).at(planned.span, "its format is declared here"));
        }
    }
    (found, lines)
}

/// What a native check says of bytes of an artifact; `message` goes on behind the line and the artifact.
pub(crate) fn native(
    compilation: &Compilation,
    artifact: (&Environment, &Planned, &[u8]),
    bytes: Range<usize>,
    message: String,
    sources: &Sources,
) -> Diagnostic {
    Finding::new(artifact, &code::NATIVE_FAILED, message, bytes).told(compilation, sources)
}

/// A zone that has changed without those who have a copy of it being told.
#[derive(Debug)]
pub(crate) struct Unraised {
    pub(crate) diagnostic: Diagnostic,
    /// The serial that it has.
    pub(crate) serial: u32,
    /// The lowest one that would do.
    pub(crate) needed: u32,
    /// Where it is written in the project's sources.
    pub(crate) written: Option<Span>,
}

/// The zones of an environment whose serial says that they are what is served, and a warning of those of which nobody knows.
pub(crate) fn serials(
    compilation: &Compilation,
    environment: &Environment,
    sources: &Sources,
    served: &Served,
) -> (Vec<Unraised>, Option<Diagnostic>) {
    let mut found = Vec::new();
    let mut unknown = None;
    for planned in environment.artifacts.iter().filter(|planned| planned.format.name == "zone") {
        let mut artifact = Vec::new();
        if environment.render(planned, sources, &mut artifact).is_err() {
            continue;
        }
        let Some(zone) = Zone::read(&artifact) else { continue };
        let path = environment.folder.join(&planned.path);
        let Some(before) = served.before(&path, &artifact) else {
            unknown = unknown.or(Some(path));
            continue;
        };
        let ahead =
            before.iter().filter_map(|before| Zone::read(before)).filter(|before| !zone.follows(before));
        let Some(needed) = ahead
            .map(|before| before.next())
            .reduce(|one, other| if one.wrapping_sub(other) < 1 << 31 { one } else { other })
        else {
            continue;
        };
        let message = format!(
            ": the zone has changed since it was committed, and its serial {} has not been raised",
            zone.serial
        );
        let at = (environment, planned, &artifact[..]);
        let finding = Finding::new(at, &code::ZONE_SERIAL, message, zone.at.clone());
        let diagnostic = finding.told(compilation, sources);
        found.push(Unraised {
            diagnostic: diagnostic.hint("`confwright render --bump` raises it"),
            serial: zone.serial,
            needed,
            written: finding.written(&zone.serial.to_string(), compilation, sources),
        });
    }
    let unknown = unknown.map(|path| {
        let message = "whether zones have changed under their serials is not checked: this clone is shallow, and has no commit before that of their golden files";
        Diagnostic::warning(&code::ZONE_UNCHECKED, message)
            .at_file(path, "such as this one")
            .hint("fetch the commit before too: `git fetch --deepen=1`; in CI, clone with a depth of 2 or more")
    });
    (found, unknown)
}

/// What the lints say of an environment's artifacts.
#[derive(Debug, Default)]
pub(crate) struct Linted {
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The folders of the configurations that were judged.
    pub(crate) folders: Vec<Utf8PathBuf>,
    /// What could not be judged.
    pub(crate) unchecked: BTreeSet<String>,
    /// The first day on which more will be found.
    pub(crate) until: Option<jiff::civil::Date>,
}

/// Lints the configurations that an environment's artifacts make, but for the lines whose faults are told already;
/// `allowed` receives the numbers of the exceptions that apply.
pub(crate) fn lint(
    compilation: &Compilation,
    environment: &Environment,
    sources: &Sources,
    options: Options,
    faulty: &Faulty,
    allowed: &mut BTreeSet<usize>,
) -> Linted {
    let mut linted = Linted::default();
    let of_format =
        |name: &'static str| environment.artifacts.iter().filter(move |one| one.format.name == name);
    let own = version(compilation, environment);
    // The version that is asked for is held against the project's own.
    let options = Options { version: options.version.or(own), from: options.version.and(own), ..options };
    let mut all: Vec<(Utf8PathBuf, Rendered<'_>)> = Vec::new();
    for main in of_format("postfix-main") {
        let folder = main.path.parent().unwrap_or(Utf8Path::new(""));
        let Some(master) = of_format("postfix-master").find(|one| one.path.parent() == Some(folder)) else {
            continue;
        };
        let rendered = Rendered::new(environment, sources, main, master, folder);
        if !postfix::is_instance(&rendered) {
            // What cannot be rendered was told when it was compared.
            continue;
        }
        linted.folders.push(environment.folder.join(folder));
        all.push((folder.to_owned(), rendered));
    }
    let together: Vec<(&Utf8Path, &dyn lint::Files)> =
        all.iter().map(|(folder, rendered)| (folder.as_path(), rendered as &dyn lint::Files)).collect();
    let mut between = postfix::lint_together(&together, options);
    for (number, (_, rendered)) in all.iter().enumerate() {
        let findings = postfix::lint(rendered, options);
        linted.unchecked.extend(findings.unchecked);
        linted.until = linted.until.into_iter().chain(findings.until).min();
        let shared = between.extract_if(.., |(of, _)| *of == number).map(|(_, finding)| finding);
        let list: Vec<lint::Finding> = findings.list.into_iter().chain(shared).collect();
        // What is not well-formed was told as that.
        for found in list.into_iter().filter(|found| found.code.id != code::LINT_SYNTAX.id) {
            let Some(finding) = rendered.finding(&found.place, found.code, format!(": {}", found.message))
            else {
                continue;
            };
            if faulty.contains(&(finding.planned.path.to_path_buf(), finding.line)) {
                continue;
            }
            let exception = compilation.project.allows.iter().position(|allow| {
                allow.rule.value == found.code.id
                    && allow.row.as_ref().is_none_or(|row| finding.is_of(&row.value, sources))
            });
            if let Some(number) = exception {
                allowed.insert(number);
                if compilation.project.allows[number].until.value >= options.as_of {
                    continue;
                }
            }
            let mut diagnostic = if found.place.bytes.1 == 0 {
                // Of what is not there, the file is all there is to show.
                let path = environment.folder.join(&finding.planned.path);
                let diagnostic = Diagnostic::error(found.code, format!("`{path}`: {}", found.message));
                diagnostic.at_file(path, "").at(finding.planned.span, "it is declared here")
            } else {
                finding.told(compilation, sources)
            };
            diagnostic.severity = found.severity;
            if let Some((place, text)) = found.other
                && let Some(other) = rendered.finding(&place, found.code, String::new())
            {
                // What has the same origin is told by its line alone.
                let labels = other.told(compilation, sources).labels.into_iter().skip(1);
                let more: Vec<Label> = labels.filter(|label| !diagnostic.labels.contains(label)).collect();
                let path = environment.folder.join(&other.planned.path);
                diagnostic.hints.push(format!("{text}: line {} of `{path}`", other.line));
                diagnostic.labels.extend(more);
            }
            diagnostic.hints.extend((!found.hint.is_empty()).then_some(found.hint));
            linted.diagnostics.push(diagnostic);
        }
    }
    linted
}

/// The version of Postfix that the project is for: its value `postfix_version`.
fn version(compilation: &Compilation, environment: &Environment) -> Option<postfix::Version> {
    let declared = compilation.project.environments.iter().find(|one| one.name == environment.name)?;
    match &declared.values.get("postfix_version")?.value {
        toml::Value::String(text) => text.parse().ok(),
        toml::Value::Float(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// The files of a configuration that artifacts make.
struct Rendered<'a> {
    environment: &'a Environment,
    sources: &'a Sources,
    folder: &'a Utf8Path,
    /// By their names beside main.cf, with their bytes once they were asked for.
    files: BTreeMap<Utf8PathBuf, (&'a Planned, Bytes)>,
}

/// The bytes of an artifact once they were asked for; nothing where it cannot be rendered.
type Bytes = OnceCell<Option<Vec<u8>>>;

impl<'a> Rendered<'a> {
    fn new(
        environment: &'a Environment,
        sources: &'a Sources,
        main: &'a Planned,
        master: &'a Planned,
        folder: &'a Utf8Path,
    ) -> Self {
        let mut files: BTreeMap<Utf8PathBuf, _> = environment
            .artifacts
            .iter()
            .filter_map(|one| Some((one.path.strip_prefix(folder).ok()?.to_owned(), (one, OnceCell::new()))))
            .collect();
        files.insert("main.cf".into(), (main, OnceCell::new()));
        files.insert("master.cf".into(), (master, OnceCell::new()));
        Self { environment, sources, folder, files }
    }

    /// A finding, as one of the artifact that it is in.
    fn finding(&self, place: &lint::Place, code: &'static Code, message: String) -> Option<Finding<'a>> {
        let (planned, _) = self.files.get(&place.file)?;
        let Found::File(bytes) = self.find(&place.file) else { return None };
        let (start, end) = place.bytes;
        Some(Finding::new((self.environment, planned, &bytes), code, message, start..end))
    }

    /// The public certificate that a path of the host stands for, in one of the folders that columns name.
    fn certificate(&self, path: &Utf8Path) -> Option<&'a [u8]> {
        let columns = self.environment.tables.iter().flat_map(|table| &table.schema().columns);
        let folders: BTreeSet<&str> = columns.filter_map(|column| column.ty.certificates()).collect();
        let parts: Vec<&str> = path.as_str().split('/').collect();
        let ends = (1..parts.len()).map(|from| parts[from..].join("/"));
        let file = ends.into_iter().find_map(|end| {
            folders.iter().find_map(|folder| self.sources.find(&Utf8Path::new(folder).join(&end)))
        })?;
        Some(self.sources.file(file).bytes())
    }
}

impl lint::Files for Rendered<'_> {
    fn find(&self, path: &Utf8Path) -> Found<'_> {
        if let Some((planned, bytes)) = self.files.get(path) {
            let bytes = bytes.get_or_init(|| {
                let mut bytes = Vec::new();
                self.environment.render(planned, self.sources, &mut bytes).is_ok().then_some(bytes)
            });
            return bytes.as_deref().map_or(Found::Unknown, |bytes| Found::File(bytes.into()));
        }
        match self.certificate(path) {
            Some(bytes) => Found::File(bytes.into()),
            None if path.is_relative() => Found::Absent,
            None => Found::Unknown,
        }
    }

    fn beside(&self, path: &Utf8Path) -> Vec<String> {
        let of = |file: &&Utf8PathBuf| file.parent() == path.parent();
        self.files.keys().filter(of).filter_map(|file| file.file_name().map(str::to_owned)).collect()
    }

    fn folder(&self) -> &str {
        self.folder.file_name().unwrap_or_default()
    }
}

impl<'a> Finding<'a> {
    fn new(
        (environment, planned, artifact): (&'a Environment, &'a Planned, &[u8]),
        code: &'static Code,
        message: String,
        bytes: Range<usize>,
    ) -> Self {
        // What is missing at the end is looked for in the last line.
        let start = bytes.start.min(artifact.len().saturating_sub(1));
        let line = memchr::memchr_iter(b'\n', &artifact[..start]).count() + 1;
        Self { environment, planned, code, message, bytes: start..bytes.end.max(start + 1), line }
    }

    fn told(&self, compilation: &Compilation, sources: &Sources) -> Diagnostic {
        let path = self.environment.folder.join(&self.planned.path);
        let message = format!("line {} of `{path}`{}", self.line, self.message);
        let mut diagnostic = Diagnostic::error(self.code, message).at_file(path, "");
        let pieces = self.pieces(sources);
        if let Some(piece) = pieces.iter().find(|piece| piece.span().is_some()) {
            let text = match piece.cause {
                Cause::Literal { .. } => "made by this text",
                Cause::Value { .. } | Cause::Unknown => "printed here",
            };
            diagnostic
                .labels
                .extend(piece.span().map(|span| Label { place: span.into(), text: text.into() }));
        }
        diagnostic.labels.extend(self.inputs(&pieces, compilation, sources));
        diagnostic
    }

    /// What the bytes were made of, as far as they lie on their first line.
    fn pieces(&self, sources: &Sources) -> Vec<Piece> {
        let excerpt = self.environment.trace(self.planned, sources, self.line..self.line + 1);
        let pieces = excerpt.map(|excerpt| excerpt.pieces).unwrap_or_default();
        pieces.iter().filter_map(|piece| piece.within(&self.bytes)).collect()
    }

    /// Where in the sources a text is written that makes up all of it.
    fn written(&self, text: &str, compilation: &Compilation, sources: &Sources) -> Option<Span> {
        let pieces = self.pieces(sources);
        let [piece] = &pieces[..] else { return None };
        let [input] = piece.sources() else { return None };
        let resolver = Resolver::new(compilation, self.environment, self.planned, sources);
        let (Some(span), "written") = resolver.written(input) else { return None };
        let written = sources.file(span.file).part(span.range());
        let written = std::str::from_utf8(&written).ok()?;
        // In quotes or not.
        let start = written.find(text)?;
        let bare = written.trim_matches(['"', '\'']) == text;
        bare.then(|| {
            let start = span.range().start + start;
            Span::new(span.file, start..start + text.len())
        })
    }

    /// Whether a row has a part in it.
    fn is_of(&self, row: &RowName, sources: &Sources) -> bool {
        let Some(table) = self.environment.tables.get(&row.table) else { return false };
        let Some(number) = table.find(sources, &row.key) else { return false };
        let is_meant = |found: &Row| *found.table == *row.table && found.number == number;
        self.pieces(sources).iter().any(|piece| {
            let of = piece.sources().iter().filter_map(|input| match input {
                Input::Row(row) | Input::Cell { row, .. } => Some(row),
                Input::Value(_) => None,
            });
            of.chain(piece.frames.iter().filter_map(|frame| frame.row.as_ref())).any(is_meant)
        })
    }

    /// What the pieces were made of: the cells and values that were printed, or else the row that they were made for.
    fn inputs(&self, pieces: &[Piece], compilation: &Compilation, sources: &Sources) -> Vec<Label> {
        let resolver = Resolver::new(compilation, self.environment, self.planned, sources);
        let inputs = resolver.inputs(pieces.iter().flat_map(Piece::sources));
        let label = |input: &Input| {
            let text = match input {
                Input::Cell { column, .. } => format!("the value comes from column `{column}`"),
                Input::Value(name) => format!("the value comes from `values.{name}`"),
                Input::Row(_) => "for this row".to_owned(),
            };
            Some(Label { place: resolver.written(input).0?.into(), text })
        };
        // What is derived is followed by what it is computed from.
        let printed: Vec<Label> =
            inputs.iter().filter(|input| !resolver.is_derived(input)).filter_map(label).collect();
        if !printed.is_empty() {
            return printed.into_iter().take(MOST_CELLS).collect();
        }
        let row =
            pieces.iter().find_map(|piece| piece.frames.iter().rev().find_map(|frame| frame.row.clone()));
        row.and_then(|row| label(&Input::Row(row))).into_iter().collect()
    }
}
