//! The templates that one engine holds, by name, with everything that can be said of them without types:
//! syntax, missing and circular includes and parents, components that are defined twice.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::syntax::{
    ComponentDefinition, Delimiters, Name, Node, NodeKind, SyntaxError, Tree, collect_blocks, parse,
    parse_expression,
};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, code};
use crate::source::{FileId, Sources, Span};
use crate::table::is_name;

/// Where a template's source stands.
#[derive(Debug, Clone, Copy)]
pub enum Origin {
    /// It is a file.
    File(FileId),
    /// It is a text in a TOML file.
    Toml {
        /// The value, with its quotes.
        value: Span,
        /// How many bytes stand before the text in the template's source.
        prefix: usize,
    },
}

/// A template of a library.
#[derive(Debug)]
pub struct Template {
    /// The name by which templates refer to it.
    pub name: String,
    /// Where it stands.
    pub origin: Origin,
    /// Its syntax tree.
    pub tree: Tree,
    /// For a text of a TOML file: where its first byte stands, if the file has it letter by letter.
    first: Option<usize>,
}

impl Template {
    /// The place of a range of its source.
    pub fn span(&self, range: Range<usize>) -> Span {
        span(self.origin, self.first, range)
    }
}

fn span(origin: Origin, first: Option<usize>, range: Range<usize>) -> Span {
    match (origin, first) {
        (Origin::File(file), _) => Span::new(file, range),
        (Origin::Toml { value, prefix }, Some(first)) if range.start >= prefix => {
            let start = first + range.start - prefix;
            Span::new(value.file, start..(start + range.len()).min(value.end))
        }
        (Origin::Toml { value, .. }, _) => value,
    }
}

/// The source of a template that is to be added.
#[derive(Debug)]
pub struct Unparsed {
    /// The name by which templates refer to it.
    pub name: String,
    /// Where it stands.
    pub origin: Origin,
    /// Its source.
    pub text: String,
    /// Its delimiters.
    pub delimiters: Delimiters,
}

/// The templates that one engine holds.
#[derive(Debug, Default)]
pub struct Library {
    /// The templates, in the order in which they were added.
    pub templates: Vec<Template>,
    names: BTreeMap<String, usize>,
    components: BTreeMap<String, usize>,
}

/// What is wrong with an expression that stands in a TOML file, if it is not one.
pub(crate) fn expression_error(expression: &str, value: Span, sources: &Sources) -> Option<Diagnostic> {
    let mut error = parse_expression(expression).err()?;
    if expression.contains("{{") {
        error.hint = Some("an expression stands without `{{ }}` here".into());
    }
    let origin = Origin::Toml { value, prefix: 0 };
    let first = verbatim(sources, value, expression, 0);
    Some(located(error, &code::RULE_EXPRESSION, origin, first))
}

fn located(error: SyntaxError, code: &'static Code, origin: Origin, first: Option<usize>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(code, error.message).at(span(origin, first, error.range), "");
    if let Some((range, text)) = error.related {
        diagnostic = diagnostic.at(span(origin, first, range), text);
    }
    match error.hint {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    }
}

impl Library {
    /// Parses templates and resolves the names between them.
    pub fn build(unparsed: Vec<Unparsed>, sources: &Sources, diagnostics: &mut Diagnostics) -> Self {
        let mut library = Self::default();
        for Unparsed { name, origin, text, delimiters } in unparsed {
            let first = match origin {
                Origin::File(_) => None,
                Origin::Toml { value, prefix } => verbatim(sources, value, &text, prefix),
            };
            match parse(&text, delimiters) {
                Ok(tree) => {
                    library.names.insert(name.clone(), library.templates.len());
                    library.templates.push(Template { name, origin, tree, first });
                }
                Err(errors) => {
                    let code = match origin {
                        Origin::File(_) => &code::TEMPLATE_SYNTAX,
                        Origin::Toml { .. } => &code::RULE_EXPRESSION,
                    };
                    diagnostics.extend(errors.into_iter().map(|error| located(error, code, origin, first)));
                }
            }
        }
        library.resolve(diagnostics);
        library
    }

    /// The number of a template.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The names of all templates, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// A component with the number of the template that defines it.
    pub fn component(&self, name: &str) -> Option<(usize, &ComponentDefinition)> {
        let template = *self.components.get(name)?;
        let definition = self.templates[template].tree.components().find(|found| found.name.text == name)?;
        Some((template, definition))
    }

    /// The names of all components, sorted.
    pub fn component_names(&self) -> impl Iterator<Item = &str> {
        self.components.keys().map(String::as_str)
    }

    fn resolve(&mut self, diagnostics: &mut Diagnostics) {
        for (number, template) in self.templates.iter().enumerate() {
            for component in template.tree.components() {
                let name = &component.name;
                if !is_name(&name.text) {
                    diagnostics.push(
                        Diagnostic::error(
                            &code::TEMPLATE_COMPONENT,
                            format!("`{}` cannot be the name of a component", name.text),
                        )
                        .at(
                            template.span(name.range.clone()),
                            "a name is `a` to `z`, digits and `_`, and begins with no digit",
                        ),
                    );
                }
                if let Some(first) = self.components.insert(name.text.clone(), number) {
                    let earlier = self.templates[first].tree.components().find(|c| c.name.text == name.text);
                    let mut diagnostic = Diagnostic::error(
                        &code::TEMPLATE_COMPONENT,
                        format!(
                            "component `{}` is defined twice; components are known by name in all templates",
                            name.text
                        ),
                    )
                    .at(template.span(name.range.clone()), "defined again");
                    if let Some(earlier) = earlier {
                        diagnostic = diagnostic
                            .at(self.templates[first].span(earlier.name.range.clone()), "first defined here");
                    }
                    diagnostics.push(diagnostic);
                }
            }
        }
        let mut edges: Vec<Vec<(usize, &Name)>> = Vec::with_capacity(self.templates.len());
        for template in &self.templates {
            let mut names = Vec::new();
            references(&template.tree.nodes, &mut names);
            let mut known = Vec::new();
            for (included, name) in names {
                match self.find(&name.text) {
                    Some(to) => {
                        if included && self.templates[to].tree.extends().is_some() {
                            let message =
                                format!("`{}` extends another template, and is included", name.text);
                            diagnostics.push(
                                Diagnostic::error(&code::TEMPLATE_REFUSED, message)
                                    .at(template.span(name.range.clone()), "Tera would print its blocks only")
                                    .hint("include what it extends, or put what both need into a component"),
                            );
                        }
                        known.push((to, name));
                    }
                    None => diagnostics.push(
                        Diagnostic::error(
                            &code::TEMPLATE_MISSING,
                            format!("there is no template `{}`", name.text),
                        )
                        .at(template.span(name.range.clone()), "not found")
                        .hint_nearest(&name.text, self.names()),
                    ),
                }
            }
            edges.push(known);
        }
        self.report_cycles(&edges, diagnostics);
        self.report_unknown_blocks(diagnostics);
    }

    /// Reports the blocks of templates that none of their parents has: they would never be printed.
    fn report_unknown_blocks(&self, diagnostics: &mut Diagnostics) {
        for template in &self.templates {
            let parent = |template: &Template| {
                let name = &template.tree.extends()?.text;
                self.find(name).map(|number| &self.templates[number])
            };
            // A chain that leads back to itself is as long as there are templates, and was reported.
            let parents = std::iter::successors(parent(template), |above| parent(above));
            let parents: Vec<&Template> = parents.take(self.templates.len()).collect();
            if parents.is_empty() {
                continue;
            }
            let mut known = BTreeSet::new();
            for above in &parents {
                collect_blocks(&above.tree.nodes, &mut |name, _| {
                    known.insert(name.text.as_str());
                });
            }
            collect_blocks(&template.tree.nodes, &mut |name, _| {
                if !known.contains(name.text.as_str()) {
                    diagnostics.push(
                        Diagnostic::error(
                            &code::TEMPLATE_SYNTAX,
                            format!("no parent of this template has a block `{}`", name.text),
                        )
                        .at(template.span(name.range.clone()), "never printed")
                        .hint_nearest(&name.text, known.iter().copied()),
                    );
                }
            });
        }
    }

    fn report_cycles(&self, edges: &[Vec<(usize, &Name)>], diagnostics: &mut Diagnostics) {
        let mut done = BTreeSet::new();
        for start in 0..edges.len() {
            // The path from `start`, each with the next edge to follow.
            let mut path: Vec<(usize, usize)> = vec![(start, 0)];
            while let Some((at, next)) = path.last_mut() {
                let Some((to, name)) = edges[*at].get(*next).copied() else {
                    done.insert(*at);
                    path.pop();
                    continue;
                };
                *next += 1;
                let from = *at;
                if let Some(begin) = path.iter().position(|(on, _)| *on == to) {
                    let mut names: Vec<&str> =
                        path[begin..].iter().map(|(on, _)| self.templates[*on].name.as_str()).collect();
                    names.push(&self.templates[to].name);
                    diagnostics.push(
                        Diagnostic::error(
                            &code::TEMPLATE_CYCLE,
                            format!("templates lead back to themselves: {}", names.join(" -> ")),
                        )
                        .at(self.templates[from].span(name.range.clone()), "closes the circle"),
                    );
                } else if !done.contains(&to) {
                    path.push((to, 0));
                }
            }
        }
    }
}

/// Where in the file the text of a TOML value begins, if it stands there once and without escapes.
fn verbatim(sources: &Sources, value: Span, text: &str, prefix: usize) -> Option<usize> {
    let file = sources.file(value.file).text().ok()?.get(value.range())?;
    // What opens and closes an expression is not in the file.
    let body = text.get(prefix..)?;
    let body = if prefix > 0 { body.strip_suffix(" %}")? } else { body };
    let mut found = file.match_indices(body);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Some(value.start + at),
        _ => None,
    }
}

/// The names of the templates that nodes include or extend, and whether they are included.
fn references<'a>(nodes: &'a [Node], names: &mut Vec<(bool, &'a Name)>) {
    for node in nodes {
        if let NodeKind::Include(name) | NodeKind::Extends(name) = &node.kind {
            names.push((matches!(node.kind, NodeKind::Include(_)), name));
        }
        for body in node.bodies() {
            references(body, names);
        }
    }
}
