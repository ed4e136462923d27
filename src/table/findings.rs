//! The mistakes in rows, so that a wrong column of a long table does not drown all others.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Diagnostics};

/// How many mistakes of one column are told one by one.
const MOST: usize = 20;

/// Diagnostics of rows: the first ones of each column, and how many more there are.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) list: Diagnostics,
    /// How many there are for a group of a table, and the first one that is not told.
    counts: BTreeMap<(String, String), (usize, Option<Diagnostic>)>,
    /// The tables with a mistake.
    pub(super) unsound: BTreeSet<String>,
}

impl Findings {
    /// Takes a mistake of a group of a table; `what` is how the group is called in the plural.
    pub(super) fn push(&mut self, table: &str, what: &str, make: impl FnOnce() -> Diagnostic) {
        self.unsound.insert(table.to_owned());
        let (count, rest) = self.counts.entry((table.to_owned(), what.to_owned())).or_default();
        *count += 1;
        if *count <= MOST {
            self.list.push(make());
        } else if rest.is_none() {
            *rest = Some(make());
        }
    }

    /// All of it, with one diagnostic for each group that has more.
    pub(super) fn finish(self) -> Diagnostics {
        let mut list = self.list;
        for ((table, what), (count, rest)) in self.counts {
            let Some(first) = rest else { continue };
            let more = count - MOST;
            let message = match more {
                1 => format!("one more of the {what} of the table `{table}` is wrong"),
                _ => format!("{more} more {what} of the table `{table}` are wrong"),
            };
            let labels = first.labels.into_iter().take(1);
            let labels =
                labels.map(|label| crate::diagnostic::Label { text: "from here on".to_owned(), ..label });
            list.push(Diagnostic { message, labels: labels.collect(), hints: Vec::new(), ..first });
        }
        list
    }
}
