//! Rows of an earlier run, as far as a later one takes them up.

use super::fate::fate;
use super::{Wanted, noted, whole};
use crate::engine::books::given::Given;
use crate::plan::checksum::{Checksum, Kind};
use crate::plan::seen::Key;
use crate::plan::target::LastOrigin;
use crate::report::Status;
use crate::report::journal::{Entry, Fate, RowSum};

/// Some consecutive rows.
#[derive(Default)]
pub(super) struct TakenRows {
    rows: Vec<Taken>,
    /// Names of their files, one behind the other.
    names: String,
    /// Of the URL of the row before.
    origin: LastOrigin,
}

/// A row that was taken from a report.
struct Taken {
    sum: RowSum,
    says: Says,
    is_doubted: bool,
    is_ours: bool,
    is_discarded: bool,
    body: Option<Body>,
    /// Where its name ends.
    name_end: usize,
}

/// How far a row that says ok is believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Belief {
    /// A row is right.
    Whole,
    /// A row is right unless its file is another one.
    Compared,
    /// A row is right where its file has the digest that it says.
    Proved,
}

/// What a row tells of the body that its file has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    /// Number of the line that the body was stored for first.
    pub(crate) index: u64,
    /// BLAKE3 of the file.
    pub(crate) key: Key,
    /// Bytes of the file.
    pub(crate) size: u64,
}

impl Body {
    /// What a row tells that says ok; nothing without such a digest.
    fn of(entry: &Entry<'_>) -> Option<Self> {
        let digest = Checksum::parse(&entry.digest).ok();
        let digest = digest.filter(|digest| digest.kind() == Kind::Blake3)?;
        let is_file = entry.status == Status::Ok && !entry.filename.is_empty();
        let (key, size) = (*digest.digest().first_chunk()?, entry.size_file?);
        let index = entry.duplicate_of.unwrap_or(entry.index);
        (is_file && size > 0).then_some(Self { index, key, size })
    }
}

/// What a taken row says of its line.
#[derive(Clone, Copy)]
pub(super) enum Says {
    /// Nothing of a loss.
    Fate(Fate),
    /// The row's file is lost, as was found out before.
    Lost,
    /// The row's file was pulled, and is not there by now, or nothing proves that it is.
    LostNow,
}

/// A row as it is told.
pub(super) struct TakenRow<'r> {
    pub(super) sum: RowSum,
    pub(super) says: Says,
    /// Whether its file was looked at.
    pub(super) is_doubted: bool,
    /// Whether a file that it names is one that it was pulled into.
    pub(super) is_ours: bool,
    /// Whether its body was discarded, and a file is wanted.
    pub(super) is_discarded: bool,
    /// The body that its file has, where that is wanted and known.
    pub(super) body: Option<Body>,
    pub(super) filename: &'r str,
}

impl TakenRows {
    /// Takes the next row, of which is believed what `belief` says. One whose body was discarded is
    /// as good as none where a file is wanted of it.
    pub(super) fn take(&mut self, entry: &Entry<'_>, belief: Belief, wanted: Wanted) {
        let is_discarded = wanted.files && entry.is_discarded();
        let fate = if is_discarded { Fate::Open } else { fate(entry) };
        let is_doubted = belief != Belief::Whole && fate == Fate::Good;
        let is_refuted = is_doubted
            && match belief {
                Belief::Whole => false,
                Belief::Compared => !whole::is_as_told(entry),
                Belief::Proved => !whole::is_proved(entry),
            };
        let says = if is_refuted {
            Says::LostNow
        } else if entry.is_lost() {
            Says::Lost
        } else {
            Says::Fate(fate)
        };
        let given = Given::of_row(entry, &mut self.origin);
        if let (Says::Fate(Fate::Good), Some(url)) = (says, given.url().normal) {
            noted::note(entry, url);
        }
        let sum = RowSum::of(entry.index, given.url());
        self.names.push_str(&entry.filename);
        let is_ours = entry.status != Status::Skipped;
        let name_end = self.names.len();
        let is_there = wanted.bodies && matches!(says, Says::Fate(Fate::Good));
        let body = if is_there { Body::of(entry) } else { None };
        self.rows.push(Taken { sum, says, is_doubted, is_ours, is_discarded, body, name_end });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = TakenRow<'_>> {
        let mut name_at = 0;
        self.rows.iter().map(move |row| {
            let Taken { sum, says, is_doubted, is_ours, is_discarded, body, name_end } = *row;
            let name = std::mem::replace(&mut name_at, name_end)..name_end;
            let filename = &self.names[name];
            TakenRow { sum, says, is_doubted, is_ours, is_discarded, body, filename }
        })
    }
}

impl TakenRow<'_> {
    /// What becomes of its line.
    pub(super) fn fate(&self) -> Fate {
        match self.says {
            Says::Fate(fate) => fate,
            Says::Lost | Says::LostNow => Fate::Open,
        }
    }
}
