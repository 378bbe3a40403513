//! Bytes to physical lines, however they are split.

/// Cuts bytes at line feeds. A line that is whole in its input is not copied.
#[derive(Clone, Debug)]
pub(super) struct Cutter {
    /// The begin of a line, at most `limit` bytes of it.
    carry: Vec<u8>,
    /// Whether `carry` was given out and a new line begins.
    is_given: bool,
    /// Longest line that is given out; longer ones are cut to it.
    limit: usize,
}

impl Cutter {
    pub(super) fn new(limit: usize) -> Self {
        Self { carry: Vec::new(), is_given: false, limit }
    }

    /// Reads from the front of `input`, which begins where the last call stopped: how many bytes
    /// were read and, once it is whole, the line, with its line feed unless that was cut off.
    pub(super) fn cut<'a>(&'a mut self, input: &'a [u8]) -> (usize, Option<&'a [u8]>) {
        self.forget();
        match memchr::memchr(b'\n', input) {
            None => {
                self.keep(input);
                (input.len(), None)
            }
            Some(at) if self.carry.is_empty() => (at + 1, Some(&input[..self.limit.min(at + 1)])),
            Some(at) => {
                self.keep(&input[..=at]);
                self.is_given = true;
                (at + 1, Some(&self.carry))
            }
        }
    }

    /// The begin of a line that has not ended: its bytes so far.
    pub(super) fn begun(&mut self) -> &[u8] {
        self.forget();
        &self.carry
    }

    /// The last line, where it has no line feed. A new line begins with the next bytes.
    pub(super) fn last(&mut self) -> Option<&[u8]> {
        self.forget();
        self.is_given = true;
        (!self.carry.is_empty()).then_some(&self.carry)
    }

    fn forget(&mut self) {
        if std::mem::take(&mut self.is_given) {
            self.carry.clear();
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.limit - self.carry.len();
        self.carry.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(limit: usize, parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::new(limit);
        let mut lines = Vec::new();
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                let (used, line) = cutter.cut(rest);
                lines.extend(line.map(<[u8]>::to_vec));
                rest = &rest[used..];
            }
        }
        lines.extend(cutter.last().map(<[u8]>::to_vec));
        assert!(cutter.last().is_none() && cutter.begun().is_empty());
        lines
    }

    #[test]
    fn lines_are_cut_at_line_feeds_and_at_the_limit() {
        type Bytes = &'static [u8];
        let table: [(&[Bytes], &[Bytes]); 6] = [
            (&[b""], &[]),
            (&[b"a\nb"], &[b"a\n", b"b"]),
            (&[b"a", b"\n", b"\n", b"b\n"], &[b"a\n", b"\n", b"b\n"]),
            (&[b"abcdef\nx"], &[b"abcd", b"x"]),
            (&[b"abc", b"def", b"ghi\nx\n"], &[b"abcd", b"x\n"]),
            (&[b"abc\nabcd\n"], &[b"abc\n", b"abcd"]),
        ];
        for (parts, expected) in table {
            assert_eq!(lines(4, parts), expected, "{parts:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn splits_do_not_matter(
            parts in prop::collection::vec(prop::collection::vec(0_u8..12, 0..9), 0..9),
        ) {
            let whole = parts.concat();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(lines(6, &parts), lines(6, &[&whole]));
        }
    }
}
