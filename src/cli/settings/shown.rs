//! `ringpull config`: every option, its value, and where that comes from.

use super::held::Held;
use super::setting::{is_additive, is_optional, options};
use super::toml_text::{in_ascii, quoted};
use crate::cli::{argv, secrets};
use crate::fault::escape_hidden;
use crate::report::look::Page;
use crate::report::wrap::columns_of;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsStr;

/// What holds for a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    rows: Vec<Row>,
    /// What the user should know besides.
    pub warnings: Vec<String>,
}

/// One value of an option.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Row {
    option: String,
    /// In TOML, where it can stand in a config file.
    value: String,
    origin: String,
}

impl Shown {
    /// Rows of all options that the help has. What is masked (the secrets of options, and those of
    /// URLs) has no quotes, so that no config file takes it for a value.
    pub(in crate::cli) fn new(command: &Command, matches: &ArgMatches, held: &Held) -> Self {
        let visible = options(command).filter(|arg| !arg.is_hide_set());
        let own = visible.filter(|arg| !matches!(arg.get_id().as_str(), "config" | "no_config"));
        let mut rows = vec![config(matches, held)];
        rows.extend(own.flat_map(|arg| rows_of(arg, matches, held)));
        for row in &mut rows {
            row.origin = escape_hidden(&row.origin).into_owned();
        }
        Self { rows, warnings: held.warnings.clone() }
    }

    /// The rows in columns, or below one another where a terminal is too narrow for these. Into
    /// anything else one a line, with a TAB between its cells and the whole path of the file.
    #[must_use]
    pub fn render(&self, page: Page) -> String {
        let Some(columns) = page.columns else {
            let line = |row: &Row| format!("{}\t{}\t{}\n", row.option, row.value, row.origin);
            return self.rows.iter().map(line).collect();
        };
        let text = match page.look.is_ascii {
            true => table(&self.rows.iter().map(Row::in_ascii).collect::<Vec<_>>(), columns),
            false => table(&self.rows, columns),
        };
        page.laid_out(&text).into_owned()
    }
}

/// The rows for so many columns, as far as single words leave them room.
fn table(rows: &[Row], columns: usize) -> String {
    let width = |cell: fn(&Row) -> &str| {
        rows.iter().map(|row| columns_of(cell(row))).max().unwrap_or_default()
    };
    let (option, origin) = (width(|row| &row.option), width(Row::origin_short));
    let room = columns.saturating_sub(option + origin + 2 * GAP.len());
    let value = width(|row| &row.value).min(room).min(VALUE_COLUMNS_MAX);
    if value < VALUE_COLUMNS_MIN {
        let lines =
            |row: &Row| format!("{}\n  {}\n  {}\n", row.option, row.value, row.origin_short());
        return rows.iter().map(lines).collect();
    }
    let mut out = String::new();
    for row in rows {
        let mut cells = (row.option.as_str(), row.origin_short());
        for part in wrapped(&row.value, value) {
            let line = [&padded(cells.0, option), &padded(&part, value), cells.1].join(GAP);
            out += line.trim_end();
            out.push('\n');
            cells = ("", "");
        }
    }
    out
}

/// A cell as wide as its column.
fn padded(cell: &str, columns: usize) -> String {
    cell.to_owned() + &" ".repeat(columns.saturating_sub(columns_of(cell)))
}

impl Row {
    /// The row for a terminal that has ASCII alone.
    fn in_ascii(&self) -> Self {
        Self {
            option: self.option.clone(),
            value: in_ascii(&self.value),
            origin: in_ascii(&self.origin),
        }
    }

    /// The place without the folder of the file, which the first row has.
    fn origin_short(&self) -> &str {
        self.origin.rsplit('/').next().unwrap_or_default()
    }
}

/// The words of a text in lines of this width; a longer word has a line alone.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { continue };
        if line.is_empty() {
            line.push_str(word);
        } else if columns_of(line) + 1 + columns_of(word) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The config file itself.
fn config(matches: &ArgMatches, held: &Held) -> Row {
    let is_typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
    let origin = match (is_typed("config"), is_typed("no_config"), held.is_file_of_variable) {
        (true, ..) | (_, true, _) => COMMAND_LINE,
        (_, _, true) => "environment RINGPULL_CONFIG",
        _ => DEFAULT,
    };
    let value = match &held.file {
        Some((path, true)) => path.display().to_string(),
        Some((path, false)) => format!("{} (not there)", path.display()),
        None => NONE.to_owned(),
    };
    let value = escape_hidden(&value).into_owned();
    Row { option: "config".to_owned(), value, origin: origin.to_owned() }
}

/// A row for each value of what may be given several times, one for anything else.
fn rows_of(arg: &Arg, matches: &ArgMatches, held: &Held) -> Vec<Row> {
    let id = arg.get_id().as_str();
    let row = |value: String, origin: String| Row {
        option: arg.get_long().unwrap_or_default().to_owned(),
        value,
        origin,
    };
    let settings: Vec<_> = held.settings.iter().filter(|setting| setting.id == id).collect();
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    if is_switch {
        let origin = match (matches.value_source(id), settings.last()) {
            (_, Some(setting)) => setting.place.to_string(),
            (Some(ValueSource::CommandLine), None) => COMMAND_LINE.to_owned(),
            (_, None) if held.is_put_off(id) => COMMAND_LINE.to_owned(),
            _ => DEFAULT.to_owned(),
        };
        return vec![row(matches.get_flag(id).to_string(), origin)];
    }
    let text = |values: &[&OsStr]| {
        if values == [OsStr::new("")] && is_optional(arg) {
            return "true".to_owned();
        }
        let texts: Vec<String> = values.iter().map(|v| v.to_string_lossy().into_owned()).collect();
        let between = arg.get_value_delimiter().map(String::from).unwrap_or_default();
        written(arg, texts.join(&between))
    };
    let typed: Vec<&OsStr> = matches.get_raw(id).into_iter().flatten().collect();
    if !typed.is_empty() && matches.value_source(id) == Some(ValueSource::CommandLine) {
        let places = settings.iter().flat_map(|setting| {
            let place = setting.place.to_string();
            std::iter::repeat_n(place, setting.words.len())
        });
        let mut places: Vec<String> = places.collect();
        if is_additive(arg) {
            places.resize(typed.len(), COMMAND_LINE.to_owned());
            let pairs = typed.iter().zip(places);
            return pairs.map(|(value, place)| row(text(&[value]), place)).collect();
        }
        let last = if id == "users" { &typed[typed.len() - 1..] } else { &typed[..] };
        let place = places.pop().unwrap_or_else(|| COMMAND_LINE.to_owned());
        return vec![row(text(last), place)];
    }
    if let Some(setting) = settings.last() {
        let nothing = if is_additive(arg) { "[]" } else { "false" };
        return vec![row(nothing.to_owned(), setting.place.to_string())];
    }
    let default = if typed.is_empty() { default_of_help(arg) } else { text(&typed) };
    vec![row(default, DEFAULT.to_owned())]
}

/// A value as it is written in a config file, without its secrets.
fn written(arg: &Arg, value: String) -> String {
    let option = format!("--{}", arg.get_long().unwrap_or_default());
    let shown = secrets::masked(&option, &value)
        .unwrap_or_else(|| argv::without_secrets(std::slice::from_ref(&value), &[]).concat());
    let values = arg.get_possible_values();
    let is_word = |word: &str| values.iter().any(|value| value.get_name() == word);
    match value.as_str() {
        _ if shown != value => escape_hidden(&shown).into_owned(),
        "true" | "false" if is_word(&value) => value,
        _ => quoted(&value),
    }
}

/// What the help says in words that the default is.
fn default_of_help(arg: &Arg) -> String {
    let texts = arg.get_help().into_iter().chain(arg.get_long_help()).map(ToString::to_string);
    let default = |text: String| {
        let (_, rest) = text.split_once("[default: ")?;
        let (default, _) = rest.split_once(']')?;
        Some(default.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    texts.into_iter().find_map(default).unwrap_or_else(|| NONE.to_owned())
}

/// What stands between two cells.
const GAP: &str = "  ";
/// Fewest columns in which values can be read.
const VALUE_COLUMNS_MIN: usize = 12;
/// Most columns of values, since what follows belongs to them.
const VALUE_COLUMNS_MAX: usize = 48;
const COMMAND_LINE: &str = "command line";
const DEFAULT: &str = "default";
const NONE: &str = "-";
