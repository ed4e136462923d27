//! Rows in blocks, so that the next run can tell which of them have changed.
//!
//! Where a block ends is decided by what is written in the rows alone: behind an insertion or a deletion the same rows
//! make the same blocks again.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::FixedState;

/// No block but the last has fewer bytes.
const LEAST: usize = if cfg!(test) { 24 } else { 32 * 1024 };

/// Of so many rows, one may begin a block.
const ROWS: u64 = if cfg!(test) { 2 } else { 2048 };

/// Rows that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// The number of its first row, from 0.
    pub(crate) row: usize,
    /// Where that row begins in the text.
    pub(super) start: usize,
    /// A number that is the same for the same rows, and another one for others.
    pub(crate) hash: u64,
}

/// Puts rows into blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    list: Vec<Block>,
    /// How many rows there were, and how many bytes of them are in the last block.
    rows: usize,
    bytes: usize,
}

impl Blocks {
    /// Takes the next row, which begins at an offset.
    pub(super) fn add(&mut self, start: usize, row: &[u8]) {
        let mut hasher = FixedState::default().build_hasher();
        hasher.write(row);
        let hash = hasher.finish();
        match self.list.last_mut() {
            Some(block) if self.bytes < LEAST || !hash.is_multiple_of(ROWS) => {
                block.hash = FixedState::with_seed(block.hash).hash_one(hash);
            }
            _ => {
                self.list.push(Block { row: self.rows, start, hash });
                self.bytes = 0;
            }
        }
        self.rows += 1;
        self.bytes += row.len();
    }

    /// The blocks of all rows.
    pub(super) fn finish(self) -> Vec<Block> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(rows: impl Iterator<Item = u32>) -> Vec<Block> {
        let mut blocks = Blocks::default();
        let mut start = 0;
        for row in rows {
            let row = format!("row {row}");
            blocks.add(start, row.as_bytes());
            start += row.len() + 1;
        }
        blocks.finish()
    }

    #[test]
    fn blocks_are_the_same_again_behind_an_insertion() {
        let before = blocks(0..200);
        let after = blocks((0..100).chain([1000]).chain(100..200));
        assert!(before.len() > 20);
        let same = |block: &Block| after.iter().any(|other| other.hash == block.hash);
        assert!(before.iter().filter(|block| !same(block)).count() <= 2);
        let last = (before[before.len() - 1], after[after.len() - 1]);
        assert_eq!((last.0.hash, last.0.row + 1), (last.1.hash, last.1.row));
        // The same rows in another order are another block.
        assert_ne!(blocks([1, 2].into_iter())[0].hash, blocks([2, 1].into_iter())[0].hash);
    }
}
