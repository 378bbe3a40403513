//! A set of cores as bits, with the few intersections the schedule asks for.

/// Cores below a number fixed at construction.
#[derive(Clone, Debug)]
pub(super) struct CoreSet {
    words: Vec<u64>,
}

impl CoreSet {
    /// An empty set of cores below `cores`.
    pub(super) fn new(cores: usize) -> Self {
        Self { words: vec![0; cores.div_ceil(BITS)] }
    }

    pub(super) fn contains(&self, core: usize) -> bool {
        self.words[core / BITS] & (1 << (core % BITS)) != 0
    }

    pub(super) fn set(&mut self, core: usize, is_in: bool) {
        let bit = 1 << (core % BITS);
        if is_in {
            self.words[core / BITS] |= bit;
        } else {
            self.words[core / BITS] &= !bit;
        }
    }

    /// All cores of the set.
    pub(super) fn all(&self) -> impl Iterator<Item = usize> {
        cores(self.words.iter().copied())
    }

    /// Cores that are also in `other`.
    pub(super) fn both(&self, other: &Self) -> impl Iterator<Item = usize> {
        cores(self.words.iter().zip(&other.words).map(|(a, b)| a & b))
    }

    /// Cores that are not in `other`.
    pub(super) fn without(&self, other: &Self) -> impl Iterator<Item = usize> {
        cores(self.words.iter().zip(&other.words).map(|(a, b)| a & !b))
    }

    /// The first core that is also in `other`, and in `this` or `that`.
    pub(super) fn both_and_either(&self, other: &Self, this: &Self, that: &Self) -> Option<usize> {
        let words = self.words.iter().zip(&other.words).zip(this.words.iter().zip(&that.words));
        cores(words.map(|((a, b), (c, d))| a & b & (c | d))).next()
    }
}

/// The numbers of the bits set.
fn cores(words: impl Iterator<Item = u64>) -> impl Iterator<Item = usize> {
    words.enumerate().flat_map(|(place, mut word)| {
        std::iter::from_fn(move || {
            let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
            word &= word - 1;
            Some(place * BITS + bit)
        })
    })
}

const BITS: usize = u64::BITS as usize;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(members: &[usize]) -> CoreSet {
        let mut set = CoreSet::new(200);
        for member in members {
            set.set(*member, true);
        }
        set
    }

    #[test]
    fn intersections_span_words() {
        let (a, b) = (set(&[0, 63, 64, 130, 199]), set(&[63, 130, 131]));
        assert_eq!(a.both(&b).collect::<Vec<_>>(), [63, 130]);
        assert_eq!(a.without(&b).collect::<Vec<_>>(), [0, 64, 199]);
        assert_eq!(a.both_and_either(&b, &set(&[130]), &set(&[0])), Some(130));
        assert_eq!(a.both_and_either(&b, &set(&[131]), &set(&[0])), None);
    }

    #[test]
    fn set_and_clear() {
        let mut a = set(&[64]);
        assert!(a.contains(64) && !a.contains(0));
        a.set(64, false);
        assert!(!a.contains(64));
    }
}
