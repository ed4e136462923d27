//! The JSON Schemas that `docs/` holds: for editors of the TOML files, and for readers of the reports.

use schemars::Schema;

/// The schema of confwright.toml.
pub fn project() -> Schema {
    crate::document::schema::<crate::project::ProjectFile>()
}

/// The schema of target.toml.
pub fn target() -> Schema {
    crate::document::schema::<crate::target::TargetFile>()
}
