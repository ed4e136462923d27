//! The causes of differences between what two states of the sources give: what each side of a difference was made of is
//! looked up in the other state.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use camino::Utf8Path;
use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::conditions;
use super::golden::of_inputs;
use super::lines::compare;
use super::{CauseKind, Differing, Edit, Found, Reason, row_of, trace};
use crate::compile::{Compilation, Environment, RenderFailure};
use crate::explain::Resolver;
use crate::golden::ChangeKind;
use crate::origin::{Cause, Input, Line, Piece, Row};
use crate::project;
use crate::source::{Sources, Span};
use crate::table::{Schema, Table};

/// A state of the sources; without a project, nothing was made of them.
#[derive(Clone, Copy)]
pub(crate) struct State<'a> {
    pub(crate) compilation: Option<&'a Compilation>,
    pub(crate) sources: &'a Sources,
}

const OLD: usize = 0;
const NEW: usize = 1;

/// A table in both states.
struct Compared {
    /// On each side, for each row the number of the same row on the other.
    others: [Vec<Option<usize>>; 2],
    /// The rows by their cells.
    cells: [Vec<Vec<String>>; 2],
    /// The numbers of the columns.
    columns: [HashMap<String, usize>; 2],
}

impl Compared {
    fn cell(&self, which: usize, row: usize, column: &str) -> Option<String> {
        let column = *self.columns[which].get(column)?;
        self.cells[which].get(row)?.get(column).cloned()
    }
}

struct Comparison<'a> {
    states: [State<'a>; 2],
    tables: RefCell<BTreeMap<(String, String), Rc<Compared>>>,
}

/// One side of a difference.
#[derive(Clone, Copy)]
struct Side<'s, 'a> {
    which: usize,
    resolver: &'s Resolver<'a>,
}

pub(super) fn find(
    files: &[Differing<'_>],
    states: [State<'_>; 2],
    found: &mut Found,
) -> Result<(), RenderFailure> {
    let comparison = Comparison { states, tables: RefCell::default() };
    for (number, file) in files.iter().enumerate() {
        if file.is_settled(number, found) {
            continue;
        }
        let old = file.old.as_ref().map(|resolver| Side { which: OLD, resolver });
        let new = file.new.as_ref().map(|resolver| Side { which: NEW, resolver });
        if file.kind != ChangeKind::Changed {
            let Some(side) = new.or(old) else { continue };
            for reason in comparison.of_artifact(side) {
                found.add(reason, number, file.whole());
            }
            continue;
        }
        let (before, after) = (trace(file.old.as_ref(), file.before)?, trace(file.new.as_ref(), file.after)?);
        let Some(changed) = compare(file, &before, &after) else {
            found.add(Reason::of(CauseKind::TooMuch), number, []);
            continue;
        };
        for line in changed {
            let was = line.old.and_then(|at| Some((old?, before.get(at)?)));
            let is = line.new.and_then(|at| Some((new?, after.get(at)?)));
            for reason in comparison.of_line(file, was, is) {
                found.add(reason, number, [line]);
            }
        }
    }
    Ok(())
}

impl<'a> Comparison<'a> {
    /// What makes an artifact that is there on one side only.
    fn of_artifact(&self, side: Side<'_, 'a>) -> BTreeSet<Reason> {
        let planned = side.resolver.planned;
        let row = planned.row.as_ref();
        let row = row.map(|row| Row { table: row.table.clone(), number: row.number });
        let reasons: BTreeSet<Reason> = row.into_iter().flat_map(|row| self.of_row(side, &row)).collect();
        if !reasons.is_empty() {
            return reasons;
        }
        if self.is_other_line(side, planned.span) {
            return BTreeSet::from([at(CauseKind::Declaration, side, planned.span)]);
        }
        // It is declared as before, and so its environment or its instance of a target is not there.
        let path = Some(project::FILE.to_owned());
        BTreeSet::from([Reason { path, ..Reason::of(CauseKind::Declaration) }])
    }

    /// What makes a line that differs.
    fn of_line(
        &self,
        file: &Differing<'_>,
        was: Option<(Side<'_, 'a>, &Line)>,
        is: Option<(Side<'_, 'a>, &Line)>,
    ) -> BTreeSet<Reason> {
        let sides = || was.into_iter().chain(is);
        // A row that is new or gone says all.
        let mut reasons: BTreeSet<Reason> =
            sides().filter_map(|(side, line)| self.of_other_rows(side, line)).collect();
        let Some((side, line)) = is.or(was).filter(|_| reasons.is_empty()) else { return reasons };
        match (was, is) {
            (Some((old, was)), Some((new, is))) => {
                let text = |all: &'_ [u8], line: &Line| -> Vec<Vec<u8>> {
                    line.pieces.iter().map(|piece| all[piece.bytes.clone()].to_vec()).collect()
                };
                let (before, after) = (text(file.before, was), text(file.after, is));
                for op in capture_diff_slices(Algorithm::Myers, &before, &after) {
                    let (tag, gone, come) = op.as_tag_tuple();
                    match tag {
                        DiffTag::Equal => {}
                        DiffTag::Delete => {
                            reasons
                                .extend(was.pieces[gone].iter().flat_map(|piece| self.of_piece(old, piece)));
                        }
                        DiffTag::Insert | DiffTag::Replace => {
                            reasons
                                .extend(is.pieces[come].iter().flat_map(|piece| self.of_piece(new, piece)));
                        }
                    }
                }
            }
            _ => reasons.extend(line.pieces.iter().flat_map(|piece| self.of_piece(side, piece))),
        }
        if reasons.is_empty() {
            reasons = self.of_conditions(side, line);
        }
        if reasons.is_empty() {
            // What decides is not printed.
            reasons.extend(row_of(line).into_iter().flat_map(|row| self.of_row(side, row)));
        }
        if reasons.is_empty()
            && let Some(row) = row_of(line)
            && let Some(path) = self.reordered(side, row)
        {
            reasons.insert(Reason { path: Some(path.to_string()), ..Reason::of(CauseKind::Order) });
        }
        // What is made of nothing else is the template's.
        let is_constant = |piece: &Piece| piece.span().is_some() && piece.sources().is_empty();
        let is_value = |piece: &Piece| matches!(piece.cause, Cause::Value { .. });
        let constants = || line.pieces.iter().filter(|piece| is_value(piece)).all(is_constant);
        if reasons.is_empty()
            && (self.is_same_data(side) || (line.pieces.iter().any(is_value) && constants()))
        {
            let spans = line.pieces.iter().flat_map(|piece| {
                piece.span().into_iter().chain(piece.frames.iter().map(|frame| frame.site))
            });
            let files: BTreeSet<&Utf8Path> = spans.filter_map(|span| self.changed_file(side, span)).collect();
            reasons.extend(
                files
                    .into_iter()
                    .map(|path| Reason { path: Some(path.to_string()), ..Reason::of(CauseKind::Template) }),
            );
        }
        if reasons.is_empty() {
            reasons.insert(Reason::of(CauseKind::Unknown));
        }
        reasons
    }

    /// The values and cells that the conditions around a line read, and that are not the same on the other side.
    fn of_conditions(&self, side: Side<'_, 'a>, line: &Line) -> BTreeSet<Reason> {
        let mut inputs = BTreeSet::new();
        for condition in line.pieces.iter().flat_map(|piece| conditions::around(side.resolver, piece)) {
            inputs.extend(
                side.resolver.inputs(&condition.inputs).into_iter().filter(|input| self.differs(side, input)),
            );
        }
        self.of_inputs(
            side,
            &inputs.into_iter().filter(|input| !side.resolver.is_derived(input)).collect::<Vec<_>>(),
        )
        .into_iter()
        .collect()
    }

    /// Whether all rows and values are the same on the other side.
    fn is_same_data(&self, side: Side<'_, 'a>) -> bool {
        let environment = side.resolver.environment;
        let is_same = |name: &str| {
            let compared = self.compared(side, name);
            compared.cells[OLD] == compared.cells[NEW]
        };
        let declared = self.states.iter().filter_map(|state| state.compilation);
        let declared = declared.flat_map(|compilation| &compilation.project.environments);
        let declared = declared.filter(|declared| declared.name == environment.name);
        let values: BTreeSet<&String> = declared.flat_map(|declared| declared.values.keys()).collect();
        environment.tables.iter().all(|table| is_same(&table.schema().name))
            && values.into_iter().all(|name| self.written(OLD, side, name) == self.written(NEW, side, name))
    }

    /// The rows that a line was made at, and that the other side does not have.
    fn of_other_rows(&self, side: Side<'_, 'a>, line: &Line) -> Option<Reason> {
        let mut frames = line.pieces.iter().flat_map(|piece| piece.frames.iter());
        let row =
            frames.find_map(|frame| frame.row.as_ref().filter(|row| self.other_row(side, row).is_none()));
        self.of_row(side, row?).pop()
    }

    /// What makes a piece that the other side does not have.
    fn of_piece(&self, side: Side<'_, 'a>, piece: &Piece) -> Vec<Reason> {
        let inputs = side.resolver.inputs(piece.sources());
        let (derived, inputs): (Vec<_>, Vec<_>) =
            inputs.into_iter().partition(|input| side.resolver.is_derived(input));
        let differing: Vec<Input> = inputs.into_iter().filter(|input| self.differs(side, input)).collect();
        let mut reasons = self.of_inputs(side, &differing);
        if !reasons.is_empty() {
            return reasons;
        }
        if derived.iter().any(|input| self.differs(side, input)) {
            let spans = derived.iter().filter_map(|input| side.resolver.derivation(input));
            reasons.extend(
                spans
                    .filter(|span| self.is_other_line(side, *span))
                    .map(|span| at(CauseKind::Declaration, side, span)),
            );
        }
        let spans = piece.span().into_iter().chain(piece.frames.iter().rev().map(|frame| frame.site));
        if reasons.is_empty()
            && let Some(span) = spans.into_iter().find(|span| self.is_other_line(side, *span))
        {
            reasons.push(at(CauseKind::Template, side, span));
        }
        reasons
    }

    /// Why a row matters: it is new or gone, or has other cells.
    fn of_row(&self, side: Side<'_, 'a>, row: &Row) -> Vec<Reason> {
        if self.other_row(side, row).is_none() {
            let kind = if side.which == NEW { CauseKind::NewRow } else { CauseKind::RemovedRow };
            let reason = Reason::of_row(kind, side.resolver, row);
            return vec![Reason { line: reason.line.filter(|_| side.which == NEW), ..reason }];
        }
        let Some(table) = side.resolver.environment.tables.get(&row.table) else { return Vec::new() };
        let written = table.schema().columns.iter().filter(|column| column.expr.is_none());
        let cells =
            written.map(|column| Input::Cell { row: row.clone(), column: column.name.as_str().into() });
        let differing: Vec<Input> = cells.filter(|cell| self.differs(side, cell)).collect();
        self.of_inputs(side, &differing)
    }

    /// Inputs in the words of the project, by their places in the newer state.
    fn of_inputs(&self, side: Side<'_, 'a>, inputs: &[Input]) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for input in inputs {
            match input {
                Input::Cell { row, .. } | Input::Row(row) if self.other_row(side, row).is_none() => {
                    reasons.extend(self.of_row(side, row));
                }
                _ => {}
            }
        }
        let newer = self.environment(NEW, side).zip(self.states[NEW].compilation);
        let newer = newer.filter(|_| side.which == OLD).map(|(environment, compilation)| {
            let sources = self.states[NEW].sources;
            Resolver::new(compilation, environment, side.resolver.planned, sources)
        });
        let resolver = newer.as_ref().unwrap_or(side.resolver);
        // Row by row, so that what was and is stands with its row.
        let mut by_row: BTreeMap<Option<&Row>, (Vec<Input>, BTreeSet<Edit>)> = BTreeMap::new();
        for input in inputs {
            let now = |row: &Row| {
                let other = self.other_row(side, row)?;
                let number = if side.which == NEW { row.number } else { other };
                Some(Row { table: row.table.clone(), number })
            };
            let (row, known) = match input {
                Input::Cell { row, column } => {
                    (Some(row), now(row).map(|row| Input::Cell { row, column: column.clone() }))
                }
                Input::Row(row) => (Some(row), now(row).map(Input::Row)),
                Input::Value(name) => (None, Some(Input::Value(name.clone()))),
            };
            let Some(known) = known else { continue };
            let (all, edits) = by_row.entry(row).or_default();
            all.push(known);
            edits.extend(self.edit(side, input));
        }
        for (all, edits) in by_row.into_values() {
            reasons.extend(of_inputs(resolver, &all).into_iter().map(|reason| {
                let edits = edits.iter().filter(|edit| reason.names.contains(&edit.name)).cloned();
                Reason { edits: edits.collect(), ..reason }
            }));
        }
        reasons
    }

    /// What a cell or a value was and is.
    fn edit(&self, side: Side<'_, 'a>, input: &Input) -> Option<Edit> {
        let (name, from, to) = match input {
            Input::Cell { row, column } => {
                let compared = self.compared(side, &row.table);
                let other = self.other_row(side, row)?;
                let (old, new) = if side.which == NEW { (other, row.number) } else { (row.number, other) };
                (column, compared.cell(OLD, old, column), compared.cell(NEW, new, column))
            }
            Input::Value(name) => (name, self.written(OLD, side, name), self.written(NEW, side, name)),
            Input::Row(_) => return None,
        };
        Some(Edit { name: name.to_string(), from, to })
    }

    /// How a value of the project is written, if it is.
    fn written(&self, which: usize, side: Side<'_, 'a>, name: &str) -> Option<String> {
        let (environment, compilation) = self.environment(which, side).zip(self.states[which].compilation)?;
        let sources = self.states[which].sources;
        let resolver = Resolver::new(compilation, environment, side.resolver.planned, sources);
        Some(String::from_utf8_lossy(&text(sources, resolver.value(name).0?)).into_owned())
    }

    fn other(&self, side: Side<'_, 'a>) -> State<'a> {
        self.states[1 - side.which]
    }

    fn environment(&self, which: usize, side: Side<'_, 'a>) -> Option<&'a Environment> {
        let name = &side.resolver.environment.name;
        self.states[which].compilation?.environments.iter().find(|environment| environment.name == *name)
    }

    fn compared(&self, side: Side<'_, 'a>, table: &str) -> Rc<Compared> {
        let key = (side.resolver.environment.name.clone(), table.to_owned());
        let known = self.tables.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let compared = Rc::new(self.compare_table(side, table));
            self.tables.borrow_mut().insert(key, Rc::clone(&compared));
            compared
        })
    }

    fn compare_table(&self, side: Side<'_, 'a>, name: &str) -> Compared {
        let table = |which: usize| -> Option<(&'a Environment, &'a Table)> {
            let environment = self.environment(which, side)?;
            Some((environment, environment.tables.get(name)?))
        };
        let read = |which: usize| {
            let Some((environment, table)) = table(which) else { return Default::default() };
            let columns = &table.schema().columns;
            let numbers = columns.iter().enumerate().map(|(at, column)| (column.name.clone(), at)).collect();
            let rows = table.rows(self.states[which].sources).map(|row| {
                let cells = columns.iter().zip(row.cells.iter());
                let texts = cells.map(|(column, cell)| environment.tables.text(column, cell).into_owned());
                (environment.tables.label(table, row.number, &row.cells), texts.collect())
            });
            let (labels, cells): (Vec<String>, Vec<Vec<String>>) = rows.unzip();
            (labels, cells, numbers)
        };
        let ((old_labels, old_cells, old_columns), (new_labels, new_cells, new_columns)) =
            (read(OLD), read(NEW));
        let (mut to_new, mut to_old) = (vec![None; old_cells.len()], vec![None; new_cells.len()]);
        let has_key = [OLD, NEW]
            .iter()
            .all(|which| table(*which).is_none_or(|(_, table)| !table.schema().key.is_empty()));
        if has_key {
            let numbers: HashMap<&String, usize> =
                old_labels.iter().enumerate().map(|(number, label)| (label, number)).collect();
            for (number, label) in new_labels.iter().enumerate() {
                if let Some(old) = numbers.get(label) {
                    (to_old[number], to_new[*old]) = (Some(*old), Some(number));
                }
            }
            let key = |which: usize| table(which).map(|(_, table)| table.schema());
            if let (Some(old), Some(new)) = (key(OLD), key(NEW)) {
                renamed((old, &old_cells), (new, &new_cells), &mut to_new, &mut to_old);
            }
        } else {
            // Rows without a key are the same where all their cells are, or where as many stand between such.
            for op in capture_diff_slices(Algorithm::Myers, &old_cells, &new_cells) {
                let (_, old, new) = op.as_tag_tuple();
                for (old, new) in old.zip(new) {
                    (to_old[new], to_new[old]) = (Some(old), Some(new));
                }
            }
        }
        Compared {
            others: [to_new, to_old],
            cells: [old_cells, new_cells],
            columns: [old_columns, new_columns],
        }
    }

    /// The file of a row's table, if its rows stand in another order on the other side.
    fn reordered(&self, side: Side<'_, 'a>, row: &Row) -> Option<&'a Utf8Path> {
        let compared = self.compared(side, &row.table);
        let others = compared.others[side.which].iter().flatten();
        let file = side.resolver.environment.tables.get(&row.table)?.file()?;
        (!others.is_sorted()).then(|| side.resolver.sources.file(file).path())
    }

    /// The number of the same row on the other side.
    fn other_row(&self, side: Side<'_, 'a>, row: &Row) -> Option<usize> {
        *self.compared(side, &row.table).others[side.which].get(row.number)?
    }

    /// Whether something is not the same on the other side.
    fn differs(&self, side: Side<'_, 'a>, input: &Input) -> bool {
        match input {
            Input::Row(row) => self.other_row(side, row).is_none(),
            Input::Cell { row, column } => {
                let compared = self.compared(side, &row.table);
                let cell = |which, number| compared.cell(which, number, column);
                let other = self.other_row(side, row);
                other.is_none_or(|other| cell(side.which, row.number) != cell(1 - side.which, other))
            }
            Input::Value(name) => self.written(OLD, side, name) != self.written(NEW, side, name),
        }
    }

    /// Whether the other side's file has no line as that in which a span begins.
    fn is_other_line(&self, side: Side<'_, 'a>, span: Span) -> bool {
        let file = side.resolver.sources.file(span.file);
        let line = file.line(file.position(span.start).line).map(|line| file.part(line));
        let sources = self.other(side).sources;
        let Some(other) = sources.find(file.path()) else { return true };
        let other = sources.file(other).bytes();
        !other
            .split(|byte| *byte == b'\n')
            .any(|other| line.as_deref() == Some(other.strip_suffix(b"\r").unwrap_or(other)))
    }

    /// The file of a span, if the other side has another one.
    fn changed_file<'s>(&self, side: Side<'s, 'a>, span: Span) -> Option<&'s Utf8Path> {
        let file = side.resolver.sources.file(span.file);
        let sources = self.other(side).sources;
        let same = sources.find(file.path()).is_some_and(|other| sources.file(other).bytes() == file.bytes());
        (!same).then(|| file.path())
    }
}

/// Finds rows that have another key and are the same in all else, where only one old row can be the new one: it stands
/// in the same place, or has a value that is unique.
fn renamed(
    (old, old_cells): (&Schema, &[Vec<String>]),
    (new, new_cells): (&Schema, &[Vec<String>]),
    to_new: &mut [Option<usize>],
    to_old: &mut [Option<usize>],
) {
    fn others<'c>(schema: &Schema, cells: &'c [String]) -> BTreeMap<String, &'c str> {
        let columns = schema.columns.iter().enumerate().zip(cells);
        let written =
            columns.filter(|((number, column), _)| column.expr.is_none() && !schema.key.contains(number));
        written.map(|((_, column), cell)| (column.name.clone(), cell.as_str())).collect()
    }
    let mut alike: BTreeMap<BTreeMap<String, &str>, [Vec<usize>; 2]> = BTreeMap::new();
    for (which, schema, cells, others_of) in
        [(OLD, old, old_cells, &*to_new), (NEW, new, new_cells, &*to_old)]
    {
        for (number, cells) in cells.iter().enumerate().filter(|(number, _)| others_of[*number].is_none()) {
            alike.entry(others(schema, cells)).or_default()[which].push(number);
        }
    }
    let is_unique = |name: &String| new.column(name).is_some_and(|(_, column)| column.unique);
    for (cells, pair) in alike {
        let ([old], [new]) = (&pair[OLD][..], &pair[NEW][..]) else { continue };
        let before = |number: usize| number.checked_sub(1);
        let is_in_place = before(*old).and_then(|before| to_new[before]) == before(*new);
        if !cells.is_empty() && (is_in_place || cells.keys().any(is_unique)) {
            (to_new[*old], to_old[*new]) = (Some(*new), Some(*old));
        }
    }
}

fn at(kind: CauseKind, side: Side<'_, '_>, span: Span) -> Reason {
    let reason = Reason::at(kind, side.resolver, span);
    // A line that is gone has no number any more.
    Reason { line: reason.line.filter(|_| side.which == NEW), ..reason }
}

fn text(sources: &Sources, span: Span) -> Vec<u8> {
    sources.file(span.file).part(span.range()).into_owned()
}
