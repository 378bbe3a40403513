//! Names of shards, and when one is full.

use std::fmt;

/// How shards are named: a text with the number of the shard in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShardName {
    before: String,
    /// Digits that the number has at least.
    width: usize,
    after: String,
}

/// When a shard is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capacity {
    /// Files that it has at most, at least 1.
    pub files_max: u64,
    /// Bytes of the archive that are not exceeded by a further file; a shard has one file in any
    /// case.
    pub bytes_max: u64,
}

impl Capacity {
    /// Whether a shard of so many files and bytes has no room for a file that takes `more` bytes.
    pub fn lacks_room(&self, (files, bytes): (u64, u64), more: u64) -> bool {
        files > 0 && (files >= self.files_max || bytes.saturating_add(more) > self.bytes_max)
    }

    /// Whether nothing more goes into a shard of so many files and bytes.
    pub fn is_full(&self, (files, bytes): (u64, u64)) -> bool {
        files >= self.files_max || bytes >= self.bytes_max
    }
}

impl ShardName {
    /// Reads a template such as `{shard:05d}.tar`. `{shard}` is the number of the shard, and stands
    /// in it once; a width says how many digits it has at least.
    ///
    /// # Errors
    /// Anything else, and what is no name of a tar file in one folder.
    pub fn parse(text: &str) -> Result<Self, ShardNameError> {
        let (before, rest) = text.split_once('{').ok_or(ShardNameError)?;
        let (field, after) = rest.split_once('}').ok_or(ShardNameError)?;
        let width = match field.strip_prefix("shard").ok_or(ShardNameError)? {
            "" => 1,
            width => {
                let digits = width.strip_prefix(":0").ok_or(ShardNameError)?;
                let digits = digits.strip_suffix('d').unwrap_or(digits);
                digits.parse().ok().filter(|width| *width <= 18).ok_or(ShardNameError)?
            }
        };
        let is_safe = |text: &str| {
            text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+'))
        };
        let is_good = is_safe(before)
            && is_safe(after)
            && after.ends_with(".tar")
            && !before.starts_with(['.', '-'])
            && !before.ends_with(|c: char| c.is_ascii_digit())
            && !after.starts_with(|c: char| c.is_ascii_digit())
            && text.len() <= NAME_BYTES_MAX;
        if !is_good {
            return Err(ShardNameError);
        }
        Ok(Self { before: before.to_owned(), width, after: after.to_owned() })
    }

    /// The file name of a shard.
    pub fn name(&self, number: u64) -> String {
        let Self { before, width, after } = self;
        format!("{before}{number:0width$}{after}")
    }

    /// The number of the shard with this file name, if it is one.
    pub fn number(&self, name: &str) -> Option<u64> {
        let digits = name.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let number = digits.parse().ok().filter(|_| !digits.starts_with('+'))?;
        (self.name(number) == name).then_some(number)
    }
}

impl Default for ShardName {
    /// `{shard:05d}.tar`
    fn default() -> Self {
        Self { before: String::new(), width: 5, after: ".tar".to_owned() }
    }
}

/// What stands for the number of a shard where files are told apart by the lines that they are
/// for: no list has as many lines.
pub fn index_of(number: u64) -> u64 {
    u64::MAX - number
}

/// The stem of the name of a shard: what stands beside it is named after it.
pub fn stem(name: &str) -> &str {
    name.strip_suffix(".tar").unwrap_or(name)
}

/// Why a template for names of shards is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ShardNameError;

impl fmt::Display for ShardNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "it is a file name with {shard} or {shard:05d} in it once, no digit beside that, and \
             .tar at its end, such as part3-{shard:05d}.tar",
        )
    }
}

impl std::error::Error for ShardNameError {}

/// Longest template, in bytes: names beside a shard are longer.
const NAME_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_numbers_and_give_them_back() {
        let name = ShardName::default();
        assert_eq!(ShardName::parse("{shard:05d}.tar"), Ok(name.clone()));
        assert_eq!((name.name(7), name.name(123_456)), ("00007.tar".into(), "123456.tar".into()));
        assert_eq!((name.number("00007.tar"), name.number("123456.tar")), (Some(7), Some(123_456)));
        for other in ["7.tar", "000007.tar", "00007.tar.gz", "+0007.tar", "x00007.tar", ".tar"] {
            assert_eq!(name.number(other), None, "{other}");
        }
        let part = ShardName::parse("part3-{shard}.x.tar").unwrap();
        assert_eq!(
            (part.name(0), part.number("part3-10.x.tar")),
            ("part3-0.x.tar".into(), Some(10))
        );
        assert_eq!(stem("00007.tar"), "00007");
        for bad in [
            "",
            "a.tar",
            "{shard}",
            "{shard}{shard}.tar",
            "a/{shard}.tar",
            "{n}.tar",
            "{shard:5}.tar",
            "{shard:0x}.tar",
            ".{shard}.tar",
            "3{shard}.tar",
            "{shard}9.tar",
            "{shard",
            "{shard}.tar.gz",
        ] {
            assert_eq!(ShardName::parse(bad), Err(ShardNameError), "{bad}");
        }
    }

    #[test]
    fn a_shard_is_full_by_files_or_bytes_and_has_one_file_in_any_case() {
        let capacity = Capacity { files_max: 2, bytes_max: 1_000 };
        assert!(!capacity.lacks_room((0, 0), 5_000));
        assert!(capacity.lacks_room((1, 600), 500) && !capacity.lacks_room((1, 600), 400));
        assert!(capacity.lacks_room((2, 10), 10));
        assert!(capacity.is_full((2, 10)) && capacity.is_full((1, 5_000)));
        assert!(!capacity.is_full((1, 999)));
    }
}
