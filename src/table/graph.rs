//! Order and circles among tables and among rows.

/// The strongly connected components of a graph of `count` nodes, each behind those that it points to.
///
/// Tarjan's algorithm ("Depth-first search and linear graph algorithms", 1972) with its stack on the heap: a
/// chain of rows may be as long as a table.
pub(super) fn components(count: usize, edges: impl Fn(usize) -> Vec<usize>) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let mut found = Vec::new();
    let mut index = vec![UNSEEN; count];
    let mut low = vec![0; count];
    let mut open = vec![false; count];
    let mut path = Vec::new();
    let mut next = 0;
    for root in 0..count {
        if index[root] != UNSEEN {
            continue;
        }
        let mut calls = vec![(root, edges(root), 0)];
        while let Some((node, targets, done)) = calls.last_mut() {
            let node = *node;
            if index[node] == UNSEEN {
                index[node] = next;
                low[node] = next;
                next += 1;
                open[node] = true;
                path.push(node);
            }
            if let Some(target) = targets.get(*done).copied() {
                *done += 1;
                if index[target] == UNSEEN {
                    calls.push((target, edges(target), 0));
                } else if open[target] {
                    low[node] = low[node].min(index[target]);
                }
                continue;
            }
            calls.pop();
            if let Some((caller, ..)) = calls.last() {
                low[*caller] = low[*caller].min(low[node]);
            }
            if low[node] == index[node] {
                let from = path.iter().rposition(|member| *member == node).unwrap_or_default();
                let component = path.split_off(from);
                for member in &component {
                    open[*member] = false;
                }
                found.push(component);
            }
        }
    }
    found
}

/// A circle that begins in a component of several nodes or with an edge to itself; the first node is not
/// repeated at the end.
pub(super) fn circle(component: &[usize], edges: impl Fn(usize) -> Vec<usize>) -> Option<Vec<usize>> {
    let members: std::collections::BTreeSet<usize> = component.iter().copied().collect();
    let mut node = *members.first()?;
    let mut path = Vec::new();
    let mut place = std::collections::BTreeMap::new();
    loop {
        if let Some(from) = place.insert(node, path.len()) {
            return Some(path.split_off(from));
        }
        path.push(node);
        node = edges(node).into_iter().find(|target| members.contains(target))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(graph: &[&[usize]]) -> Vec<Vec<usize>> {
        let mut found = components(graph.len(), |node| graph[node].to_vec());
        for component in &mut found {
            component.sort_unstable();
        }
        found
    }

    #[test]
    fn what_is_pointed_to_comes_first() {
        assert_eq!(sorted(&[&[1], &[2], &[]]), [[2], [1], [0]]);
        assert_eq!(sorted(&[&[], &[0, 2], &[0]]), [[0], [2], [1]]);
    }

    #[test]
    fn circles_are_one_component() {
        assert_eq!(sorted(&[&[1], &[2], &[0], &[0]]), [vec![0, 1, 2], vec![3]]);
        assert_eq!(circle(&[0, 1, 2], |node| vec![(node + 1) % 3]), Some(vec![0, 1, 2]));
        assert_eq!(circle(&[3], |_| vec![3]), Some(vec![3]));
        assert_eq!(circle(&[3], |_| vec![]), None);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let count = 200_000;
        let found = components(count, |node| if node + 1 < count { vec![node + 1] } else { vec![] });
        assert_eq!(found.len(), count);
        assert_eq!(found[0], [count - 1]);
    }
}
