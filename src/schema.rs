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

/// The schema of what `--format json` prints for render, diff and check.
pub fn report() -> Schema {
    document::<crate::report::Document<'_>>()
}

/// The schema of a value that is printed as JSON.
pub(crate) fn document<T: schemars::JsonSchema>() -> Schema {
    schemars::generate::SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<T>()
}
