//! What of a program the engine evaluates alone: filters that are its own, slices, powers and ranges, and the calls of
//! components that cannot be built in.
//!
//! Each is a template of its own, whose variables are only what it reads. So everything around it is the program's,
//! and rows still pass one by one.

use std::cell::RefCell;
use std::io;

use tera::{Context, Kwargs, State, Tera, Value as Data};

use super::Declined;
use crate::template::Library;
use crate::template::check::Checked;
use crate::template::engine::{Engine, TAKE, bare};
use crate::template::syntax::Delimiters;

/// What expressions call their variables.
pub(super) const VARIABLES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// What calls name the map of their arguments, and their body.
pub(super) const GIVEN: &str = "__given";
pub(super) const BODY: &str = "__body";

thread_local! {
    /// The value that an expression had: an engine renders on the thread that asks for it.
    static TAKEN: RefCell<Option<Data>> = const { RefCell::new(None) };
}

/// What is left to the engine.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// An expression, whose variables are called as in [`VARIABLES`].
    Expression(String),
    /// A component's call.
    Call { component: String, has_body: bool },
}

/// All that a program leaves to the engine.
#[derive(Debug, Default)]
pub(super) struct Border {
    /// What is left, by number; of one that is there twice, only one.
    left: Vec<Left>,
    /// The names of the templates.
    names: Vec<String>,
    engine: Option<Tera>,
}

impl Border {
    /// The number of something that is left to the engine.
    pub(super) fn number(&mut self, left: Left) -> usize {
        if let Some(known) = self.left.iter().position(|other| *other == left) {
            return known;
        }
        self.left.push(left);
        self.left.len() - 1
    }

    /// Makes the engine, if there is anything for it.
    pub(super) fn close(&mut self, library: &Library, checked: &Checked) -> Result<(), Declined> {
        const DECLINED: Declined = Declined("what the engine does not take");
        if self.left.is_empty() {
            return Ok(());
        }
        let delimiters = library.templates.first().map_or(Delimiters::Curly, |first| first.tree.delimiters);
        let mut tera = if self.left.iter().any(|left| matches!(left, Left::Call { .. })) {
            Engine::new(library, checked.clone(), delimiters).map_err(|_| DECLINED)?.into_tera()
        } else {
            bare(delimiters).map_err(|_| DECLINED)?
        };
        tera.register_filter(TAKE, |value: &Data, _: Kwargs, _: &State<'_>| {
            TAKEN.with_borrow_mut(|taken| *taken = Some(value.clone()));
            ""
        });
        let (open, close) = delimiters.print();
        let (begin, end) = delimiters.tag();
        let texts = self.left.iter().map(|left| match left {
            Left::Expression(text) => format!("{open} ({text}) | {TAKE} {close}"),
            Left::Call { component, has_body: false } => {
                format!("{open} <{component} {{...{GIVEN}}} /> {close}")
            }
            Left::Call { component, has_body: true } => format!(
                "{begin} <{component} {{...{GIVEN}}}> {end}{open} {BODY} {close}{begin} </{component}> {end}"
            ),
        });
        // No template of a project has such a name.
        self.names = (0..self.left.len()).map(|number| format!("\0{number}")).collect();
        tera.add_raw_templates(self.names.iter().zip(texts)).map_err(|_| DECLINED)?;
        self.engine = Some(tera);
        Ok(())
    }

    /// The value of something, of its variables; nothing where it has none.
    pub(super) fn evaluate(&self, number: usize, context: &Context) -> Option<Data> {
        let (engine, name) = (self.engine.as_ref()?, self.names.get(number)?);
        match self.left.get(number)? {
            Left::Expression(_) => {
                engine.render_to(name, context, io::sink()).ok()?;
                TAKEN.with_borrow_mut(Option::take)
            }
            Left::Call { .. } => engine.render(name, context).ok().map(Data::from),
        }
    }
}
