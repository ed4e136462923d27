//! What is called by name: components, filters, tests and functions.

use std::collections::BTreeMap;
use std::rc::Rc;

use indexmap::IndexMap;

use super::CellColumn;
use super::scope::{Inferred, Scope};
use super::{Caller, Checker, DEEPEST_CALL, Diagnostic, Type, code};
use crate::template::filter::{self, Argument as Declared, ArgumentKind, Input, Output, Parts};
use crate::template::syntax::{
    Argument, ComponentArgument, ComponentCall, Expression, ExpressionKind, FilterCall, Name, Parameter,
};
use crate::template::types::TextKind;
use crate::template::{function, test};

impl<'a> Checker<'a> {
    /// Checks a component's call and, for new types of its arguments, its body.
    pub(super) fn component(
        &mut self,
        template: usize,
        call: &'a ComponentCall,
        has_body: bool,
        scope: &mut Scope,
    ) {
        let mut given: IndexMap<String, (Inferred, std::ops::Range<usize>)> = IndexMap::new();
        for argument in &call.arguments {
            match argument {
                ComponentArgument::Named { name, value } => {
                    let inferred = self.infer(template, value, scope);
                    self.braces_in_quotes(template, name, value);
                    given.insert(name.text.clone(), (inferred, name.range.clone()));
                }
                ComponentArgument::Spread(map) => {
                    let inferred = self.infer(template, map, scope);
                    match &inferred.ty {
                        Type::Map(fields) => {
                            for (name, ty) in fields.iter() {
                                given.insert(name.clone(), (Inferred::of(ty.clone()), map.range.clone()));
                            }
                        }
                        other => self.mismatch(template, map, "a map with known keys to spread", other),
                    }
                }
            }
        }
        let library = self.library;
        let Some((home, definition)) = library.component(&call.name.text) else {
            let diagnostic = Diagnostic::error(
                &code::TEMPLATE_COMPONENT,
                format!("there is no component `{}`", call.name.text),
            )
            .hint_nearest(&call.name.text, library.component_names());
            self.report(template, call.name.range.clone(), diagnostic, "not defined");
            return;
        };
        self.called.insert(call.name.text.clone());
        let mut variables = BTreeMap::new();
        for parameter in &definition.parameters {
            let inferred = match given.shift_remove(&parameter.name.text) {
                Some((inferred, range)) => {
                    self.fits_parameter(template, parameter, &inferred.ty, range);
                    inferred
                }
                None => match self.implicit(parameter, scope) {
                    Some(inferred) => inferred,
                    None => {
                        if let Some(default) = &parameter.default {
                            self.infer(home, default, scope)
                        } else {
                            let diagnostic = Diagnostic::error(
                                &code::TEMPLATE_COMPONENT,
                                format!(
                                    "component `{}` needs the argument `{}`",
                                    call.name.text, parameter.name.text
                                ),
                            )
                            .at(library.templates[home].span(parameter.name.range.clone()), "declared here");
                            self.report(template, call.name.range.clone(), diagnostic, "not given");
                            Inferred::of(Type::Reported)
                        }
                    }
                },
            };
            variables.insert(parameter.name.text.clone(), inferred);
        }
        if let Some(rest) = &definition.rest {
            let fields = given.drain(..).map(|(name, (inferred, _))| (name, inferred.ty)).collect();
            variables.insert(rest.text.clone(), Inferred::of(Type::Map(Rc::new(fields))));
        }
        for (name, (_, range)) in given {
            let diagnostic = Diagnostic::error(
                &code::TEMPLATE_COMPONENT,
                format!("component `{}` has no argument `{name}`", call.name.text),
            )
            .hint_nearest(&name, definition.parameters.iter().map(|parameter| parameter.name.text.as_str()));
            self.report(template, range, diagnostic, "unknown argument");
        }
        if has_body {
            variables.insert("body".into(), Inferred::of(Type::Captured));
            // A body that is printed is named; an included template could name it too.
            let source = library.templates[home].tree.source();
            let named = definition.body.iter().any(|node| {
                let text = &source[node.range.clone()];
                text.contains("body") || text.contains("include")
            });
            if !named {
                let message = format!("component `{}` does not print the body of its call", call.name.text);
                let diagnostic = Diagnostic::error(&code::TEMPLATE_COMPONENT, message)
                    .at(library.templates[home].span(definition.name.range.clone()), "has no `{{ body }}`")
                    .hint(format!(
                        "write `<{} … />` without a body, or print it in the component",
                        call.name.text
                    ));
                self.report(template, call.name.range.clone(), diagnostic, "its body would be dropped");
            }
        }
        let key = format!("{} {has_body} {variables:?}", call.name.text);
        if !self.ends(template, &call.name) || !self.calls.insert(key) {
            return;
        }
        let mut inner = Scope::new(variables);
        self.callers.push(Caller {
            name: call.name.text.clone(),
            scope: scope.clone(),
            call: Some(library.templates[template].span(call.name.range.clone())),
            conditions: self.conditions,
        });
        self.nodes(home, &definition.body, &mut inner);
        self.callers.pop();
    }

    /// Reports an argument in quotes that holds an expression: it would be passed as the text that it is.
    fn braces_in_quotes(&mut self, template: usize, name: &Name, value: &Expression) {
        let ExpressionKind::Text(text) = value.kind.as_ref() else { return };
        let tree = &self.library.templates[template].tree;
        let (open, close) = tree.delimiters.print();
        let in_braces = tree.source()[name.range.end..value.range.start].contains('{');
        let printed = text.find(open).and_then(|at| text[at + open.len()..].split_once(close)).map(|it| it.0);
        let braced = || text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let Some(expression) = printed.or_else(braced).filter(|_| !in_braces) else { return };
        let alone = text.starts_with(['{', '[']) && text.ends_with(['}', ']']);
        let before = if alone { "" } else { "\"…\" ~ " };
        let diagnostic =
            Diagnostic::error(&code::TEMPLATE_ARGUMENT, "an argument in quotes is text, braces and all")
                .hint(format!(
                    "write `{}={{{before}{}}}` to pass the expression",
                    name.text,
                    expression.trim()
                ))
                .hint(format!("write `{0}={{\"…\"}}` where the text is meant", name.text));
        self.report(template, value.range.clone(), diagnostic, "no expression");
    }

    /// Whether a call may be followed: it neither leads back to its component whatever the values, nor too deep.
    fn ends(&mut self, template: usize, name: &Name) -> bool {
        let deepest = self.callers.len() >= DEEPEST_CALL;
        let (diagnostic, label) = match self.callers.iter().rposition(|caller| caller.name == name.text) {
            Some(begin) if self.callers[begin].conditions == self.conditions => {
                let mut names: Vec<&str> =
                    self.callers[begin..].iter().map(|caller| caller.name.as_str()).collect();
                names.push(&name.text);
                let names = names.join(" -> ");
                let diagnostic = Diagnostic::error(
                    &code::TEMPLATE_CYCLE,
                    format!("components call each other without end: {names}"),
                )
                .hint("put the call into an `if` that ends it");
                (diagnostic, "closes the circle")
            }
            Some(_) => {
                self.checked.recursions.insert(self.library.templates[template].span(name.range.clone()));
                return !deepest;
            }
            None if deepest => {
                let message = format!("components call each other more than {DEEPEST_CALL} deep");
                (Diagnostic::error(&code::TEMPLATE_COMPONENT, message), "one more")
            }
            None => return true,
        };
        self.report(template, name.range.clone(), diagnostic, label);
        false
    }

    /// Checks the bodies of components that nothing calls, as far as they do not depend on their arguments.
    pub(super) fn uncalled_components(&mut self) {
        let library = self.library;
        for name in library.component_names().filter(|name| !name.is_empty()) {
            if self.called.contains(name) {
                continue;
            }
            let Some((home, definition)) = library.component(name) else { continue };
            let parameters =
                definition.parameters.iter().map(|parameter| &parameter.name).chain(&definition.rest);
            let mut variables: BTreeMap<String, Inferred> =
                parameters.map(|name| (name.text.clone(), Inferred::of(Type::Reported))).collect();
            variables.insert("body".into(), Inferred::of(Type::Captured));
            self.callers.push(Caller {
                name: name.to_owned(),
                scope: Scope::new(BTreeMap::new()),
                call: None,
                conditions: self.conditions,
            });
            self.nodes(home, &definition.body, &mut Scope::new(variables));
            self.callers.pop();
        }
    }

    fn implicit(&mut self, parameter: &Parameter, scope: &Scope) -> Option<Inferred> {
        if !parameter.implicit {
            return None;
        }
        let name = &parameter.name.text;
        if let Some(view) = self.globals.tables.get(name) {
            self.checked.tables.insert(*view);
        }
        scope
            .find(name)
            .or_else(|| self.callers.iter().rev().find_map(|caller| caller.scope.find(name)))
            .cloned()
    }

    fn fits_parameter(
        &mut self,
        template: usize,
        parameter: &Parameter,
        ty: &Type,
        range: std::ops::Range<usize>,
    ) {
        let declared = match (&parameter.ty, parameter.default.as_ref().map(|default| default.kind.as_ref()))
        {
            (Some(name), _) => name.text.to_lowercase(),
            (None, Some(ExpressionKind::Text(_))) => "string".into(),
            (None, Some(ExpressionKind::Bool(_))) => "bool".into(),
            (None, Some(ExpressionKind::Int(_))) => "integer".into(),
            (None, Some(ExpressionKind::Float(_))) => "float".into(),
            (None, Some(ExpressionKind::Array(_))) => "array".into(),
            (None, Some(ExpressionKind::Map(_))) => "map".into(),
            _ => return,
        };
        let fits = match declared.as_str() {
            "string" => matches!(ty, Type::Text(_) | Type::Captured | Type::Marked),
            "bool" => *ty == Type::Bool,
            "integer" => *ty == Type::Int,
            "float" => *ty == Type::Float,
            "number" => ty.is_number(),
            "array" => matches!(ty, Type::List(_)),
            "map" => matches!(ty, Type::Map(_) | Type::Dictionary(_) | Type::Row(_)),
            _ => false,
        };
        if !fits && *ty != Type::Reported {
            let diagnostic = Diagnostic::error(
                if matches!(ty, Type::Optional(_)) {
                    &code::TEMPLATE_OPTIONAL
                } else {
                    &code::TEMPLATE_COMPONENT
                },
                format!(
                    "argument `{}` is declared `{declared}`, found {}",
                    parameter.name.text,
                    ty.describe()
                ),
            );
            self.report(template, range, diagnostic, &ty.describe());
        }
    }
}

impl<'a> Checker<'a> {
    /// Checks a filter's call; `base` is the expression on its left, if it has one.
    pub(super) fn filter(
        &mut self,
        template: usize,
        of: Inferred,
        base: Option<&'a Expression>,
        call: &'a FilterCall,
        scope: &mut Scope,
    ) -> Inferred {
        let Some(filter) = filter::find(&call.name.text) else {
            let refused = filter::REFUSED.iter().find(|(name, _)| *name == call.name.text);
            let diagnostic = match refused {
                Some((name, reason)) => Diagnostic::error(
                    &code::TEMPLATE_REFUSED,
                    format!("the filter `{name}` is not available: {reason}"),
                ),
                None => Diagnostic::error(
                    &code::TEMPLATE_UNKNOWN_FILTER,
                    format!("there is no filter `{}`", call.name.text),
                )
                .hint_nearest(&call.name.text, filter::FILTERS.iter().map(|filter| filter.name)),
            };
            self.report(template, call.name.range.clone(), diagnostic, "not a filter");
            self.loose_arguments(template, &call.arguments, scope);
            return Inferred::of(Type::Reported);
        };
        if filter.name == "raw" {
            let span = self.library.templates[template].span(call.name.range.clone());
            self.checked.raw.insert(span);
        }
        let literal = call.arguments.iter().all(|argument| is_literal(&argument.value));
        let keeps = of.ty == Type::Captured && filter.parts == Parts::Keep && literal;
        let mut input = of.ty.clone();
        if !keeps && filter.output != Output::Default {
            input = self.plain_input(template, base, input);
        }
        let with_attribute = call.arguments.iter().any(|argument| argument.name.text == "attribute");
        let place = base.map_or_else(|| call.name.range.clone(), |base| base.range.clone());
        if !self.accepts(template, place, filter.input, &input, with_attribute, filter.name) {
            self.loose_arguments(template, &call.arguments, scope);
            return Inferred::of(Type::Reported);
        }
        if matches!(filter.output, Output::Preformatted | Output::Keys | Output::Values | Output::Pairs) {
            self.use_all(template, &call.name, &input);
        }
        let given =
            self.arguments(template, &call.name, filter.arguments, &call.arguments, Some(&input), scope);
        let ty = if keeps { Type::Captured } else { output_of(filter.output, &input, &given) };
        Inferred { ty, cells: of.cells }
    }

    /// Notes that all columns of the rows in a value are used.
    fn use_all(&mut self, template: usize, place: &Name, ty: &Type) {
        match ty {
            Type::List(of) | Type::Optional(of) | Type::Dictionary(of) => self.use_all(template, place, of),
            Type::Row(view) => {
                let span = self.library.templates[template].span(place.range.clone());
                let view = &self.globals.views[view.0];
                for column in view.columns.keys() {
                    let cell = CellColumn { table: view.table.clone(), column: column.clone() };
                    self.checked.uses.entry(cell).or_insert(span);
                }
            }
            _ => {}
        }
    }

    /// Captured text becomes plain where a filter, test or function takes it as a value.
    fn plain_input(&mut self, template: usize, base: Option<&Expression>, ty: Type) -> Type {
        let (captured, optional) = match &ty {
            Type::Captured | Type::Marked => (true, false),
            Type::Optional(inner) if matches!(**inner, Type::Captured | Type::Marked) => (true, true),
            _ => (false, false),
        };
        match base {
            Some(base) if captured => {
                self.use_plain(template, base);
                if optional { Type::TEXT.optional() } else { Type::TEXT }
            }
            _ => ty,
        }
    }

    /// Checks a test's call.
    pub(super) fn test(
        &mut self,
        template: usize,
        base: &'a Expression,
        of: Inferred,
        name: &Name,
        arguments: &'a [Argument],
        scope: &mut Scope,
    ) -> Inferred {
        let Some(test) = test::find(&name.text) else {
            let diagnostic =
                Diagnostic::error(&code::TEMPLATE_UNKNOWN_TEST, format!("there is no test `{}`", name.text))
                    .hint_nearest(&name.text, test::TESTS.iter().map(|test| test.name));
            self.report(template, name.range.clone(), diagnostic, "not a test");
            self.loose_arguments(template, arguments, scope);
            return Inferred::of(Type::Bool);
        };
        let input = self.plain_input(template, Some(base), of.ty);
        if self.accepts(template, base.range.clone(), test.input, &input, false, test.name) {
            self.arguments(template, name, test.arguments, arguments, Some(&input), scope);
        } else {
            self.loose_arguments(template, arguments, scope);
        }
        Inferred::of(Type::Bool)
    }

    /// Checks a function's call.
    pub(super) fn function(
        &mut self,
        template: usize,
        expression: &Expression,
        name: &Name,
        arguments: &'a [Argument],
        scope: &mut Scope,
    ) -> Inferred {
        if name.text == "super" {
            if !self.parent_block(scope) {
                let diagnostic = Diagnostic::error(
                    &code::TEMPLATE_UNKNOWN_FUNCTION,
                    "`super()` has no block of a parent to print",
                )
                .hint("it stands in a block that a template above this one defines too");
                self.report(template, expression.range.clone(), diagnostic, "no parent");
                return Inferred::of(Type::Reported);
            }
            return Inferred::of(Type::Captured);
        }
        let Some(function) = function::find(&name.text) else {
            let diagnostic = Diagnostic::error(
                &code::TEMPLATE_UNKNOWN_FUNCTION,
                format!("there is no function `{}`", name.text),
            )
            .hint_nearest(&name.text, function::FUNCTIONS.iter().map(|function| function.name));
            self.report(template, name.range.clone(), diagnostic, "not a function");
            self.loose_arguments(template, arguments, scope);
            return Inferred::of(Type::Reported);
        };
        let given = self.arguments(template, name, function.arguments, arguments, None, scope);
        Inferred::of(output_of(function.output, &Type::Reported, &given))
    }

    fn loose_arguments(&mut self, template: usize, arguments: &'a [Argument], scope: &mut Scope) {
        for argument in arguments {
            self.infer_plain(template, &argument.value, scope);
        }
    }

    /// Checks the arguments of a call and returns their types by name; an `attribute` has the type of its path.
    fn arguments(
        &mut self,
        template: usize,
        name: &Name,
        declared: &'static [Declared],
        given: &'a [Argument],
        input: Option<&Type>,
        scope: &mut Scope,
    ) -> BTreeMap<&'static str, Type> {
        let mut types = BTreeMap::new();
        for argument in given {
            let Some(known) = declared.iter().find(|known| known.name == argument.name.text) else {
                self.infer_plain(template, &argument.value, scope);
                let diagnostic = Diagnostic::error(
                    &code::TEMPLATE_ARGUMENT,
                    format!("`{}` has no argument `{}`", name.text, argument.name.text),
                );
                let diagnostic = if declared.is_empty() {
                    diagnostic.hint("it takes none")
                } else {
                    diagnostic.hint_nearest(&argument.name.text, declared.iter().map(|known| known.name))
                };
                self.report(template, argument.name.range.clone(), diagnostic, "unknown argument");
                continue;
            };
            types.insert(known.name, self.argument(template, known.kind, argument, input, scope));
        }
        for missing in declared.iter().filter(|known| known.required && !types.contains_key(known.name)) {
            let diagnostic = Diagnostic::error(
                &code::TEMPLATE_ARGUMENT,
                format!("`{}` needs the argument `{}`: {}", name.text, missing.name, missing.about),
            );
            self.report(template, name.range.clone(), diagnostic, "not given");
        }
        types
    }

    fn argument(
        &mut self,
        template: usize,
        kind: ArgumentKind,
        argument: &'a Argument,
        input: Option<&Type>,
        scope: &mut Scope,
    ) -> Type {
        let value = &argument.value;
        let ty = if kind == ArgumentKind::Substitute {
            self.infer(template, value, scope).ty
        } else {
            self.infer_plain(template, value, scope).ty
        };
        let literal = match value.kind.as_ref() {
            ExpressionKind::Text(text) => Some(text.as_str()),
            _ => None,
        };
        let expected = match kind {
            ArgumentKind::Text => (!ty.is_text()).then_some("text"),
            ArgumentKind::Character => (!ty.is_text()
                || literal.is_some_and(|text| text.chars().count() != 1))
            .then_some("one character"),
            ArgumentKind::Integer | ArgumentKind::Count => (ty != Type::Int).then_some("a whole number"),
            ArgumentKind::Bool => (ty != Type::Bool).then_some("true or false"),
            ArgumentKind::Choice(choices) => match literal {
                Some(text) if !choices.contains(&text) => {
                    let diagnostic = Diagnostic::error(
                        &code::TEMPLATE_ARGUMENT,
                        format!("expected one of `{}`, found `{text}`", choices.join("`, `")),
                    )
                    .hint_nearest(text, choices.iter().copied());
                    self.report(template, value.range.clone(), diagnostic, "not one of them");
                    return Type::Reported;
                }
                _ => (!ty.is_text()).then_some("text"),
            },
            ArgumentKind::Attribute | ArgumentKind::Key => {
                let Some(text) = literal else {
                    let diagnostic = Diagnostic::error(
                        &code::TEMPLATE_ARGUMENT,
                        format!("`{}` is not a literal text, so it cannot be resolved", argument.name.text),
                    );
                    self.report(template, value.range.clone(), diagnostic, "write the name in quotes");
                    return Type::Reported;
                };
                let of = match (kind, input) {
                    (ArgumentKind::Attribute, Some(Type::List(of))) => (**of).clone(),
                    (ArgumentKind::Key, Some(of)) => of.clone(),
                    _ => Type::Reported,
                };
                return self.path(template, value, text, of, kind);
            }
            ArgumentKind::Substitute | ArgumentKind::Content => None,
        };
        if let Some(expected) = expected {
            self.mismatch(template, value, expected, &ty);
        }
        ty
    }

    /// The type of a dotted path in a row or a map.
    fn path(
        &mut self,
        template: usize,
        value: &Expression,
        text: &str,
        of: Type,
        kind: ArgumentKind,
    ) -> Type {
        let parts: Vec<&str> = if kind == ArgumentKind::Key { vec![text] } else { text.split('.').collect() };
        let mut at = Inferred::of(of);
        for part in parts {
            let name = Name { text: part.to_owned(), range: value.range.clone() };
            at = self.attribute(template, value, at, &name, false, &Scope::new(BTreeMap::new()));
        }
        if kind == ArgumentKind::Attribute && !matches!(at.ty, Type::Reported) && !at.ty.is_scalar() {
            self.mismatch(template, value, "the path of a text, a number or a truth value", &at.ty);
            return Type::Reported;
        }
        at.ty
    }

    /// Whether an input takes a type; reports where it does not.
    fn accepts(
        &mut self,
        template: usize,
        range: std::ops::Range<usize>,
        input: Input,
        ty: &Type,
        with_attribute: bool,
        name: &str,
    ) -> bool {
        if *ty == Type::Reported {
            return true;
        }
        let list_of = |accepted: &dyn Fn(&Type) -> bool| match ty {
            Type::List(of) => **of == Type::Reported || accepted(of),
            _ => false,
        };
        let is_row = |ty: &Type| matches!(ty, Type::Row(_) | Type::Map(_) | Type::Dictionary(_));
        let (fits, expected) = match input {
            Input::Anything => (true, "a value"),
            Input::Present => (!matches!(ty, Type::Optional(_) | Type::Unknown | Type::Absent), "a value"),
            Input::Text => (ty.is_text(), "text"),
            Input::Number => (ty.is_number(), "a number"),
            Input::Integer => (*ty == Type::Int, "a whole number"),
            Input::Scalar => (ty.is_scalar(), "text, a number or a truth value"),
            Input::Address => (fits_address(ty, false), "an address"),
            Input::Prefix => (fits_address(ty, true), "an address with a prefix length"),
            Input::Place => (fits_address(ty, false) || fits_address(ty, true), "an address or a network"),
            Input::List => (list_of(&|_| true), "a list"),
            Input::Scalars => (list_of(&Type::is_scalar), "a list of texts or numbers"),
            Input::Comparable if with_attribute => (list_of(&is_row), "a list of rows"),
            Input::Comparable => {
                (list_of(&Type::is_scalar), "a list of texts or numbers, or `attribute=` for rows")
            }
            Input::Rows => (list_of(&is_row), "a list of rows"),
            Input::Addresses if with_attribute => (list_of(&is_row), "a list of rows"),
            Input::Addresses => {
                (list_of(&|of| fits_address(of, false) || fits_address(of, true)), "a list of addresses")
            }
            Input::Map => (is_row(ty), "a map or a row"),
            Input::Sequence => (ty.is_text() || list_of(&|_| true), "text or a list"),
            Input::Container => (ty.is_text() || list_of(&|_| true) || is_row(ty), "text, a list or a map"),
            Input::Words => (ty.is_scalar() || list_of(&Type::is_scalar), "a value or a list of values"),
        };
        if fits {
            return true;
        }
        let found = match ty {
            Type::Text(TextKind::Address) => "an address".to_owned(),
            Type::Text(TextKind::Prefix) => "an address with a prefix length".to_owned(),
            other => other.describe(),
        };
        let diagnostic = match ty {
            Type::Optional(_) | Type::Absent => Diagnostic::error(
                &code::TEMPLATE_OPTIONAL,
                format!("`{name}` takes {expected}, found {found}"),
            )
            .hint("guard it with `{% if … %}`, or put `default(value=…)` before it"),
            _ => Diagnostic::error(&code::TEMPLATE_TYPE, format!("`{name}` takes {expected}, found {found}")),
        };
        let hint = match (input, ty) {
            (Input::Prefix, Type::Text(TextKind::Address)) => {
                "an address does not say how large its network is: declare the column `interface`, with cells such as `192.0.2.10/24`"
            }
            (Input::Address, Type::Text(TextKind::Prefix)) => "put `| host` before it",
            _ => "",
        };
        let diagnostic = if hint.is_empty() { diagnostic } else { diagnostic.hint(hint) };
        self.report(template, range, diagnostic, &found);
        false
    }
}

/// Whether a type is an address, or a prefix; text of which nothing is known is checked when it is rendered.
fn fits_address(ty: &Type, prefix: bool) -> bool {
    let wanted = if prefix { TextKind::Prefix } else { TextKind::Address };
    match ty {
        Type::Text(kind) => *kind == TextKind::Any || *kind == wanted,
        other => other.is_text(),
    }
}

fn is_literal(expression: &Expression) -> bool {
    matches!(
        expression.kind.as_ref(),
        ExpressionKind::Text(_) | ExpressionKind::Int(_) | ExpressionKind::Float(_) | ExpressionKind::Bool(_)
    )
}

fn output_of(output: Output, input: &Type, given: &BTreeMap<&'static str, Type>) -> Type {
    let element = match input {
        Type::List(of) => (**of).clone(),
        _ => Type::Reported,
    };
    match output {
        Output::Text => Type::TEXT,
        Output::Integer => Type::Int,
        Output::Float => Type::Float,
        Output::Same => match input {
            // A filtered text is no longer what its column's type says.
            Type::Text(_) => Type::TEXT,
            other => other.clone(),
        },
        Output::Default => match given.get("value") {
            Some(value) => input.clone().present().join(value),
            None => Type::Reported,
        },
        // Absent only in an empty list, and then whatever uses it fails with its place.
        Output::Element => element,
        Output::Entry => match (given.get("key"), given.get("default")) {
            (Some(entry), Some(default)) => entry.clone().present().join(default),
            (Some(entry), None) => entry.clone(),
            _ => Type::Reported,
        },
        Output::Texts => Type::TEXT.list(),
        Output::Integers => Type::Int.list(),
        Output::Groups => Type::Dictionary(Box::new(input.clone())),
        Output::Values => match input {
            Type::Dictionary(of) => (**of).clone().list(),
            Type::Map(fields) => {
                fields.values().cloned().reduce(|a, b| a.join(&b)).unwrap_or(Type::Absent).list()
            }
            _ => Type::Unknown.list(),
        },
        Output::Keys => Type::TEXT.list(),
        // A key and its value are of unlike types; only their number is known.
        Output::Pairs => Type::Unknown.list().list(),
        Output::Preformatted => Type::Marked,
        Output::Never => Type::Reported,
    }
}
