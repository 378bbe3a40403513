//! The folders of `--dirs`: which one a file goes into.
//!
//! The folder of a URL never changes, whatever the run, the machine or the release: it depends on
//! the URL in its normal form, or on the number of the line, and on nothing else. Anybody can tell
//! it from a report without redirects: `printf %s URL | sha256sum` begins with the digits of
//! `hash:2/2`, where URL is `url_effective`, or `url` where that is empty.

use super::{push_component, safe_component};
use crate::plan::checksum::{Hasher, Kind};
use crate::plan::target::Target;

/// `--dirs`: the folders that files go into, beneath the directory of the run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Dirs {
    /// `hash:2/2`: by a hash of the URL. One folder a level, each with so many hexadecimal digits
    /// of the hash, from the first on.
    Hash(Vec<u8>),
    /// `seq:1000`: by the number of the input line, so many lines a folder; at least 1.
    Lines(u64),
    /// `host`: by the host, with its port where that is not the default of the scheme.
    Host,
}

/// The folder of the file of input line `index`, a relative path of safe components.
pub fn folder(dirs: &Dirs, index: u64, target: &Target) -> String {
    match dirs {
        Dirs::Hash(levels) => by_hash(levels, target.as_str()),
        Dirs::Lines(lines) => by_line(*lines, index),
        Dirs::Host => safe_component(target.host_header().as_bytes()),
    }
}

/// Hexadecimal digits of the SHA-256 of the URL in its normal form, without user information.
fn by_hash(levels: &[u8], url: &str) -> String {
    let mut hasher = Hasher::new(Kind::Sha256);
    hasher.update(url.as_bytes());
    let hash = hasher.finish();
    let mut digits = hash.digest().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut path = String::with_capacity(levels.len() * 5);
    for level in levels {
        let digits = digits.by_ref().take((*level).into());
        let name: String = digits.filter_map(|d| char::from_digit(d.into(), 16)).collect();
        push_component(&mut path, &name);
    }
    path
}

/// The folders of `lines` lines each, from 0. Their numbers have as many digits as those of
/// [`LINES_SORTED`] lines need, so that they sort.
fn by_line(lines: u64, index: u64) -> String {
    let lines = lines.max(1);
    let last = LINES_SORTED.saturating_sub(1) / lines;
    let width = last.checked_ilog10().map_or(1, |digits| digits as usize + 1);
    format!("{:0width$}", index.saturating_sub(1) / lines)
}

/// Length of a list up to which its folders have names of the same length.
const LINES_SORTED: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dirs: &Dirs, index: u64, url: &str) -> String {
        folder(dirs, index, &Target::parse(url).unwrap())
    }

    /// To change one of these is to lose the files of everybody who continues a run.
    #[test]
    fn the_folder_of_a_url_is_fixed_for_ever() {
        // Told by sha256sum(1).
        let table: [(&[u8], &str, &str); 5] = [
            (&[2, 2], "http://example.com/a.jpg", "4f/d6"),
            (&[2], "http://example.com/a.jpg", "4f"),
            (&[3, 3], "http://example.com/b.jpg?x=1", "4e7/71d"),
            (&[1, 2, 3], "https://example.com:8443/", "8/2b/433"),
            (&[4, 4], "https://example.com:8443/", "82b4/33e0"),
        ];
        for (levels, url, wanted) in table {
            assert_eq!(of(&Dirs::Hash(levels.to_vec()), 7, url), wanted, "{levels:?} {url}");
        }
        let secret = of(&Dirs::Hash(vec![4]), 1, "http://user:password@example.com/a.jpg");
        assert_eq!(secret, of(&Dirs::Hash(vec![4]), 9, "http://example.com/a.jpg"));
    }

    #[test]
    fn folders_of_lines_sort() {
        let table = [
            (1_000, 1, "000000"),
            (1_000, 1_000, "000000"),
            (1_000, 1_001, "000001"),
            (1_000, 200_000_000, "199999"),
            (1_000, 1_000_000_000, "999999"),
            (1_000, 1_000_000_001, "1000000"),
            (1, 1, "000000000"),
            (10_000, 200_000_000, "19999"),
            (3, 7, "000000002"),
            (u64::MAX, 5, "0"),
            (1_000_000_000, 1_000_000_000, "0"),
            (999_999_999, 1_000_000_000, "1"),
        ];
        for (lines, index, wanted) in table {
            assert_eq!(of(&Dirs::Lines(lines), index, "http://h/"), wanted, "{lines} {index}");
        }
    }

    #[test]
    fn the_folder_of_a_host_is_safe() {
        let long = format!("http://{0}.{0}.{0}.{1}:8080/", "a".repeat(63), "b".repeat(61));
        let table = [
            ("http://Example.COM/a/b", "example.com"),
            ("http://example.com:80/", "example.com"),
            ("https://example.com:443/", "example.com"),
            ("http://example.com:443/", "example.com:443"),
            ("https://user@example.com:8443/", "example.com:8443"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("http://[2001:DB8::1]/", "[2001:db8::1]"),
            ("http://[::1]:81/", "[::1]:81"),
            ("http://bücher.example/", "xn--bcher-kva.example"),
        ];
        for (url, wanted) in table {
            assert_eq!(of(&Dirs::Host, 1, url), wanted, "{url}");
        }
        let long = of(&Dirs::Host, 1, &long);
        assert!(long.len() <= crate::limits::NAME_BYTES_MAX, "{long}");
    }
}
