//! What must not be there twice: the keys of rows, and the values of unique columns.
//!
//! A table that holds its rows holds its keys too. Of all others there are fingerprints only, of 8 bytes a row: where two
//! are the same, the rows are read again and compared.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::FixedState;

use super::{Value, identity};

/// What the first pass over a table has to find twice.
pub(super) struct Seen {
    /// The columns together: the key, or a unique one.
    pub(super) columns: Vec<usize>,
    pub(super) values: Values,
}

/// What has been seen of the rows so far.
pub(super) enum Values {
    /// The values, with the first row of each.
    Rows(HashMap<Box<str>, usize>),
    /// The fingerprints of the values.
    Fingerprints(Vec<u64>),
}

impl Seen {
    pub(super) fn new(columns: Vec<usize>, held: bool) -> Self {
        let values = if held { Values::Rows(HashMap::new()) } else { Values::Fingerprints(Vec::new()) };
        Self { columns, values }
    }

    /// Takes the values of a row, and returns the number of an earlier row that has the same, if rows are known.
    pub(super) fn insert(&mut self, row: usize, cells: &[Value]) -> Option<usize> {
        let values = || self.columns.iter().map(|number| &cells[*number]);
        if values().any(Value::is_absent) {
            return None;
        }
        let identity = identity(values());
        match &mut self.values {
            Values::Rows(rows) => first(rows, identity, row),
            Values::Fingerprints(fingerprints) => {
                fingerprints.push(fingerprint(&identity));
                None
            }
        }
    }

    /// The fingerprints that there are more than once, sorted; what was seen is forgotten.
    pub(super) fn suspects(&mut self) -> Vec<u64> {
        let Values::Fingerprints(fingerprints) = &mut self.values else { return Vec::new() };
        let mut sorted = std::mem::take(fingerprints);
        sorted.sort_unstable();
        let twice = sorted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        let mut suspects: Vec<u64> = twice.collect();
        suspects.dedup();
        suspects
    }
}

/// Notes a row with an identity, or returns the first one that has it.
pub(super) fn first(rows: &mut HashMap<Box<str>, usize>, identity: String, row: usize) -> Option<usize> {
    match rows.entry(identity.into()) {
        Entry::Occupied(first) => Some(*first.get()),
        Entry::Vacant(place) => {
            place.insert(row);
            None
        }
    }
}

/// A number that is the same for the same text, and mostly another one for another text.
pub(super) fn fingerprint(identity: &str) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(identity.as_bytes());
    // Few different ones in tests, so that other texts have the same.
    if cfg!(test) { hasher.finish() % 4 } else { hasher.finish() }
}
