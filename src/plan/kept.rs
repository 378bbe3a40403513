//! Values of a row of a list in the columns that the report keeps (`--keep-cols`).
//!
//! Millions of jobs may wait with them, so that they are one short string of bytes.

/// The values of the columns that are kept, in their order; none where nothing is known of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept(Box<[u8]>);

/// The value of one column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value<'v> {
    /// An empty cell, a null, or a member that is missing.
    Nothing,
    /// A cell, or a text of JSON; a cell need not be UTF-8.
    Text(&'v [u8]),
    /// Any other value of JSON, as it is written.
    Json(&'v [u8]),
}

impl Kept {
    /// Keeps these values. Each is shorter than 4 GiB.
    pub fn new<'v>(values: impl IntoIterator<Item = Value<'v>>) -> Self {
        let mut bytes = Vec::new();
        for value in values {
            let (kind, value) = match value {
                Value::Nothing => {
                    bytes.push(NOTHING);
                    continue;
                }
                Value::Text(value) => (TEXT, value),
                Value::Json(value) => (JSON, value),
            };
            let length = u32::try_from(value.len()).expect("rows of lists are short");
            bytes.push(kind);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(value);
        }
        Self(bytes.into())
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (kind, behind) = rest.split_first()?;
            if *kind == NOTHING {
                rest = behind;
                return Some(Value::Nothing);
            }
            let (length, behind) = behind.split_first_chunk().expect("a length follows");
            let (value, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
            rest = behind;
            Some(if *kind == TEXT { Value::Text(value) } else { Value::Json(value) })
        })
    }

    /// The string of bytes that holds the values.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The values that [`Self::as_bytes`] gave these bytes for.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl<'v> Value<'v> {
    /// The value of a cell of a table.
    pub fn of_cell(cell: &'v [u8]) -> Self {
        if cell.is_empty() { Self::Nothing } else { Self::Text(cell) }
    }
}

const NOTHING: u8 = 0;
const TEXT: u8 = 1;
const JSON: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let values = [
            Value::Nothing,
            Value::of_cell(b""),
            Value::of_cell(b"\xff, \n"),
            Value::Json(b"{\"a\":[1]}"),
            Value::Text(b""),
            Value::Nothing,
        ];
        let kept = Kept::new(values);
        assert_eq!(Kept::from_bytes(kept.as_bytes()).values().collect::<Vec<_>>(), values);
        assert_eq!(Kept::default().values().count(), 0);
        assert_eq!(kept.as_bytes().len(), 3 + 9 + 14 + 5);
    }
}
