//! confwright compiles block templates and tables into complete configuration.
//!
//! The pipeline, a module a stage:
//!
//! ```text
//! arguments -> Project -> Tables + Targets -> Plan -> Artifacts -> Manifest -> Changes -> Report
//! ```

pub mod diagnostic;
pub mod format;
pub mod source;
pub mod table;
pub mod template;
