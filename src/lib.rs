//! confwright compiles block templates and tables into complete configuration.
//!
//! The pipeline, a module a stage:
//!
//! ```text
//! arguments -> Project -> Tables + Targets -> Plan -> Artifacts -> Manifest -> Changes -> Report
//! ```

pub mod diagnostic;
pub mod document;
pub mod project;
pub mod report;
pub mod schema;
pub mod source;
pub mod table;
pub mod target;
pub mod template;
