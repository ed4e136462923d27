//! What the program does, seen from outside: every test runs the binary in a folder of its own.

#![expect(clippy::disallowed_methods, reason = "the tests do to files what people do")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests count as no tests"
)]

mod cases;
mod determinism;
mod incremental;
mod interrupts;
mod lint;
mod long;
mod merge;
mod mistakes;
mod native;
mod new;
mod properties;
mod revisions;
mod starters;
mod support;
mod target;
mod trouble;
mod zones;
