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

/// The schema of what `--format json` prints for list.
pub fn list() -> Schema {
    document::<crate::cli::ListDocument>()
}

/// The schema of what `--format json` prints for lint.
pub fn lint() -> Schema {
    document::<crate::cli::LintDocument<'_>>()
}

/// The schema of what `--format json` prints for explain.
pub fn explain() -> Schema {
    document::<crate::cli::ExplainDocument<'_>>()
}

/// The schema of what `--format json` prints for new.
pub fn new() -> Schema {
    document::<crate::cli::NewDocument>()
}

/// The schema of what `--format json` prints for trust.
pub fn trust() -> Schema {
    document::<crate::cli::TrustDocument<'_>>()
}

/// The schema of a value that is printed as JSON.
pub(crate) fn document<T: schemars::JsonSchema>() -> Schema {
    schemars::generate::SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<T>()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    /// The properties without a description, by their JSON pointers.
    fn undescribed(value: &Value, pointer: &str, into: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            let bare = properties.iter().filter(|(_, schema)| schema.get("description").is_none());
            into.extend(bare.map(|(name, _)| format!("{pointer}/{name}")));
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            undescribed(value, &format!("{pointer}/{name}"), into);
        }
    }

    #[test]
    fn every_key_is_described() {
        for schema in [
            super::project(),
            super::target(),
            super::report(),
            super::list(),
            super::explain(),
            super::lint(),
            super::new(),
            super::trust(),
        ] {
            let mut bare = Vec::new();
            undescribed(schema.as_value(), "", &mut bare);
            assert_eq!(bare, Vec::<String>::new());
        }
        let required = |schema: schemars::Schema, pointer: &str| {
            let names = schema.as_value().pointer(pointer).cloned();
            serde_json::from_value::<Vec<String>>(names.unwrap_or_default()).unwrap()
        };
        assert_eq!(required(super::target(), "/required"), ["stage"]);
        let rule = required(super::project(), "/definitions/RuleSection/required");
        assert_eq!(rule, ["assert"]);
    }
}
