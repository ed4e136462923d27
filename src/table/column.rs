//! A column: its type and constraints, resolved from what TOML says, and what a cell of it may hold.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::mem::discriminant;
use std::sync::{Mutex, PoisonError};

use ipnet::IpNet;
use regex::Regex;

use super::plain;
use super::read::{Cell, Raw};
use super::spec::{ColumnFields, ColumnSpec, OneOrMany, TypeName};
use super::types::{self, Fault, Measure};
use super::value::{Value, shown};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, code};
use crate::format::mark;
use crate::source::Span;

/// A column with its type and constraints.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name; an entry of a list has the name of the list's column.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
    /// Whether no two rows may have the same value.
    pub unique: bool,
    /// Whether a cell may be empty, which makes the value absent.
    pub optional: bool,
    /// The value of an empty cell. Of a `ref` it is the key, not the row.
    pub default: Option<Value>,
    /// The expression that computes the value; the column is then in no source.
    pub expr: Option<String>,
    /// Where it is declared, or required by a target; nothing where the source's header is all there is.
    pub span: Option<Span>,
    limits: Limits,
    /// What targets require of its values beyond that.
    required: Vec<Column>,
}

/// What a column's cells are.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "TypeName describes each; these carry what belongs to it")]
pub enum ColumnType {
    String,
    Name,
    Int,
    Float,
    Bool,
    /// The values that are allowed, in their order.
    Enum(Vec<String>),
    /// Entries, each as `of` says; divided by `separator`, or by white space.
    List {
        of: Box<Column>,
        separator: Option<String>,
    },
    /// The table that it refers to.
    Ref(String),
    Ipv4,
    Ipv6,
    Ip,
    Cidr,
    Interface,
    Mac,
    Port,
    Fqdn,
    Hostname,
    Email,
    Url,
    Path,
    Size,
    Duration,
    Date,
    SshPublicKey,
    /// The folder of the project with the public certificates, where there is one.
    Cert {
        local: Option<String>,
    },
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "string",
            Self::Name => "name",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Enum(_) => "enum",
            Self::List { of, .. } => return write!(f, "list of {}", of.ty),
            Self::Ref(table) => return write!(f, "ref to {table}"),
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Ip => "ip",
            Self::Cidr => "cidr",
            Self::Interface => "interface",
            Self::Mac => "mac",
            Self::Port => "port",
            Self::Fqdn => "fqdn",
            Self::Hostname => "hostname",
            Self::Email => "email",
            Self::Url => "url",
            Self::Path => "path",
            Self::Size => "size",
            Self::Duration => "duration",
            Self::Date => "date",
            Self::SshPublicKey => "ssh-public-key",
            Self::Cert { .. } => "cert",
        })
    }
}

impl ColumnType {
    /// Whether a column of this type does where `required` is asked for: the same type, `ipv4` and `ipv6` for
    /// `ip`, `fqdn` for `hostname`, fewer values of an `enum`, and for `string` all that prints as it is.
    pub fn fits(&self, required: &Self) -> bool {
        match (self, required) {
            (Self::List { of: entry, .. }, Self::List { of: wanted, .. }) => entry.ty.fits(&wanted.ty),
            (Self::Ref(table), Self::Ref(wanted)) => table == wanted,
            // A list or a row does not print.
            (Self::List { .. } | Self::Ref(_), _) => false,
            (_, Self::String) | (Self::Ipv4 | Self::Ipv6, Self::Ip) | (Self::Fqdn, Self::Hostname) => true,
            (Self::Enum(values), Self::Enum(wanted)) => values.iter().all(|value| wanted.contains(value)),
            _ => discriminant(self) == discriminant(required),
        }
    }

    /// The table that cells refer to, in a list or not.
    pub fn refers_to(&self) -> Option<&str> {
        match self {
            Self::Ref(table) => Some(table),
            Self::List { of, .. } => of.ty.refers_to(),
            _ => None,
        }
    }

    /// What tells at first sight that a text is a value, and the only spelling of it, whatever the constraints.
    fn plain(&self) -> fn(&str) -> bool {
        match self {
            Self::String | Self::Ref(_) => plain::is_text,
            Self::Bool => |text| matches!(text, "true" | "false"),
            Self::Name => plain::is_name,
            Self::Int => plain::is_int,
            Self::Port => plain::is_port,
            Self::Ipv4 | Self::Ip => plain::is_ipv4,
            Self::Fqdn => plain::is_fqdn,
            Self::Hostname => plain::is_hostname,
            Self::Email => plain::is_email,
            Self::Path | Self::Cert { .. } => plain::is_path,
            Self::Date => plain::is_date,
            _ => |_| false,
        }
    }

    /// Whether its values are text.
    pub(super) fn is_text(&self) -> bool {
        !matches!(self, Self::Int | Self::Float | Self::Bool | Self::Port | Self::List { .. })
    }

    /// The folder with the public certificates that cells name, in a list or not.
    pub(crate) fn certificates(&self) -> Option<&str> {
        match self {
            Self::Cert { local } => local.as_deref(),
            Self::List { of, .. } => of.ty.certificates(),
            _ => None,
        }
    }

    /// Whether cells name certificates that nothing checks.
    pub fn is_unchecked(&self) -> bool {
        match self {
            Self::Cert { local } => local.is_none(),
            Self::List { of, .. } => of.ty.is_unchecked(),
            _ => false,
        }
    }

    fn parser(&self) -> Option<fn(&str) -> types::Parsed> {
        Some(match self {
            Self::String | Self::Ref(_) => types::string,
            Self::Name => types::name,
            Self::Int => types::int,
            Self::Float => types::float,
            Self::Bool => types::bool,
            Self::Ipv4 => types::ipv4,
            Self::Ipv6 => types::ipv6,
            Self::Ip => types::ip,
            Self::Cidr => types::cidr,
            Self::Interface => types::interface,
            Self::Mac => types::mac,
            Self::Port => types::port,
            Self::Fqdn => types::fqdn,
            Self::Hostname => types::hostname,
            Self::Email => types::email,
            Self::Url => types::url,
            Self::Path | Self::Cert { .. } => types::path,
            Self::Size => types::size,
            Self::Duration => types::duration,
            Self::Date => types::date,
            Self::SshPublicKey => types::ssh_public_key,
            // These need more than the text.
            Self::Enum(_) | Self::List { .. } => return None,
        })
    }

    /// What `min` and `max` compare, and how messages call its unit; nothing for a type without an order.
    fn measure(&self, value: &Value) -> Option<(Measure, Unit)> {
        let text = value.text();
        Some(match (self, value) {
            (_, Value::Int(int)) => (Measure::Whole((*int).into()), None),
            (_, Value::Float(float)) => (Measure::Real(*float), None),
            (Self::Size, _) => (types::measure_size(&text)?, None),
            (Self::Duration, _) => (types::measure_duration(&text)?, None),
            (Self::Date, _) => (types::measure_date(&text)?, None),
            (Self::List { .. }, Value::List(entries)) => {
                (Measure::Whole(count(entries.len())), Some(("entry", "entries")))
            }
            _ if self.is_words() => {
                (Measure::Whole(count(text.chars().count())), Some(("character", "characters")))
            }
            _ => return None,
        })
    }

    /// Whether `min` and `max` count characters.
    fn is_words(&self) -> bool {
        matches!(
            self,
            Self::String
                | Self::Name
                | Self::Fqdn
                | Self::Hostname
                | Self::Email
                | Self::Url
                | Self::Path
                | Self::Cert { .. }
        )
    }

    /// Whether formats that know numbers and truth values write its values as these.
    fn has_literals(&self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Port | Self::Bool)
    }

    fn is_ordered(&self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Port | Self::Size | Self::Duration | Self::Date)
    }

    fn is_address(&self) -> bool {
        matches!(self, Self::Ipv4 | Self::Ipv6 | Self::Ip | Self::Cidr | Self::Interface)
    }
}

/// What `min` and `max` count, in the singular and in the plural; nothing where the value is a number itself.
type Unit = Option<(&'static str, &'static str)>;

fn with_unit(number: &str, unit: Unit) -> String {
    match unit {
        None => number.to_owned(),
        Some((one, _)) if number == "1" => format!("1 {one}"),
        Some((_, many)) => format!("{number} {many}"),
    }
}

fn count(number: usize) -> i128 {
    // A count of things in memory is far below the maximum.
    i128::try_from(number).unwrap_or(i128::MAX)
}

/// The constraints that look at one value.
#[derive(Debug, Clone, Default)]
struct Limits {
    min: Option<Bound>,
    max: Option<Bound>,
    pattern: Option<Regex>,
    within: Vec<IpNet>,
    values: Option<Vec<Value>>,
}

impl Limits {
    fn is_some(&self) -> bool {
        let Self { min, max, pattern, within, values } = self;
        min.is_some() || max.is_some() || pattern.is_some() || !within.is_empty() || values.is_some()
    }
}

#[derive(Debug, Clone)]
struct Bound {
    measure: Measure,
    /// As it is printed in messages.
    text: String,
}

impl Column {
    /// A column of text, as an undeclared one is.
    pub fn string(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ty: ColumnType::String,
            unique: false,
            optional: false,
            default: None,
            expr: None,
            span: None,
            limits: Limits::default(),
            required: Vec::new(),
        }
    }

    /// Holds its values against the constraints of a target too, where it is of a type that the target takes.
    pub(super) fn require(&mut self, wanted: Column) {
        self.unique |= wanted.unique;
        let is_limited = |column: &Self| match &column.ty {
            ColumnType::List { of, .. } => column.limits.is_some() || of.limits.is_some(),
            _ => column.limits.is_some(),
        };
        if is_limited(&wanted) && self.ty.fits(&wanted.ty) {
            self.required.push(wanted);
        }
    }

    /// Resolves a declaration; what makes no sense is reported at `span` and left out.
    pub fn resolve(name: &str, spec: &ColumnSpec, span: Option<Span>, diagnostics: &mut Diagnostics) -> Self {
        let fields = spec.fields();
        let mut resolver = Resolver { name, span, diagnostics };
        let known = resolver.diagnostics.len();
        let ty = resolver.ty(&fields);
        let is_wrong = resolver.diagnostics.len() > known;
        let mut column = Self {
            ty,
            unique: fields.unique,
            optional: fields.optional,
            expr: fields.expr.clone(),
            span,
            ..Self::string(name)
        };
        resolver.strays(&fields);
        column.limits = resolver.limits(&column, &fields);
        if let Some(default) = &fields.default {
            match column.parse_toml(default) {
                Ok(value) => column.default = Some(value),
                Err(fault) => {
                    resolver.fault("default", fault);
                    // It is reported: that its cells are empty is no further mistake.
                    column.default = Some(Value::Absent);
                }
            }
        }
        if is_wrong {
            // Nor is it one where the type is wrong.
            column.default.get_or_insert(Value::Absent);
        }
        column
    }

    /// Reads the text of a cell that is not empty.
    pub fn parse(&self, text: &str) -> Result<Value, Fault> {
        self.read(&Raw::Plain(Cow::Borrowed(text)))
    }

    /// Reads a value of a TOML file by the rules for a cell; an empty string is the empty text.
    pub fn parse_toml(&self, value: &toml::Value) -> Result<Value, Fault> {
        self.read(&raw(value))
    }

    /// The value of an empty cell.
    pub fn empty(&self) -> Result<Value, Fault> {
        match &self.default {
            Some(default) => {
                if *default != Value::Absent {
                    self.meet(default, &|| default.text().into_owned())?;
                }
                Ok(default.clone())
            }
            None if self.optional => Ok(Value::Absent),
            None => Err(Fault::new(&code::TABLE_EMPTY, format!("the column `{}` needs a value", self.name))
                .hint("fill the cell, or declare the column `optional` or give it a `default`")),
        }
    }

    /// The place of the fault in a list of the source is in the second part.
    pub(super) fn read_cell(&self, cell: &Cell<'_>) -> Result<Value, (Fault, std::ops::Range<usize>)> {
        if let (Raw::List(entries), ColumnType::List { of, .. }) = (&cell.raw, &self.ty) {
            let values = entries.iter().map(|entry| of.read_cell(entry)).collect::<Result<_, _>>()?;
            let value = Value::List(values);
            return match self.check(&value, &|| value.text().into_owned()) {
                Ok(()) => Ok(value),
                Err(fault) => Err((fault, cell.range.clone())),
            };
        }
        self.read(&cell.raw).map_err(|fault| (fault, cell.range.clone()))
    }

    fn read(&self, raw: &Raw<'_>) -> Result<Value, Fault> {
        let text: &str = match raw {
            Raw::Empty => return self.empty(),
            Raw::Bool(bool) if matches!(self.ty, ColumnType::Bool) => return Ok(Value::Bool(*bool)),
            Raw::Bool(bool) => {
                return Err(Fault::wrong(
                    &bool.to_string(),
                    &format!("{}: it is a truth value", self.expected()),
                )
                .hint("put quotes around it if it is meant as text"));
            }
            Raw::List(entries) => {
                let ColumnType::List { of, .. } = &self.ty else {
                    let message = format!("a list is not {}", self.expected());
                    return Err(Fault::new(&code::TABLE_TYPE, message));
                };
                let values: Result<_, _> = entries.iter().map(|entry| of.read(&entry.raw)).collect();
                let value = Value::List(values?);
                self.check(&value, &|| value.text().into_owned())?;
                return Ok(value);
            }
            Raw::Map => {
                let message = format!("an object is not {}", self.expected());
                return Err(Fault::new(&code::TABLE_TYPE, message));
            }
            Raw::Text(text) if self.ty.has_literals() => {
                let fault = Fault::wrong(text, &format!("{}: it is text", self.expected()));
                return Err(match self.parse(text) {
                    Ok(_) => fault.hint(format!("leave out the quotes: {text}")),
                    Err(other) => Fault { hint: other.hint, ..fault },
                });
            }
            Raw::Plain(text) | Raw::Text(text) | Raw::Number(text) => text,
        };
        self.refuse_controls(text)?;
        let value = self.convert(text).map_err(|fault| match types::trimmed(text) {
            Some(bare) if self.convert(&bare).is_ok() => fault.hint("remove the white space around it"),
            _ if !text.is_empty() && text.trim().is_empty() => {
                fault.hint("the cell holds nothing but white space; remove it")
            }
            _ => fault,
        })?;
        self.check(&value, &|| text.to_owned()).map_err(|fault| {
            let bare = types::trimmed(text).and_then(|bare| self.convert(&bare).ok());
            match bare.filter(|bare| self.check(bare, &String::new).is_ok()) {
                Some(_) => fault.hint("remove the white space around it"),
                None => fault,
            }
        })?;
        Ok(value)
    }

    /// A line break or another control character would change the structure of the file that it is printed to.
    fn refuse_controls(&self, text: &str) -> Result<(), Fault> {
        if plain::all(text.as_bytes(), |b| matches!(b, b' '..=b'~')) {
            return Ok(());
        }
        if let Some(reserved) = text.chars().find(|c| mark::is_reserved(*c)) {
            let message = format!("{} has the noncharacter U+{:04X} in it", shown(text), u32::from(reserved));
            return Err(Fault::new(&code::TABLE_TYPE, message).hint("remove it: no text has a use for it"));
        }
        let is_text = match &self.ty {
            ColumnType::List { of, .. } => matches!(of.ty, ColumnType::String),
            ty => matches!(ty, ColumnType::String),
        };
        let found = text.chars().find(|c| if is_text { *c == '\0' } else { c.is_control() });
        let Some(found) = found else { return Ok(()) };
        Err(match found {
            '\0' => Fault::new(&code::TABLE_SYNTAX, "this cell has a NUL character in it")
                .hint("remove it; no text file holds one"),
            '\n' | '\r' => Fault::new(&code::TABLE_TYPE, format!("{} has a line break in it", shown(text)))
                .hint("only the type `string` takes line breaks"),
            _ => Fault::new(&code::TABLE_TYPE, format!("{} has a control character in it", shown(text)))
                .hint("only the type `string` takes control characters"),
        })
    }

    /// The value of a text, whatever the constraints.
    pub(super) fn convert(&self, text: &str) -> Result<Value, Fault> {
        match &self.ty {
            ColumnType::Enum(values) if values.iter().any(|value| value == text) => {
                Ok(Value::Text(text.into()))
            }
            ColumnType::Enum(values) => {
                let names = values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
                let fault = Fault::wrong(text, "one of the column's values");
                Err(match crate::diagnostic::nearest(text, values.iter().map(String::as_str)) {
                    Some(near) => fault.hint(format!("did you mean `{near}`?")),
                    None => fault.hint(format!("the values are {names}")),
                })
            }
            ColumnType::List { of, separator } => {
                let entries: Vec<&str> = match separator {
                    None => text.split_whitespace().collect(),
                    Some(separator) => text.split(separator.as_str()).map(str::trim).collect(),
                };
                if entries.is_empty() || entries.contains(&"") {
                    let fault = Fault::wrong(text, "a list: an entry is empty");
                    return Err(fault.hint("leave the cell empty where there are no entries"));
                }
                let entries: Result<_, Fault> = entries.into_iter().map(|entry| of.parse(entry)).collect();
                entries.map(Value::List).map_err(|fault| {
                    match of.other_separator(separator.as_deref(), text) {
                        Some(hint) => fault.hint(hint),
                        None => fault,
                    }
                })
            }
            ty => match ty.parser() {
                Some(parse) => parse(text),
                None => types::string(text),
            },
        }
    }

    /// What to say of a list whose entries, of this column, another separator divides than the declared one.
    fn other_separator(&self, separator: Option<&str>, text: &str) -> Option<String> {
        let other = [",", ";", "|"].into_iter().filter(|other| Some(*other) != separator).find(|other| {
            text.contains(other) && text.split(other).all(|entry| self.parse(entry.trim()).is_ok())
        })?;
        let given = separator.map_or_else(|| "white space".to_owned(), |separator| format!("`{separator}`"));
        Some(format!("entries are divided by {given}; or declare `separator = \"{other}\"`"))
    }

    /// What a cell of the column is, with its article.
    fn expected(&self) -> &'static str {
        match self.ty {
            ColumnType::String | ColumnType::Enum(_) => "text",
            ColumnType::Name => "a name",
            ColumnType::Int => "a whole number",
            ColumnType::Float => "a decimal number",
            ColumnType::Bool => "a truth value",
            ColumnType::List { .. } => "a list",
            ColumnType::Ref(_) => "a key",
            ColumnType::Ipv4 => "an IPv4 address",
            ColumnType::Ipv6 => "an IPv6 address",
            ColumnType::Ip => "an IP address",
            ColumnType::Cidr => "a prefix",
            ColumnType::Interface => "an address with a prefix length",
            ColumnType::Mac => "a MAC address",
            ColumnType::Port => "a port",
            ColumnType::Fqdn => "a fully qualified domain name",
            ColumnType::Hostname => "a host name",
            ColumnType::Email => "a mail address",
            ColumnType::Url => "a URL",
            ColumnType::Path | ColumnType::Cert { .. } => "an absolute path",
            ColumnType::Size => "a size",
            ColumnType::Duration => "a duration",
            ColumnType::Date => "a date",
            ColumnType::SshPublicKey => "an SSH public key",
        }
    }

    /// What tells at first sight that the text of a cell is a value, and the only spelling of it. What it does not take
    /// may be one all the same.
    pub(super) fn plain(&self) -> fn(&str) -> bool {
        if self.limits.is_some() || !self.required.is_empty() { |_| false } else { self.ty.plain() }
    }

    /// Whether the text of a cell is a value, and the only spelling of it, as far as can be told without making the value.
    pub(super) fn is_canonical(&self, text: &str) -> bool {
        let is_value = match &self.ty {
            ColumnType::String | ColumnType::Ref(_) => self.refuse_controls(text).is_ok(),
            ColumnType::Enum(values) => {
                values.iter().any(|value| value == text) && self.refuse_controls(text).is_ok()
            }
            ty => ty.plain()(text),
        };
        // An empty cell is none of these.
        is_value
            && !text.is_empty()
            && self.is_within_limits(text)
            && self.required.iter().all(|wanted| wanted.is_within_limits(text))
    }

    /// Whether a canonical text meets the constraints beyond doubt.
    fn is_within_limits(&self, text: &str) -> bool {
        let Limits { min, max, pattern, within, values } = &self.limits;
        if min.is_some() || max.is_some() {
            let measure = match &self.ty {
                ColumnType::Int | ColumnType::Port => text.parse().ok().map(Measure::Whole),
                ty if ty.is_words() => Some(Measure::Whole(count(text.chars().count()))),
                _ => None,
            };
            let Some(measure) = measure else { return false };
            let inside = min.as_ref().is_none_or(|min| measure >= min.measure)
                && max.as_ref().is_none_or(|max| measure <= max.measure);
            if !inside {
                return false;
            }
        }
        pattern.as_ref().is_none_or(|pattern| pattern.is_match(text)) && within.is_empty() && values.is_none()
    }

    /// Holds a value against the constraints. `written` is how the source writes it.
    fn check(&self, value: &Value, written: &dyn Fn() -> String) -> Result<(), Fault> {
        let Limits { min, max, pattern, within, values } = &self.limits;
        let fault =
            |rest: String| Err(Fault::new(&code::TABLE_CONSTRAINT, format!("{} {rest}", shown(&written()))));
        if min.is_some() || max.is_some() {
            let Some((measure, unit)) = self.ty.measure(value) else { return Ok(()) };
            let found = || match measure {
                Measure::Whole(number) if unit.is_some() => {
                    format!("has {}, ", with_unit(&number.to_string(), unit))
                }
                _ => "is ".to_owned(),
            };
            if let Some(min) = min
                && measure < min.measure
            {
                return fault(format!("{}less than the `min` of {}", found(), with_unit(&min.text, unit)));
            }
            if let Some(max) = max
                && measure > max.measure
            {
                return fault(format!("{}more than the `max` of {}", found(), with_unit(&max.text, unit)));
            }
        }
        if let Some(pattern) = pattern
            && !pattern.is_match(&value.text())
        {
            return fault(format!("does not match the pattern of the column `{}`", self.name));
        }
        if !within.is_empty()
            && let Some(net) = types::network(&value.text())
        {
            let inside = |outer: &IpNet| match self.ty {
                // What counts is the address, not the network that it is in.
                ColumnType::Interface => outer.contains(&net.addr()),
                _ => outer.contains(&net),
            };
            if !within.iter().any(inside) {
                let nets = within.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", ");
                return fault(format!("is not within {nets}"));
            }
        }
        if let Some(values) = values
            && !values.contains(value)
        {
            let names =
                values.iter().map(|value| format!("`{}`", value.text())).collect::<Vec<_>>().join(", ");
            return fault(format!("is not one of {names}"));
        }
        self.meet(value, written)
    }

    /// Holds a value against the constraints of targets.
    fn meet(&self, value: &Value, written: &dyn Fn() -> String) -> Result<(), Fault> {
        for wanted in &self.required {
            let entries = match (&wanted.ty, value) {
                (ColumnType::List { of, .. }, Value::List(entries)) => entries
                    .iter()
                    .filter(|entry| **entry != Value::Absent)
                    .try_for_each(|entry| of.check(entry, &|| entry.text().into_owned())),
                _ => Ok(()),
            };
            let met = entries.and_then(|()| wanted.check(value, written));
            met.map_err(|fault| Fault { required: wanted.span, ..fault })?;
        }
        Ok(())
    }
}

/// A value of TOML as a cell of a source would have it.
fn raw(value: &toml::Value) -> Raw<'_> {
    match value {
        toml::Value::String(text) => Raw::Text(Cow::Borrowed(text)),
        toml::Value::Integer(int) => Raw::Number(Cow::Owned(int.to_string())),
        toml::Value::Float(float) => Raw::Number(Cow::Owned(format!("{float:?}"))),
        toml::Value::Boolean(bool) => Raw::Bool(*bool),
        toml::Value::Datetime(date) => Raw::Number(Cow::Owned(date.to_string())),
        toml::Value::Array(entries) => {
            Raw::List(entries.iter().map(|entry| Cell { raw: raw(entry), range: 0..0 }).collect())
        }
        toml::Value::Table(_) => Raw::Map,
    }
}

/// Turns fields into a type and limits, and reports what does not go together.
struct Resolver<'a> {
    name: &'a str,
    span: Option<Span>,
    diagnostics: &'a mut Diagnostics,
}

impl Resolver<'_> {
    fn report(&mut self, message: String, label: &str, hint: Option<String>) {
        let code: &'static Code = &code::PROJECT_VALUE;
        let mut diagnostic = Diagnostic::error(code, message);
        if let Some(span) = self.span {
            diagnostic = diagnostic.at(span, label);
        }
        diagnostic.hints.extend(hint);
        self.diagnostics.push(diagnostic);
    }

    fn fault(&mut self, key: &str, fault: Fault) {
        let message = format!("the `{key}` of the column `{}` does not fit: {}", self.name, fault.message);
        self.report(message, &format!("the column with this `{key}`"), fault.hint);
    }

    fn ty(&mut self, fields: &ColumnFields) -> ColumnType {
        let name = self.name;
        match fields.r#type {
            TypeName::String => ColumnType::String,
            TypeName::Name => ColumnType::Name,
            TypeName::Int => ColumnType::Int,
            TypeName::Float => ColumnType::Float,
            TypeName::Bool => ColumnType::Bool,
            TypeName::Enum => match self.enum_values(fields) {
                Some(values) => ColumnType::Enum(values),
                None => ColumnType::String,
            },
            TypeName::List => self.list(fields),
            TypeName::Ref => {
                if let Some(table) = &fields.table {
                    return ColumnType::Ref(table.clone());
                }
                self.report(
                    format!("the column `{name}` is a `ref`, but there is no `table`"),
                    "this column",
                    Some("say which table it refers to: { type = \"ref\", table = \"…\" }".to_owned()),
                );
                // A table of no name: nothing more is said of what its rows are used for.
                ColumnType::Ref(String::new())
            }
            TypeName::Ipv4 => ColumnType::Ipv4,
            TypeName::Ipv6 => ColumnType::Ipv6,
            TypeName::Ip => ColumnType::Ip,
            TypeName::Cidr => ColumnType::Cidr,
            TypeName::Interface => ColumnType::Interface,
            TypeName::Mac => ColumnType::Mac,
            TypeName::Port => ColumnType::Port,
            TypeName::Fqdn => ColumnType::Fqdn,
            TypeName::Hostname => ColumnType::Hostname,
            TypeName::Email => ColumnType::Email,
            TypeName::Url => ColumnType::Url,
            TypeName::Path => ColumnType::Path,
            TypeName::Size => ColumnType::Size,
            TypeName::Duration => ColumnType::Duration,
            TypeName::Date => ColumnType::Date,
            TypeName::SshPublicKey => ColumnType::SshPublicKey,
            TypeName::Cert => ColumnType::Cert { local: fields.local.clone() },
        }
    }

    fn enum_values(&mut self, fields: &ColumnFields) -> Option<Vec<String>> {
        let name = self.name;
        let Some(values) = fields.values.as_ref().filter(|values| !values.is_empty()) else {
            self.report(
                format!("the column `{name}` is an `enum`, but there are no `values`"),
                "this column",
                Some("list them: { type = \"enum\", values = [\"…\", \"…\"] }".to_owned()),
            );
            return None;
        };
        let text = Column::string(name);
        let mut texts: Vec<String> = Vec::new();
        for value in values {
            match text.parse_toml(value) {
                Ok(value) if texts.iter().any(|known| *known == value.text()) => {
                    let message =
                        format!("`{}` is twice in the `values` of the column `{name}`", value.text());
                    self.report(message, "this column", None);
                }
                Ok(value) => texts.push(value.text().into_owned()),
                Err(fault) => self.fault("values", fault),
            }
        }
        Some(texts)
    }

    fn list(&mut self, fields: &ColumnFields) -> ColumnType {
        let mut of = match &fields.of {
            None => Column::string(self.name),
            Some(spec) => {
                let entry = spec.fields();
                let strays = [
                    ("unique", entry.unique),
                    ("optional", entry.optional),
                    ("default", entry.default.is_some()),
                    ("expr", entry.expr.is_some()),
                ];
                for (key, _) in strays.iter().filter(|(_, given)| *given) {
                    let message =
                        format!("`{key}` has no meaning for the entries of the list `{}`", self.name);
                    self.report(
                        message,
                        "this column",
                        Some(format!("put `{key}` beside `of`, or leave it out")),
                    );
                }
                Column::resolve(self.name, spec, self.span, self.diagnostics)
            }
        };
        if let ColumnType::List { .. } = of.ty {
            let message = format!("the column `{}` is a list of lists", self.name);
            self.report(message, "this column", Some("make another table of it".to_owned()));
            of.ty = ColumnType::String;
        }
        if fields.separator.as_deref() == Some("") {
            self.report(
                format!("the `separator` of the column `{}` is empty", self.name),
                "this column",
                None,
            );
        }
        let separator = fields.separator.clone().filter(|separator| !separator.trim().is_empty());
        ColumnType::List { of: Box::new(of), separator }
    }

    /// Reports the keys that have no meaning for the type.
    fn strays(&mut self, fields: &ColumnFields) {
        let only = |key, given: bool, fits: bool, home: &'static str| (given && !fits).then_some((key, home));
        let is = |ty: TypeName| fields.r#type == ty;
        let strays = [
            only("of", fields.of.is_some(), is(TypeName::List), "list"),
            only("separator", fields.separator.is_some(), is(TypeName::List), "list"),
            only("table", fields.table.is_some(), is(TypeName::Ref), "ref"),
            only("local", fields.local.is_some(), is(TypeName::Cert), "cert"),
        ];
        for (key, home) in strays.into_iter().flatten() {
            let message = format!("`{key}` has no meaning for the column `{}`", self.name);
            self.report(message, "this column", Some(format!("`{key}` belongs to the type `{home}`")));
        }
    }

    fn limits(&mut self, column: &Column, fields: &ColumnFields) -> Limits {
        let ty = &column.ty;
        let composite = matches!(ty, ColumnType::List { .. } | ColumnType::Ref(_));
        let mut limits = Limits::default();
        let counted = ty.is_words() || matches!(ty, ColumnType::List { .. });
        limits.min = fields.min.as_ref().and_then(|min| self.bound("min", column, min, counted));
        limits.max = fields.max.as_ref().and_then(|max| self.bound("max", column, max, counted));
        if let (Some(min), Some(max)) = (&limits.min, &limits.max)
            && min.measure > max.measure
        {
            let message = format!("the `min` of the column `{}` is above its `max`", self.name);
            self.report(message, "no value lies between them", None);
            (limits.min, limits.max) = (None, None);
        }
        match &fields.pattern {
            Some(_) if composite => self.stray("pattern", ty),
            Some(pattern) => match compiled(pattern) {
                Ok(regex) => limits.pattern = Some(regex),
                Err(error) => {
                    let reason = error.to_string();
                    let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    let message =
                        format!("the `pattern` of the column `{}` is no regular expression", self.name);
                    self.report(message, reason, None);
                }
            },
            None => {}
        }
        match &fields.within {
            Some(_) if !ty.is_address() => self.stray("within", ty),
            Some(within) => {
                let prefixes = match within {
                    OneOrMany::One(prefix) => std::slice::from_ref(prefix),
                    OneOrMany::Many(prefixes) => prefixes,
                };
                for prefix in prefixes {
                    match types::cidr(prefix) {
                        Ok(value) => limits.within.extend(types::network(&value.text())),
                        Err(fault) => self.fault("within", fault),
                    }
                }
            }
            None => {}
        }
        match &fields.values {
            Some(_) if composite || matches!(ty, ColumnType::Bool) => self.stray("values", ty),
            Some(values) if !matches!(ty, ColumnType::Enum(_)) => {
                let parsed = values.iter().filter_map(|value| match column.parse_toml(value) {
                    Ok(value) => Some(value),
                    Err(fault) => {
                        self.fault("values", fault);
                        None
                    }
                });
                limits.values = Some(parsed.collect());
            }
            _ => {}
        }
        limits
    }

    fn stray(&mut self, key: &str, ty: &ColumnType) {
        let message = format!("`{key}` has no meaning for the column `{}` of the type `{ty}`", self.name);
        let hint = matches!(ty, ColumnType::List { .. }).then(|| format!("put `{key}` into `of`"));
        self.report(message, "this column", hint);
    }

    /// A bound of a type without an order is a stray; one that counts characters or entries is a number.
    fn bound(&mut self, key: &str, column: &Column, value: &toml::Value, counted: bool) -> Option<Bound> {
        if !counted && !column.ty.is_ordered() {
            self.stray(key, &column.ty);
            return None;
        }
        let text = raw(value);
        let parsed = if counted {
            Column { ty: ColumnType::Int, ..Column::string(self.name) }.read(&text)
        } else {
            column.read(&text)
        };
        match parsed {
            Ok(bound) => {
                let (measure, _) = column.ty.measure(&bound).or_else(|| ColumnType::Int.measure(&bound))?;
                Some(Bound { measure, text: bound.text().into_owned() })
            }
            Err(fault) => {
                self.fault(key, fault);
                None
            }
        }
    }
}

/// The regular expression that the whole of a value has to match.
fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    // A column is resolved for each environment and each target that requires it, and compiling is slow.
    static COMPILED: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = compiled.get(pattern) {
        return Ok(regex.clone());
    }
    let regex = Regex::new(&format!(r"\A(?:{pattern})\z"))?;
    compiled.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn spec(declaration: &str) -> ColumnSpec {
        #[derive(serde::Deserialize)]
        struct Holder {
            x: ColumnSpec,
        }
        toml::from_str::<Holder>(&format!("x = {declaration}")).unwrap().x
    }

    #[track_caller]
    fn column(declaration: &str) -> Column {
        let mut diagnostics = Diagnostics::default();
        let column = Column::resolve("x", &spec(declaration), None, &mut diagnostics);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        column
    }

    /// What a cell is: its canonical text, or the message and the hint.
    fn outcome(column: &Column, cell: &str) -> String {
        match column.parse(cell) {
            Ok(value) => value.text().into_owned(),
            Err(Fault { code, message, hint, .. }) => {
                format!("{}: {message} ({})", code.id, hint.unwrap_or_default())
            }
        }
    }

    #[test]
    fn good_cells_have_one_canonical_form() {
        let long = format!("{}.example", "a".repeat(63));
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";
        let cells: &[(&str, &[(&str, &str)])] = &[
            ("string", &[(" a\nb ", " a\nb "), ("\t", "\t"), ("007", "007")]),
            ("name", &[("Mx-01_a.b", "Mx-01_a.b"), ("1", "1")]),
            ("int", &[("0", "0"), ("-7", "-7"), ("9223372036854775807", "9223372036854775807")]),
            (
                "float",
                &[("1", "1.0"), ("1.50", "1.5"), ("-0", "0.0"), ("1e3", "1000.0"), ("-2.5E-1", "-0.25")],
            ),
            ("bool", &[("true", "true"), ("false", "false")]),
            ("ipv4", &[("192.0.2.1", "192.0.2.1")]),
            (
                "ipv6",
                &[("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("::ffff:192.0.2.1", "::ffff:192.0.2.1")],
            ),
            ("ip", &[("192.0.2.1", "192.0.2.1"), ("0::1", "::1")]),
            (
                "cidr",
                &[
                    ("192.0.2.0/24", "192.0.2.0/24"),
                    ("2001:DB8::/32", "2001:db8::/32"),
                    ("0.0.0.0/0", "0.0.0.0/0"),
                ],
            ),
            ("interface", &[("192.0.2.1/24", "192.0.2.1/24"), ("2001:db8:0::1/64", "2001:db8::1/64")]),
            (
                "mac",
                &[
                    ("52:54:00:AB:cd:ef", "52:54:00:ab:cd:ef"),
                    ("52-54-00-AB-CD-EF", "52:54:00:ab:cd:ef"),
                    ("5254.00ab.cdef", "52:54:00:ab:cd:ef"),
                ],
            ),
            ("port", &[("1", "1"), ("65535", "65535")]),
            (
                "fqdn",
                &[
                    ("MX.Example.Org.", "mx.example.org"),
                    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
                    (&long, &long),
                ],
            ),
            ("hostname", &[("Mx1", "mx1"), ("a.b", "a.b"), ("3com.example", "3com.example")]),
            (
                "email",
                &[
                    ("Post.Master+x@Example.ORG", "Post.Master+x@example.org"),
                    ("root@localhost", "root@localhost"),
                ],
            ),
            (
                "url",
                &[
                    ("https://Example.ORG:443/a?b#c", "https://example.org/a?b#c"),
                    ("http://example.org", "http://example.org"),
                    ("http://example.org/", "http://example.org/"),
                    ("http://example.org?x", "http://example.org?x"),
                    ("ldapi:///", "ldapi:///"),
                ],
            ),
            (
                "path",
                &[("/", "/"), ("/etc/postfix", "/etc/postfix"), ("/var/www/", "/var/www/"), ("/a b", "/a b")],
            ),
            (
                "size",
                &[
                    ("10MB", "10MB"),
                    ("10 MiB", "10MiB"),
                    ("1024KiB", "1MiB"),
                    ("1000 KB", "1MB"),
                    ("1024000", "1000KiB"),
                    ("0", "0B"),
                    ("10240000", "10000KiB"),
                ],
            ),
            (
                "duration",
                &[
                    ("90s", "90s"),
                    ("1h30m", "90m"),
                    ("1h 30m", "90m"),
                    ("24h", "1d"),
                    ("7 days", "1w"),
                    ("PT90S", "90s"),
                    ("500ms", "500ms"),
                    ("0s", "0s"),
                    ("1.5s", "1500ms"),
                ],
            ),
            ("date", &[("2027-03-31", "2027-03-31"), ("2024-02-29", "2024-02-29")]),
            ("ssh-public-key", &[(key, key), (&format!("{key}  me  @ home"), &format!("{key} me @ home"))]),
            ("cert", &[("/etc/ssl/a.pem", "/etc/ssl/a.pem")]),
        ];
        for (ty, cells) in cells {
            let column = column(&format!("'{ty}'"));
            for (cell, canonical) in *cells {
                assert_eq!(outcome(&column, cell), *canonical, "{ty}");
                assert_eq!(outcome(&column, canonical), *canonical, "{ty}: the canonical form is its own");
            }
        }
    }

    #[test]
    fn bad_cells_are_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = format!("{}a", "a.".repeat(127));
        let cells: &[(&str, &[&str])] = &[
            ("string", &["a\0b"]),
            ("name", &["", "a b", "ä", "a/b", "a\n"]),
            (
                "int",
                &["", "007", "+1", "-0", "1.0", "1e3", "0x1f", "1_000", " 1", "9223372036854775808", "--1"],
            ),
            ("float", &["", ".5", "5.", "+1.5", "01.5", "nan", "inf", "1e999", "1,5", "1e", "-", "infinity"]),
            ("bool", &["yes", "no", "True", "1", "on", ""]),
            ("ipv4", &["192.0.2.300", "192.0.2", "192.0.2.01", "192.0.2.1/32", "::1", "192.0.2.1 ", "1"]),
            ("ipv6", &["192.0.2.1", "fe80::1%eth0", ":::", "2001:db8::1::", "::1/128", "12345::"]),
            ("ip", &["localhost", "192.0.2.256", ""]),
            (
                "cidr",
                &[
                    "192.0.2.1/24",
                    "192.0.2.0",
                    "192.0.2.0/33",
                    "192.0.2.0/024",
                    "::1/64",
                    "192.0.2.0/255.255.255.0",
                ],
            ),
            ("interface", &["192.0.2.1", "192.0.2.1/", "192.0.2.1/+24"]),
            (
                "mac",
                &[
                    "52:54:00:ab:cd",
                    "52:54:00:ab:cd:eg",
                    "52:54-00:ab:cd:ef",
                    "525400abcdef",
                    "5:54:00:ab:cd:ef",
                    "é",
                    "5é",
                ],
            ),
            ("port", &["0", "65536", "025", "smtp", "-1", "+25"]),
            (
                "fqdn",
                &[
                    "mx",
                    "a_b.example",
                    "-a.example",
                    "a-.example",
                    "a..example",
                    ".example",
                    &long_label,
                    &long_name,
                    "*.example",
                    "bücher.example",
                    "192.0.2.1",
                    "a.example..",
                    ".",
                    "",
                    "a b.example",
                ],
            ),
            ("hostname", &["a_b", "-", "192.0.2.1", "a:b", "7"]),
            (
                "email",
                &[
                    "root",
                    "@example.org",
                    "a@",
                    "a..b@example.org",
                    "a b@example.org",
                    "\"a b\"@example.org",
                    "a@b@c",
                    "ä@example.org",
                ],
            ),
            (
                "url",
                &[
                    "example.org",
                    "example.org:8080",
                    "/a",
                    "http://",
                    "http://a b/",
                    "https:example.org",
                    "mailto:a@b",
                    "http://[::1",
                    "http:\\\\a",
                ],
            ),
            ("path", &["etc", "", "/a//b", "/a/../b", "/a/./b", "~/a", "//", "/a\n"]),
            ("size", &["MB", "10M", "10 mb", "1.5GB", "-1MB", "010MB", "99999999999PB"]),
            ("duration", &["90", "1 month", "1y", "-5s", "5 parsecs", ""]),
            (
                "date",
                &[
                    "2027-02-29",
                    "2027-3-1",
                    "20270331",
                    "31.03.2027",
                    "2027-03-31T00:00",
                    "-002027-03-31",
                    "",
                ],
            ),
            (
                "ssh-public-key",
                &[
                    "ssh-ed25519",
                    "ssh-ed25519 AAAA",
                    "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",
                    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
                    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
                    "-----BEGIN OPENSSH PRIVATE KEY-----",
                    "ssh-ed25519 ****",
                ],
            ),
        ];
        for (ty, cells) in cells {
            let column = column(&format!("'{ty}'"));
            for cell in *cells {
                let result = column.parse(cell);
                assert!(result.is_err(), "{ty} takes {cell:?} as {result:?}");
            }
        }
    }

    #[test]
    fn messages_say_what_to_write() {
        let cells = [
            ("int", "007", "table::type: `007` is not a whole number (write `7`)"),
            ("bool", "yes", "table::type: `yes` is not a truth value (write `true` or `false`)"),
            ("ipv4", "192.0.2.300", "table::type: `192.0.2.300` is not an IPv4 address ()"),
            (
                "ipv4",
                "::1",
                "table::type: `::1` is not an IPv4 address (it is an IPv6 address; the type `ip` takes both families)",
            ),
            (
                "ipv4",
                "192.0.2.010",
                "table::type: `192.0.2.010` is not an IPv4 address (write it without leading zeros, if they are not octal: `192.0.2.10`)",
            ),
            (
                "cidr",
                "192.0.2.7/24",
                "table::type: `192.0.2.7/24` is not a prefix: it has host bits (write `192.0.2.0/24`)",
            ),
            (
                "cidr",
                "192.0.2.0/255.255.255.0",
                "table::type: `192.0.2.0/255.255.255.0` is not a prefix (write the prefix length: `192.0.2.0/24`)",
            ),
            (
                "fqdn",
                "bücher.example",
                "table::type: `bücher.example` is not a fully qualified domain name (write it in its ASCII form: `xn--bcher-kva.example`)",
            ),
            (
                "fqdn",
                "mx 1",
                "table::type: `mx 1` is not a fully qualified domain name (a host name has letters, digits and `-` only, not ` `)",
            ),
            (
                "name",
                "a\nb",
                "table::type: `a\\nb` has a line break in it (only the type `string` takes line breaks)",
            ),
            ("name", " a", "table::type: ` a` is not a name (remove the white space around it)"),
            ("date", "20270331", "table::type: `20270331` is not a date (write `2027-03-31`)"),
        ];
        for (ty, cell, expected) in cells {
            assert_eq!(outcome(&column(&format!("'{ty}'")), cell), expected);
        }
    }

    #[test]
    fn constraints_hold() {
        let cells: &[(&str, &[&str], &[&str])] = &[
            ("{ type = 'int', min = 2, max = 9 }", &["2", "9"], &["1", "10", "-5"]),
            ("{ type = 'float', min = 0, max = 0.5 }", &["0", "0.5"], &["0.51", "-0.1"]),
            ("{ type = 'string', min = 2, max = 3 }", &["üü", "abc"], &["a", "abcd"]),
            ("{ type = 'size', max = '1MiB' }", &["1MB", "1024KiB"], &["1025KiB"]),
            ("{ type = 'duration', min = '1m' }", &["60s", "1d"], &["59s"]),
            ("{ type = 'date', max = 2027-01-01 }", &["2026-12-31"], &["2027-01-02"]),
            ("{ type = 'name', pattern = 'mx[0-9]+|a' }", &["mx1", "a"], &["mx", "xmx1", "ab"]),
            (
                "{ type = 'ip', within = ['192.0.2.0/24', '2001:db8::/32'] }",
                &["192.0.2.255", "2001:db8::1"],
                &["192.0.3.1", "::1"],
            ),
            ("{ type = 'cidr', within = '192.0.2.0/24' }", &["192.0.2.64/26"], &["192.0.0.0/16"]),
            ("{ type = 'interface', within = '192.0.2.0/24' }", &["192.0.2.1/16"], &["192.0.3.1/24"]),
            ("{ type = 'port', values = [25, 587] }", &["25"], &["26"]),
            ("{ type = 'list', of = { type = 'int', max = 5 }, max = 2 }", &["1 5"], &["6", "1 2 3"]),
        ];
        for (declaration, good, bad) in cells {
            let column = column(declaration);
            for cell in *good {
                assert!(column.parse(cell).is_ok(), "{declaration} {:?}", column.parse(cell));
            }
            for cell in *bad {
                let code = column.parse(cell).map_err(|fault| fault.code.id);
                assert_eq!(code, Err("table::constraint"), "{declaration} {cell}");
            }
        }
        assert_eq!(
            outcome(&column("{ type = 'string', max = 3 }"), "abcd"),
            "table::constraint: `abcd` has 4 characters, more than the `max` of 3 characters ()"
        );
    }

    #[test]
    fn a_limit_that_nothing_keeps_is_told_once() {
        let mut diagnostics = Diagnostics::default();
        let column =
            Column::resolve("x", &spec("{ type = 'int', min = 5, max = 3 }"), None, &mut diagnostics);
        assert_eq!(diagnostics.len(), 1);
        assert_eq!(outcome(&column, "4"), "4");
    }

    #[test]
    fn one_is_told_as_one() {
        let told = [
            ("{ type = 'list', max = 1 }", "a b", "`a b` has 2 entries, more than the `max` of 1 entry"),
            ("{ type = 'list', min = 2 }", "a", "`a` has 1 entry, less than the `min` of 2 entries"),
            ("{ max = 1 }", "ab", "`ab` has 2 characters, more than the `max` of 1 character"),
        ];
        for (declaration, cell, message) in told {
            assert_eq!(outcome(&column(declaration), cell), format!("table::constraint: {message} ()"));
        }
    }

    #[test]
    fn text_is_no_number() {
        let read = |declaration: &str, value: &str| {
            let value: toml::Table = toml::from_str(&format!("x = {value}")).unwrap();
            column(declaration).parse_toml(&value["x"]).map_err(|fault| (fault.message, fault.hint))
        };
        for (ty, literal) in [("'int'", "25"), ("'port'", "25"), ("'float'", "2.5"), ("'bool'", "true")] {
            assert!(read(ty, literal).is_ok());
            let (message, hint) = read(ty, &format!("'{literal}'")).unwrap_err();
            assert!(message.ends_with(": it is text"), "{message}");
            assert_eq!(hint, Some(format!("leave out the quotes: {literal}")));
        }
        assert_eq!(read("'string'", "25"), Ok(Value::Text("25".into())));
    }

    #[test]
    fn what_is_too_large_is_told_so() {
        for (ty, cell, hint) in [
            ("'size'", "16384PiB", "a size is less than 16384PiB, which are 2^64 bytes"),
            (
                "'size'",
                "99999999999999999999999999999999999999999999",
                "a size is less than 16384PiB, which are 2^64 bytes",
            ),
            ("'float'", "1e999", "it has to lie between -1.7976931348623157e308 and 1.7976931348623157e308"),
        ] {
            assert!(
                outcome(&column(ty), cell).ends_with(&format!("({hint})")),
                "{}",
                outcome(&column(ty), cell)
            );
        }
        assert_eq!(outcome(&column("'size'"), "16383PiB"), "16383PiB");
    }

    #[test]
    fn enums_and_lists() {
        let colour = column("{ type = 'enum', values = ['red', 'green', 3] }");
        assert_eq!(outcome(&colour, "3"), "3");
        assert_eq!(
            outcome(&colour, "gren"),
            "table::type: `gren` is not one of the column's values (did you mean `green`?)"
        );
        assert_eq!(
            outcome(&colour, "purple"),
            "table::type: `purple` is not one of the column's values (the values are `red`, `green`, `3`)"
        );
        let list = column("{ type = 'list', of = 'ip', separator = ';' }");
        assert_eq!(
            list.parse("::1 ; 192.0.2.1"),
            Ok(Value::List(vec![Value::Text("::1".into()), Value::Text("192.0.2.1".into())]))
        );
        assert!(list.parse("::1;;::2").is_err() && list.parse("::1 ::2").is_err());
        let nested = column("{ type = 'list' }");
        assert_eq!(outcome(&nested, " a  b\tc "), "a b c");
        assert!(nested.parse("  ").is_err());
    }

    #[test]
    fn empty_cells() {
        assert_eq!(column("'int'").empty().unwrap_err().code.id, "table::empty");
        assert_eq!(column("{ optional = true }").empty(), Ok(Value::Absent));
        assert_eq!(column("{ type = 'port', default = 25, optional = true }").empty(), Ok(Value::Int(25)));
        assert_eq!(column("{ default = '' }").empty(), Ok(Value::Text("".into())));
        let list = column("{ type = 'list', of = 'int', default = [1, 2] }");
        assert_eq!(list.empty(), Ok(Value::List(vec![Value::Int(1), Value::Int(2)])));
    }

    #[test]
    fn nonsense_is_reported() {
        let declarations = [
            ("{ type = 'ref' }", "the column `x` is a `ref`, but there is no `table`"),
            ("{ type = 'enum' }", "the column `x` is an `enum`, but there are no `values`"),
            ("{ type = 'enum', values = ['a', 'a'] }", "`a` is twice in the `values` of the column `x`"),
            (
                "{ type = 'int', min = 'a' }",
                "the `min` of the column `x` does not fit: `a` is not a whole number: it is text",
            ),
            ("{ type = 'int', min = 3, max = 2 }", "the `min` of the column `x` is above its `max`"),
            (
                "{ type = 'string', min = 1.5 }",
                "the `min` of the column `x` does not fit: `1.5` is not a whole number",
            ),
            ("{ type = 'ipv4', min = 1 }", "`min` has no meaning for the column `x` of the type `ipv4`"),
            (
                "{ type = 'int', within = '::/0' }",
                "`within` has no meaning for the column `x` of the type `int`",
            ),
            (
                "{ type = 'ip', within = '192.0.2.1/24' }",
                "the `within` of the column `x` does not fit: `192.0.2.1/24` is not a prefix: it has host bits",
            ),
            ("{ pattern = '(' }", "the `pattern` of the column `x` is no regular expression"),
            (
                "{ type = 'list', pattern = 'a' }",
                "`pattern` has no meaning for the column `x` of the type `list of string`",
            ),
            (
                "{ type = 'int', default = 'a' }",
                "the `default` of the column `x` does not fit: `a` is not a whole number: it is text",
            ),
            (
                "{ type = 'int', default = 9, max = 5 }",
                "the `default` of the column `x` does not fit: `9` is more than the `max` of 5",
            ),
            (
                "{ type = 'bool', default = 'true' }",
                "the `default` of the column `x` does not fit: `true` is not a truth value: it is text",
            ),
            ("{ type = 'int', of = 'int' }", "`of` has no meaning for the column `x`"),
            ("{ type = 'int', table = 'a' }", "`table` has no meaning for the column `x`"),
            ("{ type = 'path', local = 'a' }", "`local` has no meaning for the column `x`"),
            ("{ type = 'list', of = { type = 'list' } }", "the column `x` is a list of lists"),
            (
                "{ type = 'list', of = { unique = true } }",
                "`unique` has no meaning for the entries of the list `x`",
            ),
            ("{ type = 'list', separator = '' }", "the `separator` of the column `x` is empty"),
            (
                "{ type = 'bool', values = [true] }",
                "`values` has no meaning for the column `x` of the type `bool`",
            ),
        ];
        let mut sources = Sources::default();
        let span = Span::new(sources.add("confwright.toml", *b"x"), 0..1);
        for (declaration, message) in declarations {
            let mut diagnostics = Diagnostics::default();
            Column::resolve("x", &spec(declaration), Some(span), &mut diagnostics);
            let diagnostics = diagnostics.sorted(&sources);
            assert_eq!(
                diagnostics.iter().map(|d| &*d.message).collect::<Vec<_>>(),
                [message],
                "{declaration}"
            );
            assert_eq!(diagnostics[0].code, "project::value");
            assert_eq!(diagnostics[0].labels.len(), 1);
        }
    }

    #[test]
    fn what_fits_in_place_of_another() {
        let fits = |have: &str, wanted: &str| column(have).ty.fits(&column(wanted).ty);
        for (have, wanted) in [
            ("'ipv4'", "'ip'"),
            ("'ipv6'", "'ip'"),
            ("'fqdn'", "'hostname'"),
            ("'int'", "'string'"),
            ("{ type = 'enum', values = ['a'] }", "'string'"),
            ("'ip'", "'ip'"),
            ("{ type = 'enum', values = ['a'] }", "{ type = 'enum', values = ['b', 'a'] }"),
            ("{ type = 'list', of = 'ipv4' }", "{ type = 'list', of = 'ip' }"),
            ("{ type = 'ref', table = 'a' }", "{ type = 'ref', table = 'a' }"),
        ] {
            assert!(fits(have, wanted), "{have} for {wanted}");
        }
        for (have, wanted) in [
            ("'ip'", "'ipv4'"),
            ("'hostname'", "'fqdn'"),
            ("'string'", "'int'"),
            ("'ipv4'", "'ipv6'"),
            ("'port'", "'int'"),
            ("{ type = 'list' }", "'string'"),
            ("{ type = 'ref', table = 'a' }", "{ type = 'ref', table = 'b' }"),
            ("{ type = 'enum', values = ['a', 'c'] }", "{ type = 'enum', values = ['b', 'a'] }"),
        ] {
            assert!(!fits(have, wanted), "{have} for {wanted}");
        }
    }
}
