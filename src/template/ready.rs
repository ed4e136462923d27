//! Checked templates that are ready to render: each by its program or, where it has none, by the engine, which is
//! made when the first of them needs it.

use std::collections::BTreeMap;
use std::io;
use std::sync::OnceLock;

use tera::{Context, Tera, Value as Data};

use super::Library;
use super::check::{Checked, Entrance, Globals};
use super::engine::{Engine, Failure, refuse};
use super::segment::{self, Blocks, Facts, Inputs, Program, Stop};
use super::syntax::Delimiters;
use super::trace::{Known, Tracer};
use super::types::ViewId;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::format::{Emitter, Format};
use crate::table::{Passing, Tables};

/// What renders templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Renderer {
    /// Segment programs; Tera for the templates that they cannot express.
    #[default]
    Segments,
    /// Tera alone.
    Tera,
}

/// The templates of a library with what renders them.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) library: Library,
    pub(crate) checked: Checked,
    delimiters: Delimiters,
    programs: BTreeMap<(usize, Option<ViewId>), Compiled>,
    engine: OnceLock<Result<Engine, Diagnostics>>,
}

/// A program, and the same to be traced, made when that is asked for.
#[derive(Debug)]
struct Compiled {
    program: Program,
    traced: OnceLock<Option<Program>>,
}

/// What a template is rendered with.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// What programs read.
    pub(crate) facts: Facts<'a>,
    /// The row that the template is bound to.
    pub(crate) row: Option<Passing<'a>>,
    /// What the engine sees; asked for only where it is needed.
    pub(crate) context: &'a dyn Fn() -> Context,
    /// Who keeps what blocks of rows make, if somebody does.
    pub(crate) blocks: Option<&'a dyn Blocks>,
}

/// A failure with the rows that were passing by then: the names of their tables and their numbers, the innermost
/// first. Empty where the engine has rendered, which does not know.
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    pub(crate) rows: Vec<(String, usize)>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, rows: Vec::new() }
    }
}

impl Ready {
    /// Makes what renders the templates at the entrances; `context` is what all of them see but for the tables.
    pub(crate) fn new(
        library: Library,
        checked: Checked,
        delimiters: Delimiters,
        entrances: &[Entrance],
        renderer: Renderer,
        (globals, tables, context): (&Globals, &Tables, &Context),
    ) -> Self {
        let mut programs = BTreeMap::new();
        if renderer == Renderer::Segments {
            let inputs =
                Inputs { library: &library, globals, checked: &checked, tables, context, traced: false };
            for Entrance { template, row, .. } in entrances {
                if let Ok(program) = segment::build(&inputs, *template, *row) {
                    programs.insert((*template, *row), Compiled { program, traced: OnceLock::new() });
                }
            }
        }
        Self { library, checked, delimiters, programs, engine: OnceLock::new() }
    }

    /// Makes the engine now, with `extend`, which may give it more functions.
    pub(crate) fn make_engine(&self, extend: &dyn Fn(&mut Tera)) -> Result<(), Diagnostics> {
        let engine = Engine::with(&self.library, self.checked.clone(), self.delimiters, |tera| extend(tera))?;
        // There is none yet.
        let _ = self.engine.set(Ok(engine));
        Ok(())
    }

    fn engine(&self) -> Result<&Engine, Failure> {
        let made = || Engine::new(&self.library, self.checked.clone(), self.delimiters);
        self.engine.get_or_init(made).as_ref().map_err(|failed| {
            let first = failed.clone().into_iter().next();
            let diagnostic = first
                .unwrap_or_else(|| Diagnostic::error(&code::TEMPLATE_RENDER, "the engine cannot be made"));
            Failure::Diagnostic { diagnostic: Box::new(diagnostic), refused: None }
        })
    }

    /// The same templates, to be traced; nothing where they cannot be.
    pub(crate) fn tracer(&self, known: Known) -> Option<Tracer> {
        Tracer::new(&self.library, &self.checked, self.delimiters, known)
    }

    /// The program of a template that is built to be traced; nothing where Tera has to trace it.
    pub(crate) fn traceable(
        &self,
        (template, view): (usize, Option<ViewId>),
        (globals, tables, context): (&Globals, &Tables, &Context),
    ) -> Option<&Program> {
        let (library, checked) = (&self.library, &self.checked);
        let made = || {
            let inputs = Inputs { library, globals, checked, tables, context, traced: true };
            segment::build(&inputs, template, view).ok()
        };
        self.programs.get(&(template, view))?.traced.get_or_init(made).as_ref()
    }

    /// How many templates have programs.
    #[cfg(test)]
    pub(crate) fn programs(&self) -> usize {
        self.programs.len()
    }

    /// Renders a template, which one of the entrances has named with this view of its row.
    pub(crate) fn render(
        &self,
        (template, view): (usize, Option<ViewId>),
        format: &Format,
        setting: Setting<'_>,
        sink: &mut dyn io::Write,
    ) -> Result<(), Failed> {
        let name = &self.library.templates[template].name;
        let Some(Compiled { program, .. }) = self.programs.get(&(template, view)) else {
            let context = (setting.context)();
            return Ok(self.engine()?.render(&self.library, name, format, &context, sink)?);
        };
        let mut emitter = Emitter::new(format, sink);
        match program.render(&setting.facts, setting.row, setting.blocks, &mut emitter) {
            Ok(()) => Ok(()),
            Err(Stop::Output(rows)) => {
                let failure = match emitter.refusal() {
                    Some(refusal) => refuse(&self.library, &self.checked.sites, refusal),
                    None => {
                        Failure::Sink(emitter.take_error().unwrap_or_else(|| io::ErrorKind::Other.into()))
                    }
                };
                Err(Failed { failure, rows })
            }
            Err(Stop::Value | Stop::Seen) => {
                // The engine says what is wrong with the value; what it prints until then is not wanted.
                let context = (setting.context)();
                self.engine()?.render(&self.library, name, format, &context, &mut io::sink())?;
                Err(disagreement().into())
            }
        }
    }

    /// The value of the expression of a library that has just one; see [`super::check::check_expression`].
    pub(crate) fn evaluate(&self, view: Option<ViewId>, setting: Setting<'_>) -> Result<Data, Diagnostic> {
        if let Some(Compiled { program, .. }) = self.programs.get(&(0, view))
            && let Ok(value) = program.evaluate(&setting.facts, setting.row)
        {
            return Ok(value);
        }
        let context = (setting.context)();
        let engine = self.engine().map_err(|failure| match failure {
            Failure::Diagnostic { diagnostic, .. } => *diagnostic,
            Failure::Sink(error) => Diagnostic::error(&code::TEMPLATE_RENDER, error.to_string()),
        })?;
        engine.evaluate(&self.library, &self.library.templates[0].name, &context)
    }
}

/// A program found a value wrong with which the engine can do something: a fault of ours, but not one to stop at.
fn disagreement() -> Failure {
    let message = "a value does not do for what the template does with it";
    let diagnostic = Diagnostic::error(&code::TEMPLATE_RENDER, message)
        .hint("try `--engine tera`, and report this template: it should not happen");
    Failure::Diagnostic { diagnostic: Box::new(diagnostic), refused: None }
}
