//! Habits of other programs, before and after clap: words that clap would misread are rewritten or
//! refused, and a flag that means something elsewhere gets a sentence.

use super::peers::{self, Peer};
use super::secrets::{MASK, is_secret};
use crate::plan::target::userinfo_range;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// What was typed, as clap understands it.
#[derive(Debug)]
pub(super) struct Typed {
    /// The words, the program's name first.
    pub(super) words: Vec<OsString>,
    /// What the user should know about letters that mean something else elsewhere.
    pub(super) notes: Vec<String>,
    /// Which options there were.
    pub(super) given: Vec<Given>,
    /// Whether the first word is a subcommand.
    pub(super) is_subcommand: bool,
}

impl Typed {
    /// The last `--config` before `--`, and whether there is a `--no-config`. Neither can be the
    /// value of another option.
    pub(super) fn config(&self) -> (Option<PathBuf>, bool) {
        let (mut file, mut is_off) = (None, false);
        let mut words = self.words.iter().take_while(|word| *word != "--");
        while let Some(word) = words.next() {
            match word.as_bytes().strip_prefix(b"--config") {
                Some([]) => file = words.next().map(PathBuf::from),
                Some([b'=', path @ ..]) => file = Some(PathBuf::from(OsStr::from_bytes(path))),
                _ => is_off |= word == "--no-config",
            }
        }
        (file, is_off)
    }
}

/// An option that was typed, by its id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Given {
    pub(super) id: String,
    /// Whether it holds: `--quiet=false` does not, and yet was typed.
    pub(super) is_on: bool,
}

/// Makes clap's words of what was typed. wget's `-nc` is no bundle of letters (clap would read it
/// as `-n -c`, the opposite), aria2's `--flag=true` and `--flag=false` are understood for every
/// flag without a value, and so are img2dataset's `--url_col` and its like. Nothing behind `--` is
/// touched, and no value of a flag. A subcommand is the first word; those behind it are read by its
/// own options, and no other program has them.
///
/// # Errors
/// A flag of `peers` that is not ours, or one of ours whose value shows that theirs is meant.
/// Values may be secrets and are not repeated.
pub(super) fn rewrite(
    command: &mut Command,
    words: impl IntoIterator<Item = OsString>,
    peers: &[Peer],
) -> Result<Typed, clap::Error> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let is_subcommand = words.get(1).is_some_and(|word| command.find_subcommand(word).is_some());
    let rest = words.split_off(words.len().min(if is_subcommand { 2 } else { 1 }));
    let subcommand = words.get(1).and_then(|word| command.find_subcommand_mut(word));
    let (command, peers) = match subcommand {
        Some(subcommand) => (subcommand, &[][..]),
        None => (command, peers),
    };
    let options = command.get_arguments().filter_map(Known::new).collect();
    let typed = Typed { words, notes: Vec::new(), given: Vec::new(), is_subcommand };
    let mut reader = Reader { options, peers, is_alone: rest.len() == 1, typed };
    let mut words = rest.into_iter().peekable();
    while let Some(word) = words.next() {
        let next = words.peek().map(|word| word.to_string_lossy());
        let next = next.filter(|word| !word.starts_with('-') || word == "-");
        let is_value_next = match word.to_str() {
            Some("--") => {
                reader.typed.words.push(word);
                reader.typed.words.extend(words);
                break;
            }
            Some(text) if text.starts_with("--") => reader.long(text, next.as_deref()),
            Some(text) if text.starts_with('-') && text != "-" => {
                reader.short(text, next.as_deref())
            }
            Some(_) | None => {
                reader.typed.words.push(word);
                continue;
            }
        };
        let is_value_next =
            is_value_next.map_err(|problem| command.error(ErrorKind::UnknownArgument, problem))?;
        if is_value_next {
            reader.typed.words.extend(words.next());
        }
    }
    Ok(reader.typed)
}

/// One option of clap's.
#[derive(Debug)]
struct Known {
    /// What clap calls it.
    id: String,
    /// All its names, with their dashes; the first long one is the one in the help.
    names: Vec<String>,
    /// Whether the next word is its value, when its own word has none.
    takes_value: bool,
    /// Whether it is there or not, and nothing else.
    is_switch: bool,
}

impl Known {
    /// Nothing for what has no name, such as URLs.
    fn new(arg: &Arg) -> Option<Self> {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        let longs = arg.get_long().into_iter().chain(aliases).map(|name| format!("--{name}"));
        let aliases = arg.get_all_short_aliases().unwrap_or_default();
        let shorts = arg.get_short().into_iter().chain(aliases).map(|letter| format!("-{letter}"));
        let names: Vec<String> = longs.chain(shorts).collect();
        let action = arg.get_action();
        (!names.is_empty()).then(|| Self {
            id: arg.get_id().to_string(),
            names,
            takes_value: action.takes_values() && !arg.is_require_equals_set(),
            is_switch: matches!(action, ArgAction::SetTrue),
        })
    }
}

/// Reads one word with a dash after the other.
struct Reader<'a> {
    options: Vec<Known>,
    peers: &'a [Peer],
    /// There is one word only.
    is_alone: bool,
    typed: Typed,
}

impl Reader<'_> {
    fn find(&self, name: &str) -> Option<&Known> {
        self.options.iter().find(|option| option.names.iter().any(|own| own == name))
    }

    /// `--name` or `--name=value`. Whether the next word is its value, or what is wrong.
    fn long(&mut self, text: &str, next: Option<&str>) -> Result<bool, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        match (name, value) {
            ("--check-certificate", Some("false")) => return self.long("--insecure", next),
            ("--check-certificate", None | Some("true")) => {
                return self.long("--insecure=false", next);
            }
            _ => {}
        }
        let dashed = name.replace('_', "-");
        let Some(option) = self.find(&dashed) else {
            let answers = peers::answers(self.peers, name);
            self.typed.words.push(OsString::from(text));
            return if answers.is_empty() { Ok(false) } else { Err(unknown(name, "", &answers)) };
        };
        let takes_next = option.takes_value && value.is_none();
        let is_on = !(option.is_switch && value == Some("false"));
        let given = Given { id: option.id.clone(), is_on };
        match value {
            Some("true") if option.is_switch => self.typed.words.push(OsString::from(dashed)),
            Some("false") if option.is_switch => {}
            Some(value) => self.typed.words.push(OsString::from(format!("{dashed}={value}"))),
            None => {
                if takes_next {
                    self.check(&dashed, next, false)?;
                }
                self.typed.words.push(OsString::from(dashed));
            }
        }
        self.typed.given.push(given);
        Ok(takes_next && next.is_some())
    }

    /// Letters behind one dash, the last of them perhaps with its value; as [`Self::long`].
    fn short(&mut self, text: &str, next: Option<&str>) -> Result<bool, String> {
        if text == "-nc" {
            return self.long("--no-clobber", next);
        }
        if text.len() == 3 && text.starts_with("-n") {
            // wget's -nd and its like are no bundles either.
            let answers = peers::answers(self.peers, text);
            if !answers.is_empty() {
                return Err(unknown(text, "", &answers));
            }
        }
        let mut takes_next = false;
        for (at, letter) in text.char_indices().skip(1) {
            let flag = format!("-{letter}");
            let Some(option) = self.find(&flag) else {
                self.refuse_letter(text, &flag)?;
                break;
            };
            let rest = &text[at + letter.len_utf8()..];
            let given = Given { id: option.id.clone(), is_on: true };
            let takes_value = option.takes_value;
            self.typed.given.push(given);
            if takes_value {
                let attached = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest));
                takes_next = attached.is_none() && next.is_some();
                let value = attached.or(next);
                if let Err(problem) = self.check(&flag, value, attached.is_some()) {
                    let bundle = attached.and_then(|_| self.bundle(text, &flag));
                    return Err(bundle.unwrap_or(problem));
                }
                self.typed.notes.extend(peers::note(&flag, value));
                break;
            }
            if flag == "-V" && !self.is_alone {
                let answers = peers::answers(self.peers, &flag);
                return Err(unknown(&flag, " beside other words", &answers));
            }
            if rest.is_empty() {
                self.check_switch(&flag, next)?;
            }
            self.typed.notes.extend(peers::note(&flag, None));
        }
        self.typed.words.push(OsString::from(text));
        Ok(takes_next)
    }

    /// Says what a letter is that is not ours, and those beside it. Nothing when nobody has it.
    fn refuse_letter(&self, text: &str, flag: &str) -> Result<(), String> {
        match self.bundle(text, flag) {
            Some(problem) => Err(problem),
            None => match peers::answers(self.peers, flag) {
                answers if answers.is_empty() => Ok(()),
                answers => Err(unknown(flag, "", &answers)),
            },
        }
    }

    /// Says what the letters of a bundle of another program are, the first of them that is not what
    /// it is here in front; nothing where it is no bundle of any.
    fn bundle(&self, text: &str, flag: &str) -> Option<String> {
        let is_same = |flag: &str, ours: &str| {
            let option = self.find(flag);
            let is_name =
                |word: &str| option.is_some_and(|known| known.names.iter().any(|own| own == word));
            ours.split_whitespace().any(is_name)
        };
        let (letters, answers) = peers::bundle_answers(self.peers, text, is_same)?;
        Some(unknown(flag, &format!(" in '{letters}'"), &answers))
    }

    /// Checks that what follows a switch of ours, and would be a URL, is not the value that the
    /// letter has in somebody else's program.
    fn check_switch(&self, flag: &str, next: Option<&str>) -> Result<(), String> {
        match peers::misread_switch(self.peers, flag, next) {
            answers if answers.is_empty() => Ok(()),
            answers => Err(tips(format!("unexpected value for '{flag}'"), &answers)),
        }
    }

    /// Checks that the value of one of our flags is not one of somebody else's.
    fn check(&self, flag: &str, value: Option<&str>, is_attached: bool) -> Result<(), String> {
        let mut answers = peers::misread(self.peers, flag, value, is_attached);
        if answers.is_empty() {
            return Ok(());
        }
        let Some(value) = value else {
            let problem = format!("a value is required for '{flag}' but none was supplied");
            return Err(tips(problem, &answers));
        };
        let long = self.find(flag).and_then(|option| option.names.first());
        if let Some(long) = long.filter(|_| peers::is_free(flag, value)) {
            answers.push(format!("to have it taken as it is, write {long}=VALUE"));
        }
        Err(tips(format!("unexpected value for '{flag}'"), &answers))
    }
}

/// clap's words for a flag that is not defined.
fn unknown(flag: &str, place: &str, answers: &[String]) -> String {
    tips(format!("unexpected argument '{flag}' found{place}"), answers)
}

/// As clap shows them.
fn tips(problem: String, answers: &[String]) -> String {
    let tips = answers.iter().map(|answer| format!("\n  tip: {answer}"));
    std::iter::once(problem + "\n").chain(tips).collect()
}

/// The words as they may be shown: what is secret in them is masked.
pub(super) fn without_secrets(words: &[String], secrets: &[&str]) -> Vec<String> {
    let mask = |word: &String| {
        let mut masked = word.clone();
        for range in secret_ranges(word, secrets).into_iter().rev() {
            masked.replace_range(range, MASK);
        }
        masked
    };
    words.iter().map(mask).collect()
}

/// Where a word is secret: the values in `secrets` wherever they stand, and the user information of
/// whatever looks like a URL, also as the value of an option. Ascending, none touches another.
pub(super) fn secret_ranges(word: &str, secrets: &[&str]) -> Vec<Range<usize>> {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    let mut found: Vec<Range<usize>> = secrets
        .flat_map(|secret| word.match_indices(secret))
        .map(|(at, secret)| at..at + secret.len())
        .collect();
    let mut url_at = match (word.strip_prefix("--"), word.strip_prefix('-')) {
        (Some(option), _) => option.find('=').map_or(word.len(), |equals| equals + 3),
        // Further letters of a bundle look like the begin of the scheme.
        (None, Some(letters)) => letters.chars().next().map_or(1, |letter| 1 + letter.len_utf8()),
        (None, None) => 0,
    };
    // Mirrors of a line are taken apart by TABs.
    for url in word[url_at..].split('\t') {
        found.extend(userinfo_range(url).map(|range| url_at + range.start..url_at + range.end));
        url_at += url.len() + 1;
    }
    found.retain(|range| !range.is_empty());
    found.sort_by_key(|range| (range.start, range.end));
    found.dedup_by(|next, range| {
        let is_touching = next.start <= range.end;
        if is_touching {
            range.end = range.end.max(next.end);
        }
        is_touching
    });
    found
}

/// Takes out of clap's error what helps nobody, and secrets out of what it repeats.
pub(super) fn explain(mut error: clap::Error) -> clap::Error {
    hide_secrets(&mut error);
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    if is_tip_to_escape(&error) {
        // No URL begins with a dash.
        error.remove(ContextKind::Suggested);
    }
    error
}

/// Whether clap has nothing better to say than how to pass the flag on as a URL (`-- -X`).
fn is_tip_to_escape(error: &clap::Error) -> bool {
    match error.get(ContextKind::Suggested) {
        Some(ContextValue::StyledStrs(tips)) => {
            tips.iter().any(|tip| tip.to_string().contains("as a value, use '-- "))
        }
        _ => false,
    }
}

/// clap shows the value that it refuses, and takes the value for a part of a flag's name.
fn hide_secrets(error: &mut clap::Error) {
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return };
    let name = arg.split(['=', ' ']).next().unwrap_or_default().to_owned();
    if error.kind() == ErrorKind::UnknownArgument {
        error.insert(ContextKind::InvalidArg, ContextValue::String(name));
    } else if is_secret(&name) {
        error.insert(ContextKind::InvalidValue, ContextValue::String(MASK.to_owned()));
    } else if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
        // curl's `-x http://user:password@proxy`, for instance.
        let shown = without_secrets(std::slice::from_ref(value), &[]).concat();
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    }
}
