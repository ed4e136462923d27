//! Components: a call builds in its component's body, with its arguments.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::certain::is_certain;
use super::expression::table_of;
use super::scope::{Binding, Captive, Frame, Scope};
use super::{Builder, Built};
use crate::origin::FrameKind;
use crate::template::check::DEEPEST_CALL;
use crate::template::segment::{Declined, Expr, Segment};
use crate::template::syntax::{ComponentArgument, ComponentCall, Expression, ExpressionKind};

impl<'a> Builder<'a> {
    pub(super) fn component(
        &mut self,
        template: usize,
        call: &'a ComponentCall,
        body: Option<Captive<'a>>,
        scope: &Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        let inputs = self.inputs;
        let found = inputs.library.component(&call.name.text);
        let (home, definition) = found.ok_or(Declined("a component that does not exist"))?;
        if definition.rest.is_some() {
            return Err(Declined("a component that takes any arguments"));
        }
        if self.depth == DEEPEST_CALL {
            return Err(Declined("components within components without an end"));
        }
        let mut inner = Scope {
            frames: vec![Frame { variables: BTreeMap::new(), branches: self.branches }],
            base: 0,
            round: None,
            caller: Some(Rc::new(scope.clone())),
        };
        for argument in &call.arguments {
            let ComponentArgument::Named { name, value } = argument else {
                return Err(Declined("arguments that are spread"));
            };
            let binding = self.argument(template, value, scope, out)?;
            inner.bind(&name.text, binding);
        }
        for parameter in &definition.parameters {
            let name = &parameter.name.text;
            if inner.find(name).is_some() {
                continue;
            }
            let mut callers = std::iter::successors(Some(scope), |scope| scope.caller.as_deref());
            let given = if parameter.implicit { callers.find_map(|scope| scope.find(name)) } else { None };
            let binding = match (given, &parameter.default) {
                (Some(binding), _) => binding.clone(),
                (None, Some(default)) => self.argument(home, default, &inner.clone(), out)?,
                (None, None) => return Err(Declined("an argument that is not given")),
            };
            inner.bind(name, binding);
        }
        if let Some(body) = body {
            if self.inputs.traced {
                return Err(Declined("the body of a component's call, whose parts are not followed"));
            }
            let mut segments = Vec::new();
            self.nodes(body.template, body.nodes, &mut body.scope.clone(), &mut segments)?;
            if segments.iter().all(is_certain) {
                inner.bind("body", Binding::Body(Rc::new(body)));
            } else {
                // What may fail has to be tried, printed or not.
                let slot = self.slot();
                self.push(out, Segment::Capture { slot, body: segments, filters: Vec::new() })?;
                inner.bind("body", Binding::Slot(slot));
            }
        }
        self.depth += 1;
        let site = self.span(template, &call.name.range);
        self.within(FrameKind::Component, &definition.name.text, site, out, |builder, out| {
            builder.nodes(home, &definition.body, &mut inner, out)
        })?;
        self.depth -= 1;
        Ok(())
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
        let slot = self.slot();
        self.push(out, Segment::Set { slot, value })?;
        Ok(Binding::Slot(slot))
    }
}
