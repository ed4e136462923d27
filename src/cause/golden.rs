//! The causes of differences from golden, of which nothing but its bytes is known.
//!
//! What is printed unchanged anywhere is not the cause of what differs elsewhere. That settles most; where it leaves
//! several, what all differing lines of an expression have in common is the cause.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::lines::{compare, edits, split};
use super::{CauseKind, Changed, Differing, Found, Reason, conditions, row_of, trace};
use crate::compile::{Environment, RenderFailure};
use crate::explain::Resolver;
use crate::golden::ChangeKind;
use crate::origin::{Cause as Origin, Frame, FrameKind, Input, Line, Piece, Row};
use crate::project;
use crate::source::Span;

/// Where more rows and values than these may be the cause, the expression and its columns are named.
const MOST: usize = 3;

/// What is printed as before. Rows and inputs are those of an environment.
#[derive(Default)]
struct Unchanged<'a> {
    inputs: HashSet<(&'a str, Input)>,
    rows: HashSet<(&'a str, Row)>,
    /// Text, expressions, and what encloses them.
    spans: HashSet<Span>,
    /// Text and expressions of lines, by environment and instance, and whether all of the line is as before.
    lines: BTreeMap<(&'a str, &'a str), BTreeMap<Span, bool>>,
}

/// A value that differs.
struct Suspect {
    file: usize,
    line: Changed,
    /// What it is made of and is not known to be unchanged, but for derived cells.
    inputs: Vec<Input>,
    /// Its derived cells, likewise.
    derived: Vec<Input>,
}

/// The lines of an artifact that differ.
struct Traced<'f> {
    file: usize,
    before: Vec<&'f [u8]>,
    after: Vec<&'f [u8]>,
    /// All lines of the new side.
    lines: Vec<Line>,
    changed: Vec<Changed>,
}

/// So many artifacts that are right are looked at for each declaration of one that is not.
const SAME: usize = 3;

pub(super) fn find(
    files: &[Differing<'_>],
    same: &[Resolver<'_>],
    found: &mut Found,
) -> Result<(), RenderFailure> {
    let mut unchanged = Unchanged::default();
    let mut all = Vec::new();
    for (number, file) in files.iter().enumerate() {
        if file.is_settled(number, found) {
            continue;
        }
        match (&file.new, file.kind) {
            (Some(new), ChangeKind::Changed) => {
                let lines = trace(Some(new), file.after)?;
                match compare(file, &[], &lines) {
                    Some(changed) => {
                        let (before, after) = (split(file.before), split(file.after));
                        let traced = Traced { file: number, before, after, lines, changed };
                        unchanged.note(new, &traced);
                        all.push(traced);
                    }
                    None => found.add(Reason::of(CauseKind::TooMuch), number, []),
                }
            }
            (Some(_), _) => {}
            (None, _) => found.add(Reason::of(CauseKind::Removed), number, file.whole()),
        }
    }
    let mut left: HashMap<Span, usize> = HashMap::new();
    for artifact in &all {
        left.extend(files[artifact.file].new.as_ref().map(|new| (new.planned.span, SAME)));
    }
    let mut alike = Vec::new();
    for new in same {
        if let Some(left) = left.get_mut(&new.planned.span).filter(|left| **left > 0) {
            *left -= 1;
            let excerpt = new.environment.trace(new.planned, new.sources, 1..usize::MAX)?;
            let lines = excerpt.by_line().collect();
            let (before, after) = (Vec::new(), split(&excerpt.text));
            let traced = Traced { file: 0, before, after, lines, changed: Vec::new() };
            unchanged.note(new, &traced);
            alike.push(traced.lines);
        }
    }
    let rows = rows_of_spans(all.iter().map(|artifact| &artifact.lines).chain(&alike));
    let mut suspects: BTreeMap<Span, Vec<Suspect>> = BTreeMap::new();
    let mut texts: Vec<(Reason, usize, Changed)> = Vec::new();
    for artifact in &all {
        let Traced { file, lines, changed, .. } = artifact;
        let Some(new) = &files[*file].new else { continue };
        let moved = artifact.moved();
        for line in changed {
            if let Some(at) = moved.get(line) {
                let table = lines.get(*at).and_then(row_of).map(|row| &row.table);
                let table = table.and_then(|table| new.environment.tables.get(table));
                let path = table.and_then(|table| Some(new.sources.file(table.file()?).path().to_string()));
                found.add(Reason { path, ..Reason::of(CauseKind::Order) }, *file, [*line]);
                continue;
            }
            let Some(at) = line.new else {
                found.add(Reason::of(CauseKind::Removed), *file, [*line]);
                continue;
            };
            let Some(traced) = lines.get(at) else { continue };
            let blamed = artifact.blamed(traced, *line);
            if line.old.is_none() {
                let undecided = blamed.iter().find_map(|piece| unchanged.undecided(new, piece));
                if let Some(reason) = undecided.or_else(|| unchanged.entered(new, traced, &rows)) {
                    found.add(reason, *file, [*line]);
                    continue;
                }
            }
            let mut explained = false;
            for piece in blamed {
                if let Some(reason) = unchanged.undecided(new, piece) {
                    found.add(reason, *file, [*line]);
                    explained = true;
                    continue;
                }
                match &piece.cause {
                    Origin::Literal { span, .. } if unchanged.spans.contains(span) => {}
                    // What is printed for one row of several hangs on that row.
                    Origin::Literal { span, .. } if is_of_one(&piece.frames, *span, &rows) => {}
                    Origin::Literal { span, .. } => {
                        texts.push((Reason::at(CauseKind::Template, new, *span), *file, *line));
                        explained = true;
                    }
                    Origin::Value { expression, sources, .. } => {
                        let inputs = new.inputs(&**sources);
                        let name = new.environment.name.as_str();
                        let inputs = inputs.into_iter();
                        let inputs =
                            inputs.filter(|input| !unchanged.inputs.contains(&(name, input.clone())));
                        let (derived, inputs): (Vec<_>, Vec<_>) =
                            inputs.partition(|input| new.is_derived(input));
                        let is_known = unchanged.spans.contains(expression)
                            || is_of_one(&piece.frames, *expression, &rows);
                        // Nothing of it has changed: that it is printed here has.
                        if is_known && inputs.is_empty() && derived.is_empty() {
                            continue;
                        }
                        let suspect = Suspect { file: *file, line: *line, inputs, derived };
                        suspects.entry(*expression).or_default().push(suspect);
                        explained = true;
                    }
                    Origin::Unknown => {}
                }
            }
            if !explained {
                let row = row_of(traced).map(|row| Reason::of_row(CauseKind::Row, new, row));
                found.add(row.unwrap_or(Reason::of(CauseKind::Unknown)), *file, [*line]);
            }
        }
    }
    let certain = certain(files, &unchanged, &suspects);
    for (expression, mut suspects) in suspects {
        for suspect in &mut suspects {
            let name = environment(files, suspect.file);
            let is_certain = |input: &Input| certain.contains(&(name, input.clone()));
            if suspect.inputs.iter().any(is_certain) {
                suspect.inputs.retain(is_certain);
            }
        }
        judge(files, &unchanged, expression, suspects, found);
    }
    // Where the text of a template's line changed, its expressions need no other cause.
    let changed_texts: BTreeSet<Reason> = texts.iter().map(|(reason, ..)| reason.clone()).collect();
    for text in changed_texts {
        let same = |other: &Reason| {
            other.kind == text.kind && (&other.path, other.line) == (&text.path, text.line) && *other != text
        };
        let others: Vec<Reason> = found.0.keys().filter(|other| same(other)).cloned().collect();
        for other in others {
            for (file, lines) in found.0.remove(&other).unwrap_or_default() {
                found.add(text.clone(), file, lines);
            }
        }
    }
    for (reason, file, line) in texts {
        found.add(reason, file, [line]);
    }
    created(files, &unchanged, found);
    // Where one change of a row is known, what hangs on the row hangs on that.
    let rows: Vec<Reason> = found.0.keys().filter(|reason| reason.kind == CauseKind::Row).cloned().collect();
    for row in rows {
        let is_cell = |other: &&Reason| {
            let is_known = matches!(other.kind, CauseKind::Cells | CauseKind::NewRow);
            is_known && (&other.path, &other.row) == (&row.path, &row.row)
        };
        let cells: Vec<Reason> = found.0.keys().filter(is_cell).cloned().collect();
        let [cell] = &cells[..] else { continue };
        for (file, lines) in found.0.remove(&row).unwrap_or_default() {
            found.add(cell.clone(), file, lines);
        }
    }
    Ok(())
}

/// Whether something is printed, or entered, for one row only of those that the loop around it is at.
fn is_of_one(frames: &[Frame], span: Span, rows: &HashMap<Span, usize>) -> bool {
    let innermost = frames.iter().rev().find(|frame| frame.row.is_some());
    let around = innermost.and_then(|frame| rows.get(&frame.site)).copied().unwrap_or_default();
    around > 1 && rows.get(&span) == Some(&1)
}

/// At how many rows each loop was, and each text or expression was printed.
fn rows_of_spans<'l>(all: impl Iterator<Item = &'l Vec<Line>>) -> HashMap<Span, usize> {
    let mut rows: HashMap<Span, HashSet<&Row>> = HashMap::new();
    for piece in all.flatten().flat_map(|line| &line.pieces) {
        let mut at = None;
        for frame in piece.frames.iter() {
            at = frame.row.as_ref().or(at);
            rows.entry(frame.site).or_default().extend(at);
        }
        if let Some(span) = piece.span() {
            rows.entry(span).or_default().extend(at);
        }
    }
    rows.into_iter().map(|(span, rows)| (span, rows.len())).collect()
}

impl<'a> Unchanged<'a> {
    /// Notes what an artifact prints as before.
    fn note(&mut self, new: &Resolver<'a>, traced: &Traced<'_>) {
        let name = new.environment.name.as_str();
        let Traced { after: text, lines, changed, .. } = traced;
        let mut times: HashMap<&[u8], usize> = HashMap::new();
        for line in text {
            *times.entry(line).or_default() += 1;
        }
        let changed: HashMap<usize, Changed> =
            changed.iter().filter_map(|line| Some((line.new?, *line))).collect();
        for (number, line) in lines.iter().enumerate() {
            let now = changed.get(&number);
            if now.is_some_and(|line| line.old.is_none()) {
                continue;
            }
            // A line that stands there twice may be another row's.
            let single = text.get(number).is_some_and(|text| times.get(text) == Some(&1));
            let blamed = now.map_or_else(Vec::new, |now| traced.blamed(line, *now));
            for piece in &line.pieces {
                if !blamed.contains(&piece) {
                    let lines = self.lines.entry((name, new.planned.target.as_ref())).or_default();
                    for span in piece.frames.iter().map(|frame| frame.site).chain(piece.span()) {
                        *lines.entry(span).or_default() |= now.is_none();
                    }
                }
                self.spans.extend(piece.frames.iter().map(|frame| frame.site));
                if single {
                    self.rows.extend(piece.rows().map(|row| (name, row.clone())));
                }
                if blamed.contains(&piece) {
                    continue;
                }
                self.spans.extend(piece.span());
                // A filter may give the same of something else.
                if piece.filters().is_empty() {
                    let inputs = new.inputs(piece.sources());
                    self.inputs.extend(inputs.into_iter().map(|input| (name, input)));
                }
            }
        }
    }

    /// The condition that may be why a piece is printed now, where what was there does not tell.
    ///
    /// What a condition says of a row hangs on that row, and is told there.
    fn undecided(&self, new: &Resolver<'_>, piece: &Piece) -> Option<Reason> {
        let key = (new.environment.name.as_str(), new.planned.target.as_ref());
        conditions::around(new, piece).into_iter().rev().find_map(|condition| {
            let names = condition.beyond_rows();
            let body = condition.body;
            let inside = self.lines.get(&key).into_iter().flatten();
            let mut inside = inside.filter(|(span, _)| {
                span.file == body.file && body.start <= span.start && span.end <= body.end
            });
            // Another branch may begin or end a line as this one does.
            let is_settled = inside.any(|(_, is_whole)| *is_whole || !condition.has_others);
            (!names.is_empty() && !is_settled).then(|| Reason {
                names: names.into_iter().collect(),
                ..Reason::at(CauseKind::Condition, new, condition.span)
            })
        })
    }

    /// The new row, or the new loop or include, that makes a line that was not there.
    fn entered(&self, new: &Resolver<'_>, line: &Line, rows: &HashMap<Span, usize>) -> Option<Reason> {
        let frames =
            line.pieces.iter().flat_map(|piece| piece.frames.iter().enumerate().map(move |at| (piece, at)));
        frames.filter(|(_, (_, frame))| frame.kind != FrameKind::Artifact).find_map(
            |(piece, (number, frame))| {
                let known = self.spans.contains(&frame.site);
                match &frame.row {
                    Some(row) if self.rows.contains(&(new.environment.name.as_str(), row.clone())) => None,
                    // A loop that was at nothing else may be as old as its template.
                    Some(row) if known || rows.get(&frame.site) == Some(&1) => {
                        // Where a condition decides, the row may have been there before.
                        let kind =
                            if is_chosen(new, piece, row) { CauseKind::Row } else { CauseKind::NewRow };
                        Some(Reason::of_row(kind, new, row))
                    }
                    _ if known || is_of_one(&piece.frames[..number], frame.site, rows) => None,
                    _ => Some(Reason::at(CauseKind::Template, new, frame.site)),
                }
            },
        )
    }
}

/// Whether a condition on a row decides about a piece of it.
fn is_chosen(new: &Resolver<'_>, piece: &Piece, row: &Row) -> bool {
    conditions::around(new, piece).iter().any(|condition| {
        condition.inputs.iter().any(|input| matches!(input, Input::Cell { row: of, .. } if of == row))
    })
}

impl<'f> Traced<'f> {
    /// The lines that stood elsewhere before, or do now; each with the new line of its text.
    fn moved(&self) -> HashMap<Changed, usize> {
        let old = |line: &Changed| line.old.and_then(|at| self.before.get(at).copied());
        let was: HashSet<&[u8]> = self.changed.iter().filter_map(old).collect();
        let is: HashMap<&[u8], usize> =
            self.changed.iter().filter_map(|line| Some((*self.after.get(line.new?)?, line.new?))).collect();
        let moved = self.changed.iter().filter_map(|line| {
            let at = match line.new {
                Some(new) => was.contains(self.after.get(new)?).then_some(new)?,
                None => *is.get(old(line)?)?,
            };
            Some((*line, at))
        });
        moved.collect()
    }

    /// The pieces of a line that differ from the line that was there before; all of a new line.
    fn blamed<'l>(&self, line: &'l Line, changed: Changed) -> Vec<&'l Piece> {
        let text = |all: &[&'f [u8]], number: usize| -> &'f [u8] {
            let text = all.get(number).copied().unwrap_or_default();
            text.strip_suffix(b"\n").unwrap_or(text)
        };
        let (Some(old), Some(new)) = (changed.old, changed.new) else { return line.pieces.iter().collect() };
        let mut blamed = BTreeSet::new();
        for edit in edits(text(&self.before, old), text(&self.after, new)) {
            let edit = edit.start + line.bytes.start..edit.end + line.bytes.start;
            let pieces = || line.pieces.iter().enumerate();
            if !edit.is_empty() {
                let within = pieces().filter(|(_, piece)| piece.within(&edit).is_some());
                blamed.extend(within.map(|(number, _)| number));
                continue;
            }
            // Something is gone here, more likely of a value than of the text beside it.
            let touches = |piece: &Piece| piece.bytes.start <= edit.start && edit.start <= piece.bytes.end;
            let rank = |piece: &Piece| {
                let inside = piece.bytes.start < edit.start && edit.start < piece.bytes.end;
                (!inside, !matches!(piece.cause, Origin::Value { .. }), piece.bytes.start)
            };
            let nearest = pieces().filter(|(_, piece)| touches(piece)).min_by_key(|(_, piece)| rank(piece));
            blamed.extend(nearest.map(|(number, _)| number));
        }
        blamed.into_iter().map(|number| &line.pieces[number]).collect()
    }
}

fn environment<'a>(files: &[Differing<'a>], file: usize) -> &'a str {
    files[file].new.as_ref().map_or("", |new| new.environment.name.as_str())
}

/// What has changed, since there is a value that nothing else can have changed.
fn certain<'a>(
    files: &[Differing<'a>],
    unchanged: &Unchanged<'_>,
    suspects: &BTreeMap<Span, Vec<Suspect>>,
) -> HashSet<(&'a str, Input)> {
    let mut certain = HashSet::new();
    for (expression, suspects) in suspects {
        let is_same = suspects.windows(2).all(|pair| pair[0].inputs == pair[1].inputs);
        if !is_same && !unchanged.spans.contains(expression) {
            continue;
        }
        for suspect in suspects {
            if let [input] = &suspect.inputs[..] {
                certain.insert((environment(files, suspect.file), input.clone()));
            }
        }
    }
    certain
}

/// Finds what makes the values of an expression differ.
fn judge(
    files: &[Differing<'_>],
    unchanged: &Unchanged<'_>,
    expression: Span,
    suspects: Vec<Suspect>,
    found: &mut Found,
) {
    let mut common: Option<HashSet<(&str, &Input)>> = None;
    for suspect in &suspects {
        // A value may be that of all environments, a row is another one in each.
        let scope = |input: &Input| match input {
            Input::Value(_) => "",
            Input::Cell { .. } | Input::Row(_) => environment(files, suspect.file),
        };
        let inputs = suspect.inputs.iter().map(|input| (scope(input), input)).collect();
        common = Some(match common {
            None => inputs,
            Some(common) => common.intersection(&inputs).copied().collect(),
        });
    }
    let common: HashSet<Input> = common.into_iter().flatten().map(|(_, input)| input.clone()).collect();
    let is_known = unchanged.spans.contains(&expression);
    for mut suspect in suspects {
        let Some(new) = &files[suspect.file].new else { continue };
        if !common.is_empty() {
            suspect.inputs.retain(|input| common.contains(input));
        }
        let mut reasons = of_inputs(new, &suspect.inputs);
        let is_column = common.is_empty() && !is_known && !reasons.is_empty();
        if is_column || reasons.len() > MOST {
            let mut reason = Reason::at(CauseKind::Template, new, expression);
            let columns: BTreeSet<String> = suspect.inputs.iter().map(column).collect();
            reason.names = columns.into_iter().collect();
            reasons = vec![reason];
        }
        if reasons.is_empty() {
            let derived = suspect.derived.iter().filter_map(|input| new.derivation(input));
            reasons.extend(derived.map(|span| Reason::at(CauseKind::Declaration, new, span)));
        }
        if reasons.is_empty() || (reasons[0].kind == CauseKind::Declaration && !is_known) {
            reasons.push(Reason::at(CauseKind::Template, new, expression));
        }
        for reason in reasons {
            found.add(reason, suspect.file, [suspect.line]);
        }
    }
}

fn column(input: &Input) -> String {
    match input {
        Input::Cell { row, column } => format!("{}.{column}", row.table),
        Input::Row(row) => row.table.to_string(),
        Input::Value(name) => format!("values.{name}"),
    }
}

/// Inputs in the words of the project: the cells of a row are one reason.
pub(super) fn of_inputs(resolver: &Resolver<'_>, inputs: &[Input]) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = Vec::new();
    let mut cells: BTreeMap<&Row, BTreeSet<&str>> = BTreeMap::new();
    for input in inputs {
        match input {
            Input::Cell { row, column } => {
                cells.entry(row).or_default().insert(column);
            }
            Input::Row(row) => reasons.push(Reason::of_row(CauseKind::Row, resolver, row)),
            Input::Value(name) => {
                let reason = Reason { names: vec![name.to_string()], ..Reason::of(CauseKind::Value) };
                reasons.push(match resolver.value(name).0 {
                    Some(span) => {
                        Reason { names: reason.names, ..Reason::at(CauseKind::Value, resolver, span) }
                    }
                    None => reason,
                });
            }
        }
    }
    reasons.extend(cells.into_iter().map(|(row, columns)| Reason {
        names: columns.into_iter().map(str::to_owned).collect(),
        ..Reason::of_row(CauseKind::Cells, resolver, row)
    }));
    reasons
}

/// Artifacts that are missing: those of a row that is new, or has another path now; the others are newly declared.
fn created(files: &[Differing<'_>], unchanged: &Unchanged<'_>, found: &mut Found) {
    let is_new = |file: &&Differing<'_>| file.kind == ChangeKind::Created && !file.missing;
    let missing = files.iter().filter(is_new);
    let missing: Vec<&Resolver<'_>> = missing.filter_map(|file| file.new.as_ref()).collect();
    // Of each declaration and of each instance of a target, how many artifacts are missing, and how many there are.
    let mut declared: HashMap<(&str, Span), (usize, usize)> = HashMap::new();
    let mut instances: HashMap<(&str, &str), (usize, usize)> = HashMap::new();
    for new in &missing {
        let name = new.environment.name.as_str();
        declared.entry((name, new.planned.span)).or_default().0 += 1;
        instances.entry((name, &new.planned.target)).or_default().0 += 1;
    }
    let environments: BTreeMap<&str, &Environment> =
        missing.iter().map(|new| (new.environment.name.as_str(), new.environment)).collect();
    for (name, environment) in environments {
        for planned in &environment.artifacts {
            declared.entry((name, planned.span)).or_default().1 += 1;
            instances.entry((name, &planned.target)).or_default().1 += 1;
        }
    }
    let deleted = files.iter().filter(|file| file.kind == ChangeKind::Deleted);
    let deleted: HashSet<(&str, &str)> = deleted.map(|file| (file.environment, file.target)).collect();
    let are_all = |counts: Option<&(usize, usize)>| counts.is_some_and(|(missing, all)| missing == all);
    for (number, file) in files.iter().enumerate() {
        let is_meant = is_new(&file) && !file.edited && !file.large;
        let Some(new) = file.new.as_ref().filter(|_| is_meant) else { continue };
        let (name, span) = (new.environment.name.as_str(), new.planned.span);
        let instance = (name, &*new.planned.target);
        let counts = declared.get(&(name, span));
        let is_single = counts.is_some_and(|(_, all)| *all == 1);
        let row = new.planned.row.as_ref().filter(|_| is_single || !are_all(counts));
        let row = row.map(|row| Row { table: row.table.clone(), number: row.number });
        let reasons = match row {
            _ if are_all(instances.get(&instance)) && !deleted.contains(&instance) => {
                let path = Some(project::FILE.to_owned());
                vec![Reason { path, ..Reason::of(CauseKind::Declaration) }]
            }
            None => vec![Reason::at(CauseKind::Declaration, new, span)],
            Some(row) if !unchanged.rows.contains(&(name, row.clone())) => {
                vec![Reason::of_row(CauseKind::NewRow, new, &row)]
            }
            Some(row) => vec![Reason::of_row(CauseKind::Row, new, &row)],
        };
        for reason in reasons {
            found.add(reason, number, file.whole());
        }
    }
}
