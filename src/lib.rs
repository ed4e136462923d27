//! confwright compiles block templates and tables into complete configuration.
//!
//! The pipeline, a module a stage:
//!
//! ```text
//! arguments -> Project -> Tables + Targets -> Plan -> Artifacts -> Manifest -> Changes -> Report
//! ```

pub mod cli;
pub mod clock;
pub mod compile;
pub mod determinism;
pub mod diagnostic;
pub mod document;
pub mod format;
pub mod golden;
pub mod manifest;
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
