//! Tracing: the same templates with more in them, so that every byte tells where it comes from.
//!
//! [`instrument`] puts calls into the templates that tell a [`Recorder`] what is entered and read, and a mark around
//! all text. Literal text is not left in the templates: it is printed by a call, so that no white space is trimmed
//! other than it was. Each part of the marked text has the number of an [`Event`], and keeps it where it is captured,
//! filtered and printed later. A trace is only worth something where it has the bytes of the untraced render: its
//! caller compares them.

mod instrument;

pub(super) use instrument::{has_super, names_of_filters};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use tera::value::Key;
use tera::{Context, Kwargs, State, Tera, TeraResult, Value as Data};

use super::Library;
use super::check::{Checked, Print};
use super::engine::bare;
use super::filter;
use super::syntax::Delimiters;
use crate::format::mark::{self, Emitted, Kind, Segment};
use crate::format::{Format, MarkReader, Refusal};
use crate::origin::{Cause, Frame, FrameKind, Input, Piece, Row};
use crate::source::{FileId, Span};

/// What of the checks it takes to trace.
#[derive(Debug, Default)]
pub(super) struct Traceable {
    /// The printed expressions by template and bytes, and whether they pass the last filter.
    prints: BTreeMap<(usize, usize, usize), bool>,
    /// The expressions of which captured text is made plain.
    plain: BTreeSet<(usize, usize, usize)>,
}

impl Traceable {
    pub(super) fn of(checked: &Checked) -> Self {
        let prints = checked.prints.iter();
        let key = |print: &Print| (print.template, print.range.start, print.range.end);
        Self {
            prints: prints.map(|print| (key(print), print.wrapped)).collect(),
            plain: checked.plain.clone(),
        }
    }
}

/// The maps that stand for something, by their addresses: a value that the engine copies keeps its map. All of them
/// live as long as this is used.
#[derive(Debug, Default)]
pub struct Known {
    maps: HashMap<usize, Identity>,
}

/// What a map stands for.
#[derive(Debug, Clone)]
enum Identity {
    Row(Row),
    Values,
}

impl Known {
    /// Notes the map of a row; false if it is known already, or none.
    pub fn row(&mut self, data: &Data, row: Row) -> bool {
        let Some(address) = address(data) else { return false };
        self.maps.insert(address, Identity::Row(row)).is_none()
    }

    /// Notes the map of the project's values.
    pub fn values(&mut self, data: &Data) {
        self.maps.extend(address(data).map(|address| (address, Identity::Values)));
    }

    fn find(&self, data: &Data) -> Option<&Identity> {
        self.maps.get(&address(data)?)
    }
}

fn address(data: &Data) -> Option<usize> {
    data.as_map().map(|map| std::ptr::from_ref(map).addr())
}

/// Templates that tell where what they render comes from.
#[derive(Debug)]
pub struct Tracer {
    tera: Tera,
    recorder: Arc<Mutex<Recorder>>,
    /// One trace at a time.
    turn: Mutex<()>,
}

impl Tracer {
    /// Templates as they were checked, to be traced; nothing if the calls for it make them too much for Tera.
    pub fn new(library: &Library, checked: &Checked, delimiters: Delimiters, known: Known) -> Option<Self> {
        let known = Arc::new(known);
        // An expression near Tera's limits has no room for calls: then no expression is followed.
        [true, false]
            .into_iter()
            .find_map(|followed| Self::with(library, checked, delimiters, Arc::clone(&known), followed))
    }

    fn with(
        library: &Library,
        checked: &Checked,
        delimiters: Delimiters,
        known: Arc<Known>,
        followed: bool,
    ) -> Option<Self> {
        let mut tera = bare(delimiters).ok()?;
        let (hooks, sources) = instrument::instrument(library, &Traceable::of(checked), followed);
        let texts = library.templates.iter().map(|template| template.tree.source().to_owned()).collect();
        let files = library.templates.iter().map(|template| template.span(0..0).file).collect();
        let recorder =
            Arc::new(Mutex::new(Recorder { hooks: hooks.into(), texts, files, known, run: Run::default() }));
        let shared = Arc::clone(&recorder);
        tera.register_filter(instrument::FILTER, move |value: &Data, given: Kwargs, _: &State<'_>| {
            let number: usize = given.must_get("n")?;
            shared.lock().unwrap_or_else(PoisonError::into_inner).filter(number, value, &given)
        });
        let shared = Arc::clone(&recorder);
        tera.register_function(instrument::CALL, move |given: Kwargs, _: &State<'_>| -> TeraResult<Data> {
            let number: usize = given.must_get("n")?;
            let with = given.get::<Data>("v")?;
            Ok(shared.lock().unwrap_or_else(PoisonError::into_inner).call(number, with.as_ref()))
        });
        let names = library.templates.iter().map(|template| template.name.clone());
        tera.add_raw_templates(names.zip(sources)).ok()?;
        Some(Self { tera, recorder, turn: Mutex::new(()) })
    }

    /// Renders a template; `around` is what the artifact itself is made for.
    pub fn trace(
        &self,
        library: &Library,
        template: &str,
        format: &Format,
        context: &Context,
        around: Option<Frame>,
    ) -> Result<Traced, Fault> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner).run = Run::begin(around);
        let mut bytes = Vec::new();
        let mut reader = MarkReader::noting(format, &mut bytes);
        let rendered = self.tera.render_to(template, context, &mut reader);
        let finished = rendered.is_ok() && reader.finish().is_ok();
        let parts = reader.take_parts();
        let refused = reader.emitter.refusal().cloned();
        let mut recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        let run = std::mem::take(&mut recorder.run);
        if let (Err(_), _) | (_, false) = (&rendered, finished) {
            let failed = rendered.err().map(|error| filter::error_text(&error)).unwrap_or_default();
            return Err(run.fault(failed, refused));
        }
        let pieces = Pieces { library, hooks: &recorder.hooks, run: &run, frames: HashMap::new() };
        let pieces = pieces.all(&parts, &bytes);
        Ok(Traced { bytes, pieces })
    }
}

/// What a traced render gave.
#[derive(Debug)]
pub struct Traced {
    /// The artifact.
    pub bytes: Vec<u8>,
    /// Where it comes from; what lies between pieces is unknown.
    pub pieces: Vec<Piece>,
}

/// Why a traced render failed: as the untraced one does, if it has the same message.
#[derive(Debug)]
pub struct Fault {
    /// What is wrong.
    pub message: String,
    /// The row of the innermost loop, or of the artifact.
    pub row: Option<Row>,
    /// What a value that was refused was made of.
    pub sources: Vec<Input>,
    /// What of it is to blame, if only a part is.
    pub blamed: Option<String>,
}

/// What a call in a template stands for, by its number.
#[derive(Debug)]
enum Hook {
    /// Literal text.
    Text(Place),
    /// A printed expression, whether it passes the last filter, the filters in it, and whether what it reads is told.
    Print { place: Place, wrapped: bool, filters: Vec<Arc<str>>, followed: bool },
    /// A part of an expression whose value is made use of.
    Read { place: Place, variable: Option<String>, steps: Vec<Step>, reaches: Vec<Reach> },
    /// Captured text that becomes plain.
    Plain(Place),
    /// A filter behind which captured text is still captured.
    Kept { place: Place, name: Arc<str> },
    /// The value of `set`.
    Set { place: Place, name: String, global: bool },
    /// A variable is set to captured text.
    Capture { name: String, global: bool },
    /// A value that a loop or a component's call uses later.
    Pending(Place),
    /// A component's call.
    Call { place: Place, arguments: Vec<(Option<String>, Argument)> },
    /// Something is entered.
    Enter { place: Place, kind: Entered, name: Arc<str> },
    /// A round of the loop that the number entered.
    Round { entered: usize, target: usize, key: Option<String>, value: String, grouped: Option<Vec<String>> },
    /// What the number entered is left.
    Leave(usize),
}

/// Bytes of a template.
#[derive(Debug, Clone)]
struct Place {
    template: usize,
    range: Range<usize>,
}

/// A step from a value to one in it.
#[derive(Debug)]
enum Step {
    Name(String),
    /// By a value that is given by this name.
    Index(String),
}

/// What is taken of a value.
#[derive(Debug)]
enum Reach {
    /// Its entry at a path.
    Path(Vec<String>),
    /// The entry at a path of each of its elements.
    Each(Vec<String>),
    /// All of it.
    Whole,
}

/// Where the value of a component's argument is known from; its name is missing where a map is spread.
#[derive(Debug)]
enum Argument {
    Pending(usize),
    Variable(String),
}

/// What is entered.
#[derive(Debug)]
enum Entered {
    Loop,
    Include,
    Block,
    Component { parameters: Vec<(String, bool)>, rest: Option<String> },
}

/// What a value was made of, and the filters that it passed.
#[derive(Debug, Clone, Default)]
struct Taint {
    inputs: Vec<Input>,
    filters: Vec<Arc<str>>,
}

impl Taint {
    fn add(&mut self, other: &Self) {
        let mut known: BTreeSet<&Input> = self.inputs.iter().collect();
        let fresh: Vec<Input> = other.inputs.iter().filter(|input| known.insert(input)).cloned().collect();
        self.inputs.extend(fresh);
        self.filters.extend(other.filters.iter().cloned());
    }

    fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.filters.is_empty()
    }
}

/// Something that was printed.
#[derive(Debug, Clone)]
struct Event {
    hook: usize,
    frame: Option<usize>,
    inputs: Arc<[Input]>,
    filters: Arc<[Arc<str>]>,
}

/// The variables that are set at a level, as far as their values were made of anything.
#[derive(Debug, Default)]
struct Scope {
    variables: HashMap<String, Taint>,
    /// Whether what stands outside is not visible: a component.
    closed: bool,
    /// Whether it ends with the round of a loop.
    of_loop: bool,
}

/// Something that was entered and not left yet.
#[derive(Debug)]
struct Open {
    hook: usize,
    /// The frame and the number of scopes before.
    frame: Option<usize>,
    scopes: usize,
    component: bool,
}

/// What one render tells.
#[derive(Debug, Default)]
struct Run {
    /// Frames with those around them.
    frames: Vec<(Option<usize>, Frame)>,
    current: Option<usize>,
    opened: Vec<Open>,
    scopes: Vec<Scope>,
    pending: HashMap<usize, Taint>,
    /// What was read and not used yet, with its template and place.
    read: Vec<(usize, usize, Taint)>,
    events: Vec<Event>,
}

impl Run {
    fn begin(around: Option<Frame>) -> Self {
        let frames: Vec<_> = around.map(|frame| (None, frame)).into_iter().collect();
        let current = (!frames.is_empty()).then_some(0);
        // The number 0 is that of a value that is not printed yet.
        let none = Event { hook: usize::MAX, frame: None, inputs: Arc::default(), filters: Arc::default() };
        Self { frames, current, scopes: vec![Scope::default()], events: vec![none], ..Self::default() }
    }

    fn enter(&mut self, around: Option<usize>, frame: Frame) -> usize {
        self.frames.push((around, frame));
        self.frames.len() - 1
    }

    /// What went wrong where the render stopped, or with a value that was refused.
    fn fault(&self, failed: String, refused: Option<Refusal>) -> Fault {
        let event = refused.as_ref().and_then(|refusal| self.events.get(refusal.expression as usize));
        let frame = event.map_or(self.current, |event| event.frame);
        let blamed = refused.as_ref().and_then(|refusal| refusal.value.get(refusal.refused.at.clone()?));
        Fault {
            blamed: blamed.map(str::to_owned),
            message: refused.map_or(failed, |refusal| refusal.refused.message),
            row: self.frames_of(frame).rev().find_map(|frame| frame.row.clone()),
            sources: event.map(|event| event.inputs.to_vec()).unwrap_or_default(),
        }
    }

    /// The frames around a place, outermost first.
    fn frames_of(&self, mut at: Option<usize>) -> impl DoubleEndedIterator<Item = &Frame> {
        let mut chain = Vec::new();
        while let Some((around, frame)) = at.and_then(|number| self.frames.get(number)) {
            chain.push(frame);
            at = *around;
        }
        chain.into_iter().rev()
    }
}

/// What the calls in the templates talk to.
#[derive(Debug)]
struct Recorder {
    hooks: Arc<[Hook]>,
    /// The sources of the templates, and their files.
    texts: Vec<String>,
    files: Vec<FileId>,
    known: Arc<Known>,
    run: Run,
}

impl Recorder {
    /// What a filter that was put behind an expression gives.
    fn filter(&mut self, number: usize, value: &Data, given: &Kwargs) -> TeraResult<Data> {
        let Some(hook) = self.hooks.get(number) else { return Ok(value.clone()) };
        let run = &mut self.run;
        match hook {
            Hook::Read { place, variable, steps, reaches } => {
                let mut taint =
                    variable.as_ref().and_then(|name| run.find(name)).cloned().unwrap_or_default();
                touch_steps(given, steps, &self.known, &mut taint.inputs);
                for reach in reaches {
                    reach.touch(value, &self.known, &mut taint.inputs);
                }
                run.note(place, taint);
            }
            Hook::Plain(place) => {
                let mut taint = Taint::default();
                for part in parts(value) {
                    if let Some(event) = run.events.get(part.expression as usize) {
                        taint.add(&Taint { inputs: event.inputs.to_vec(), filters: event.filters.to_vec() });
                    }
                }
                run.note(place, taint);
                return Ok(filter::plain(value));
            }
            Hook::Kept { name, .. } => {
                let added = Taint { filters: vec![Arc::clone(name)], ..Taint::default() };
                let added = run.event(number, added);
                return Ok(run.renumber(value, Some(added), |event, _| {
                    event.filters = event.filters.iter().chain([name]).cloned().collect();
                }));
            }
            Hook::Set { place, name, global } => {
                let taint = run.take(place);
                run.set(name, *global, taint);
            }
            Hook::Pending(place) => {
                let taint = run.take(place);
                run.pending.insert(number, taint);
            }
            Hook::Print { place, wrapped, filters, .. } => {
                let mut taint = run.take(place);
                if !*wrapped && value.as_str().is_some_and(mark::is_marked) {
                    let site = Frame {
                        kind: FrameKind::Print,
                        name: Arc::default(),
                        site: Span::new(self.files[place.template], place.range.clone()),
                        row: None,
                    };
                    return Ok(run.renumber(value, None, |event, run| {
                        event.frame = Some(run.enter(event.frame, site.clone()));
                    }));
                }
                taint.filters.extend(filters.iter().cloned());
                let event = run.event(number, taint);
                if *wrapped {
                    return filter::emit(value, event);
                }
                return Ok(match plain_text(value) {
                    Some(text) => plain_part(event, &text),
                    None => value.clone(),
                });
            }
            _ => {}
        }
        Ok(value.clone())
    }

    /// What a call of its own prints.
    fn call(&mut self, number: usize, with: Option<&Data>) -> Data {
        let hooks = Arc::clone(&self.hooks);
        let Some(hook) = hooks.get(number) else { return Data::from("") };
        match hook {
            Hook::Text(place) => {
                let event = self.run.event(number, Taint::default());
                return plain_part(event, &self.texts[place.template][place.range.clone()]);
            }
            Hook::Capture { name, global } => self.run.set(name, *global, Taint::default()),
            Hook::Enter { place, kind, name } => {
                let site = Span::new(self.files[place.template], place.range.clone());
                self.enter(number, kind, Arc::clone(name), site, with);
            }
            Hook::Round { entered, target, key, value, grouped } => {
                self.round(*entered, *target, key.as_deref(), value, grouped.as_deref(), with);
            }
            Hook::Leave(entered) => self.run.leave(*entered),
            _ => {}
        }
        Data::from("")
    }

    fn enter(&mut self, number: usize, kind: &Entered, name: Arc<str>, site: Span, with: Option<&Data>) {
        let run = &mut self.run;
        let (frame, scopes) = (run.current, run.scopes.len());
        let component = matches!(kind, Entered::Component { .. });
        run.opened.push(Open { hook: number, frame, scopes, component });
        let (kind, site) = match kind {
            Entered::Loop => {
                run.scopes.push(Scope { of_loop: true, ..Scope::default() });
                // It has a frame for each round.
                return;
            }
            Entered::Include => {
                run.scopes.push(Scope::default());
                (FrameKind::Include, site)
            }
            Entered::Block => (FrameKind::Block, site),
            Entered::Component { parameters, rest } => {
                let call = with.and_then(Data::as_i64).and_then(|call| usize::try_from(call).ok());
                let call = call.and_then(|call| self.hooks.get(call));
                let mut scope = Scope { closed: true, ..Scope::default() };
                let mut site = site;
                if let Some(Hook::Call { place, arguments }) = call {
                    site = Span::new(self.files[place.template], place.range.clone());
                    scope.variables = run.arguments(arguments, parameters, rest.as_deref());
                }
                run.scopes.push(scope);
                (FrameKind::Component, site)
            }
        };
        run.current = Some(run.enter(frame, Frame { kind, name, site, row: None }));
    }

    fn round(
        &mut self,
        entered: usize,
        target: usize,
        key: Option<&str>,
        value: &str,
        grouped: Option<&[String]>,
        with: Option<&Data>,
    ) {
        let run = &mut self.run;
        let Some(at) = run.position(entered) else { return };
        run.opened.truncate(at + 1);
        let Open { frame, scopes, .. } = run.opened[at];
        run.scopes.truncate(scopes);
        let mut scope = Scope { of_loop: true, ..Scope::default() };
        let taint = run.pending.get(&target).cloned().unwrap_or_default();
        if let Some(key) = key {
            let mut of_key = taint.clone();
            if let (Some(path), Some(rows)) = (grouped, with) {
                Reach::Each(path.to_vec()).touch(rows, &self.known, &mut of_key.inputs);
            }
            scope.variables.insert(key.to_owned(), of_key);
        }
        scope.variables.insert(value.to_owned(), taint);
        run.scopes.push(scope);
        let row = match with.and_then(|value| self.known.find(value)) {
            Some(Identity::Row(row)) => Some(row.clone()),
            _ => None,
        };
        if let Some(Hook::Enter { place, name, .. }) = self.hooks.get(entered) {
            let site = Span::new(self.files[place.template], place.range.clone());
            let round = Frame { kind: FrameKind::Loop, name: Arc::clone(name), site, row };
            run.current = Some(run.enter(frame, round));
        }
    }
}

impl Run {
    fn event(&mut self, hook: usize, taint: Taint) -> u32 {
        let event =
            Event { hook, frame: self.current, inputs: taint.inputs.into(), filters: taint.filters.into() };
        self.push(event)
    }

    fn push(&mut self, event: Event) -> u32 {
        self.events.push(event);
        u32::try_from(self.events.len() - 1).unwrap_or(u32::MAX)
    }

    /// Gives every part of captured text an event of its own, changed; text without a mark becomes part of `added`.
    fn renumber(&mut self, value: &Data, added: Option<u32>, change: impl Fn(&mut Event, &mut Self)) -> Data {
        let Some(Ok(segments)) = value.as_str().filter(|text| mark::is_marked(text)).map(mark::segments)
        else {
            return value.clone();
        };
        let mut changed = HashMap::new();
        let segments = segments.into_iter().map(|segment| match segment {
            Segment::Value(part) => {
                let number = part.expression;
                let expression = *changed.entry(number).or_insert_with(|| {
                    let event = self.events.get(number as usize).filter(|_| number > 0);
                    let Some(mut event) = event.cloned() else { return number };
                    change(&mut event, self);
                    self.push(event)
                });
                Segment::Value(Emitted { expression, ..part })
            }
            Segment::Literal(text) => match added {
                Some(expression) => Segment::Value(Emitted { expression, kind: Kind::Plain, text }),
                None => segment,
            },
        });
        mark::join(segments).into()
    }

    fn note(&mut self, place: &Place, taint: Taint) {
        if !taint.is_empty() {
            self.read.push((place.template, place.range.start, taint));
        }
    }

    /// What was read within an expression.
    fn take(&mut self, place: &Place) -> Taint {
        let mut taint = Taint::default();
        self.read.retain(|(template, at, read)| {
            let within = *template == place.template && place.range.contains(at);
            if within {
                taint.add(read);
            }
            !within
        });
        taint
    }

    fn find(&self, name: &str) -> Option<&Taint> {
        for scope in self.scopes.iter().rev() {
            if let Some(taint) = scope.variables.get(name) {
                return Some(taint);
            }
            if scope.closed {
                break;
            }
        }
        None
    }

    fn set(&mut self, name: &str, global: bool, taint: Taint) {
        let wanted = self.scopes.iter_mut().rev().find(|scope| !(global && scope.of_loop));
        if let Some(scope) = wanted {
            scope.variables.insert(name.to_owned(), taint);
        }
    }

    /// What the variables of a component are made of.
    fn arguments(
        &mut self,
        given: &[(Option<String>, Argument)],
        parameters: &[(String, bool)],
        rest: Option<&str>,
    ) -> HashMap<String, Taint> {
        let mut variables = HashMap::new();
        let (mut spread, mut others) = (Taint::default(), Taint::default());
        for (name, argument) in given {
            let taint = match argument {
                Argument::Pending(number) => self.pending.remove(number),
                Argument::Variable(name) => self.find(name).cloned(),
            }
            .unwrap_or_default();
            match name {
                None => spread.add(&taint),
                Some(name) if parameters.iter().any(|(parameter, _)| parameter == name) => {
                    variables.insert(name.clone(), taint);
                }
                Some(_) => others.add(&taint),
            }
        }
        for (name, implicit) in parameters {
            if variables.contains_key(name) {
                continue;
            }
            let mut taint = spread.clone();
            if *implicit {
                // It is looked for in all callers.
                let found = self.scopes.iter().rev().find_map(|scope| scope.variables.get(name));
                taint.add(&found.cloned().unwrap_or_default());
            }
            variables.insert(name.clone(), taint);
        }
        others.add(&spread);
        variables.extend(rest.map(|rest| (rest.to_owned(), others)));
        variables
    }

    /// Where something that was entered last is; what a component's callers entered does not count.
    fn position(&self, hook: usize) -> Option<usize> {
        for (at, open) in self.opened.iter().enumerate().rev() {
            if open.hook == hook {
                return Some(at);
            }
            if open.component {
                break;
            }
        }
        None
    }

    fn leave(&mut self, hook: usize) {
        let Some(at) = self.position(hook) else { return };
        let Open { frame, scopes, .. } = self.opened[at];
        self.opened.truncate(at);
        self.scopes.truncate(scopes);
        self.current = frame;
    }
}

impl Reach {
    fn touch(&self, value: &Data, known: &Known, inputs: &mut Vec<Input>) {
        match self {
            Self::Path(path) => touch_path(value, path, known, inputs),
            Self::Each(path) => {
                for element in value.as_array().unwrap_or_default() {
                    touch_path(element, path, known, inputs);
                }
            }
            Self::Whole => touch_rows(value, known, inputs),
        }
    }
}

fn touch_steps(given: &Kwargs, steps: &[Step], known: &Known, inputs: &mut Vec<Input>) {
    let given: HashMap<String, &Data> = given.iter().map(|(name, value)| (name.to_string(), value)).collect();
    let Some(mut at) = given.get("v").copied() else { return };
    for step in steps {
        let next = match step {
            Step::Name(name) => {
                touch_path(at, std::slice::from_ref(name), known, inputs);
                at.as_map().and_then(|map| map.get(&Key::Str(name)))
            }
            Step::Index(name) => given.get(name).and_then(|index| {
                let list = at.as_array().unwrap_or_default();
                let index = index.as_i64()?;
                let from_end = || list.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?);
                list.get(if index < 0 { from_end()? } else { usize::try_from(index).ok()? })
            }),
        };
        let Some(next) = next else { return };
        at = next;
    }
}

fn touch_path(value: &Data, path: &[String], known: &Known, inputs: &mut Vec<Input>) {
    let Some((name, rest)) = path.split_first() else { return };
    match known.find(value) {
        Some(Identity::Row(row)) => {
            inputs.push(Input::Cell { row: row.clone(), column: name.as_str().into() });
        }
        Some(Identity::Values) => inputs.push(Input::Value(name.as_str().into())),
        None => {}
    }
    if let Some(next) = value.as_map().and_then(|map| map.get(&Key::Str(name))) {
        touch_path(next, rest, known, inputs);
    }
}

fn touch_rows(value: &Data, known: &Known, inputs: &mut Vec<Input>) {
    match (known.find(value), value.as_map(), value.as_array()) {
        (Some(Identity::Row(row)), ..) => inputs.push(Input::Row(row.clone())),
        (Some(Identity::Values), Some(map), _) => {
            inputs.extend(map.keys().map(|name| Input::Value(name.to_string().into())));
        }
        (None, Some(map), _) => map.values().for_each(|value| touch_rows(value, known, inputs)),
        (_, _, Some(list)) => list.iter().for_each(|value| touch_rows(value, known, inputs)),
        _ => {}
    }
}

/// The parts of captured text.
fn parts(value: &Data) -> impl Iterator<Item = Emitted<'_>> {
    let segments = value.as_str().and_then(|text| mark::segments(text).ok()).unwrap_or_default();
    segments.into_iter().filter_map(|segment| match segment {
        Segment::Value(part) => Some(part),
        Segment::Literal(_) => None,
    })
}

/// The text of a value as the engine prints it.
fn plain_text(value: &Data) -> Option<String> {
    match value.as_str() {
        Some(text) => Some(text.to_owned()),
        None if value.is_number() || value.is_bool() => Some(value.to_string()),
        None => None,
    }
}

/// Text as a part; nothing where there is none, so that empty text stays empty.
fn plain_part(expression: u32, text: &str) -> Data {
    if text.is_empty() {
        return Data::from("");
    }
    Emitted { expression, kind: Kind::Plain, text }.marked().into()
}

/// Makes pieces of what one render told.
struct Pieces<'a> {
    library: &'a Library,
    hooks: &'a [Hook],
    run: &'a Run,
    frames: HashMap<Option<usize>, Arc<[Frame]>>,
}

impl Pieces<'_> {
    fn all(mut self, parts: &[(Range<usize>, u32)], artifact: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(parts.len());
        for (bytes, number) in parts {
            let Some(event) = self.run.events.get(*number as usize).filter(|_| !bytes.is_empty()) else {
                continue;
            };
            let run = self.run;
            let frames = self.frames.entry(event.frame);
            let frames = frames.or_insert_with(|| run.frames_of(event.frame).cloned().collect());
            let frames = Arc::clone(frames);
            match self.hooks.get(event.hook) {
                Some(Hook::Text(place)) => {
                    let template = &self.library.templates[place.template];
                    let source = &template.tree.source()[place.range.clone()];
                    let text = literal(source, &artifact[bytes.clone()]);
                    pieces.extend(text.into_iter().map(|(part, from)| Piece {
                        bytes: bytes.start + part.start..bytes.start + part.end,
                        cause: Cause::Literal {
                            span: template.span(place.range.start + from.start..place.range.start + from.end),
                            filters: Arc::clone(&event.filters),
                        },
                        frames: Arc::clone(&frames),
                    }));
                }
                Some(Hook::Kept { place, .. }) => {
                    let span = self.library.templates[place.template].span(place.range.clone());
                    let cause = Cause::Literal { span, filters: Arc::clone(&event.filters) };
                    pieces.push(Piece { bytes: bytes.clone(), cause, frames });
                }
                Some(Hook::Print { followed: false, .. }) => {
                    pieces.push(Piece { bytes: bytes.clone(), cause: Cause::Unknown, frames });
                }
                Some(Hook::Print { place, .. }) => {
                    let expression = self.library.templates[place.template].span(place.range.clone());
                    let (sources, filters) = (Arc::clone(&event.inputs), Arc::clone(&event.filters));
                    let cause = Cause::Value { expression, sources, filters };
                    pieces.push(Piece { bytes: bytes.clone(), cause, frames });
                }
                _ => {}
            }
        }
        pieces
    }
}

/// Where parts of a text stand in the source that filters made it of: as a whole, or line by line where a filter
/// changed its lines, or somewhere in it.
pub(super) fn literal(source: &str, text: &[u8]) -> Vec<(Range<usize>, Range<usize>)> {
    // What is left of a text whose ends a filter has trimmed.
    let mut found = memchr::memmem::find_iter(source.as_bytes(), text);
    if let (Some(start), None) = (found.next(), found.next()) {
        return vec![(0..text.len(), start..start + text.len())];
    }
    let (old, new): (Vec<&str>, Vec<&[u8]>) =
        (source.split_inclusive('\n').collect(), text.split_inclusive(|byte| *byte == b'\n').collect());
    if old.len() != new.len() {
        return vec![(0..text.len(), 0..source.len())];
    }
    let (mut from, mut to) = (0, 0);
    let mut lines = Vec::with_capacity(new.len());
    for (old, new) in old.iter().zip(&new) {
        lines.push((to..to + new.len(), from..from + old.len()));
        from += old.len();
        to += new.len();
    }
    lines
}
