//! Metalink 4 (RFC 5854): files with their URLs, sizes and digests, in XML.
//!
//! Every `file` element is one entry, whose number is that of the element. What it says that no
//! job needs (languages, descriptions, elements of other namespaces) is passed over.

mod file;

use self::file::FileElement;
use super::columns::FormError;
use super::xml::{Token, Tokens};
use crate::limits;
use crate::plan::job::{At, Entry, LeftOut};
use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;
use quick_xml::name::{NamespaceResolver, ResolveResult};
use std::borrow::Cow;

/// The reader of one metalink.
#[derive(Clone, Debug)]
pub(super) struct Metalink {
    tokens: Tokens,
    namespaces: NamespaceResolver,
    lines_before: u64,
    /// Number of `file` elements.
    files: u64,
    /// Elements that are open, the outermost one first.
    open: Vec<Open>,
    /// The text of the element whose text is wanted.
    text: String,
    file: Option<Box<FileElement>>,
    /// Whether the outermost element has ended.
    is_over: bool,
    left_out: LeftOut,
}

/// An element that is open.
#[derive(Clone, Debug)]
struct Open {
    /// As it is written.
    name: Box<str>,
    element: Element,
    line_number: u64,
}

/// What an element is, by its name and by where it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Element {
    Metalink,
    File,
    Size,
    Url,
    Hash,
    Pieces,
    /// The digest of a piece.
    PieceHash,
    Metaurl,
    Signature,
    /// Anything that is passed over.
    Other,
}

impl Metalink {
    pub(super) fn new(lines_before: u64) -> Self {
        Self {
            tokens: Tokens::new(),
            namespaces: NamespaceResolver::default(),
            lines_before,
            files: 0,
            open: Vec::new(),
            text: String::new(),
            file: None,
            is_over: false,
            left_out: LeftOut::default(),
        }
    }

    /// Reads from the front of `input`, which begins where the last call stopped: how many bytes
    /// were read and, once it is whole, the next entry.
    ///
    /// # Errors
    /// When it is not a metalink.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<(usize, Option<Entry>), FormError> {
        let mut used = 0;
        loop {
            // The token borrows what cuts it, so that this is taken out for a moment.
            let mut tokens = std::mem::replace(&mut self.tokens, Tokens::new());
            let step = self.step(&mut tokens, &input[used..]);
            self.tokens = tokens;
            let (read, entry) = step?;
            used += read;
            if entry.is_some() || used == input.len() {
                return Ok((used, entry));
            }
        }
    }

    fn step(
        &mut self,
        tokens: &mut Tokens,
        input: &[u8],
    ) -> Result<(usize, Option<Entry>), FormError> {
        let (used, token) = tokens.read(input)?;
        let Some((line_number, token)) = token else { return Ok((used, None)) };
        let result = match token {
            Token::Start { tag, is_empty } => self.start(&tag, is_empty, line_number),
            Token::End(tag) => self.end(tag.name().as_ref()),
            Token::Text(text) => self.text(&text).map(|()| None),
        };
        result.map(|entry| (used, entry)).map_err(|what| tokens.error(&what))
    }

    /// Ends the metalink.
    ///
    /// # Errors
    /// When it is not whole.
    pub(super) fn finish(&mut self) -> Result<(), FormError> {
        self.tokens.finish()?;
        match self.open.last() {
            None if self.is_over => Ok(()),
            None => Err(self.tokens.error(NO_METALINK)),
            Some(open) => Err(self.tokens.error(&format!(
                "it ends within <{}> of line {}, behind {} whole files: it was cut off",
                open.name.escape_debug(),
                open.line_number,
                self.files - u64::from(self.file.is_some())
            ))),
        }
    }

    pub(super) fn lines_total(&self) -> u64 {
        self.lines_before + self.files
    }

    pub(super) fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Reads the begin of an element, which is its end as well where it is empty.
    fn start(
        &mut self,
        tag: &BytesStart<'_>,
        is_empty: bool,
        line_number: u64,
    ) -> Result<Option<Entry>, Problem> {
        if self.open.len() == DEPTH_MAX {
            return Err(format!("elements stand within each other {DEPTH_MAX} times").into());
        }
        self.namespaces.push(tag).map_err(problem)?;
        let element = self.element(tag)?;
        let attributes = Attributes::read(tag)?;
        self.begin(element, &attributes, line_number);
        let name: Box<str> = tag.name().as_ref().into();
        self.text.clear();
        self.open.push(Open { name: name.clone(), element, line_number });
        if is_empty { self.end(&name) } else { Ok(None) }
    }

    /// What the element is that begins.
    fn element(&self, tag: &BytesStart<'_>) -> Result<Element, Problem> {
        let (namespace, local) = self.namespaces.resolve_element(tag.name());
        let is_ours = matches!(namespace, ResolveResult::Bound(name) if name.as_ref() == NAMESPACE);
        Ok(match (self.open.last().map(|open| open.element), local.as_ref()) {
            (None, _) if self.is_over => return Err("something follows </metalink>".into()),
            (None, "metalink") if is_ours => Element::Metalink,
            (None, "metalink") => return Err(OTHER_VERSION.into()),
            (None, _) => return Err(NO_METALINK.into()),
            (Some(_), _) if !is_ours => Element::Other,
            (Some(Element::Metalink), "file") => Element::File,
            (Some(Element::File), "size") => Element::Size,
            (Some(Element::File), "url") => Element::Url,
            (Some(Element::File), "hash") => Element::Hash,
            (Some(Element::File), "pieces") => Element::Pieces,
            (Some(Element::File), "metaurl") => Element::Metaurl,
            (Some(Element::File), "signature") => Element::Signature,
            (Some(Element::Pieces), "hash") => Element::PieceHash,
            (Some(_), _) => Element::Other,
        })
    }

    /// Notes what the attributes of an element say.
    fn begin(&mut self, element: Element, attributes: &Attributes, line_number: u64) {
        let value = |name| attributes.value(name);
        match (element, &mut self.file) {
            (Element::File, file) => {
                self.files += 1;
                let index = self.lines_before + self.files;
                let at = At { index, line_number };
                *file = Some(Box::new(FileElement::new(at, value("name"))));
            }
            (Element::Url, Some(file)) => file.begin_url(value("priority")),
            (Element::Hash, Some(file)) => file.begin_hash(value("type")),
            (Element::Pieces, Some(file)) => file.begin_pieces(value("type"), value("length")),
            (Element::Metaurl, _) => self.left_out.metaurls += 1,
            (Element::Signature, _) => self.left_out.signatures += 1,
            _ => {}
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Problem> {
        match self.open.last().map(|open| open.element) {
            None if !text.trim_ascii().is_empty() => Err(NO_METALINK.into()),
            Some(Element::Size | Element::Url | Element::Hash | Element::PieceHash) => {
                if self.text.len() + text.len() > limits::RECORD_BYTES_MAX {
                    let limit = limits::RECORD_BYTES_MAX;
                    return Err(format!("a text is longer than {limit} bytes").into());
                }
                self.text.push_str(text);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Reads the end of an element.
    fn end(&mut self, name: &str) -> Result<Option<Entry>, Problem> {
        let Some(open) = self.open.last().filter(|open| *open.name == *name) else {
            let name = name.escape_debug();
            let Some(Open { name: open, line_number, .. }) = self.open.last() else {
                return Err(format!("</{name:.40}> ends nothing").into());
            };
            let open = open.escape_debug();
            return Err(format!(
                "</{name:.40}> ends no such element: <{open:.40}> of line {line_number} has no end"
            )
            .into());
        };
        let element = open.element;
        self.open.pop();
        self.namespaces.pop();
        self.is_over |= self.open.is_empty();
        let text = self.text.trim_ascii();
        match (element, &mut self.file) {
            (Element::File, file) => {
                let Some(file) = file.take() else { return Ok(None) };
                let (entry, left_out) = file.finish();
                self.left_out += left_out;
                return Ok(Some(entry));
            }
            (Element::Size, Some(file)) => file.size(text),
            (Element::Url, Some(file)) => file.url(text),
            (Element::Hash, Some(file)) => file.hash(text),
            (Element::PieceHash, Some(file)) => file.piece(text),
            (Element::Pieces, Some(file)) => file.end_pieces(),
            _ => {}
        }
        Ok(None)
    }
}

/// What is wrong with a document as such.
type Problem = Cow<'static, str>;

fn problem(error: impl std::fmt::Display) -> Problem {
    error.to_string().into()
}

/// The attributes of one element, by their names as they are written: those of a metalink have no
/// prefix.
struct Attributes(Vec<(String, String)>);

impl Attributes {
    fn read(tag: &BytesStart<'_>) -> Result<Self, Problem> {
        let read = tag.attributes().map(|attribute| {
            let attribute = attribute.map_err(problem)?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(problem)?;
            Ok((attribute.key.as_ref().to_owned(), value.into_owned()))
        });
        read.collect::<Result<_, Problem>>().map(Self)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

const NAMESPACE: &str = "urn:ietf:params:xml:ns:metalink";
const NO_METALINK: &str = "there is no <metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">, with \
     which a metalink begins";
const OTHER_VERSION: &str = "its <metalink> has not the namespace \
     urn:ietf:params:xml:ns:metalink of version 4 (RFC 5854), and no other version is read: get \
     the .meta4 file";
/// Elements that may stand within each other; a metalink needs four.
const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests;
