//! Which values of a kept column are JSON that is no text: the numbers of their rows.

use super::invalid::invalid;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parquet::file::metadata::KeyValue;
use roaring::{RoaringBitmap, RoaringTreemap};
use std::collections::BTreeMap;
use std::io;

/// The rows with JSON of each kept column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Marks(Vec<RoaringTreemap>);

impl Marks {
    pub(super) fn new(columns: usize) -> Self {
        Self(vec![RoaringTreemap::new(); columns])
    }

    /// Marks a value of a column. Rows come in order.
    pub(super) fn insert(&mut self, column: usize, row: u64) {
        self.0[column].insert(row);
    }

    pub(super) fn contains(&self, column: usize, row: u64) -> bool {
        self.0[column].contains(row)
    }

    /// What is noted in a file whose columns have these names; nothing where all values are text.
    pub(super) fn note(self, names: &[String]) -> io::Result<Option<KeyValue>> {
        let mut texts = BTreeMap::new();
        for (name, rows) in names.iter().zip(self.0).filter(|(_, rows)| !rows.is_empty()) {
            let packed = rows.bitmaps().map(|(high, rows)| {
                let mut rows: RoaringBitmap = rows.clone();
                // Mostly all rows have one, or none has.
                rows.optimize();
                (high, rows)
            });
            let mut bytes = Vec::new();
            RoaringTreemap::from_bitmaps(packed).serialize_into(&mut bytes)?;
            texts.insert(name, STANDARD.encode(bytes));
        }
        if texts.is_empty() {
            return Ok(None);
        }
        let text = serde_json::to_string(&texts)?;
        Ok(Some(KeyValue::new(KEY.to_owned(), text)))
    }

    /// What a file has noted whose columns have these names.
    pub(super) fn read(noted: Option<&Vec<KeyValue>>, names: &[String]) -> io::Result<Self> {
        let noted = noted.into_iter().flatten().find(|note| note.key == KEY);
        let Some(text) = noted.and_then(|note| note.value.as_deref()) else {
            return Ok(Self::new(names.len()));
        };
        let texts: BTreeMap<String, String> = serde_json::from_str(text)?;
        let rows = names.iter().map(|name| match texts.get(name) {
            None => Ok(RoaringTreemap::new()),
            Some(text) => {
                let bytes = STANDARD.decode(text).map_err(invalid)?;
                RoaringTreemap::deserialize_from(&bytes[..])
            }
        });
        rows.collect::<io::Result<_>>().map(Self)
    }
}

/// The name of the note.
const KEY: &str = "ringpull.json";
