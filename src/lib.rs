//! confwright compiles block templates and tables into complete configuration.
//!
//! ```text
//! arguments -> Project -> Tables + Targets -> Plan -> Artifacts -> Manifest -> Changes -> Report
//! ```
//!
//! Every stage takes plain values and returns values and [`diagnostic::Diagnostics`]: a stage reports all that is wrong,
//! and prints nothing. A module for each, in the order in which a run goes through them:
//!
//! | module | what it owns |
//! | --- | --- |
//! | [`cli`] | the arguments, a file for each command, exit codes |
//! | [`project`] | confwright.toml, resolved for each environment |
//! | [`target`] | target.toml: artifacts, what they require of a project, native checks |
//! | [`table`] | columns and their types, a reader for each source format, rows that are checked before anything is rendered |
//! | [`template`] | the syntax tree, the types of expressions, filters, segment programs, and the engine |
//! | [`compile`] | a project that is read, checked and planned, with derived columns |
//! | `rules` | what must hold beyond the types, and the exceptions |
//! | [`plan`] | which artifact from which template and row; no two on one path, all inside the root |
//! | [`mod@format`] | how values enter the format of an artifact |
//! | [`origin`] | where the bytes of an artifact come from |
//! | `explain` | what rows and templates reach, and where a line comes from |
//! | `finding` | what is wrong with a rendered artifact, and where that comes from |
//! | [`native`] | the programs of this machine that judge what was rendered, and whose commands are run |
//! | [`lint`] | what is wrong with a whole configuration whose files are well-formed |
//! | [`cause`] | what makes artifacts differ |
//! | [`cache`] | what the last clean run saw, which spares the next one all work where nothing is new |
//! | [`golden`] | the committed tree, and how it differs from what the sources give |
//! | [`merge`] | what a golden file is where two branches are merged |
//! | [`manifest`] | what the tree says of itself |
//! | [`mod@write`] | all or nothing: staging, renames, the way back; and the folder of a new project |
//! | [`determinism`] | whether the same inputs give the same bytes |
//! | [`report`] | what a run says: to people, as JSON, for code hosts |
//!
//! Below them lie [`source`], through which every file of a project is read, on disk or in a git revision, and which
//! knows the place of each byte;
//! [`diagnostic`], with the catalogue of what can be wrong; [`document`], TOML with places; [`schema`], the JSON
//! Schemas; [`starter`], the targets that the binary carries for new projects; and [`clock`], the one place that
//! knows the date and the time.
//!
//! # How a run goes
//!
//! [`compile::prepare`] reads confwright.toml and the targets that it names, opens the tables and checks every cell,
//! and has [`template::check`] resolve every path of every expression against the tables' types. So what can be wrong
//! is known before the first byte is rendered. The checks also say which printed expressions have to pass the last
//! filter.
//!
//! A template is then built into a segment program: literal text, cells, values, conditions and loops, through which
//! rows pass one by one. It hands values to a [`format::Emitter`], which has the artifact's format write or refuse
//! each where it stands. Single expressions that a program cannot express are left to Tera; so is a whole template where
//! its variables would have to cross the border, and then Tera writes values between marks, and [`format::MarkReader`]
//! finds them again. Both give the same bytes, which random programs are tested for.
//!
//! An artifact is rendered into a sink, and no artifact is held whole. The commands differ in their sinks only:
//! `render` stages what differs and then puts all of it in place ([`write::Batch`]), `check` and `diff` compare with
//! what is there ([`golden::Tree`]).
//!
//! Nothing that reaches an artifact depends on the time, the machine, the process environment or the order of a hash
//! map.

pub mod cache;
pub mod cause;
pub mod cli;
pub mod clock;
pub mod compile;
pub mod determinism;
pub mod diagnostic;
pub mod document;
mod explain;
mod finding;
pub mod format;
pub mod golden;
pub mod lint;
pub mod manifest;
pub mod merge;
pub mod native;
pub mod origin;
pub mod plan;
pub mod project;
pub mod report;
mod rules;
pub mod schema;
pub mod source;
pub mod starter;
pub mod table;
pub mod target;
pub mod template;
pub mod write;
