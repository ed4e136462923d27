//! What confwright.toml and target.toml say of a column, before it is resolved.

use schemars::JsonSchema;
use serde::Deserialize;

/// A column's declaration: the name of its type, or a table with its type and constraints.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ColumnSpec {
    /// Short for `{ type = "…" }`.
    Type(TypeName),
    /// The type with its constraints.
    Full(Box<ColumnFields>),
}

/// The types that a column can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(title = "column type")]
pub enum TypeName {
    /// Any text.
    #[default]
    String,
    /// Letters, digits, `.`, `_` and `-`.
    Name,
    /// A whole number of 64 bits.
    Int,
    /// A decimal number.
    Float,
    /// `true` or `false`.
    Bool,
    /// One of `values`.
    Enum,
    /// Several values of the type `of`, divided by `separator`.
    List,
    /// The key of a row of `table`.
    Ref,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address, printed as RFC 5952 says.
    Ipv6,
    /// An address of either family.
    Ip,
    /// A prefix: an address with a length, without host bits.
    Cidr,
    /// An address with its prefix length, host bits and all.
    Interface,
    /// A MAC address, printed in lower case with colons.
    Mac,
    /// A port, 1 to 65535.
    Port,
    /// A fully qualified domain name, printed in lower case, without the final dot.
    Fqdn,
    /// A host name of one or more labels.
    Hostname,
    /// A mail address.
    Email,
    /// An absolute URL.
    Url,
    /// An absolute path.
    Path,
    /// A number of bytes, with a unit.
    Size,
    /// A length of time, with units.
    Duration,
    /// A date, as ISO 8601 writes it.
    Date,
    /// A public key as OpenSSH writes it.
    SshPublicKey,
    /// The path of a certificate chain on the host.
    Cert,
}

/// A column's type and constraints.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ColumnFields {
    /// The type; `string` where it is not given.
    #[serde(default)]
    pub r#type: TypeName,
    /// No two rows have the same value.
    #[serde(default)]
    pub unique: bool,
    /// The cell may be empty; templates then have to guard it.
    #[serde(default)]
    pub optional: bool,
    /// The value of an empty cell.
    #[schemars(with = "Option<serde_json::Value>")]
    pub default: Option<toml::Value>,
    /// The least value, or the least number of characters or entries.
    #[schemars(with = "Option<serde_json::Value>")]
    pub min: Option<toml::Value>,
    /// The greatest value, or the greatest number of characters or entries.
    #[schemars(with = "Option<serde_json::Value>")]
    pub max: Option<toml::Value>,
    /// A regular expression that the whole value matches.
    pub pattern: Option<String>,
    /// A prefix, or several, in which the address lies.
    pub within: Option<OneOrMany>,
    /// The values that are allowed.
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    pub values: Option<Vec<toml::Value>>,
    /// The type of a list's entries, with their constraints.
    pub of: Option<Box<ColumnSpec>>,
    /// What divides a list's entries in a cell; white space where it is not given.
    pub separator: Option<String>,
    /// The table that a `ref` refers to.
    pub table: Option<String>,
    /// A folder of the project with the public certificates, which the checks of a `cert` read. One is looked up by
    /// the longest end of its path that names a file there, and by at least as much as tells it from the others:
    /// `pki/mx01/fullchain.pem` for `/etc/ssl/mx01/fullchain.pem`, or `pki/fullchain.pem` where no other has that name.
    /// It has to be a readable chain; whether it fits a name, and whether it is still valid, is not checked.
    pub local: Option<String>,
    /// A Tera expression that computes the value from `row` and `values`; the column is then in no source.
    pub expr: Option<String>,
}

/// One text or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl ColumnSpec {
    /// The same with other names for the tables that it refers to.
    pub fn with_tables<'a>(&'a self, name: impl Fn(&'a str) -> &'a str + Copy) -> Self {
        match self {
            Self::Type(_) => self.clone(),
            Self::Full(fields) => Self::Full(Box::new(ColumnFields {
                table: fields.table.as_deref().map(|table| name(table).to_owned()),
                of: fields.of.as_deref().map(|of| Box::new(of.with_tables(name))),
                ..(**fields).clone()
            })),
        }
    }

    /// All fields, where the short form has only the type.
    pub fn fields(&self) -> ColumnFields {
        match self {
            Self::Type(r#type) => ColumnFields { r#type: *r#type, ..ColumnFields::default() },
            Self::Full(fields) => (**fields).clone(),
        }
    }
}
