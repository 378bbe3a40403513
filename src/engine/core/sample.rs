//! The bytes of a sample around its body: headers of tar, its caption and its row.

use crate::engine::output::archive::Archiving;
use crate::pack::{Form, tar};
use crate::report::row::Kept;
use crate::report::{Row, RowEncoder, RowFormat};
use std::cell::{Cell, RefCell};
use std::time::SystemTime;

/// What one core puts samples together with.
pub(super) struct Sampler {
    encoder: RefCell<RowEncoder>,
    /// Memory of a sample, used again.
    memory: Cell<Memory>,
}

/// The bytes of one sample around its body.
pub(super) struct Sample {
    /// Key, and extension of the body.
    pub(super) name: (String, String),
    pub(super) body_bytes: u64,
    memory: Memory,
}

/// What is put together for one sample.
#[derive(Default)]
struct Memory {
    /// What stands before the body.
    head: Vec<u8>,
    /// What follows the body: its padding, and further members.
    tail: Vec<u8>,
    /// Extension, offset behind the begin of the sample, and size of each further member.
    members: Vec<(&'static str, u64, u64)>,
    json: Vec<u8>,
}

impl Sample {
    /// What stands before the body.
    pub(super) fn head(&self) -> &[u8] {
        &self.memory.head
    }

    /// What follows the body.
    pub(super) fn tail(&self) -> &[u8] {
        &self.memory.tail
    }

    /// Extension, offset behind the begin of the sample, and size of each member.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        let body = (&*self.name.1, self.memory.head.len() as u64, self.body_bytes);
        std::iter::once(body).chain(self.memory.members.iter().copied())
    }

    fn bytes(&self) -> u64 {
        self.head().len() as u64 + self.body_bytes + self.tail().len() as u64
    }

    /// Appends a further member behind the body, which is these parts one behind the other.
    fn push(&mut self, ext: &'static str, parts: &[&[u8]], mtime_s: u64) {
        let size = parts.iter().map(|part| part.len() as u64).sum();
        let name = [&*self.name.0, ".", ext].concat();
        tar::push_header(&mut self.memory.tail, &name, size, mtime_s);
        let offset = self.bytes();
        let Memory { tail, members, .. } = &mut self.memory;
        members.push((ext, offset, size));
        parts.iter().for_each(|part| tail.extend_from_slice(part));
        tail.resize(tail.len() + tar::padding(size), 0);
    }
}

impl Sampler {
    /// Puts samples together whose rows have these columns of the list.
    pub(super) fn new(kept: Vec<String>) -> Self {
        let encoder = RowEncoder::new(RowFormat::JsonLines).keeping(kept);
        Self { encoder: RefCell::new(encoder), memory: Cell::default() }
    }

    /// The bytes around the body of a row, which has the name of the archive already. `name` is key
    /// and extension.
    pub(super) fn sample(&self, archive: &Archiving, name: (String, String), row: &Row) -> Sample {
        let since = row.attempted_at.duration_since(SystemTime::UNIX_EPOCH);
        let mtime_s = since.map_or(0, |since| since.as_secs());
        let body_bytes = row.size_file.unwrap_or_default();
        let mut memory = self.memory.take();
        let Memory { head, tail, members, json } = &mut memory;
        head.clear();
        tail.clear();
        members.clear();
        json.clear();
        tar::push_header(head, &joined(&name), body_bytes, mtime_s);
        tail.resize(tar::padding(body_bytes), 0);
        let mut json = std::mem::take(json);
        let mut sample = Sample { name, body_bytes, memory };
        if archive.form == Form::WebDataset {
            match archive.caption.and_then(|at| row.kept.get(at)) {
                Some(Kept::Text(text) | Kept::Json(text)) if !text.is_empty() => {
                    sample.push("txt", &[text], mtime_s);
                }
                Some(_) | None => {}
            }
            self.encoder.borrow_mut().encode(row, &mut json);
            // What the encoder gives begins with a brace and ends with a line end.
            let row = json.get(1..).unwrap_or_default().trim_ascii_end();
            let key = serde_json::to_string(&sample.name.0).unwrap_or_default();
            sample.push("json", &[b"{\"key\":", key.as_bytes(), b",", row], mtime_s);
        }
        sample.memory.json = json;
        sample
    }

    /// Takes the memory of a sample back.
    pub(super) fn keep(&self, sample: Sample) {
        self.memory.set(sample.memory);
    }
}

/// The name of a member: key and extension where it has one.
pub(super) fn joined((key, ext): &(String, String)) -> String {
    if ext.is_empty() { key.clone() } else { [key, ".", ext].concat() }
}
