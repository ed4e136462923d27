//! What templates are made of.

pub mod filter;
pub mod function;
pub mod test;
