//! Which lines differ, which old line became which new one, and what differs within them.

use std::collections::HashMap;
use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::{Changed, Differing, row_of};
use crate::origin::Line;

/// Where more lines differ than these, causes are not told apart.
const MOST: usize = 1000;

/// The lines of a text, each with its line break.
pub(super) fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The lines that differ, unless they are too many. The origins of the lines, where they are known, keep together what
/// one row makes.
pub(super) fn compare(file: &Differing<'_>, old: &[Line], new: &[Line]) -> Option<Vec<Changed>> {
    let (before, after) = (split(file.before), split(file.after));
    let mut balance: HashMap<&[u8], isize> = HashMap::new();
    for line in &before {
        *balance.entry(line).or_default() += 1;
    }
    for line in &after {
        *balance.entry(line).or_default() -= 1;
    }
    if balance.values().map(|count| count.unsigned_abs()).sum::<usize>() > 2 * MOST {
        return None;
    }
    let ops = capture_diff_slices(Algorithm::Myers, &before, &after);
    let mut changed = Vec::new();
    for (number, op) in ops.iter().enumerate() {
        let (tag, old_range, new_range) = op.as_tag_tuple();
        let bounds = |range: fn(&similar::DiffOp) -> Range<usize>| {
            let first = number.checked_sub(1).map_or(0, |at| range(&ops[at]).start);
            first..ops.get(number + 1).map_or(usize::MAX, |next| range(next).end)
        };
        match tag {
            DiffTag::Equal => {}
            DiffTag::Delete => {
                let range = slide(&before, old, old_range, &bounds(similar::DiffOp::old_range));
                changed.extend(range.map(|old| Changed { old: Some(old), new: None }));
            }
            DiffTag::Insert => {
                let range = slide(&after, new, new_range, &bounds(similar::DiffOp::new_range));
                changed.extend(range.map(|new| Changed { old: None, new: Some(new) }));
            }
            DiffTag::Replace => pair(&before, old_range, &after, new_range, &mut changed),
        }
    }
    (changed.len() <= MOST).then_some(changed)
}

/// Moves lines that are only there once, between neighbours that are alike, to where a row begins and ends.
fn slide(text: &[&[u8]], lines: &[Line], range: Range<usize>, bounds: &Range<usize>) -> Range<usize> {
    let begins = |at: usize| match (at.checked_sub(1).and_then(|at| lines.get(at)), lines.get(at)) {
        (Some(before), Some(line)) => row_of(before) != row_of(line),
        _ => true,
    };
    let mut first = range.start;
    while first > bounds.start && text[first - 1] == text[first + range.len() - 1] {
        first -= 1;
    }
    for start in first.. {
        let end = start + range.len();
        if begins(start) && begins(end) {
            return start..end;
        }
        if end >= bounds.end.min(text.len()) || text[start] != text[end] {
            break;
        }
    }
    range
}

/// Pairs old lines with new ones, in order, so that as much as possible of them is alike.
fn pair(before: &[&[u8]], old: Range<usize>, after: &[&[u8]], new: Range<usize>, changed: &mut Vec<Changed>) {
    if old.len().max(new.len()) > MOST {
        let longer = old.len().max(new.len());
        let at = |range: &Range<usize>, number| range.clone().nth(number);
        changed.extend((0..longer).map(|number| Changed { old: at(&old, number), new: at(&new, number) }));
        return;
    }
    // The best of what is left behind each pair of places.
    let width = new.len() + 1;
    let mut best = vec![0usize; (old.len() + 1) * width];
    let score = |o: usize, n: usize| 1 + alike(before[old.start + o], after[new.start + n]);
    for o in (0..old.len()).rev() {
        for n in (0..new.len()).rev() {
            let together = score(o, n) + best[(o + 1) * width + n + 1];
            best[o * width + n] = together.max(best[(o + 1) * width + n]).max(best[o * width + n + 1]);
        }
    }
    let (mut o, mut n) = (0, 0);
    while o < old.len() || n < new.len() {
        let (was, is) = (Some(old.start + o), Some(new.start + n));
        let here = best[o * width + n];
        if o < old.len() && n < new.len() && here == score(o, n) + best[(o + 1) * width + n + 1] {
            changed.push(Changed { old: was, new: is });
            (o, n) = (o + 1, n + 1);
        } else if n == new.len() || (o < old.len() && here == best[(o + 1) * width + n]) {
            changed.push(Changed { old: was, new: None });
            o += 1;
        } else {
            changed.push(Changed { old: None, new: is });
            n += 1;
        }
    }
}

/// How much two lines have in common at their ends, of 1000.
fn alike(old: &[u8], new: &[u8]) -> usize {
    let (start, end) = common(old, new);
    1000 * (start + end) / old.len().max(new.len()).max(1)
}

/// The lengths of what two texts have in common at their starts and, behind that, at their ends.
fn common(old: &[u8], new: &[u8]) -> (usize, usize) {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[start..], &new[start..]);
    (start, old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count())
}

/// Where two lines differ, by words, numbers and single other characters: the bytes of the new one, perhaps none.
pub(super) fn edits(old: &[u8], new: &[u8]) -> Vec<Range<usize>> {
    let words = |text: &[u8]| -> Vec<Range<usize>> {
        let mut at = 0;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
        let runs = text.chunk_by(|a, b| is_word(*a) && is_word(*b));
        let ranges = runs.map(|run| {
            at += run.len();
            at - run.len()..at
        });
        ranges.collect()
    };
    let (old_words, new_words) = (words(old), words(new));
    let texts = |text: &'_ [u8], words: &[Range<usize>]| -> Vec<Vec<u8>> {
        words.iter().map(|word| text[word.clone()].to_vec()).collect()
    };
    let ops = capture_diff_slices(Algorithm::Myers, &texts(old, &old_words), &texts(new, &new_words));
    let place = |words: &[Range<usize>], range: Range<usize>, len: usize| {
        let start = words.get(range.start).map_or(len, |word| word.start);
        start..range.last().map_or(start, |last| words[last].end)
    };
    let edits = ops.iter().filter(|op| op.tag() != DiffTag::Equal).map(|op| {
        let was = place(&old_words, op.old_range(), old.len());
        let is = place(&new_words, op.new_range(), new.len());
        let (start, end) = common(&old[was], &new[is.clone()]);
        is.start + start..is.end - end
    });
    edits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::{Cause, Frame, FrameKind, Piece, Row};
    use crate::source::Span;

    fn compared(before: &str, after: &str, new: &[Line]) -> Option<Vec<(Option<usize>, Option<usize>)>> {
        let file = Differing {
            path: "",
            environment: "",
            target: "",
            kind: crate::golden::ChangeKind::Changed,
            edited: false,
            missing: false,
            large: false,
            before: before.as_bytes(),
            old: None,
            after: after.as_bytes(),
            new: None,
        };
        Some(compare(&file, &[], new)?.iter().map(|line| (line.old, line.new)).collect())
    }

    fn changes(before: &str, after: &str) -> Vec<(Option<usize>, Option<usize>)> {
        compared(before, after, &[]).unwrap()
    }

    /// Lines that a loop made, each at a row.
    fn made_at(rows: &[usize]) -> Vec<Line> {
        let site = crate::source::Sources::default().add("t", &b"t"[..]);
        let lines = rows.iter().enumerate().map(|(number, row)| {
            let row = Row { table: "t".into(), number: *row };
            let frame = Frame {
                kind: FrameKind::Loop,
                name: "row".into(),
                site: Span::new(site, 0..1),
                row: Some(row),
            };
            let piece = Piece { bytes: 0..1, cause: Cause::Unknown, frames: [frame].into() };
            Line { number: number + 1, bytes: 0..1, pieces: vec![piece] }
        });
        lines.collect()
    }

    #[test]
    fn lines_that_may_be_either_are_those_of_one_row() {
        let (before, after) = ("a\n}\nc\n}\n", "a\n}\nb\n}\nc\n}\n");
        let new = |lines: [usize; 2]| lines.map(|line| (None, Some(line))).to_vec();
        assert_eq!(compared(before, after, &made_at(&[0, 0, 1, 1, 2, 2])), Some(new([2, 3])));
        assert_eq!(compared(before, after, &made_at(&[0, 1, 1, 2, 2, 3])), Some(new([1, 2])));
    }

    #[test]
    fn lines_are_paired_with_those_they_are_like() {
        assert_eq!(changes("a\nmx 1\n", "a\nmx 2\n"), [(Some(1), Some(1))]);
        assert_eq!(changes("a 1\nb 1\nz\n", "b 2\nz\n"), [(Some(0), None), (Some(1), Some(0))]);
        assert_eq!(changes("b 1\n", "x\ny\nb 2\n"), [(None, Some(0)), (None, Some(1)), (Some(0), Some(2))]);
        assert_eq!(changes("1\n", "2\n"), [(Some(0), Some(0))]);
        assert_eq!(changes("", "1\n2"), [(None, Some(0)), (None, Some(1))]);
    }

    #[test]
    fn too_much_is_said_to_be() {
        let many = |from: usize, count: usize| -> String {
            (from..from + count).map(|number| format!("{number}\n")).collect()
        };
        let (old, new) = (many(0, 1001), many(5000, 1001));
        assert_eq!(compared(&old, &new, &[]), None);
        assert_eq!(changes(&old[..old.len() - 5], &new[..new.len() - 5]).len(), 1000);
    }

    #[test]
    fn edits_are_as_small_as_words_let_them_be() {
        let found = |old: &str, new: &str| -> Vec<String> {
            edits(old.as_bytes(), new.as_bytes()).into_iter().map(|range| new[range].to_owned()).collect()
        };
        assert_eq!(found("mx02 192.0.2.2:587 rack 1", "mx12 192.0.2.2:588 rack 1"), ["1", "8"]);
        assert_eq!(found("a b c", "a c"), [""]);
        assert_eq!(found("", "x"), ["x"]);
        assert_eq!(found("same", "same"), [""; 0]);
    }
}
