//! Whether a list without a format is XML, by its first bytes.

/// Looks at the begin of an input until it is known what it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Sniffer {
    /// The begin, as far as it came.
    begun: Vec<u8>,
}

/// What an input is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sniffed {
    Xml,
    /// Anything else.
    Text,
}

impl Sniffer {
    /// Reads from the front of `input`: how many bytes were read, and what the input is, once that
    /// is known.
    pub(super) fn read(&mut self, input: &[u8]) -> (usize, Option<Sniffed>) {
        let mut used = 0;
        let mut known = None;
        while known.is_none() && used < input.len() {
            self.begun.push(input[used]);
            used += 1;
            known = self.known();
        }
        (used, known)
    }

    /// The bytes that were read. They hold no whole line but blank ones.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.begun
    }

    fn known(&self) -> Option<Sniffed> {
        if MARK.starts_with(&self.begun) {
            return None;
        }
        let text = self.begun.strip_prefix(MARK).unwrap_or(&self.begun).trim_ascii_start();
        let begins = |word: &[u8]| {
            let length = word.len().min(text.len());
            text[..length].eq_ignore_ascii_case(&word[..length])
        };
        if WORDS.iter().any(|word| begins(word) && text.len() >= word.len()) {
            return Some(Sniffed::Xml);
        }
        let is_open = self.begun.len() < BYTES_MAX && WORDS.iter().any(|word| begins(word));
        if is_open { None } else { Some(Sniffed::Text) }
    }
}

/// A UTF-8 byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// What XML begins with that is a metalink or may be taken for one. A prefix before `metalink` is
/// behind a declaration wherever programs write one.
const WORDS: [&[u8]; 4] = [b"<?xml", b"<!--", b"<!doctype", b"<metalink"];
/// Bytes after which it is known at the latest, for blanks have no end.
const BYTES_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_known_by_its_first_bytes() {
        for (text, sniffed) in [
            ("<?xml version", Some(Sniffed::Xml)),
            ("\u{feff}<?xml version", Some(Sniffed::Xml)),
            (" \n<metalink xmlns", Some(Sniffed::Xml)),
            ("<!DOCTYPE html>", Some(Sniffed::Xml)),
            ("<!-- a", Some(Sniffed::Xml)),
            ("http://h/", Some(Sniffed::Text)),
            ("# a list", Some(Sniffed::Text)),
            ("<http://h/>", Some(Sniffed::Text)),
            ("\u{feff}http://h/", Some(Sniffed::Text)),
            ("\u{e4}", Some(Sniffed::Text)),
            ("<?xm", None),
            ("\n\n", None),
            ("", None),
        ] {
            for at in 0..=text.len() {
                let (mut sniffer, bytes) = (Sniffer::default(), text.as_bytes());
                let (used, known) = sniffer.read(&bytes[..at]);
                let known = known.map(|known| (used, known)).or_else(|| {
                    let (more, known) = sniffer.read(&bytes[at..]);
                    known.map(|known| (used + more, known))
                });
                assert_eq!(known.map(|(_, known)| known), sniffed, "{text}");
                let read = known.map_or(bytes.len(), |(used, _)| used);
                assert_eq!(sniffer.into_bytes(), &bytes[..read], "{text}");
            }
        }
        let blanks = vec![b'\n'; 10_000];
        assert_eq!(Sniffer::default().read(&blanks), (BYTES_MAX, Some(Sniffed::Text)));
    }
}
