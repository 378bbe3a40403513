//! File names: safe ones from URLs, `out=`, templates and servers, distinct over the whole run.
//!
//! Every component made here is 1 to [`limits::NAME_BYTES_MAX`] bytes of UTF-8 without `/`, `\`,
//! controls and invisible format characters, and begins with none of `.`, `-` and `~`. So no path
//! can leave its directory, be taken for an option, or reach a terminal as an escape sequence, and
//! names that begin with a dot are free for temporary files, those with a tilde for the last resort
//! of [`Names`].
//!
//! What else a file system does to names is in [`NameRules`].

mod claim;
mod dirs;
mod disposition;
mod fold;
mod template;
mod windows;

pub use claim::{Claimed, Names};
pub use dirs::{Dirs, folder};
pub use disposition::from_disposition;
pub use template::{Template, TemplateError};
pub use windows::refused;

use super::target::Target;
use crate::fault::{InputProblem, is_hidden};
use crate::limits;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// `--restrict-file-names`: the names that files may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RestrictNames {
    /// Names that Linux allows, whatever the file system.
    Unix,
    /// Names that Windows allows, and distinct there.
    Windows,
}

/// Rules of a file system for names. The default is to take each as it is, as ext4 and the like do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NameRules {
    /// Whether names that differ only in case, in how characters are composed, or in dots and
    /// spaces at their end, are one file.
    pub folds: bool,
    /// Whether names that Windows does not allow are refused, or become others.
    pub is_windows: bool,
    /// Whether a file with a long name has a short one as well (`LONGNA~1.TXT`).
    pub has_short_names: bool,
}

/// The component of a path as a directory with these rules takes it: see `windows`.
pub fn fit(component: &str, rules: NameRules) -> Cow<'_, str> {
    windows::fit(component, rules)
}

/// The name of a URL: the last segment of its path, percent-decoded once and made safe. Bytes that
/// are not UTF-8 keep their `%XX`. A URL that ends in `/` gives `index`.
///
/// The URL of the input line always names the file, never that of a redirect (CVE-2010-2252,
/// CVE-2016-4971).
pub fn from_target(target: &Target) -> String {
    match plain(target) {
        Some(segment) => segment.to_owned(),
        None => safe_component(&Cow::from(percent_decode_str(last_segment(target)))),
    }
}

/// The name that [`from_target`] gives, where that is the last segment of the path as it is.
pub fn plain(target: &Target) -> Option<&str> {
    Some(last_segment(target)).filter(|segment| is_safe(segment.as_bytes()))
}

/// Whether [`from_target`] gives `name`. Without an allocation where that is easily seen.
pub fn is_of_target(name: &str, target: &Target) -> bool {
    plain(target).map_or_else(|| name == from_target(target), |segment| name == segment)
}

fn last_segment(target: &Target) -> &str {
    target.path().rsplit('/').next().unwrap_or_default()
}

/// A path given by a list (`out=`): relative, of safe components. Empty
/// components and `.` are dropped.
///
/// # Errors
/// `Name` when it is absolute, holds `..`, is empty, or exceeds [`limits::PATH_BYTES_MAX`].
pub fn relative_path(path: &str) -> Result<String, InputProblem> {
    let path = relative_dir(path)?;
    if path.is_empty() { Err(InputProblem::Name) } else { Ok(path) }
}

/// A directory given by a list (`dir=`): as [`relative_path`], but it may be empty, as `.` is.
///
/// # Errors
/// As [`relative_path`], but for an empty result.
pub fn relative_dir(path: &str) -> Result<String, InputProblem> {
    if path.is_empty() || path.starts_with('/') || path.len() > limits::PATH_BYTES_MAX {
        return Err(InputProblem::Name);
    }
    let mut relative = String::with_capacity(path.len());
    for component in path.split('/').filter(|component| !matches!(*component, "" | ".")) {
        // A backslash is a separator to those who wrote `..\`.
        if component.split('\\').any(|part| part == "..") {
            return Err(InputProblem::Name);
        }
        push_component(&mut relative, &safe_component(component.as_bytes()));
    }
    Ok(relative)
}

/// The path with a number before the extension of its last component: another name to try when one
/// is taken.
pub fn numbered(path: &str, number: u64) -> String {
    claim::marked(path, &format!(".{number}"))
}

/// Whether `is` says so of a path that input line `index` may have asked for when it was given
/// `path`: that very one, or one that was taken, so that [`Names`] gave it a mark. `is_renamed`
/// says that any number may be in it ([`numbered`]), since a file of that name was there.
///
/// A name that had to be cut is believed.
pub fn was_asked_as(path: &str, index: u64, is_renamed: bool, is: impl Fn(&str) -> bool) -> bool {
    if is(path) {
        return true;
    }
    let mut given = vec![path.to_owned()];
    if is_renamed {
        given.extend(claim::without_mark(path, claim::is_number));
    }
    let claimed: Vec<String> =
        given.iter().flat_map(|path| claim::before_claim(path, index)).collect();
    let name = path.rsplit('/').next().unwrap_or(path);
    // A character that is cut in two is left out.
    let is_cut = name.len() + 3 >= limits::NAME_BYTES_MAX && given.len() + claimed.len() > 1;
    is_cut || given.iter().skip(1).chain(&claimed).any(|path| is(path))
}

/// Appends one component to a path.
pub fn push_component(path: &mut String, component: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(component);
}

/// Any bytes as one safe component of a path: see the top of the module.
fn safe_component(bytes: &[u8]) -> String {
    if matches!(bytes, b"" | b"." | b"..") {
        return NAME_EMPTY.to_owned();
    }
    let mut name = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        name.extend(chunk.valid().chars().map(|c| if is_safe_char(c) { c } else { '_' }));
        for byte in chunk.invalid() {
            name.push_str(percent_encoding::percent_encode_byte(*byte));
        }
    }
    if name.starts_with(['.', '-', '~']) {
        name.replace_range(..1, "_");
    }
    if name.len() > limits::NAME_BYTES_MAX { shorten(&name) } else { name }
}

/// Cuts a name to its limit: the extension stays, and a hash of the whole name keeps two long names
/// that begin alike apart.
fn shorten(name: &str) -> String {
    let (_, extension) = split_extension(name);
    let hash = hash64(name.as_bytes()) & 0xffff_ffff_ffff;
    with_suffix(name, &format!("-{hash:012x}{extension}"))
}

/// The stem of `name` and then `suffix` (which has the extension in it), cut to the limit.
fn with_suffix(name: &str, suffix: &str) -> String {
    joined(split_extension(name).0, suffix)
}

/// A stem and its suffix, the stem cut so that both are within the limit of a name.
fn joined(stem: &str, suffix: &str) -> String {
    let mut end = stem.len().min(limits::NAME_BYTES_MAX.saturating_sub(suffix.len()));
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &stem[..end])
}

/// `a.tar.gz` is `a.tar` and `.gz`: what follows the last dot is an extension when it is 1 to 16
/// ASCII letters and digits and the stem is not empty.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => {
            let extension = &name.as_bytes()[dot + 1..];
            let is_extension = (1..=EXTENSION_BYTES_MAX).contains(&extension.len())
                && extension.iter().all(u8::is_ascii_alphanumeric);
            if is_extension { name.split_at(dot) } else { (name, "") }
        }
        _ => (name, ""),
    }
}

/// Whether a component can stay as it is. Says no to anything but plain ASCII: the slow way
/// decides.
fn is_safe(bytes: &[u8]) -> bool {
    let is_plain = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+' | b',' | b'=' | b'@')
    };
    (1..=limits::NAME_BYTES_MAX).contains(&bytes.len())
        && !matches!(bytes[0], b'.' | b'-')
        && bytes.iter().all(is_plain)
}

/// Whether a character may be in a name: separators, and characters that are not seen or reorder
/// text, may not.
fn is_safe_char(c: char) -> bool {
    !(is_hidden(c) || matches!(c, '/' | '\\'))
}

/// A hash that is the same in every run and on every machine, because names depend on it: murmur's
/// multiply and shift over eight bytes at a time, and its finish.
pub(super) fn hash64(bytes: &[u8]) -> u64 {
    let step = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^ (hash >> 32)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    // The length keeps the padding of the last word from being taken for content.
    let hash = words.iter().fold(bytes.len() as u64, |h, word| step(h, u64::from_le_bytes(*word)));
    mix(step(hash, u64::from_le_bytes(last)))
}

/// Every bit of the result depends on every bit of the argument (murmur3's `fmix64`).
fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

const NAME_EMPTY: &str = "index";
const EXTENSION_BYTES_MAX: usize = 16;

#[cfg(test)]
mod tests;
