//! The name that was meant by one that there is not.

/// The one of `names` that needs the fewest letters changed until it is `name`, if these are at
/// most a third of it: more is another word.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|own| (distance(name, own), own)).min()?;
    (near.0 <= near.1.len().max(3) / 3).then_some(near.1)
}

/// Letters to insert, remove, replace or swap with their neighbour until one text is the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (line, from) in a.iter().enumerate() {
        let above = &rows[line];
        let mut row = vec![line + 1];
        for (at, to) in b.iter().enumerate() {
            let replaced = above[at] + usize::from(from != to);
            let mut least = replaced.min(row[at] + 1).min(above[at + 1] + 1);
            if line > 0 && at > 0 && a[line - 1] == *to && b[at - 1] == *from {
                least = least.min(rows[line - 1][at - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let table =
            [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("abc", "abd", 1), ("abc", "bc", 1)];
        for (a, b, count) in table {
            assert_eq!(distance(a, b), count, "{a} {b}");
        }
        assert_eq!(distance("resume", "result"), 2);
        assert_eq!((distance("ilsts", "lists"), distance("exti", "exit")), (1, 1));
    }
}
