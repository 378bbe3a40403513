//! Bytes of XML to its tokens, however they are split: tags, texts and nothing else.
//!
//! The tokens are cut here, so that memory is bounded and a reader can wait for more bytes within
//! any of them; what is in a tag and in a text is read by the `quick-xml` crate. There are no
//! document type declarations, so that no entity is expanded but the five of XML itself and
//! characters by their numbers.

use super::columns::FormError;
use super::is_utf16;
use crate::limits;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesEnd, BytesStart, Event};
use std::borrow::Cow;

/// One token of a document.
#[derive(Debug)]
pub(super) enum Token<'t> {
    /// The begin of an element, which is also its end with `is_empty`.
    Start {
        tag: BytesStart<'t>,
        is_empty: bool,
    },
    End(BytesEnd<'t>),
    Text(Cow<'t, str>),
}

/// How many bytes were read, and the next token with the number of its first line, from 1.
pub(super) type Read<'t> = (usize, Option<(u64, Token<'t>)>);

/// Cuts the bytes of one document into tokens.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    /// The token that has begun; of a comment only its begin.
    begun: Vec<u8>,
    scan: Scan,
    /// Whether `begun` was given out and a new token begins.
    is_given: bool,
    /// Bytes read.
    offset: u64,
    /// Number of the line that is read, from 1.
    line_number: u64,
    /// Number of the line on which the token begins.
    begun_line: u64,
}

/// How far a token is known.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scan {
    /// Text, or nothing yet.
    Text,
    /// `<`
    Open,
    /// `<!` and not yet known what of.
    Bang,
    /// A tag, and the quote in which a value of it stands.
    Tag(Option<u8>),
    /// `<?`, and whether the last byte was a `?`.
    Instruction(bool),
    /// A comment, and how many hyphens came last.
    Comment(u8),
    /// A CDATA section, and how many closing brackets came last.
    Cdata(u8),
    /// The last byte of the token came.
    Ended(Ended),
}

/// What has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ended {
    Text,
    Tag,
    Instruction,
    Comment,
    Cdata,
}

impl Tokens {
    /// A reader that has read nothing.
    pub(super) fn new() -> Self {
        Self {
            begun: Vec::new(),
            scan: Scan::Text,
            is_given: false,
            offset: 0,
            line_number: 1,
            begun_line: 1,
        }
    }

    /// Reads from the front of `input`, which begins where the last call stopped: how many bytes
    /// were read and, once it is whole, the next token with the number of its first line. Comments
    /// and processing instructions are passed over.
    ///
    /// # Errors
    /// When it is not XML.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<Read<'_>, FormError> {
        self.forget();
        let mut used = 0;
        while let Some(byte) = input.get(used) {
            used += usize::from(self.byte(*byte)?);
            match self.scan {
                Scan::Ended(Ended::Comment) => self.pass_over(),
                Scan::Ended(Ended::Instruction) => {
                    self.check_declaration()?;
                    self.pass_over();
                }
                Scan::Ended(ended) => {
                    let line_number = self.begun_line;
                    let token = self.token(ended)?;
                    return Ok((used, Some((line_number, token))));
                }
                _ => {}
            }
        }
        Ok((used, None))
    }

    /// Ends the document.
    ///
    /// # Errors
    /// When it ends within a token.
    pub(super) fn finish(&mut self) -> Result<(), FormError> {
        self.forget();
        let is_blank = self.scan == Scan::Text && self.begun.trim_ascii().is_empty();
        let what = match &*self.begun {
            _ if is_blank => return Ok(()),
            begun if is_utf16(begun) => UTF16,
            _ => "it ends within a tag or a text",
        };
        Err(self.error(what))
    }

    /// An error at the place that was reached.
    pub(super) fn error(&self, what: &str) -> FormError {
        let Self { begun_line, offset, .. } = self;
        FormError(format!("line {begun_line} (up to byte {offset}): {what}"))
    }

    fn forget(&mut self) {
        if std::mem::take(&mut self.is_given) {
            self.pass_over();
        }
    }

    fn pass_over(&mut self) {
        self.begun.clear();
        self.scan = Scan::Text;
    }

    /// Reads one byte. `false` where it belongs to the next token.
    fn byte(&mut self, byte: u8) -> Result<bool, FormError> {
        if self.begun.is_empty() {
            self.begun_line = self.line_number;
        }
        let next = match (self.scan, byte) {
            (Scan::Text, b'<') if self.begun.is_empty() => Scan::Open,
            (Scan::Text, b'<') => {
                self.scan = Scan::Ended(Ended::Text);
                return Ok(false);
            }
            (Scan::Open, b'!') => Scan::Bang,
            (Scan::Open, b'?') => Scan::Instruction(false),
            (Scan::Open, _) => Scan::Tag(None),
            (Scan::Bang, _) => self.bang(byte)?,
            (Scan::Tag(None), b'>') => Scan::Ended(Ended::Tag),
            (Scan::Tag(None), b'"' | b'\'') => Scan::Tag(Some(byte)),
            (Scan::Tag(Some(quote)), _) if quote == byte => Scan::Tag(None),
            (Scan::Instruction(true), b'>') => Scan::Ended(Ended::Instruction),
            (Scan::Instruction(_), _) => Scan::Instruction(byte == b'?'),
            (Scan::Comment(2..), b'>') => Scan::Ended(Ended::Comment),
            (Scan::Comment(hyphens), b'-') => Scan::Comment(hyphens.saturating_add(1)),
            (Scan::Comment(_), _) => Scan::Comment(0),
            (Scan::Cdata(2..), b'>') => Scan::Ended(Ended::Cdata),
            (Scan::Cdata(brackets), b']') => Scan::Cdata(brackets.saturating_add(1)),
            (Scan::Cdata(_), _) => Scan::Cdata(0),
            (scan @ (Scan::Text | Scan::Tag(_) | Scan::Ended(_)), _) => scan,
        };
        let is_comment = matches!(self.scan, Scan::Comment(_));
        self.scan = next;
        self.offset += 1;
        self.line_number += u64::from(byte == b'\n');
        let limit = match next {
            Scan::Text | Scan::Cdata(_) => limits::RECORD_BYTES_MAX,
            _ => limits::LINE_BYTES_MAX,
        };
        if !is_comment {
            if self.begun.len() >= limit {
                return Err(self.error(&format!("a tag or a text is longer than {limit} bytes")));
            }
            self.begun.push(byte);
        }
        Ok(true)
    }

    /// What `<!` and the bytes behind it begin.
    fn bang(&self, byte: u8) -> Result<Scan, FormError> {
        let length = self.begun.len();
        let is = |whole: &[u8]| whole.starts_with(&self.begun) && whole.get(length) == Some(&byte);
        if is(COMMENT) {
            return Ok(if length + 1 == COMMENT.len() { Scan::Comment(0) } else { Scan::Bang });
        }
        if is(CDATA) {
            return Ok(if length + 1 == CDATA.len() { Scan::Cdata(0) } else { Scan::Bang });
        }
        Err(self.error(
            "there is a <! that begins neither a comment nor CDATA; a document type declaration \
             is not read: remove it",
        ))
    }

    /// Refuses a declaration of another encoding.
    fn check_declaration(&self) -> Result<(), FormError> {
        let text = self.text(&self.begun)?;
        let mut reader = Reader::from_str(text);
        let Ok(Event::Decl(declaration)) = reader.read_event() else { return Ok(()) };
        let Some(Ok(encoding)) = declaration.encoding() else { return Ok(()) };
        let is_known = ["utf-8", "utf8", "us-ascii", "ascii"].contains(&&*encoding.to_lowercase());
        if is_known {
            return Ok(());
        }
        let encoding = encoding.escape_debug();
        Err(self.error(&format!("its encoding is {encoding:.40}; save it as UTF-8")))
    }

    fn text<'b>(&self, bytes: &'b [u8]) -> Result<&'b str, FormError> {
        std::str::from_utf8(bytes).map_err(|_| {
            self.error(if is_utf16(bytes) { UTF16 } else { "not valid UTF-8; save it as UTF-8" })
        })
    }

    fn token(&mut self, ended: Ended) -> Result<Token<'_>, FormError> {
        self.is_given = true;
        let text = self.text(&self.begun)?;
        let bad = |what: &dyn std::fmt::Display| self.error(&what.to_string());
        match ended {
            Ended::Text => {
                let is_first = self.offset == text.len() as u64;
                let mark = text.strip_prefix('\u{feff}').filter(|_| is_first);
                let text = mark.unwrap_or(text);
                unescape(text).map(Token::Text).map_err(|error| bad(&error))
            }
            Ended::Cdata => {
                let inner = text.get(CDATA.len()..text.len() - "]]>".len());
                Ok(Token::Text(inner.unwrap_or_default().into()))
            }
            _ => {
                let mut reader = Reader::from_str(text);
                let config = reader.config_mut();
                (config.check_end_names, config.allow_unmatched_ends) = (false, true);
                match reader.read_event().map_err(|error| bad(&error))? {
                    Event::Start(tag) => Ok(Token::Start { tag, is_empty: false }),
                    Event::Empty(tag) => Ok(Token::Start { tag, is_empty: true }),
                    Event::End(tag) => Ok(Token::End(tag)),
                    _ => Err(bad(&"it is not a tag")),
                }
            }
        }
    }
}

const UTF16: &str = "it is UTF-16; save it as UTF-8";
const COMMENT: &[u8] = b"<!--";
const CDATA: &[u8] = b"<![CDATA[";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The tokens of a document that comes in these pieces, and how it ended.
    fn tokens(parts: &[&[u8]]) -> (Vec<String>, Result<(), FormError>) {
        let (mut tokens, mut found) = (Tokens::new(), Vec::new());
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                let (used, token) = match tokens.read(rest) {
                    Ok(read) => read,
                    Err(error) => return (found, Err(error)),
                };
                found.extend(token.map(|(_, token)| match token {
                    Token::Start { tag, is_empty } => format!("+{}{}", &*tag, u8::from(is_empty)),
                    Token::End(tag) => format!("-{}", &*tag),
                    Token::Text(text) => format!("={text}"),
                }));
                rest = &rest[used..];
            }
        }
        let end = tokens.finish();
        (found, end)
    }

    #[test]
    fn a_document_is_its_tokens() {
        let document = "<?xml version='1.0'?><!-- <a> -- --->\n<a b='>' c=\"'/\"><d/>x&amp;&#65;\
                        <![CDATA[<&]]]></a ><!---->\n";
        let (found, end) = tokens(&[document.as_bytes()]);
        assert_eq!(end, Ok(()));
        assert_eq!(found, ["=\n", "+a b='>' c=\"'/\"0", "+d1", "=x&A", "=<&]", "-a"]);
    }

    #[test]
    fn what_is_no_xml_is_told_with_its_place() {
        for (document, said) in [
            ("<a>\n<!DOCTYPE a>", "line 2 (up to byte"),
            ("<a>&lol;", ""),
            ("<?xml version='1.0' encoding='latin1'?><a>", "its encoding is latin1"),
            ("<a", "it ends within"),
            ("<a b='", "it ends within"),
            ("<!-- ", "it ends within"),
        ] {
            let (_, end) = tokens(&[document.as_bytes()]);
            let text = end.map_or_else(|error| error.to_string(), |()| "fine".to_owned());
            assert!(text.contains(said), "{document}: {text}");
        }
        assert!(tokens(&[b"<a>&lol;<b>"]).1.is_err(), "no entity is expanded");
        assert!(tokens(&[b"<a>\xff<b>"]).1.unwrap_err().to_string().contains("UTF-8"));
        let long = format!("<a b='{}'>", "x".repeat(limits::LINE_BYTES_MAX));
        assert!(tokens(&[long.as_bytes()]).1.unwrap_err().to_string().contains("longer than"));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn splits_do_not_matter_and_nothing_panics(
            parts in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(vec![
                        "<a>", "</a>", "<a b='", "'>", "<!--", "-->", "<![CDATA[", "]]>", "<?x",
                        "?>", "<", ">", "&amp;", "&", ";", "\n", "text", "/>", "\"",
                    ]).prop_map(|text| text.as_bytes().to_vec()),
                    prop::collection::vec(any::<u8>(), 0..4),
                ],
                0..30,
            ),
        ) {
            let whole = parts.concat();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let bytes: Vec<&[u8]> = whole.chunks(1).collect();
            let expected = tokens(&[&whole]);
            prop_assert_eq!(&tokens(&parts), &expected);
            prop_assert_eq!(&tokens(&bytes), &expected);
        }
    }
}
