//! `input_list`: a whole input in every format, split anywhere, and cut off anywhere.

use super::{name, random_of};
use ringpull::plan::input::{Columns, FormError, Format, List, Options, Packing, Unpacker};
use ringpull::plan::job::Entry;

pub(crate) fn target(data: &[u8]) {
    let mut random = random_of(data);
    let parts: Vec<&[u8]> = data.chunks(random.usize(1..=20)).collect();
    let lines = data.split_inclusive(|byte| *byte == b'\n').count() as u64;
    for format in [Format::Text, Format::Csv, Format::Tsv, Format::JsonLines] {
        let whole = read(format, &[data], true);
        assert_eq!(read(format, &parts, true), whole, "{format:?}");
        let (entries, result) = whole;
        // Every entry has a line of its own, in order.
        let indexes: Vec<u64> = entries.iter().map(index_of).collect();
        assert!(indexes.is_sorted_by(|a, b| a < b), "{format:?} {indexes:?}");
        assert!(indexes.iter().all(|index| (1..=lines).contains(index)), "{format:?} {indexes:?}");
        if let Ok(total) = result {
            assert_eq!(total, lines, "{format:?}");
        }
        entries.iter().for_each(check);
        if format != Format::Text {
            let cut = &data[..random.usize(0..=data.len())];
            let (found, _) = read(format, &[cut], false);
            assert!(entries.starts_with(&found), "{format:?} {found:?} {entries:?}");
        }
    }
    unpack(data);
}

/// The entries of a list in these parts, and the number of its lines.
fn read(format: Format, parts: &[&[u8]], is_whole: bool) -> (Vec<Entry>, Result<u64, FormError>) {
    let columns = Columns { out: Some("name".to_owned()), ..Columns::default() };
    let config = Options { columns, ..Options::default() };
    let mut list = List::new(format, &config, 0);
    let mut entries = Vec::new();
    for part in parts {
        let mut rest = *part;
        loop {
            let step = match list.read(rest) {
                Ok(step) => step,
                Err(error) => return (entries, Err(error)),
            };
            rest = &rest[step.used..];
            match step.entry {
                Some(entry) => entries.push(entry),
                None => break,
            }
        }
        assert!(rest.is_empty(), "without an entry all is read");
    }
    loop {
        let entry = if is_whole { list.finish() } else { Ok(list.abandon()) };
        match entry {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => return (entries, Ok(list.lines_total())),
            Err(error) => return (entries, Err(error)),
        }
    }
}

fn index_of(entry: &Entry) -> u64 {
    entry.as_ref().map_or_else(|bad| bad.index, |job| job.index)
}

fn check(entry: &Entry) {
    match entry {
        Ok(job) => name::check(&job.path(None)),
        Err(bad) => {
            assert!(bad.line_number >= bad.index, "{bad:?}");
            assert!(!bad.message.chars().any(char::is_control), "{:?}", bad.message);
            assert!(bad.message.len() < 2_000, "{} bytes of message", bad.message.len());
        }
    }
}

/// Whatever bytes say that they are packed: undoing it comes to an end.
fn unpack(data: &[u8]) {
    let Some(packing) = Packing::of(data) else { return };
    let Some(mut unpacker) = Unpacker::new(packing).expect("memory") else { return };
    let (mut rest, mut output) = (data, [0; 64]);
    // Both formats pack zeros a thousandfold and more.
    for _ in 0..100_000 {
        match unpacker.unpack(rest, &mut output) {
            Ok((0, 0)) => {
                assert!(rest.is_empty(), "{} bytes are left", rest.len());
                let _ = unpacker.finish();
                return;
            }
            Ok((used, _)) => rest = &rest[used..],
            Err(_) => return,
        }
    }
}
