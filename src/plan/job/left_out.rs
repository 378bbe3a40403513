//! What inputs say that no job makes use of, counted for a note at the end.

use crate::limits;
use std::ops::AddAssign;

/// Counts of what was met in inputs and is not used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LeftOut {
    /// Mirrors beyond [`limits::MIRRORS_MAX`] of their file.
    pub mirrors: u64,
    /// URLs of metalinks that are neither http nor https.
    pub schemes: u64,
    /// Torrents and the like of metalinks (`metaurl`).
    pub metaurls: u64,
    /// Signatures of metalinks.
    pub signatures: u64,
    /// Digests of metalinks of a type that is not known.
    pub digests: u64,
    /// Files of metalinks whose pieces have more than [`limits::PIECES_BYTES_MAX`] of digests.
    pub pieces: u64,
}

impl LeftOut {
    /// One phrase for each kind of thing that was left out.
    pub fn phrases(&self) -> Vec<String> {
        let Self { mirrors, schemes, metaurls, signatures, digests, pieces } = *self;
        let max = limits::MIRRORS_MAX;
        let kinds = [
            (mirrors, format!("mirrors beyond the {max} of a file that are kept")),
            (schemes, "URLs that are neither http nor https".to_owned()),
            (metaurls, "<metaurl>, which are no files".to_owned()),
            (signatures, "<signature>, which are not checked".to_owned()),
            (digests, "digests of unknown types".to_owned()),
            (pieces, "files with more digests of pieces than are kept".to_owned()),
        ];
        let met = kinds.into_iter().filter(|(count, _)| *count > 0);
        met.map(|(count, what)| format!("{count} {what}")).collect()
    }
}

impl AddAssign for LeftOut {
    fn add_assign(&mut self, other: Self) {
        let Self { mirrors, schemes, metaurls, signatures, digests, pieces } = other;
        self.mirrors += mirrors;
        self.schemes += schemes;
        self.metaurls += metaurls;
        self.signatures += signatures;
        self.digests += digests;
        self.pieces += pieces;
    }
}
