//! From a checked template to its program.
//!
//! Names are resolved as the engine would resolve them while it renders: each loop and include has variables of its
//! own, a component sees its arguments only. A variable that stands for a row, a table or a cell is a place, not a
//! value; every other is a slot. Includes, blocks and components are built in where they are used, so that one
//! component has as many copies as it has calls.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use tera::Context;

use super::{Border, Declined, Entered, Expr, Note, Program, Segment};
use crate::origin::FrameKind;
use crate::source::Span;
use crate::table::{Schema, Tables};
use crate::template::Library;
use crate::template::check::{Checked, Globals};
use crate::template::syntax::{Expression, Node};
use crate::template::trace::names_of_filters;
use crate::template::types::ViewId;
use scope::{Binding, Frame, Scope, Way};

mod certain;
mod component;
mod expression;
mod scope;
mod statement;

/// Programs longer than this are not built: components that call components may multiply.
const LONGEST: usize = 20_000;

const TOO_LONG: Declined = Declined("a program that is too long");

/// What a program is built from.
pub(crate) struct Inputs<'a> {
    /// The templates.
    pub(crate) library: &'a Library,
    /// What they see.
    pub(crate) globals: &'a Globals,
    /// What the checks said of them.
    pub(crate) checked: &'a Checked,
    /// The tables of the project.
    pub(crate) tables: &'a Tables,
    /// The values that are the same for every artifact.
    pub(crate) context: &'a Context,
    /// Whether the program is to be traced.
    pub(crate) traced: bool,
}

/// Builds the program of a template; `row` is the view of the row that its artifacts are bound to.
pub(crate) fn build(inputs: &Inputs<'_>, template: usize, row: Option<ViewId>) -> Result<Program, Declined> {
    let mut late = BTreeSet::new();
    loop {
        let mut builder = Builder::new(inputs, late.clone());
        let built = builder.program(template, row);
        match builder.missed {
            // Each time there is one more of them.
            Some(name) if built.is_err() && late.insert(name.clone()) => {}
            _ => return built,
        }
    }
}

impl<'a> Builder<'a> {
    fn new(inputs: &'a Inputs<'a>, late: BTreeSet<String>) -> Self {
        let sites = inputs.checked.sites.iter().enumerate();
        Self {
            inputs,
            sites: sites
                .map(|(number, site)| {
                    let place = (site.template, site.range.start, site.range.end);
                    (place, u32::try_from(number).unwrap_or(u32::MAX))
                })
                .collect(),
            tables: Vec::new(),
            border: Border::default(),
            slots: 0,
            level: 0,
            branches: 0,
            depth: 0,
            length: 0,
            loops: 0,
            asked: false,
            needed: vec![Vec::new()],
            blocks: Vec::new(),
            walking: Vec::new(),
            late,
            missed: None,
        }
    }

    fn program(&mut self, template: usize, row: Option<ViewId>) -> Built<Program> {
        let inputs = self.inputs;
        let mut scope = Scope { frames: vec![Frame::default()], base: 0, round: None, caller: None };
        for name in ["project", "environment", "values"] {
            if let Some(value) = inputs.context.get(name) {
                let value = value.clone();
                scope.bind(
                    name,
                    Binding::Value(if inputs.traced && name == "values" {
                        Expr::Given { name: "".into(), value }
                    } else {
                        Expr::Constant(value)
                    }),
                );
            }
        }
        for (name, view) in &inputs.globals.tables {
            scope.bind(name, Binding::Table(*view));
        }
        if let Some(view) = row {
            let table = self.table(&inputs.globals.views[view.0].table)?;
            scope.bind("row", Binding::Row(Way { level: 0, references: Vec::new(), table }));
        }
        self.bind_late(&mut scope);
        let mut segments = Vec::new();
        self.template(template, &mut scope, &mut segments)?;
        self.border.close(inputs.library, inputs.checked)?;
        let (tables, border) = (std::mem::take(&mut self.tables), std::mem::take(&mut self.border));
        Ok(Program { segments, slots: self.slots, tables, border })
    }
}

struct Builder<'a> {
    inputs: &'a Inputs<'a>,
    /// The numbers of the printed expressions that pass the last filter, by template and range.
    sites: HashMap<(usize, usize, usize), u32>,
    tables: Vec<String>,
    border: Border,
    slots: usize,
    /// How many loops are around the place that is being built.
    level: usize,
    /// How many branches are around it.
    branches: usize,
    /// How many component calls are around it.
    depth: usize,
    /// How many loops there are.
    loops: usize,
    /// How many segments there are.
    length: usize,
    /// Whether the expression only decides, and nothing is made of it.
    asked: bool,
    /// For each level, the columns that are asked for of its row.
    needed: Vec<Vec<bool>>,
    /// The bodies of each block of the templates that are being built, most derived first.
    blocks: Vec<BTreeMap<&'a str, Lineage<'a>>>,
    /// The block that is being built, with the number of its body.
    walking: Vec<(&'a str, usize)>,
    /// The variables that a round of a loop sets for those after it, whose slots have to be known from the beginning.
    late: BTreeSet<String>,
    /// One of them that was not known yet.
    missed: Option<String>,
}

/// The bodies of a block, most derived first, each with its template.
type Lineage<'a> = Vec<(usize, &'a [Node])>;

type Built<T> = Result<T, Declined>;

impl<'a> Builder<'a> {
    fn table(&mut self, name: &str) -> Built<usize> {
        if let Some(known) = self.tables.iter().position(|table| table == name) {
            return Ok(known);
        }
        self.inputs.tables.get(name).ok_or(Declined("a table that does not exist"))?;
        self.tables.push(name.to_owned());
        Ok(self.tables.len() - 1)
    }

    fn schema(&self, table: usize) -> Built<&'a Schema> {
        let table = self.inputs.tables.get(&self.tables[table]);
        table.map(crate::table::Table::schema).ok_or(Declined("a table that does not exist"))
    }

    fn slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    fn push(&mut self, out: &mut Vec<Segment>, segment: Segment) -> Built<()> {
        self.length += 1;
        if self.length > LONGEST {
            return Err(TOO_LONG);
        }
        out.push(segment);
        Ok(())
    }

    fn literal(&mut self, out: &mut Vec<Segment>, text: &str) -> Built<()> {
        if text.is_empty() {
            return Ok(());
        }
        if let Some(Segment::Literal(before)) = out.last_mut() {
            *before = [before, text].concat().into();
            return Ok(());
        }
        self.push(out, Segment::Literal(text.into()))
    }

    /// Adds segments that have been counted.
    fn take(&mut self, segments: Vec<Segment>, out: &mut Vec<Segment>) -> Built<()> {
        for segment in segments {
            match segment {
                Segment::Literal(text) => self.literal(out, &text)?,
                other => out.push(other),
            }
        }
        Ok(())
    }

    fn span(&self, template: usize, range: &Range<usize>) -> Span {
        self.inputs.library.templates[template].span(range.clone())
    }

    /// Builds what is printed within something that is entered.
    fn within(
        &mut self,
        kind: FrameKind,
        name: &str,
        site: Span,
        out: &mut Vec<Segment>,
        build: impl FnOnce(&mut Self, &mut Vec<Segment>) -> Built<()>,
    ) -> Built<()> {
        if !self.inputs.traced {
            return build(self, out);
        }
        let mut body = Vec::new();
        build(self, &mut body)?;
        self.push(out, Segment::Within { entered: Entered { kind, name: name.into(), site }, body })
    }

    /// Adds what prints an expression.
    fn printing(
        &mut self,
        template: usize,
        expression: &Expression,
        given: Option<Arc<str>>,
        segment: Segment,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        match segment {
            segment if self.inputs.traced => {
                let mut filters = Vec::new();
                names_of_filters(expression, &mut filters);
                let expression = self.span(template, &expression.range);
                let note = Note::Value { expression, filters: filters.into(), given };
                self.push(out, Segment::Noted { note, segment: Box::new(segment) })
            }
            Segment::Literal(text) => self.literal(out, &text),
            segment => self.push(out, segment),
        }
    }
}
