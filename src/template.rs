//! Templates: the syntax tree, what its expressions mean, and the engine that renders it.

pub mod check;
pub mod data;
pub mod engine;
pub mod filter;
pub mod function;
pub mod library;
pub(crate) mod lists;
pub(crate) mod ready;
pub(crate) mod segment;
pub mod syntax;
pub mod test;
mod trace;
pub mod types;

pub use library::{Library, Origin, Template};
pub use trace::{Fault, Known, Traced, Tracer};
