//! Typed data: columns and their types, one reader a format, rows that are checked before anything is rendered.

pub mod spec;
