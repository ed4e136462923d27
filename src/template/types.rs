//! The types of expressions: what the front end knows of a value before anything is rendered.

use std::rc::Rc;

use indexmap::IndexMap;

use crate::table::{Column, ColumnType};

/// The type of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Text.
    Text(TextKind),
    /// A whole number.
    Int,
    /// A decimal number.
    Float,
    /// `true` or `false`.
    Bool,
    /// `none`, an absent value.
    Absent,
    /// A row of the view with this number.
    Row(ViewId),
    /// A list.
    List(Box<Type>),
    /// A map whose keys are known.
    Map(Rc<IndexMap<String, Type>>),
    /// A map from texts that are not known to values of one type.
    Dictionary(Box<Type>),
    /// A value or its absence.
    Optional(Box<Type>),
    /// Captured output, whose parts are escaped where they are printed.
    Captured,
    /// Text that carries its own quoting: what `json`, `shell` and `raw` give.
    Marked,
    /// Not known: values of unlike types meet here. Any use of it is an error.
    Unknown,
    /// Already reported; silences what would follow from it.
    Reported,
}

/// What is known of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// Nothing.
    Any,
    /// It is printable ASCII, as its column's type makes sure.
    Clean,
    /// It is an IP address.
    Address,
    /// It is an address with a prefix length.
    Prefix,
}

/// The number of a table's view: the columns of a table that the templates of one target may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId(pub usize);

impl Type {
    /// Text of which nothing more is known.
    pub const TEXT: Self = Self::Text(TextKind::Any);

    /// The type of a column's values; `view` gives the view of a table that cells refer to.
    pub fn of_column(column: &Column, view: &mut dyn FnMut(&str) -> Option<ViewId>) -> Self {
        let ty = match &column.ty {
            ColumnType::Int | ColumnType::Port => Self::Int,
            ColumnType::Float => Self::Float,
            ColumnType::Bool => Self::Bool,
            ColumnType::List { of, .. } => Self::of_column(of, view).list(),
            // A reference to a table that does not exist is an error of the tables.
            ColumnType::Ref(table) => view(table).map_or(Self::Reported, Self::Row),
            ColumnType::String
            | ColumnType::Enum(_)
            | ColumnType::Path
            | ColumnType::Cert { .. }
            | ColumnType::Email
            | ColumnType::Url => Self::TEXT,
            ColumnType::Ipv4 | ColumnType::Ipv6 | ColumnType::Ip => Self::Text(TextKind::Address),
            ColumnType::Cidr | ColumnType::Interface => Self::Text(TextKind::Prefix),
            _ => Self::Text(TextKind::Clean),
        };
        if column.optional && column.default.is_none() { ty.optional() } else { ty }
    }

    /// A list of this type.
    pub fn list(self) -> Self {
        Self::List(Box::new(self))
    }

    /// This type or its absence.
    pub fn optional(self) -> Self {
        match self {
            Self::Optional(_) | Self::Absent | Self::Unknown | Self::Reported => self,
            other => Self::Optional(Box::new(other)),
        }
    }

    /// This type without its absence.
    pub fn present(self) -> Self {
        match self {
            Self::Optional(inner) => *inner,
            other => other,
        }
    }

    /// Whether it is text, a number or a boolean.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Int | Self::Float | Self::Bool | Self::Captured | Self::Marked)
    }

    /// Whether it is text of any kind.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Captured | Self::Marked)
    }

    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }

    /// Whether no value of it holds a control character, or is a float that is no number, so that printing it as
    /// text needs no check.
    pub fn is_clean(&self) -> bool {
        match self {
            Self::Int | Self::Bool => true,
            Self::Text(kind) => *kind != TextKind::Any,
            _ => false,
        }
    }

    /// Whether comparing values of the two types can ever be true; unknown types compare with anything.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown | Self::Reported, _) | (_, Self::Unknown | Self::Reported) => true,
            (a, b) if a.is_text() && b.is_text() => true,
            (Self::Bool, Self::Bool) => true,
            (Self::List(a), Self::List(b)) => a.is_like(b),
            (Self::Row(a), Self::Row(b)) => a == b,
            (Self::Map(_) | Self::Dictionary(_), Self::Map(_) | Self::Dictionary(_)) => true,
            (a, b) => a.is_number() && b.is_number(),
        }
    }

    /// The type of a value that is of one type or of the other.
    pub fn join(&self, other: &Self) -> Self {
        if self == other {
            return self.clone();
        }
        match (self, other) {
            (Self::Reported, _) | (_, Self::Reported) => Self::Reported,
            (Self::Absent, known) | (known, Self::Absent) => known.clone().optional(),
            (Self::Optional(a), b) | (b, Self::Optional(a)) => a.join(&b.clone().present()).optional(),
            (Self::Text(_), Self::Text(_)) => Self::Text(TextKind::Any),
            // What is printed last says itself what it is; only captured text cannot.
            (Self::Text(_), Self::Marked) | (Self::Marked, Self::Text(_)) => Self::Marked,
            (a, b) if a.is_number() && b.is_number() => Self::Float,
            (Self::List(a), Self::List(b)) => a.join(b).list(),
            (Self::Dictionary(a), Self::Dictionary(b)) => Self::Dictionary(Box::new(a.join(b))),
            (Self::Map(a), Self::Map(b)) if a.keys().eq(b.keys()) => {
                Self::Map(Rc::new(a.iter().map(|(key, ty)| (key.clone(), ty.join(&b[key]))).collect()))
            }
            _ => Self::Unknown,
        }
    }

    /// What to call it in a message.
    pub fn describe(&self) -> String {
        match self {
            Self::Text(_) => "text".into(),
            Self::Int => "a whole number".into(),
            Self::Float => "a number".into(),
            Self::Bool => "true or false".into(),
            Self::Absent => "none".into(),
            Self::Row(_) => "a row".into(),
            Self::List(of) => match of.as_ref() {
                Self::Row(_) => "a list of rows".into(),
                _ => "a list".into(),
            },
            Self::Map(_) | Self::Dictionary(_) => "a map".into(),
            Self::Optional(of) => format!("{} that may be absent", of.describe()),
            Self::Captured => "captured text".into(),
            Self::Marked => "text with its own quoting".into(),
            Self::Unknown | Self::Reported => "something unknown".into(),
        }
    }
}

/// The fields of a map whose keys are known.
pub fn fields(ty: &Type) -> Option<&Rc<IndexMap<String, Type>>> {
    match ty {
        Type::Map(fields) => Some(fields),
        _ => None,
    }
}
