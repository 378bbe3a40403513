//! Name templates: `{seq:06}-{name}` and the like.

use super::{from_target, push_component, safe_component, split_extension};
use crate::limits;
use crate::plan::target::Target;
use std::fmt;

/// A checked `--name-template`.
///
/// Fields: `{seq}` is the input line number, `{seq:06}` the same with at least six digits, `{name}`
/// the name that the URL gives, `{stem}` and `{ext}` that name before and after its last dot,
/// `{host}` the host. `{{` and `}}` are braces. `/` makes directories. A dot before an empty
/// `{ext}` is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    components: Vec<Vec<Part>>,
}

/// A piece of one component.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(String),
    Seq { width: usize },
    Name,
    Stem,
    Ext,
    Host,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Anything that could not give a path below the directory, and unknown fields.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.is_empty() || text.starts_with('/') || text.len() > limits::PATH_BYTES_MAX {
            return Err(TemplateError::Path);
        }
        // Fields hold no slash, so cutting here cannot cut one that is valid.
        let components: Vec<_> = text.split('/').map(component).collect::<Result<_, _>>()?;
        if components.len() > limits::TEMPLATE_COMPONENTS_MAX {
            return Err(TemplateError::Path);
        }
        Ok(Self { components })
    }

    /// The path of the job from input line `index`: safe components, not yet claimed.
    pub fn render(&self, index: u64, target: &Target) -> String {
        let name = from_target(target);
        let (stem, extension) = split_extension(&name);
        let extension = extension.strip_prefix('.').unwrap_or(extension);
        let mut path = String::new();
        for parts in &self.components {
            let mut text = String::new();
            for part in parts {
                match part {
                    Part::Literal(literal) => text.push_str(literal),
                    Part::Seq { width } => text.push_str(&format!("{index:0width$}")),
                    Part::Name => text.push_str(&name),
                    Part::Stem => text.push_str(stem),
                    Part::Ext if extension.is_empty() && text.ends_with('.') => {
                        text.pop();
                    }
                    Part::Ext => text.push_str(extension),
                    Part::Host => text.push_str(target.host()),
                }
            }
            push_component(&mut path, &safe_component(text.as_bytes()));
        }
        path
    }
}

/// Why a template is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TemplateError {
    /// Empty, absolute, too long, too deep, or with a component that is empty, `.` or `..`.
    Path,
    /// A field of unknown name.
    Field(String),
    /// A brace without its partner.
    Brace,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => write!(
                f,
                "a name template is a relative path of at most {} components and {} bytes, \
                 without \"..\" and empty components",
                limits::TEMPLATE_COMPONENTS_MAX,
                limits::PATH_BYTES_MAX
            ),
            Self::Field(field) => {
                write!(f, "unknown field {{{}}}; the fields are {FIELDS}", field.escape_debug())
            }
            Self::Brace => write!(f, "unmatched brace; write {{{{ or }}}} for a brace itself"),
        }
    }
}

impl std::error::Error for TemplateError {}

/// Reads one component.
fn component(text: &str) -> Result<Vec<Part>, TemplateError> {
    if matches!(text, "" | "." | "..") {
        return Err(TemplateError::Path);
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        literal.push_str(&rest[..brace]);
        let after = &rest[brace + 1..];
        if after.starts_with(&rest[brace..=brace]) {
            literal.push_str(&rest[brace..=brace]);
            rest = &after[1..];
            continue;
        }
        // A closing brace on its own.
        if rest[brace..].starts_with('}') {
            return Err(TemplateError::Brace);
        }
        let (name, after) = after.split_once('}').ok_or(TemplateError::Brace)?;
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        parts.push(field(name)?);
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// Reads what is between two braces.
fn field(name: &str) -> Result<Part, TemplateError> {
    let unknown = || TemplateError::Field(name.to_owned());
    match name {
        "seq" => Ok(Part::Seq { width: 0 }),
        "name" => Ok(Part::Name),
        "stem" => Ok(Part::Stem),
        "ext" => Ok(Part::Ext),
        "host" => Ok(Part::Host),
        _ => {
            let digits = name.strip_prefix("seq:0").ok_or_else(unknown)?;
            let is_number =
                (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            let width = digits.parse().ok().filter(|width| (1..=SEQ_WIDTH_MAX).contains(width));
            match width {
                Some(width) if is_number => Ok(Part::Seq { width }),
                _ => Err(unknown()),
            }
        }
    }
}

const FIELDS: &str = "{seq}, {seq:06} (1 to 20 digits), {name}, {stem}, {ext} and {host}";
/// Digits of the largest line number.
const SEQ_WIDTH_MAX: usize = 20;
