//! Which names of a run are taken, in bounded memory.
//!
//! A set of all names would grow with the list. Bloom filters do not: they never miss a name that
//! was claimed, and the rare false hit only makes a name longer than it had to be. Layers begin
//! small and grow, so that a short list pays little, and stop at
//! [`limits::NAMES_CLAIMED_BYTES_MAX`].
//!
//! Measured false hits over lists of distinct names: 2 in the first million, 58 in ten million, 9
//! thousand in twenty, 1.0 million in forty. Beyond that most names carry their line number. Names
//! stay distinct whatever the length of the list. Each layer costs every claim a walk to memory
//! that is in no cache, so there are few.

use super::fold::folded;
use super::{hash64, joined, mix, split_extension, with_suffix};
use crate::limits;

/// The names claimed in one run.
#[derive(Debug)]
pub struct Names {
    /// Filters, of which all but the last one are full.
    layers: Vec<Layer>,
    /// Hashes of names that were occupied and are not in a layer yet.
    occupied: Vec<u64>,
}

impl Names {
    /// No name is claimed.
    pub fn new() -> Self {
        Self { layers: vec![Layer::new(0)], occupied: Vec::new() }
    }

    /// Claims `path` or, when it is taken, the first free one of `stem.INDEX.ext`,
    /// `stem.INDEX.2.ext` and so on. Paths come back distinct as long as every call has its own
    /// `index`, and depend on nothing but the calls before: claimed in input order, a list gives
    /// the same names in every run.
    ///
    /// `path` is one made by this module: safe components, each within its limit. With `folds`,
    /// it is taken as well when one was claimed that its file system takes for the same.
    pub fn claim(&mut self, path: String, index: u64, folds: bool) -> String {
        self.claim_noting(path, index, folds).0
    }

    /// Claims `path` as [`Self::claim`] does, and says what became of it: a caller that knows this
    /// and the path needs to keep the name only where it is [`Claimed::Otherwise`].
    pub fn claim_noting(&mut self, path: String, index: u64, folds: bool) -> (String, Claimed) {
        self.flush();
        if self.insert(&path, folds) {
            return (path, Claimed::AsAsked);
        }
        for attempt in 1..=NUMBERED_ATTEMPTS_MAX {
            let mark = match attempt {
                1 => format!(".{index}"),
                more => format!(".{index}.{more}"),
            };
            let numbered = marked(&path, &mark);
            if self.insert(&numbered, folds) {
                let first = attempt == 1;
                return (numbered, if first { Claimed::Numbered } else { Claimed::Otherwise });
            }
        }
        // Only a filter far beyond its capacity gets here. No other claim can give this name: no
        // path begins so, and the mark has the index in it.
        (last_resort(&path, index), Claimed::Otherwise)
    }

    /// Takes `path` from all claims to come, whether it was free or not; see [`Self::claim`].
    pub fn occupy(&mut self, path: &str, folds: bool) {
        self.occupied.push(hash_of(path, folds));
        if self.occupied.len() >= OCCUPIED_MAX {
            self.flush();
        }
    }

    /// Puts the names that were occupied into the layers.
    fn flush(&mut self) {
        let mut occupied = std::mem::take(&mut self.occupied);
        let layers = &self.layers;
        // The memory of all of them comes at the same time.
        let words = |hash: &u64| layers.iter().fold(0, |sum, layer| sum ^ layer.first_word(*hash));
        std::hint::black_box(occupied.iter().fold(0, |sum, hash| sum ^ words(hash)));
        for hash in occupied.drain(..) {
            let _is_new = self.insert_hash(hash);
        }
        self.occupied = occupied;
    }

    /// Bytes that the filters take.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.words.len() * 8).sum()
    }

    /// Makes every name look taken, as far too many names would.
    #[cfg(test)]
    pub(super) fn saturate(&mut self) {
        self.layers = (0..LAYERS.len()).map(Layer::new).collect();
        if let Some(last) = self.layers.last_mut() {
            last.words.fill(u64::MAX);
        }
    }

    /// Adds a name; false when it was there (or seems to have been).
    pub(super) fn insert(&mut self, path: &str, folds: bool) -> bool {
        self.insert_hash(hash_of(path, folds))
    }

    fn insert_hash(&mut self, hash: u64) -> bool {
        let key = Key::new(hash);
        // All layers are asked, because a new name is in none of them: the memory of each is far
        // away, and so it comes at the same time.
        if self.layers.iter().fold(false, |is_there, layer| is_there | layer.contains(&key)) {
            return false;
        }
        let depth = self.layers.len();
        if let Some(last) = self.layers.last_mut() {
            last.insert(&key);
            if last.is_full() && depth < LAYERS.len() {
                self.layers.push(Layer::new(depth));
            }
        }
        true
    }
}

fn hash_of(path: &str, folds: bool) -> u64 {
    if folds { hash64(folded(path).as_bytes()) } else { hash64(path.as_bytes()) }
}

/// What became of a path that was claimed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claimed {
    /// The path was free.
    AsAsked,
    /// The path was taken and got its line's number: [`super::numbered`] gives the name.
    Numbered,
    /// The path was taken and became another name.
    Otherwise,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

/// The path with `mark` before the extension of its last component, cut to the limit of a name.
pub(super) fn marked(path: &str, mark: &str) -> String {
    let name_at = path.rfind('/').map_or(0, |slash| slash + 1);
    let (directory, name) = path.split_at(name_at);
    let (_, extension) = split_extension(name);
    format!("{directory}{}", with_suffix(name, &format!("{mark}{extension}")))
}

/// The path with `~INDEX.` before its last component, cut to the limit of a name.
fn last_resort(path: &str, index: u64) -> String {
    let (directory, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
    let (stem, extension) = split_extension(name);
    format!("{directory}{}", joined(&format!("~{index}.{stem}"), extension))
}

/// The paths that line `index` may have asked for when it was given this one instead of a path that
/// was taken.
pub(super) fn before_claim(path: &str, index: u64) -> Vec<String> {
    let mark = format!(".{index}");
    let is_mark = |text: &str| text == mark;
    let mut found = without_mark(path, is_mark);
    for front in without_mark(path, is_number) {
        found.extend(without_mark(&front, is_mark));
    }
    let (directory, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
    let resort = name.strip_prefix('~').and_then(|name| name.strip_prefix(&mark[1..]));
    let resort = resort.and_then(|name| name.strip_prefix('.'));
    found.extend(resort.map(|name| format!("{directory}{name}")));
    found
}

/// The path without a mark, as `is_mark` knows it, before the extension of its last component or at
/// its end.
pub(super) fn without_mark(path: &str, is_mark: impl Fn(&str) -> bool) -> Vec<String> {
    let (directory, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
    let mut found = Vec::new();
    for (stem, extension) in [split_extension(name), (name, "")] {
        let dot = stem.rfind('.').filter(|dot| *dot > 0 && is_mark(&stem[*dot..]));
        found.extend(dot.map(|dot| format!("{directory}{}{extension}", &stem[..dot])));
    }
    found
}

/// Whether a mark is a dot and digits.
pub(super) fn is_number(mark: &str) -> bool {
    mark.len() > 1 && mark[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// One blocked Bloom filter: all bits of a name are in one block of 512 bits.
#[derive(Debug)]
struct Layer {
    /// Zeroed pages that the kernel gives when they are first touched.
    words: Vec<u64>,
    names: u64,
    names_max: u64,
}

impl Layer {
    fn new(depth: usize) -> Self {
        let (bytes, bits_per_name) = LAYERS[depth];
        let names_max = bytes as u64 * 8 / bits_per_name;
        Self { words: vec![0; bytes / 8], names: 0, names_max }
    }

    /// The first word of the block of a name.
    fn first_word(&self, hash: u64) -> u64 {
        self.words[block(hash, self.words.len())]
    }

    fn is_full(&self) -> bool {
        self.names >= self.names_max
    }

    fn contains(&self, key: &Key) -> bool {
        let words = &self.words[key.block(self.words.len())..];
        let block: &[u64; BLOCK_WORDS] = words.first_chunk().expect("blocks are whole");
        // Without a branch for each word.
        let pairs = block.iter().zip(&key.bits);
        pairs.fold(0, |missing, (word, bits)| missing | (bits & !word)) == 0
    }

    fn insert(&mut self, key: &Key) {
        let at = key.block(self.words.len());
        for (word, bits) in self.words[at..][..BLOCK_WORDS].iter_mut().zip(&key.bits) {
            *word |= bits;
        }
        self.names += 1;
    }
}

/// Where a name is in every layer.
struct Key {
    hash: u64,
    /// Bits that the name sets in its block.
    bits: [u64; BLOCK_WORDS],
}

impl Key {
    fn new(hash: u64) -> Self {
        let mut bits = [0; BLOCK_WORDS];
        // Nine bits of a hash of their own for each bit of the block.
        for seed in [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344] {
            let mut source = mix(hash ^ seed);
            for _ in 0..BITS_PER_NAME_SET / 2 {
                bits[(source >> 6) as usize % BLOCK_WORDS] |= 1 << (source & 63);
                source >>= 9;
            }
        }
        Self { hash, bits }
    }

    /// Index of the first word of the name's block, in a layer of `words` words.
    fn block(&self, words: usize) -> usize {
        block(self.hash, words)
    }
}

/// Index of the first word of the block that a hash falls into.
fn block(hash: u64, words: usize) -> usize {
    let blocks = (words / BLOCK_WORDS) as u64;
    // Upper half of a 32-bit product: even without a division.
    (((hash >> 32) * blocks) >> 32) as usize * BLOCK_WORDS
}

/// Most names that are occupied before they are put into the layers.
const OCCUPIED_MAX: usize = 64;

const BLOCK_WORDS: usize = 8;
/// Bits that one name sets.
const BITS_PER_NAME_SET: usize = 12;
/// Numbered names that are tried before the last resort.
const NUMBERED_ATTEMPTS_MAX: u32 = 8;

/// Bytes of each layer, and bits of it per name. Small layers have bits to spare, because their
/// false hits would last for the rest of the run; the last one holds nine names in ten of a large
/// list.
const LAYERS: [(usize, u64); 3] =
    [(64 << 10, 40), (1 << 20, 40), (limits::NAMES_CLAIMED_BYTES_MAX - LAYERS_SMALL_BYTES, 25)];
const LAYERS_SMALL_BYTES: usize = (64 << 10) + (1 << 20);
