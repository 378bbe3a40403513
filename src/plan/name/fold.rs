//! A key by which names are compared where the file system takes several spellings for one file.

use icu_normalizer::ComposingNormalizerBorrowed;
use std::borrow::Cow;

/// The key of a path: two paths that any file system takes for the same file have one key.
///
/// A key unites whatever some file system does: case, in the simple mapping of NTFS and FAT as in
/// the full one of ext4's casefold; how characters are composed (NFC, NFD) and compatible ones
/// (NFKC, as zfs may); characters that are not shown; dots and spaces at the end, which FAT drops.
/// So it unites more than each of them, which only gives a name a number that it could have done
/// without.
pub(super) fn folded(path: &str) -> String {
    let path = if path.is_ascii() { path.to_ascii_lowercase() } else { folded_unicode(path) };
    let is_dropped = |c: char| matches!(c, '.' | ' ');
    let mut key = String::with_capacity(path.len());
    for (at, component) in path.split('/').enumerate() {
        if at > 0 {
            key.push('/');
        }
        key.push_str(component.trim_end_matches(is_dropped));
    }
    key
}

fn folded_unicode(path: &str) -> String {
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    let normal = nfkc.normalize(path);
    // A letter at a time: lower case as such depends on where a sigma stands.
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    let upper = |text: &str| text.chars().flat_map(char::to_uppercase).collect::<String>();
    // There and back, because a sharp s and two s, or i with and without its dot, meet as capitals.
    let folded = lower(&upper(&lower(&normal)));
    let shown: Cow<'_, str> = match folded.contains(is_ignorable) {
        true => folded.chars().filter(|c| !is_ignorable(*c)).collect::<String>().into(),
        false => folded.into(),
    };
    nfkc.normalize(&shown).into_owned()
}

/// Default_Ignorable_Code_Point, without what no name has (see `super::is_safe_char`).
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use icu_normalizer::DecomposingNormalizerBorrowed;

    #[test]
    fn spellings_of_one_file_have_one_key() {
        let table = [
            ("Photo.JPG", "photo.jpg"),
            ("A/b/C", "a/B/c"),
            ("x.", "x"),
            ("x . .", "X"),
            ("d./x", "d/x"),
            ("caf\u{e9}", "CAFE\u{301}"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{1e9e}", "ss"),
            ("\u{212a}", "k"),
            ("\u{131}", "I"),
            ("\u{3a3}\u{3c2}", "\u{3c3}\u{3c3}"),
            ("\u{fb01}", "FI"),
            ("\u{2764}\u{fe0f}", "\u{2764}"),
            ("\u{1c5}", "\u{1c4}"),
            ("\u{ac00}", "\u{1100}\u{1161}"),
        ];
        for (a, b) in table {
            assert_eq!(folded(a), folded(b), "{a} {b}");
        }
        let apart = ["a", "b", "a.b", ".a", "a/b", "ab", "\u{e9}", "e", "\u{4e00}", "a b", ""];
        let keys: std::collections::HashSet<_> = apart.into_iter().map(folded).collect();
        assert_eq!(keys.len(), apart.len());
    }

    #[test]
    fn every_character_meets_its_other_cases_and_forms() {
        let nfd = DecomposingNormalizerBorrowed::new_nfd();
        // Behind it there are ideographs and private characters only, but for those not shown.
        for c in (0x20..=0x1_ffff).filter_map(char::from_u32).filter(|c| *c != '/') {
            let text = format!("a{c}b");
            let key = folded(&text);
            assert_eq!(folded(&text.to_uppercase()), key, "{c:?}");
            assert_eq!(folded(&text.to_lowercase()), key, "{c:?}");
            assert_eq!(folded(&nfd.normalize(&text)), key, "{c:?}");
            assert_eq!(folded(&nfd.normalize(&text.to_uppercase())), key, "{c:?}");
            assert_eq!(folded(&key), key, "{c:?}");
        }
    }
}
