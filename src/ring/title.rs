//! The process title: the command line that other users of this machine can read as
//! /proc/PID/cmdline (ps(1)).

use std::fs::{self, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// Overwrites what `secrets` finds in each word of the command line with `*`, byte for byte: the
/// kernel reads the title from the memory in which the process got its arguments. Has to be called
/// while there is no other thread, and `std::env::args` gives the masked words from then on.
///
/// # Errors
/// When `/proc` is not there, or does not let the process write to its own memory.
pub fn mask(secrets: impl Fn(&str) -> Vec<Range<usize>>) -> io::Result<()> {
    let unknown = || io::Error::new(io::ErrorKind::InvalidData, "unknown form of /proc/self/stat");
    let Range { start, end } = argument_range(&fs::read("/proc/self/stat")?).ok_or_else(unknown)?;
    let length = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
    let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem")?;
    let mut words = vec![0; length];
    memory.read_exact_at(&mut words, start)?;
    let mut word_at = start;
    for word in words.split(|byte| *byte == 0) {
        let text = std::str::from_utf8(word).unwrap_or_default();
        for range in secrets(text) {
            memory.write_all_at(&vec![b'*'; range.len()], word_at + range.start as u64)?;
        }
        word_at += word.len() as u64 + 1;
    }
    Ok(())
}

/// `arg_start` and `arg_end`, the fields 48 and 49 of /proc/PID/stat (proc(5)). The second field
/// is a name in parentheses that may hold blanks and parentheses.
fn argument_range(stat: &[u8]) -> Option<Range<u64>> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(&stat[name_end + 1..]).ok()?;
    let mut fields = fields.split_ascii_whitespace().skip(48 - 3).map(str::parse);
    match (fields.next()?, fields.next()?) {
        (Ok(start), Ok(end)) if start > 0 => Some(start..end),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_behind_a_name_of_any_form() {
        let fields: Vec<String> = (3..=52).map(|field| (field * 10).to_string()).collect();
        let stat = |name: &str| format!("1 ({name}) {}\n", fields.join(" "));
        for name in ["ringpull", "a b) (c", "\u{e9}"] {
            assert_eq!(argument_range(stat(name).as_bytes()), Some(480..490), "{name}");
        }
        assert_eq!(argument_range(stat("x").replace(" 480 ", " 0 ").as_bytes()), None);
        assert_eq!(argument_range(b"1 (x) S 1 2"), None);
        assert_eq!(argument_range(b""), None);
        // That of this process holds the name of the program, whatever that is.
        let range = argument_range(&fs::read("/proc/self/stat").unwrap()).unwrap();
        let length = fs::read("/proc/self/cmdline").unwrap().len() as u64;
        assert_eq!(range.end - range.start, length);
    }
}
