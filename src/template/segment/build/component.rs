//! Components: a call builds in its component's body, with its arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tera::Value as Data;
use tera::value::Key;

use super::certain::is_certain;
use super::expression::table_of;
use super::scope::{Binding, Captive, Frame, Scope};
use super::statement::has_effect;
use super::{Builder, Built, TOO_LONG};
use crate::origin::FrameKind;
use crate::template::check::DEEPEST_CALL;
use crate::template::segment::border::{BODY, GIVEN, Left};
use crate::template::segment::{Declined, Expr, Segment};
use crate::template::syntax::{
    BinaryOperator, ComponentArgument, ComponentCall, ComponentDefinition, Expression, ExpressionKind, Node,
    Parameter,
};

/// The checks do not let it happen but where a map is spread.
const NOT_GIVEN: Declined = Declined("an argument that is not given");

impl<'a> Builder<'a> {
    /// Builds a component's call; `body` is what the component sees as that. It is left to the engine where it is so
    /// much that it cannot be built in.
    pub(super) fn component(
        &mut self,
        template: usize,
        call: &'a ComponentCall,
        body: Option<Binding<'a>>,
        scope: &Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        if self.depth > 0 || self.inputs.traced {
            return self.built_in(template, call, body, scope, out);
        }
        let (level, branches, asked, length) = (self.level, self.branches, self.asked, self.length);
        let (needed, blocks, walking) = (self.needed.len(), self.blocks.len(), self.walking.len());
        let mut segments = Vec::new();
        match self.built_in(template, call, body.clone(), scope, &mut segments) {
            Err(TOO_LONG) => {}
            built => {
                self.take(segments, out)?;
                return built;
            }
        }
        (self.level, self.branches, self.asked, self.length) = (level, branches, asked, length);
        self.depth = 0;
        self.needed.truncate(needed);
        self.blocks.truncate(blocks);
        self.walking.truncate(walking);
        let value = self.call_of_engine(template, call, body, scope)?;
        self.push(out, Segment::Value { value, site: None })
    }

    /// A component's call that the engine renders, with all that components below it may see of its callers.
    fn call_of_engine(
        &mut self,
        template: usize,
        call: &'a ComponentCall,
        body: Option<Binding<'a>>,
        scope: &Scope<'a>,
    ) -> Built<Expr> {
        let entries = self.given(template, call, scope)?;
        let mut parts = vec![(GIVEN.into(), Expr::Map(entries))];
        let has_body = body.is_some();
        if let Some(body) = body {
            parts.push((BODY.into(), self.bound(&body)?));
        }
        let templates = self.inputs.library.templates.iter();
        let parameters =
            templates.flat_map(|template| template.tree.components()).flat_map(|it| &it.parameters);
        let implicit = parameters.filter(|parameter| parameter.implicit);
        let names: BTreeSet<&str> = implicit.map(|parameter| parameter.name.text.as_str()).collect();
        for name in names {
            if let Some(binding) = scope.find(name) {
                parts.push((name.to_owned().into(), self.bound(binding)?));
            }
        }
        let number = self.border.number(Left::Call { component: call.name.text.clone(), has_body });
        Ok(Expr::Left { number, made_of: parts.len(), parts })
    }

    /// Builds a component's call with all that it prints.
    fn built_in(
        &mut self,
        template: usize,
        call: &'a ComponentCall,
        body: Option<Binding<'a>>,
        scope: &Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        let inputs = self.inputs;
        let found = inputs.library.component(&call.name.text);
        let (home, definition) = found.ok_or(Declined("a component that does not exist"))?;
        if self.depth == DEEPEST_CALL {
            // The engine goes no deeper either.
            return self.push(out, Segment::Value { value: Expr::Throw, site: None });
        }
        let mut inner = Scope {
            frames: vec![Frame { variables: BTreeMap::new(), branches: self.branches }],
            base: 0,
            round: None,
            caller: Some(Rc::new(scope.clone())),
        };
        if call.arguments.iter().any(|argument| matches!(argument, ComponentArgument::Spread(_))) {
            self.spread_arguments(template, call, (home, definition), scope, &mut inner, out)?;
        } else {
            self.named_arguments(template, call, definition, scope, &mut inner, out)?;
            for parameter in &definition.parameters {
                if inner.find(&parameter.name.text).is_none() {
                    let binding = self.not_given(home, parameter, scope, out)?;
                    inner.bind(&parameter.name.text, binding);
                }
            }
        }
        if let Some(body) = body {
            inner.bind("body", body);
        }
        self.bind_late(&mut inner);
        self.depth += 1;
        let site = self.span(template, &call.name.range);
        self.within(FrameKind::Component, &definition.name.text, site, out, |builder, out| {
            builder.nodes(home, &definition.body, &mut inner, out)
        })?;
        self.depth -= 1;
        Ok(())
    }

    /// The body of a component's call: built in where it is printed, or captured now.
    pub(super) fn captive(
        &mut self,
        template: usize,
        nodes: &'a [Node],
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<Binding<'a>> {
        let captive = Captive { template, nodes, scope: scope.clone(), depth: self.depth };
        let mut body = Vec::new();
        self.nodes(template, nodes, scope, &mut body)?;
        let is_same_later = || body.iter().all(is_certain) && !nodes.iter().any(has_effect);
        // To be traced, its parts are those of the place where it stands.
        if !self.inputs.traced && is_same_later() {
            return Ok(Binding::Body(Rc::new(captive)));
        }
        // What may fail has to be tried, printed or not.
        let slot = self.slot();
        self.push(out, Segment::Capture { slot, body })?;
        Ok(Binding::Slot(slot))
    }

    /// Builds in the body of a component's call.
    pub(super) fn body(&mut self, body: &Captive<'a>, out: &mut Vec<Segment>) -> Built<()> {
        let depth = std::mem::replace(&mut self.depth, body.depth);
        self.nodes(body.template, body.nodes, &mut body.scope.clone(), out)?;
        self.depth = depth;
        Ok(())
    }

    /// Binds the arguments of a call that names all of them.
    fn named_arguments(
        &mut self,
        template: usize,
        call: &'a ComponentCall,
        definition: &'a ComponentDefinition,
        scope: &Scope<'a>,
        inner: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        let mut others = Vec::new();
        for argument in &call.arguments {
            let ComponentArgument::Named { name, value } = argument else { continue };
            if definition.parameters.iter().any(|parameter| parameter.name.text == name.text) {
                let binding = self.argument(template, value, scope, out)?;
                inner.bind(&name.text, binding);
            } else {
                let value = self.expression(template, value, scope)?;
                others.push((Some(Key::from(name.text.clone())), value));
            }
        }
        if let Some(rest) = &definition.rest {
            let slot = self.assigned_slot(Expr::Map(others), out)?;
            inner.bind(&rest.text, Binding::Slot(slot));
        }
        Ok(())
    }

    /// Binds the arguments of a call that spreads a map: which of them are given is known when it is rendered.
    fn spread_arguments(
        &mut self,
        template: usize,
        call: &'a ComponentCall,
        (home, definition): (usize, &'a ComponentDefinition),
        scope: &Scope<'a>,
        inner: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        if self.inputs.traced {
            return Err(Declined("arguments that are spread, which are not followed"));
        }
        let entries = self.given(template, call, scope)?;
        let given = Expr::Slot(self.assigned_slot(Expr::Map(entries), out)?);
        for parameter in &definition.parameters {
            let name = parameter.name.text.as_str();
            let otherwise = match self.not_given(home, parameter, scope, out) {
                Ok(binding) => self.bound(&binding)?,
                // It has to be in the map.
                Err(NOT_GIVEN) => Expr::Throw,
                Err(declined) => return Err(declined),
            };
            let key = Expr::Constant(Data::from(name));
            let is_given =
                Expr::Binary { operator: BinaryOperator::In, sides: Box::new([key, given.clone()]) };
            let entry = Expr::Attribute { base: Box::new(given.clone()), name: name.into(), optional: false };
            let slot = self.assigned_slot(Expr::If(Box::new([is_given, entry, otherwise])), out)?;
            inner.bind(name, Binding::Slot(slot));
        }
        if let Some(rest) = &definition.rest {
            let names = definition.parameters.iter().map(|parameter| parameter.name.text.as_str().into());
            let slot = self.assigned_slot(Expr::Without(Box::new(given), names.collect()), out)?;
            inner.bind(&rest.text, Binding::Slot(slot));
        }
        Ok(())
    }

    /// The arguments of a call, as the entries of a map.
    fn given(
        &mut self,
        template: usize,
        call: &'a ComponentCall,
        scope: &Scope<'a>,
    ) -> Built<Vec<(Option<Key<'static>>, Expr)>> {
        let arguments = call.arguments.iter().map(|argument| match argument {
            ComponentArgument::Named { name, value } => (Some(Key::from(name.text.clone())), value),
            ComponentArgument::Spread(map) => (None, map),
        });
        arguments.map(|(key, value)| Ok((key, self.expression(template, value, scope)?))).collect()
    }

    /// What a parameter stands for that is not given: a variable of the callers, or its default.
    fn not_given(
        &mut self,
        home: usize,
        parameter: &'a Parameter,
        scope: &Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<Binding<'a>> {
        // The variables of callers that may be it, as far as the first that was set for certain.
        let mut found = Vec::new();
        let mut last = None;
        if parameter.implicit {
            for scope in std::iter::successors(Some(scope), |scope| scope.caller.as_deref()) {
                match scope.find(&parameter.name.text) {
                    Some(binding @ (Binding::Slot(_) | Binding::Sometimes { .. })) => {
                        found.push(self.bound(binding)?);
                    }
                    Some(binding) => {
                        last = Some(binding.clone());
                        break;
                    }
                    None => {}
                }
            }
        }
        if let (None, Some(default)) = (&last, &parameter.default) {
            let scope = Scope { frames: vec![Frame::default()], base: 0, round: None, caller: None };
            last = Some(self.argument(home, default, &scope, out)?);
        }
        let mut value = match (last, found.is_empty()) {
            (Some(binding), true) => return Ok(binding),
            (None, true) => return Err(NOT_GIVEN),
            (Some(binding), false) => self.bound(&binding)?,
            (None, false) => Expr::Throw,
        };
        while let Some(first) = found.pop() {
            value = Expr::Else(Box::new([first, value]));
        }
        Ok(Binding::Slot(self.assigned_slot(value, out)?))
    }

    /// A slot with a value.
    fn assigned_slot(&mut self, value: Expr, out: &mut Vec<Segment>) -> Built<usize> {
        let slot = self.slot();
        self.push(out, Segment::Set { slot, value })?;
        Ok(slot)
    }

    pub(super) fn argument(
        &mut self,
        template: usize,
        value: &'a Expression,
        scope: &Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<Binding<'a>> {
        if let Some(way) = self.way(value, scope)? {
            return Ok(Binding::Row(way));
        }
        if let Some(view) = table_of(value, scope) {
            return Ok(Binding::Table(view));
        }
        if let ExpressionKind::Variable(name) = value.kind.as_ref()
            && let Some(body @ Binding::Body(_)) = scope.find(name)
        {
            return Ok(body.clone());
        }
        if let Some((way, column)) = self.cell_way(value, scope)? {
            return Ok(Binding::Cell(way, column));
        }
        let value = self.expression(template, value, scope)?;
        if let Expr::Constant(_) | Expr::Given { .. } = value {
            return Ok(Binding::Value(value));
        }
        Ok(Binding::Slot(self.assigned_slot(value, out)?))
    }
}
