//! Expressions of a program that the engine evaluates alone: filters that are its own, slices, powers and ranges.
//!
//! Each is a template of its own, whose variables are only what the expression reads. So everything around it is the
//! program's, and rows still pass one by one.

use std::cell::RefCell;
use std::io;

use tera::{Context, Kwargs, State, Tera, Value as Data};

use super::Declined;
use crate::template::engine::{TAKE, bare};
use crate::template::syntax::Delimiters;

/// What expressions call their variables.
pub(super) const VARIABLES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

thread_local! {
    /// The value that an expression had: an engine renders on the thread that asks for it.
    static TAKEN: RefCell<Option<Data>> = const { RefCell::new(None) };
}

/// The expressions of a program that are left to the engine.
#[derive(Debug, Default)]
pub(super) struct Border {
    /// Their texts, by number; of one that is there twice, only one.
    texts: Vec<String>,
    engine: Option<Tera>,
}

impl Border {
    /// The number of an expression, whose variables are called as in [`VARIABLES`].
    pub(super) fn number(&mut self, text: String) -> usize {
        if let Some(known) = self.texts.iter().position(|other| *other == text) {
            return known;
        }
        self.texts.push(text);
        self.texts.len() - 1
    }

    /// Makes the engine, if there is anything for it.
    pub(super) fn close(&mut self) -> Result<(), Declined> {
        if self.texts.is_empty() {
            return Ok(());
        }
        let declined = |_| Declined("an expression that the engine does not take");
        let mut tera = bare(Delimiters::Curly).map_err(declined)?;
        tera.register_filter(TAKE, |value: &Data, _: Kwargs, _: &State<'_>| {
            TAKEN.with_borrow_mut(|taken| *taken = Some(value.clone()));
            ""
        });
        let templates = self.texts.iter().map(|text| (text, format!("{{{{ ({text}) | {TAKE} }}}}")));
        tera.add_raw_templates(templates).map_err(declined)?;
        self.engine = Some(tera);
        Ok(())
    }

    /// The value of an expression, of the values of its variables; nothing where it has none.
    pub(super) fn evaluate(&self, number: usize, parts: impl IntoIterator<Item = Data>) -> Option<Data> {
        let mut context = Context::new();
        for (name, part) in VARIABLES.into_iter().zip(parts) {
            context.insert_value(name, part);
        }
        self.engine.as_ref()?.render_to(self.texts.get(number)?, &context, io::sink()).ok()?;
        TAKEN.with_borrow_mut(Option::take)
    }
}
