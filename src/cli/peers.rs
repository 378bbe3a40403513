//! The flags of other programs, and what stands for them here: one table a program, as text.
//!
//! A row has their flags, ours, and what differs, with `|` between; it goes on in lines that begin
//! with a space, and `#` begins a comment. The last of several flags has the name of their value,
//! where they take one. In the second column `always` is what happens here without any flag, and
//! nothing is what does not happen here.

mod meaning;

pub(super) use meaning::{is_free, note};

/// A program whose users come here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    name: &'static str,
    table: &'static str,
}

/// All of them. wget2 has all flags of wget as well.
pub(super) const PEERS: [Peer; 6] = [
    Peer { name: "curl", table: include_str!("peers/curl.txt") },
    Peer { name: "wget", table: include_str!("peers/wget.txt") },
    Peer { name: "wget2", table: include_str!("peers/wget2.txt") },
    Peer { name: "aria2", table: include_str!("peers/aria2.txt") },
    Peer { name: "axel", table: include_str!("peers/axel.txt") },
    Peer { name: "img2dataset", table: include_str!("peers/img2dataset.txt") },
];

/// One row of a table.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// The first column as it is.
    pub(super) theirs: String,
    /// As that program spells them, with their dashes.
    pub(super) flags: Vec<String>,
    /// Name of the value of each flag, or the one value that the row is about; empty for switches.
    value: String,
    /// What stands for it here: words to type, `always`, or empty.
    pub(super) ours: String,
    /// A sentence without its full stop; may be empty when there are words to type.
    pub(super) differs: String,
}

/// The rows of the table of a program; none when there is no such table.
pub(super) fn rows(name: &str) -> Vec<Row> {
    let peers = PEERS.iter().filter(|peer| peer.name == name);
    peers.flat_map(Peer::texts).map(|text| Row::new(&text)).collect()
}

/// What to say about a flag that is not defined here: a sentence for each program that has it, one
/// for several that agree; none when nobody has it. `--no-` before a switch undoes it in curl, wget
/// and wget2.
pub(super) fn answers(peers: &[Peer], flag: &str) -> Vec<String> {
    let found = rows_of(peers, flag).map(|(peer, row)| (peer.name, row.answer(flag)));
    let answers = joined(found);
    if !answers.is_empty() {
        return answers;
    }
    let Some(switch) = flag.strip_prefix("--no-").map(|name| format!("--{name}")) else {
        return answers;
    };
    let found = rows_of(peers, &switch).filter(|(_, row)| row.value.is_empty());
    joined(found.map(|(peer, row)| (peer.name, format!("{flag}: {}", row.undone()))))
}

/// What to say about letters behind one dash: the letters that are meant, with a sentence for each
/// that does not mean the same here, by every program in which all of them together are flags.
/// `is_same` tells whether a flag is the one of ours that the second column names.
pub(super) fn bundle_answers(
    peers: &[Peer],
    word: &str,
    is_same: impl Fn(&str, &str) -> bool,
) -> Option<(String, Vec<String>)> {
    let bundles = peers.iter().filter_map(|peer| Some((peer.name, peer.bundle(word)?)));
    let bundles: Vec<_> = bundles.collect();
    // In another program the first may have a value, which the others are.
    let count = bundles.iter().map(|(_, rows)| rows.len()).max().filter(|count| *count > 1)?;
    let (mut found, mut same) = (Vec::new(), Vec::new());
    for (name, rows) in bundles.into_iter().filter(|(_, rows)| rows.len() == count) {
        for (flag, row) in rows {
            if !is_same(&flag, &row.ours) {
                found.push((name, row.answer(&flag)));
            } else if !same.contains(&flag) {
                same.push(flag);
            }
        }
    }
    let mut answers = joined(found.into_iter());
    match same.as_slice() {
        [] => {}
        [flag] => answers.push(format!("{flag} is right")),
        flags => answers.push(format!("{} are right", flags.join(" and "))),
    }
    let letters: String = word.chars().take(1 + count).collect();
    Some((letters, answers))
}

/// What to say about a flag of ours whose value, or the lack of one, shows that another program is
/// meant; none when it is ours. `is_attached` says that the value is in the word of the letter.
pub(super) fn misread(
    peers: &[Peer],
    flag: &str,
    value: Option<&str>,
    is_attached: bool,
) -> Vec<String> {
    let is_behind_switch = value.is_none_or(|value| meaning::is_behind_switch(flag, value));
    // Digits are numbers, although curl's -1 and -6 are flags.
    let is_letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let letters = value.filter(|text| is_attached && text.len() <= LETTERS_MAX && is_letters(text));
    let found = peers.iter().filter_map(|peer| {
        let is_value = value.is_some_and(|value| meaning::is_theirs(flag, peer.name, value));
        if !is_value && !is_behind_switch && letters.is_none() {
            return None;
        }
        let row = peer.row_of(flag, value)?;
        let is_bundle = || letters.is_some_and(|letters| peer.is_switches(letters));
        let is_switch = row.value.is_empty() && (is_behind_switch || is_bundle());
        let is_exact = value == Some(row.value.as_str());
        let typed = if is_exact { format!("{flag} {}", row.value) } else { flag.to_owned() };
        (is_value || is_switch).then(|| (peer.name, row.answer(&typed)))
    });
    joined(found)
}

/// What to say about a switch of ours when what follows shows that another program is meant, in
/// which it has a value; none when it is ours.
pub(super) fn misread_switch(peers: &[Peer], flag: &str, next: Option<&str>) -> Vec<String> {
    let is_meant = |peer: &Peer| next.is_some_and(|next| meaning::is_value(flag, peer.name, next));
    let found = peers.iter().filter(|peer| is_meant(peer));
    joined(found.filter_map(|peer| Some((peer.name, peer.row_of(flag, next)?.answer(flag)))))
}

impl Peer {
    /// The text of each row, in one line.
    fn texts(&self) -> Vec<String> {
        let mut rows: Vec<String> = Vec::new();
        for line in self.table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match rows.last_mut() {
                Some(row) if line.starts_with(' ') => *row += line,
                _ => rows.push(line.to_owned()),
            }
        }
        rows
    }

    /// The row of a flag; of several the one about this value.
    fn row_of(&self, flag: &str, value: Option<&str>) -> Option<Row> {
        let texts = self.texts();
        let texts = texts.iter().filter(|text| has_flag(text, flag));
        let mut rows: Vec<Row> = texts.map(|text| Row::new(text)).collect();
        let is_exact = |row: &Row| Some(row.value.as_str()) == value;
        let at = rows.iter().position(is_exact).or_else(|| rows.len().checked_sub(1))?;
        Some(rows.swap_remove(at))
    }

    /// The letters of a word with one dash, when all are flags of this program; what follows one
    /// with a value is that value.
    fn bundle(&self, word: &str) -> Option<Vec<(String, Row)>> {
        // aria2's -s16, and not curl's -s, -1 and -6.
        if word.chars().nth(2)?.is_ascii_digit() {
            return None;
        }
        let mut letters = Vec::new();
        for letter in word.strip_prefix('-')?.chars() {
            let flag = format!("-{letter}");
            let row = self.row_of(&flag, None)?;
            let is_last = !row.value.is_empty();
            letters.push((flag, row));
            if is_last {
                break;
            }
        }
        Some(letters)
    }

    /// Whether all letters are flags of this program without a value.
    fn is_switches(&self, letters: &str) -> bool {
        let is_switch = |letter: char| {
            let row = self.row_of(&format!("-{letter}"), None);
            row.is_some_and(|row| row.value.is_empty())
        };
        letters.chars().all(is_switch)
    }
}

impl Row {
    fn new(text: &str) -> Self {
        let mut columns = text.split('|').map(str::trim);
        let mut column = || columns.next().unwrap_or_default();
        let (theirs, ours, differs) = (column(), column().to_owned(), column().to_owned());
        let mut row = Self { theirs: theirs.to_owned(), ours, differs, ..Self::default() };
        for flag in theirs.split(',').map(str::trim).filter(|flag| !flag.is_empty()) {
            let (flag, value) = flag.split_once(' ').unwrap_or((flag, ""));
            row.flags.push(flag.to_owned());
            value.clone_into(&mut row.value);
        }
        row
    }

    /// What the letter is short for.
    fn long_of(&self, flag: &str) -> Option<&str> {
        let at =
            self.flags.iter().position(|own| own == flag).filter(|_| !flag.starts_with("--"))?;
        let long = self.flags[at..].iter().find(|own| own.starts_with("--"));
        long.map(String::as_str)
    }

    /// `-k (--insecure): write --insecure` and so on, behind the name of the program.
    fn answer(&self, flag: &str) -> String {
        let long = self.long_of(flag).filter(|long| !self.ours.starts_with(long));
        let name = long.map_or_else(|| flag.to_owned(), |long| format!("{flag} ({long})"));
        match (self.ours.as_str(), self.differs.as_str()) {
            ("", differs) => format!("{name}: {differs}"),
            ("always", differs) => format!("{name}: leave it out, {differs}"),
            (ours, "") => format!("{name}: write {ours}"),
            (ours, differs) => format!("{name}: write {ours}; {differs}"),
        }
    }

    /// What to say about `--no-` before it.
    fn undone(&self) -> String {
        match self.ours.as_str() {
            "" => format!("leave it out, {}", self.differs),
            "always" => self.differs.clone(),
            ours => format!("leave it out, that is so without {ours}"),
        }
    }
}

/// Whether the first column of a row has the flag. img2dataset has underscores, and takes dashes
/// too.
fn has_flag(row: &str, flag: &str) -> bool {
    let dash = |byte: u8| if byte == b'_' { b'-' } else { byte };
    let theirs = row.split('|').next().unwrap_or_default();
    let is_same = |own: &str| own.bytes().map(dash).eq(flag.bytes().map(dash));
    theirs.split(',').filter_map(|own| own.split_whitespace().next()).any(is_same)
}

/// The row of a flag in each program that has it.
fn rows_of<'a>(peers: &'a [Peer], flag: &'a str) -> impl Iterator<Item = (&'a Peer, Row)> + 'a {
    peers.iter().filter_map(move |peer| Some((peer, peer.row_of(flag, None)?)))
}

/// `curl's and wget's -N: ...`: programs with the same answer together, in their order.
fn joined(found: impl Iterator<Item = (&'static str, String)>) -> Vec<String> {
    let mut answers: Vec<(String, String)> = Vec::new();
    for (name, answer) in found {
        let owner = format!("{name}'s");
        match answers.iter_mut().find(|(_, other)| *other == answer) {
            Some((owners, _)) if owners.ends_with(&owner) => {}
            Some((owners, _)) => *owners = format!("{owners} and {owner}"),
            None => answers.push((owner, answer)),
        }
    }
    answers.into_iter().map(|(owners, answer)| format!("{owners} {answer}")).collect()
}

/// More letters behind one are a value, for instance the name of a file.
const LETTERS_MAX: usize = 5;

#[cfg(test)]
mod tests;
