//! Markup as a tree: what is opened is closed, and text stays text wherever it comes from.

/// An element with its attributes and what is in it.
#[derive(Clone, Debug)]
pub(super) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Element(Element),
    Text(String),
}

/// An element without anything.
pub(super) fn element(name: &'static str) -> Element {
    Element { name, attributes: Vec::new(), children: Vec::new() }
}

impl Element {
    /// Adds an attribute.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// Adds the attribute `class`.
    pub(super) fn class(self, value: impl Into<String>) -> Self {
        self.with("class", value)
    }

    /// Adds text.
    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }

    /// Adds elements.
    pub(super) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }

    /// Adds an element.
    pub(super) fn child(self, child: Self) -> Self {
        self.children([child])
    }

    /// Writes HTML that is XML as well.
    pub(super) fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        // HTML does without an end here, and not elsewhere.
        if self.name == "meta" {
            out.push_str("/>\n");
            return;
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(out),
                Node::Text(text) => escape(text, out),
            }
        }
        out.push_str("</");
        out.push_str(self.name);
        out.push('>');
        if !INLINE.contains(&self.name) {
            out.push('\n');
        }
    }
}

/// The head of a plot: what it shows, and of what.
pub(super) fn caption(title: &str, facet: &str) -> Element {
    let caption = element("figcaption").text(title);
    if facet.is_empty() { caption } else { caption.child(element("span").text(facet)) }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            // XML has no other control characters.
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
}

/// Elements behind which no line ends.
const INLINE: [&str; 5] = ["span", "code", "td", "th", "tspan"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let mut out = String::new();
        let hostile = "<script>\"&'\u{0}\u{1b}";
        element("p").with("title", hostile).text(hostile).child(element("td")).write(&mut out);
        let escaped = "&lt;script&gt;&quot;&amp;'\u{fffd}\u{fffd}";
        assert_eq!(out, format!("<p title=\"{escaped}\">{escaped}<td></td></p>\n"));
    }
}
