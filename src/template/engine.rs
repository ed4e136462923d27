//! The engine: Tera with our filters and no others, over templates whose printed expressions pass the last filter.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use tera::{Context, ErrorKind, Kwargs, State, Tera, Value as Data};

use super::check::{CellColumn, Checked, DEEPEST_CALL, PrintSite, Wrapping};
use super::syntax::{Delimiters, original_offset};
use super::{Library, filter};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::format::{Format, MarkReader, Refusal};
use crate::source::Span;

/// The filter that hands the value of an expression over, for [`Engine::evaluate`].
pub const TAKE: &str = "__take";

/// Templates that are ready to render.
#[derive(Debug)]
pub struct Engine {
    tera: Tera,
    /// For each template of the library, what was put around its expressions.
    insertions: Vec<Vec<(usize, String)>>,
    sites: Vec<PrintSite>,
    recursions: BTreeSet<Span>,
    taken: Arc<Mutex<Option<Data>>>,
}

/// Why a template could not be rendered.
#[derive(Debug)]
pub enum Failure {
    /// The sink could not be written; its own error.
    Sink(io::Error),
    /// The template or a value is at fault.
    Diagnostic {
        /// What is wrong, with the place in the template.
        diagnostic: Box<Diagnostic>,
        /// The value that was refused, with the columns that it may come from.
        refused: Option<Refused>,
    },
}

/// A value that a format refused.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The value as it was printed.
    pub text: String,
    /// The columns that it may come from.
    pub cells: Vec<CellColumn>,
}

impl Engine {
    /// Loads the templates of a library as they were checked.
    pub fn new(library: &Library, checked: Checked, delimiters: Delimiters) -> Result<Self, Diagnostics> {
        Self::with(library, checked, delimiters, |_| {})
    }

    /// The same with `extend`, which may give the engine more functions before templates are added: a test shows
    /// with it that nondeterminism is found.
    pub fn with(
        library: &Library,
        mut checked: Checked,
        delimiters: Delimiters,
        extend: impl FnOnce(&mut Tera),
    ) -> Result<Self, Diagnostics> {
        let mut tera = bare(delimiters).map_err(|error| unexpected(&error))?;
        extend(&mut tera);
        let taken = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&taken);
        tera.register_filter(TAKE, move |value: &Data, _: Kwargs, _: &State<'_>| {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value.clone());
            ""
        });
        for number in 0..checked.sites.len() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            filter::register_emitter(&mut tera, number, filter::Printed::Value);
        }
        let mut insertions = Vec::with_capacity(library.templates.len());
        for number in 0..library.templates.len() {
            insertions.push(insert(checked.insertions.remove(&number).unwrap_or_default()));
        }
        let sources = library
            .templates
            .iter()
            .zip(&insertions)
            .map(|(template, insertions)| (template.name.clone(), template.tree.print(insertions)));
        tera.add_raw_templates(sources).map_err(|error| {
            let engine = Unlocated { library, insertions: &insertions };
            Diagnostics::from(engine.locate(&error, &code::TEMPLATE_SYNTAX))
        })?;
        let Checked { sites, recursions, .. } = checked;
        Ok(Self { tera, insertions, sites, recursions, taken })
    }

    /// Only what renders: its output has marks around the values of the expressions that pass the last filter.
    pub(super) fn into_tera(self) -> Tera {
        self.tera
    }

    /// Renders a template in a format into a sink.
    pub fn render(
        &self,
        library: &Library,
        template: &str,
        format: &Format,
        context: &Context,
        sink: &mut dyn io::Write,
    ) -> Result<(), Failure> {
        let mut reader = MarkReader::new(format, sink);
        let rendered = self.tera.render_to(template, context, &mut reader);
        let finished = if rendered.is_ok() { reader.finish() } else { Ok(()) };
        if let Some(refusal) = reader.emitter.refusal() {
            return Err(refuse(library, &self.sites, refusal));
        }
        if let Some(error) = reader.emitter.take_error() {
            return Err(Failure::Sink(error));
        }
        finished.map_err(Failure::Sink)?;
        rendered.map_err(|error| {
            let engine = Unlocated { library, insertions: &self.insertions };
            let diagnostic =
                self.too_deep(&error).unwrap_or_else(|| engine.locate(&error, &code::TEMPLATE_RENDER));
            Failure::Diagnostic { diagnostic: Box::new(diagnostic), refused: None }
        })
    }

    /// The value of the expression of a template that [`super::check::check_expression`] has checked.
    pub fn evaluate(&self, library: &Library, template: &str, context: &Context) -> Result<Data, Diagnostic> {
        match self.tera.render_to(template, context, io::sink()) {
            Ok(()) => {
                let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok(taken.unwrap_or_else(Data::undefined))
            }
            Err(error) => {
                let engine = Unlocated { library, insertions: &self.insertions };
                Err(engine.locate(&error, &code::RULE_EXPRESSION))
            }
        }
    }

    /// The diagnostic for components that call each other too deep, of which Tera does not tell the place: only a
    /// call that leads back to its component gets there.
    fn too_deep(&self, error: &tera::Error) -> Option<Diagnostic> {
        if !error.to_string().starts_with("Maximum render recursion depth") {
            return None;
        }
        let message = format!("components call each other more than {DEEPEST_CALL} deep");
        let diagnostic = Diagnostic::error(&code::TEMPLATE_RENDER, message)
            .hint("the `if` around the call has to end it earlier; a `for` goes as far as there are entries");
        Some(
            self.recursions
                .iter()
                .fold(diagnostic, |diagnostic, call| diagnostic.at(*call, "leads back here")),
        )
    }
}

/// What is told of a value that a format refused.
pub(crate) fn refuse(library: &Library, sites: &[PrintSite], refusal: &Refusal) -> Failure {
    let site = sites.get(refusal.expression as usize);
    let refused = &refusal.refused;
    let mut diagnostic = Diagnostic::error(refused.code, refused.message.clone());
    if let Some(site) = site {
        let span = library.templates[site.template].span(site.range.clone());
        diagnostic = diagnostic.at(span, "printed here");
    }
    if !refused.hint.is_empty() {
        diagnostic = diagnostic.hint(refused.hint);
    }
    let cells = site.map(|site| site.cells.iter().cloned().collect()).unwrap_or_default();
    Failure::Diagnostic {
        diagnostic: Box::new(diagnostic),
        refused: Some(Refused { text: refusal.value.clone(), cells }),
    }
}

/// What it takes to find an error of Tera in the template as it was written.
struct Unlocated<'a> {
    library: &'a Library,
    insertions: &'a [Vec<(usize, String)>],
}

impl Unlocated<'_> {
    fn locate(&self, error: &tera::Error, code: &'static crate::diagnostic::Code) -> Diagnostic {
        let text = filter::error_text(error);
        let (ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report)) = error.kind() else {
            return self.read(&text, code).unwrap_or_else(|| Diagnostic::error(code, text));
        };
        let diagnostic = Diagnostic::error(code, text);
        let Some(number) = self.library.find(report.filename()) else { return diagnostic };
        let range = &report.span().range;
        let template = &self.library.templates[number];
        let original = |at| original_offset(template.tree.source(), &self.insertions[number], at);
        diagnostic.at(template.span(original(range.start)..original(range.end)), "while this was rendered")
    }

    /// What Tera says of several templates together has its place in the text only: `error: … --> NAME:LINE:COLUMN`.
    fn read(&self, text: &str, code: &'static crate::diagnostic::Code) -> Option<Diagnostic> {
        let (message, rest) = text.strip_prefix("error: ")?.split_once("\n --> ")?;
        let mut place = rest.lines().next()?.rsplitn(3, ':');
        let column: usize = place.next()?.parse().ok()?;
        let line: usize = place.next()?.parse().ok()?;
        let number = self.library.find(place.next()?)?;
        let template = &self.library.templates[number];
        let printed = template.tree.print(&self.insertions[number]);
        let start: usize = printed.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
        let before =
            printed.get(start..)?.chars().take(column.checked_sub(1)?).map(char::len_utf8).sum::<usize>();
        let at = original_offset(template.tree.source(), &self.insertions[number], start + before);
        let mut message = message.to_owned();
        message.get_mut(..1)?.make_ascii_lowercase();
        Some(Diagnostic::error(code, message).at(template.span(at..at), ""))
    }
}

/// The texts that put filters behind expressions, in the order of their places: of two at one place, what closes
/// comes before what opens, and the inner expression closes first and opens last.
pub(super) fn insert(wrappings: Vec<Wrapping>) -> Vec<(usize, String)> {
    let mut ends: Vec<(usize, bool, usize, String)> = Vec::with_capacity(wrappings.len() * 2);
    for Wrapping { range, filter } in wrappings {
        let Range { start, end } = range;
        ends.push((start, true, usize::MAX - end, "((".into()));
        ends.push((end, false, usize::MAX - start, format!(") | {filter})")));
    }
    ends.sort();
    ends.into_iter().map(|(at, _, _, text)| (at, text)).collect()
}

/// Tera with our filters and tests and no templates.
pub(super) fn bare(delimiters: Delimiters) -> tera::TeraResult<Tera> {
    let mut tera = Tera::default();
    tera.autoescape_on(Vec::<&str>::new());
    tera.set_delimiters(engine_delimiters(delimiters))?;
    filter::register(&mut tera);
    super::test::register(&mut tera);
    Ok(tera)
}

fn engine_delimiters(delimiters: Delimiters) -> tera::Delimiters {
    match delimiters {
        Delimiters::Curly => tera::Delimiters::default(),
        Delimiters::Square => tera::Delimiters {
            block_start: "[%".into(),
            block_end: "%]".into(),
            variable_start: "[[".into(),
            variable_end: "]]".into(),
            comment_start: "[#".into(),
            comment_end: "#]".into(),
        },
    }
}

fn unexpected(error: &tera::Error) -> Diagnostics {
    Diagnostic::error(&code::TEMPLATE_RENDER, filter::error_text(error)).into()
}
