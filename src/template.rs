//! Templates: the syntax tree, what its expressions mean, and the engine that renders it.

pub mod syntax;
