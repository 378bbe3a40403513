//! `--write-out`: text of the user's own form for every row, with the variables of curl and the
//! columns of the report.
//!
//! The form is curl's: `%{name}` is a variable, `%%` a percent sign, `\n`, `\r` and `\t` are what
//! they are elsewhere, and everything else stands for itself. Unlike curl's, an unknown variable is
//! an error. `%{json}` is the whole row as in a report of JSON Lines.

use super::row::{
    COLUMNS, Cell, NAMES, Row, RowEncoder, RowFormat, escape_controls, escape_line_ends, instant,
};
use crate::fault::escape_hidden;
use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

/// A form that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteOut {
    pieces: Vec<Piece>,
    json: RowEncoder,
}

/// A part of a form.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    /// A column of the report, by its place.
    Column(usize),
    /// One that is kept of the list, by its place among those.
    Kept(usize),
    Variable(Variable),
}

/// A variable that is not a column, or not written as in a report.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Variable {
    /// Three digits, `000` without a response.
    HttpCode,
    /// Number of the line, counted from 0.
    UrlNumber,
    /// URL that was asked last.
    UrlEffective,
    /// Bytes a second over the whole time.
    SpeedDownload,
    /// Scheme of the URL that was asked last.
    Scheme,
    Json,
    /// The rest of the form is for failed jobs only.
    OnError,
}

/// Why a form cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// The form has a variable of unknown name.
    Unknown(String),
    /// The form has a `%{` without an end.
    Unclosed,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed => f.write_str("a %{ is not closed"),
            Self::Unknown(name) => {
                let mut known: Vec<&str> = VARIABLES.iter().map(|known| known.0).collect();
                known.extend(ALIASES.iter().map(|known| known.0));
                known.extend(NAMES);
                known.sort_unstable();
                known.dedup();
                let known = known.join(" ");
                write!(f, "no variable %{{{}}}; there are: {known}", escape_hidden(name))
            }
        }
    }
}

impl WriteOut {
    /// Parses a form; `kept` are the names of the columns that are kept of the list.
    ///
    /// # Errors
    /// When the form has an unknown variable, or one without an end.
    pub fn parse(form: &str, kept: &[String]) -> Result<Self, Problem> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = form;
        while let Some(char) = rest.chars().next() {
            let two = rest.get(..2).unwrap_or_default();
            let plain = match two {
                "%%" => "%",
                "\\n" => "\n",
                "\\r" => "\r",
                "\\t" => "\t",
                "%{" => {
                    let (name, after) = rest[2..].split_once('}').ok_or(Problem::Unclosed)?;
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(piece(name, kept)?);
                    rest = after;
                    continue;
                }
                _ => {
                    text.push(char);
                    rest = &rest[char.len_utf8()..];
                    continue;
                }
            };
            text.push_str(plain);
            rest = &rest[2..];
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        let json = RowEncoder::new(RowFormat::JsonLines).keeping(kept.to_vec());
        Ok(Self { pieces, json })
    }

    /// Appends the form filled with a row. Text from the network has its hidden characters made
    /// visible.
    pub fn encode(&mut self, row: &Row, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Column(at) => push_cell(out, COLUMNS[*at].value(row)),
                Piece::Kept(at) => push_cell(out, row.kept_cell(*at)),
                Piece::Variable(Variable::Json) => {
                    self.json.encode(row, out);
                    // The form decides where a line ends.
                    out.pop();
                }
                Piece::Variable(Variable::OnError) if row.fault.is_none() => return,
                Piece::Variable(variable) => {
                    out.extend_from_slice(variable.of(row).as_bytes());
                }
            }
        }
    }
}

impl Variable {
    fn of(self, row: &Row) -> String {
        let given = || String::from_utf8_lossy(&row.url);
        let url = row.url_effective.as_deref().map_or_else(given, Cow::Borrowed);
        match self {
            Self::HttpCode => format!("{:03}", row.response_code),
            Self::UrlNumber => row.index.saturating_sub(1).to_string(),
            Self::UrlEffective => escape_hidden(&url).into_owned(),
            Self::SpeedDownload => {
                let micros = row.times.total.as_micros().max(1);
                (u128::from(row.size_download) * 1_000_000 / micros).to_string()
            }
            Self::Scheme => {
                url.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase()
            }
            Self::Json | Self::OnError => String::new(),
        }
    }
}

fn piece(name: &str, kept: &[String]) -> Result<Piece, Problem> {
    if let Some((_, variable)) = VARIABLES.iter().find(|known| known.0 == name) {
        return Ok(Piece::Variable(*variable));
    }
    let column = ALIASES.iter().find(|known| known.0 == name).map_or(name, |known| known.1);
    let own = NAMES.iter().position(|known| *known == column).map(Piece::Column);
    let of_list = || kept.iter().position(|known| known == column).map(Piece::Kept);
    own.or_else(of_list).ok_or_else(|| Problem::Unknown(name.to_owned()))
}

fn push_cell(out: &mut Vec<u8>, cell: Cell<'_>) {
    let done = match cell {
        Cell::Nothing => Ok(()),
        Cell::Raw(bytes) | Cell::Json(bytes) => out.write_all(&escape_line_ends(bytes)),
        Cell::Path(path) => out.write_all(escape_controls(path).as_bytes()),
        Cell::Text(value) => out.write_all(escape_hidden(value).as_bytes()),
        Cell::Shown(value) => out.write_all(escape_hidden(&value.to_string()).as_bytes()),
        Cell::At(at) => write!(out, "{}", instant(at)),
        Cell::Truth(truth) => write!(out, "{truth}"),
        Cell::Number(number) => write!(out, "{number}"),
        Cell::Seconds(time) => write!(out, "{}.{:06}", time.as_secs(), time.subsec_micros()),
    };
    done.expect("a Vec takes any bytes");
}

/// Variables that are no columns, or go before the column of the same name.
const VARIABLES: [(&str, Variable); 8] = [
    ("http_code", Variable::HttpCode),
    ("response_code", Variable::HttpCode),
    ("urlnum", Variable::UrlNumber),
    ("url_effective", Variable::UrlEffective),
    ("speed_download", Variable::SpeedDownload),
    ("scheme", Variable::Scheme),
    ("json", Variable::Json),
    ("onerror", Variable::OnError),
];

/// curl's names of columns.
const ALIASES: [(&str, &str); 2] =
    [("errormsg", "error_message"), ("filename_effective", "filename")];

#[cfg(test)]
mod tests {
    use super::super::row::Kept;
    use super::super::row::tests::{row_failed, row_ok};
    use super::*;
    use std::time::Duration;

    #[track_caller]
    fn written(form: &str, row: &Row) -> String {
        let mut out = Vec::new();
        WriteOut::parse(form, &["note".to_owned()]).unwrap().encode(row, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn variables_of_curl_and_columns() {
        let mut row = row_ok();
        (row.index, row.response_code, row.size_download) = (7, 200, 1_000);
        row.times.total = Duration::from_millis(2_500);
        row.url = b"HTTP://a.example/".to_vec();
        row.url_effective = None;
        row.kept = vec![Kept::Text(b"so".as_slice().into())];
        for (form, wanted) in [
            ("%{http_code} %{response_code}", "200 200"),
            ("%{index} %{urlnum}", "7 6"),
            ("%{status}:%{exitcode}:%{errormsg}:%{error_code}", "ok:0::"),
            ("%{url}%{url_effective}", "HTTP://a.example/HTTP://a.example/"),
            ("%{scheme}", "http"),
            ("%{time_total} %{speed_download}", "2.500000 400"),
            ("a%{onerror}b", "a"),
            ("%{note}|%{note}", "so|so"),
            ("", ""),
        ] {
            assert_eq!(written(form, &row), wanted, "{form}");
        }
        let failed = row_failed();
        assert_eq!(written("a%{onerror}b %{exitcode}", &failed), "ab 22");
        let none = Row::new(1, b"x".to_vec(), row.attempted_at);
        assert_eq!(written("%{http_code}|%{scheme}|%{remote_ip}", &none), "000||");
    }

    #[test]
    fn text_stands_for_itself() {
        let row = row_ok();
        for (form, wanted) in [
            ("100%% \\t|\\n|\\r|", "100% \t|\n|\r|"),
            ("%x % é\\\\ \\e %", "%x % é\\\\ \\e %"),
            ("%%{url}", "%{url}"),
            ("é%{index}é", &format!("é{}é", row.index)),
        ] {
            assert_eq!(written(form, &row), wanted, "{form}");
        }
    }

    #[test]
    fn every_column_has_the_value_of_the_report() {
        for row in [row_ok(), row_failed()] {
            let json: serde_json::Value = serde_json::from_str(&written("%{json}", &row)).unwrap();
            for name in NAMES {
                if VARIABLES.iter().any(|known| known.0 == name) {
                    continue;
                }
                let text = written(&format!("%{{{name}}}"), &row);
                match &json[name] {
                    serde_json::Value::Null => assert_eq!(text, "", "{name}"),
                    serde_json::Value::String(value) => assert_eq!(text, *value, "{name}"),
                    serde_json::Value::Number(value) if value.is_f64() => {
                        assert_eq!(text.parse::<f64>().ok(), value.as_f64(), "{name}");
                    }
                    value => assert_eq!(text, value.to_string(), "{name}"),
                }
            }
        }
    }

    #[test]
    fn control_characters_of_servers_are_shown() {
        let mut row = row_ok();
        row.content_type = Some("text\u{1b}[2J\n".into());
        assert_eq!(written("%{content_type}", &row), "text\\u{1b}[2J\\n");
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        let problem = |form| WriteOut::parse(form, &[]).err().unwrap();
        assert_eq!(problem("%{url"), Problem::Unclosed);
        assert_eq!(problem("%{}"), Problem::Unknown(String::new()));
        let text = problem("%{size_upload}").to_string();
        assert!(text.starts_with("no variable %{size_upload}; there are: "), "{text}");
        for name in ["attempted_at", "http_code", "json", "filename_effective", "url "] {
            assert!(text.contains(name), "{name}: {text}");
        }
    }
}
