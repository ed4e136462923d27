//! The variables at a place, and what they stand for.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::template::segment::Expr;
use crate::template::syntax::Node;
use crate::template::types::ViewId;

/// The variables at a place.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    pub(super) frames: Vec<Frame<'a>>,
    /// The frame of the template or the include, to which `set_global` sets.
    pub(super) base: usize,
    /// The level of the loop that `loop` speaks of.
    pub(super) round: Option<usize>,
    /// Of a component, the scope of its call.
    pub(super) caller: Option<Rc<Scope<'a>>>,
}

/// The variables of a template, an include or a loop.
#[derive(Clone, Default)]
pub(super) struct Frame<'a> {
    pub(super) variables: BTreeMap<String, Binding<'a>>,
    /// How many branches were around its beginning.
    pub(super) branches: usize,
}

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Binding<'a> {
    Row(Way),
    Table(ViewId),
    /// A constant.
    Value(Expr),
    Cell(Way, usize),
    Slot(usize),
    /// A slot where the other slot says that it was set, and something else where it was not.
    Sometimes {
        set: usize,
        slot: usize,
        otherwise: Box<Binding<'a>>,
    },
    /// The body of a component's call.
    Body(Rc<Captive<'a>>),
}

/// Nodes with the scope in which they are to be built.
pub(super) struct Captive<'a> {
    pub(super) template: usize,
    pub(super) nodes: &'a [Node],
    pub(super) scope: Scope<'a>,
    /// How many component calls are around it.
    pub(super) depth: usize,
}

/// The way to a row: from the loop at a level through references.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) level: usize,
    pub(super) references: Vec<(usize, usize)>,
    /// The number of the row's table in the program.
    pub(super) table: usize,
}

impl<'a> Scope<'a> {
    pub(super) fn bind(&mut self, name: &str, binding: Binding<'a>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.variables.insert(name.to_owned(), binding);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Binding<'a>> {
        self.frames.iter().rev().find_map(|frame| frame.variables.get(name))
    }

    /// The slots of all variables.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.frames.iter().flat_map(|frame| frame.variables.values()).flat_map(|binding| {
            let bindings = std::iter::successors(Some(binding), |binding| match binding {
                Binding::Sometimes { otherwise, .. } => Some(&**otherwise),
                _ => None,
            });
            bindings.flat_map(|binding| match binding {
                Binding::Slot(slot) => vec![*slot],
                Binding::Sometimes { set, slot, .. } => vec![*set, *slot],
                _ => Vec::new(),
            })
        })
    }

    pub(super) fn open(&mut self, branches: usize) {
        self.frames.push(Frame { variables: BTreeMap::new(), branches });
    }
}
