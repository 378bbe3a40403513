//! `job_line`: a whole list, and one line around a secret.

use super::name;
use ringpull::limits;
use ringpull::plan::job::{Entry, Job, JobOptions, Lines};

pub(crate) fn target(data: &[u8]) {
    let lines: Vec<_> = data.split_inclusive(|byte| *byte == b'\n').collect();
    let before = u64::from(data.first().copied().unwrap_or(0));
    let mut reader = Lines::new(before);
    let mut entries = Vec::new();
    for line in &lines {
        entries.extend(reader.line(line));
    }
    entries.extend(reader.finish());
    assert!(reader.finish().is_none(), "an entry of no line");
    assert_eq!(reader.lines_total(), before + lines.len() as u64);

    // Every line that asks for something is the line of one entry, in order.
    let indexes: Vec<u64> = entries.iter().map(index_of).collect();
    assert!(indexes.is_sorted_by(|a, b| a < b), "{indexes:?}");
    let wanted: Vec<u64> =
        (before + 1..).zip(asking(&lines)).filter(|line| line.1).map(|line| line.0).collect();
    assert_eq!(indexes, wanted);
    for entry in &entries {
        check(entry, before);
    }
    secrets(data);
}

fn index_of(entry: &Entry) -> u64 {
    entry.as_ref().map_or_else(|bad| bad.index, |job| job.index)
}

/// For each line, whether it has an entry: all but blank ones, comments, and option lines with
/// something above them that they belong to.
fn asking(lines: &[&[u8]]) -> Vec<bool> {
    let mut has_owner = false;
    let mut asking = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_long = line.len() > limits::LINE_BYTES_MAX;
        let line =
            if number == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let text = line.trim_ascii();
        let is_skipped = text.starts_with(b"#") || (text.is_empty() && !is_long);
        let is_indented = line.first().is_some_and(u8::is_ascii_whitespace);
        let is_option = is_indented && is_option(text) && has_owner;
        asking.push(!is_skipped && !is_option);
        has_owner |= !is_skipped;
    }
    asking
}

fn is_option(text: &[u8]) -> bool {
    let name = text.iter().take_while(|byte| b"-".contains(byte) || byte.is_ascii_alphanumeric());
    let name: Vec<u8> = name.copied().collect();
    let is_low = !name.iter().any(u8::is_ascii_uppercase);
    name.first().is_some_and(u8::is_ascii_lowercase)
        && is_low
        && text.get(name.len()) == Some(&b'=')
}

fn check(entry: &Entry, before: u64) {
    match entry {
        Ok(job) => check_job(job),
        Err(bad) => {
            assert!(bad.line_number >= bad.index - before, "{bad:?}");
            assert!(!bad.message.chars().any(char::is_control), "{:?}", bad.message);
            assert!(bad.message.len() < 2_000, "{} bytes of message", bad.message.len());
            assert!(bad.text.len() <= 3 * limits::LINE_BYTES_MAX);
            let shown = bad.fault().to_string();
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
        }
    }
}

fn check_job(job: &Job) {
    name::check(&job.path(None));
    let Some(JobOptions { out, dir, headers, .. }) = job.options.as_deref() else {
        return;
    };
    for path in [out, dir].into_iter().flatten().filter(|path| !path.is_empty()) {
        name::check(path);
    }
    for (name, value) in headers {
        let is_token = |c: char| c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c);
        assert!(!name.is_empty() && name.chars().all(is_token), "{name:?}");
        assert!(!value.contains(['\r', '\n', '\0']), "{value:?}");
    }
}

/// A password of a URL, and a header, are in no text that is shown, whatever is wrong beside them.
fn secrets(data: &[u8]) {
    let line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let secret = SECRET.as_bytes();
    // A fuzzer finds the word too.
    if line.windows(secret.len()).any(|window| window == secret) {
        return;
    }
    for list in [
        [b"http://me:", secret, b"@", line].concat(),
        [b"ftp://", secret, b"@", line].concat(),
        [b"http://host/\n  header=A: ", secret, line].concat(),
        [b"  header=", line, secret].concat(),
    ] {
        let mut reader = Lines::new(0);
        let mut entries: Vec<_> =
            list.split(|byte| *byte == b'\n').filter_map(|line| reader.line(line)).collect();
        entries.extend(reader.finish());
        for entry in &entries {
            let shown = match entry {
                Ok(job) => format!("{:?} {}", job.target, job.path(None)),
                Err(bad) => format!("{bad:?} {}", bad.fault()),
            };
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
}

const SECRET: &str = "Vq7Secret";
