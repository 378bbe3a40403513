//! The matrix: axes and their values as typed, and every combination of them as a cell.

use super::parts::{AXIS as PART, Part};
use crate::ring::tls::Tls13Suite;
use std::path::PathBuf;

/// What is combined, in the order in which it was typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    axes: Vec<Axis>,
}

/// One axis: a name, and the values that are compared.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    name: String,
    values: Vec<String>,
}

/// One combination: what one command line of ringpull is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Each axis with its value, as typed.
    pub settings: Vec<(String, String)>,
    /// Bytes of each file at the origin.
    pub size: u64,
    /// Downloads at a time, all of one host.
    pub conns: usize,
    /// CPUs of the client.
    pub cores: usize,
    /// Whether files come by https.
    pub is_tls: bool,
    /// Where they go.
    pub dest: Dest,
    /// What of the work is done.
    pub part: Part,
    /// Options of ringpull beside those, with their values.
    pub options: Vec<(String, String)>,
}

/// Where files go.
#[derive(Clone, Debug, PartialEq)]
pub enum Dest {
    /// Nowhere: the network alone.
    Discard,
    /// Memory.
    Tmpfs,
    /// New directories in this one.
    Directory(PathBuf),
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            settings: Vec::new(),
            size: 50 << 10,
            conns: 64,
            cores: 1,
            is_tls: false,
            dest: Dest::Tmpfs,
            part: Part::Both,
            options: Vec::new(),
        }
    }
}

impl Cell {
    /// The name of the cell, by which it is found again in other results.
    pub fn name(&self) -> String {
        let settings = self.settings.iter().map(|(axis, value)| format!("{axis}={value}"));
        settings.collect::<Vec<_>>().join(" ")
    }

    /// The value on an axis, as typed.
    pub fn setting(&self, axis: &str) -> Option<&str> {
        self.settings.iter().find(|(name, _)| name == axis).map(|(_, value)| value.as_str())
    }

    /// Forgets what says nothing of the part that the cell does, so that no work is there twice.
    fn settle(&mut self) {
        let is_heard = |part: Part, is_written: bool, name: &str| {
            part.hears(name) && (is_written || !WRITING.contains(&name))
        };
        if !self.part.has_files() {
            self.dest = Dest::Discard;
        }
        self.is_tls &= self.part.has_network();
        let (part, is_written) = (self.part, self.dest != Dest::Discard);
        self.settings.retain(|(name, _)| is_heard(part, is_written, name));
        self.options.retain(|(name, _)| is_heard(part, is_written, name));
    }

    fn set(&mut self, axis: &str, value: &str) -> Result<(), String> {
        let count = |text: &str| text.parse::<usize>().ok().filter(|count| *count > 0);
        let wrong = |expected: &str| format!("{axis}={value}: {expected}");
        match axis {
            "size" => self.size = bytes(value).ok_or_else(|| wrong(SIZE_EXPECTED))?,
            "conns" => self.conns = count(value).ok_or_else(|| wrong(COUNT_EXPECTED))?,
            "cores" => self.cores = count(value).ok_or_else(|| wrong(COUNT_EXPECTED))?,
            "tls" if value == "on" || value == "off" => self.is_tls = value == "on",
            "tls" => {
                let suite = Tls13Suite::named(value).ok_or_else(|| wrong(&tls_expected()))?;
                self.is_tls = true;
                self.options.push((SUITES.to_owned(), suite.name().to_owned()));
            }
            "dest" => self.dest = dest(value).ok_or_else(|| wrong(DEST_EXPECTED))?,
            PART => self.part = Part::named(value).ok_or_else(|| wrong(&part_expected()))?,
            option => self.options.push((option.to_owned(), value.to_owned())),
        }
        self.settings.push((axis.to_owned(), value.to_owned()));
        Ok(())
    }
}

impl Matrix {
    /// Understands `size=1k,50k conns=16`; `options` are the long options of ringpull, each of
    /// which is an axis too.
    ///
    /// # Errors
    /// The axis or the value that there is not, and those that there are.
    pub fn parse(text: &str, options: &[String]) -> Result<Self, String> {
        let mut axes: Vec<Axis> = Vec::new();
        for word in text.split_whitespace() {
            let (name, values) = word.split_once('=').ok_or_else(|| {
                format!("`{word}` is no axis with its values: write for instance size=1k,50k")
            })?;
            let name = name.trim_start_matches('-').to_owned();
            check_name(&name, options)?;
            let values: Vec<String> = values.split(',').map(str::to_owned).collect();
            for (at, value) in values.iter().enumerate() {
                if value.is_empty() {
                    return Err(format!("the axis {name} has an empty value in `{word}`"));
                }
                if values[..at].contains(value) {
                    return Err(format!("the axis {name} has the value {value} twice"));
                }
                Cell::default().set(&name, value)?;
            }
            if axes.iter().any(|axis| axis.name == name) {
                return Err(format!("the axis {name} is there twice: give it all its values"));
            }
            axes.push(Axis { name, values });
        }
        let matrix = Self { axes };
        let count =
            matrix.axes.iter().try_fold(1_usize, |n, axis| n.checked_mul(axis.values.len()));
        match count.filter(|count| *count <= CELLS_MAX) {
            None => Err(format!("more than {CELLS_MAX} cells: leave values out")),
            Some(_) if matrix.axes.is_empty() => Err("no axis: write for instance size=1k".into()),
            Some(_) => {
                matrix.check_parts()?;
                matrix.check_heard()?;
                matrix.check_suites()?;
                Ok(matrix)
            }
        }
    }

    /// Names of the axes that have more than one value, in order.
    pub fn compared(&self) -> Vec<&str> {
        let compared = self.axes.iter().filter(|axis| axis.values.len() > 1);
        compared.map(|axis| axis.name.as_str()).collect()
    }

    /// Whether there is such an axis.
    pub fn has(&self, name: &str) -> bool {
        self.axes.iter().any(|axis| axis.name == name)
    }

    /// Whether an axis has one of these values.
    pub fn has_value(&self, name: &str, values: &[&str]) -> bool {
        let axis = self.axes.iter().find(|axis| axis.name == name);
        axis.is_some_and(|axis| axis.values.iter().any(|value| values.contains(&value.as_str())))
    }

    /// All combinations, the last axis changing fastest. What says how files are written is left
    /// out where none are, and what says how they come where none do, so that no work is in there
    /// twice.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = vec![Cell::default()];
        for axis in &self.axes {
            let mut wider = Vec::with_capacity(cells.len() * axis.values.len());
            for cell in &cells {
                for value in &axis.values {
                    let mut cell = cell.clone();
                    // Each value was tried when the axis was understood.
                    if cell.set(&axis.name, value).is_ok() {
                        wider.push(cell);
                    }
                }
            }
            cells = wider;
        }
        let mut distinct: Vec<Cell> = Vec::with_capacity(cells.len());
        for mut cell in cells {
            cell.settle();
            if !distinct.contains(&cell) {
                distinct.push(cell);
            }
        }
        distinct
    }

    /// Both say that files are discarded, and only one of them says what else there is.
    fn check_parts(&self) -> Result<(), String> {
        if self.has(PART) && self.has_value("dest", &["discard"]) {
            return Err("part=network is what dest=discard is: leave discard out".to_owned());
        }
        Ok(())
    }

    /// An axis that says something of no cell was not meant so.
    fn check_heard(&self) -> Result<(), String> {
        let cells = self.cells();
        let is_unheard =
            |axis: &&Axis| !cells.iter().any(|cell| cell.setting(&axis.name).is_some());
        let Some(Axis { name, .. }) = self.axes.iter().find(is_unheard) else { return Ok(()) };
        let why = match self.axes.iter().find(|axis| axis.name == PART) {
            None => "dest=discard writes none".to_owned(),
            Some(part) => format!("{PART}={} has none", part.values.join(",")),
        };
        let about = match NETWORKING.contains(&name.as_str()) {
            true => "is about the network",
            false => "says how files are written",
        };
        Err(format!("{name} {about}, and {why}: leave one out"))
    }

    fn check_suites(&self) -> Result<(), String> {
        let names_suite = |axis: &Axis| {
            axis.name == "tls" && axis.values.iter().any(|value| Tls13Suite::named(value).is_some())
        };
        if self.has(SUITES) && self.axes.iter().any(names_suite) {
            return Err(format!("both tls and {SUITES} name cipher suites: leave one out"));
        }
        Ok(())
    }
}

fn part_expected() -> String {
    format!("there are {}", Part::ALL.map(Part::word).join(", "))
}

fn tls_expected() -> String {
    format!("there are off, on and {}", Tls13Suite::ALL.map(Tls13Suite::name).join(", "))
}

fn check_name(name: &str, options: &[String]) -> Result<(), String> {
    if let Some((_, remedy)) = OWN.iter().find(|(own, _)| *own == name) {
        return Err(format!("the option --{name} is set by the bench itself: {remedy}"));
    }
    if AXES.contains(&name) || options.iter().any(|option| option == name) {
        return Ok(());
    }
    let axes = AXES.join(", ");
    Err(format!(
        "there is no axis {name}, and no option --{name}; the axes are {axes}, and all long \
         options of ringpull"
    ))
}

/// The number that the value of an axis stands for, if it is one: a count, or bytes.
pub(super) fn number_of(value: &str) -> Option<f64> {
    let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
    number.or_else(|| bytes(value).map(|bytes| bytes as f64))
}

/// A number of bytes, plain or with k, m or g, each 1024 times the one before.
fn bytes(text: &str) -> Option<u64> {
    let (number, shift) = match text.strip_suffix(|c: char| c.is_ascii_alphabetic()) {
        None => (text, 0),
        Some(number) => {
            let unit = text.chars().next_back()?.to_ascii_lowercase();
            (number, [('k', 10), ('m', 20), ('g', 30)].iter().find(|(own, _)| *own == unit)?.1)
        }
    };
    let is_digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = number.parse().ok().filter(|_| is_digits)?;
    count.checked_mul(1 << shift).filter(|bytes| *bytes <= SIZE_MAX)
}

fn dest(text: &str) -> Option<Dest> {
    match text {
        "discard" => Some(Dest::Discard),
        "tmpfs" => Some(Dest::Tmpfs),
        path => path.contains('/').then(|| Dest::Directory(PathBuf::from(path))),
    }
}

/// Option that a cipher suite as the value of `tls` is given by.
const SUITES: &str = "tls13-ciphers";
/// Axes that are no option of the same name.
pub const AXES: [&str; 6] = ["size", "conns", "cores", "tls", "dest", PART];
/// Axes that are the work and not a way to do it: between their values there is no better one.
pub const WORK: [&str; 5] = ["size", "tls", "dest", "cores", PART];
/// Options that the bench sets, and what is to be used in their place.
const OWN: [(&str, &str); 13] = [
    ("max-concurrent-downloads", "use conns"),
    ("max-connections-per-host", "use conns"),
    ("threads", "use cores"),
    ("cpus", "use cores"),
    ("dir", "use dest"),
    ("discard", "use dest"),
    ("network", "use part"),
    ("output", "use dest"),
    ("input-file", "give -i to the bench"),
    ("stats", "the results have it all"),
    ("quiet", "leave it out"),
    ("help", "leave it out"),
    ("version", "leave it out"),
];
/// Axes and options that mean nothing where files come from memory.
pub(super) const NETWORKING: [&str; 2] = ["tls", SUITES];
/// Options that mean nothing where no file is written.
pub(super) const WRITING: [&str; 5] =
    ["write-mode", "file-ops", "naming", "file-allocation", "fsync"];
/// Most cells of a matrix.
const CELLS_MAX: usize = 500;
/// Largest file.
const SIZE_MAX: u64 = 64 << 30;
const SIZE_EXPECTED: &str = "write a number of bytes, such as 1500, 50k or 1m, of at most 64g";
const COUNT_EXPECTED: &str = "write a number of at least 1";
const DEST_EXPECTED: &str =
    "there are discard, tmpfs and directories, which have a / in their path";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Matrix, String> {
        let options =
            ["split", "write-mode", "fsync", "dir", "rate", "tls13-ciphers"].map(str::to_owned);
        Matrix::parse(text, &options)
    }

    #[test]
    fn every_combination_is_a_cell() {
        let matrix = parse("size=1k,50K,1m conns=16,256 dest=discard,/a/b tls=off,on split=4");
        let matrix = matrix.unwrap();
        assert_eq!(matrix.compared(), ["size", "conns", "dest", "tls"]);
        let cells = matrix.cells();
        assert_eq!(cells.len(), 24);
        assert_eq!(cells[0].name(), "size=1k conns=16 dest=discard tls=off split=4");
        assert_eq!(cells[1].name(), "size=1k conns=16 dest=discard tls=on split=4");
        let last = &cells[23];
        assert_eq!((last.size, last.conns, last.cores, last.is_tls), (1 << 20, 256, 1, true));
        assert_eq!(last.dest, Dest::Directory("/a/b".into()));
        assert_eq!(last.options, [("split".to_owned(), "4".to_owned())]);
        assert_eq!((last.setting("size"), last.setting("cores")), (Some("1m"), None));
    }

    #[test]
    fn cipher_suites_are_values_of_tls() {
        let cells = parse("tls=off,on,TLS_CHACHA20_POLY1305_SHA256").unwrap().cells();
        assert_eq!(cells.iter().map(|cell| cell.is_tls).collect::<Vec<_>>(), [false, true, true]);
        let [none, some] = [1, 2].map(|at| cells[at].options.clone());
        assert_eq!(none, []);
        assert_eq!(some[0], (SUITES.to_owned(), "TLS_CHACHA20_POLY1305_SHA256".to_owned()));
    }

    #[test]
    fn how_files_are_written_counts_where_there_are_files() {
        let cells = parse("write-mode=ring,sync,direct dest=discard,tmpfs").unwrap().cells();
        let names: Vec<String> = cells.iter().map(Cell::name).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        assert_eq!(names[0], "dest=discard");
        let told = parse("write-mode=ring,sync dest=discard").unwrap_err();
        assert!(told.contains("write-mode") && told.contains("dest=discard"), "{told}");
    }

    #[test]
    fn parts_have_what_says_something_of_them() {
        let text = "tls=off,on dest=/a,/b write-mode=ring,sync part=both,network,files,neither";
        let cells = parse(text).unwrap().cells();
        let of = |part: Part| -> Vec<String> {
            cells.iter().filter(|cell| cell.part == part).map(Cell::name).collect()
        };
        assert_eq!(of(Part::Both).len(), 8);
        assert_eq!(of(Part::Network), ["tls=off part=network", "tls=on part=network"]);
        assert_eq!(of(Part::Neither), ["part=neither"]);
        assert_eq!((of(Part::Files).len(), cells.len()), (4, 15));
        assert_eq!(of(Part::Files)[0], "dest=/a write-mode=ring part=files");
        for cell in cells {
            assert!(cell.part.has_network() || !cell.is_tls, "{cell:?}");
            assert_eq!(cell.dest == Dest::Discard, !cell.part.has_files(), "{cell:?}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, words) in [
            ("", &["no axis"][..]),
            ("size", &["`size`", "size=1k"]),
            ("size=", &["size", "empty"]),
            ("size=1k,,2k", &["size", "empty"]),
            ("size=1x", &["size=1x", "50k"]),
            ("size=65g", &["64g"]),
            ("size=99999999999999999999", &["bytes"]),
            ("size=+1k", &["bytes"]),
            ("conns=0", &["conns=0", "at least 1"]),
            ("cores=many", &["cores=many"]),
            ("tls=1.1", &["tls=1.1", "off, on and TLS_AES_128_GCM_SHA256"]),
            ("tls=TLS_AES_128_GCM_SHA256 tls13-ciphers=x", &["tls", "tls13-ciphers", "leave one"]),
            ("dest=home", &["dest=home", "discard", "tmpfs"]),
            ("part=disk", &["part=disk", "both, network, files, neither"]),
            ("part=both dest=discard,tmpfs", &["part=network", "leave discard out"]),
            ("part=network,neither dest=tmpfs", &["dest", "part=network,neither", "leave one"]),
            ("part=files,neither tls=on", &["tls", "network", "part=files,neither"]),
            ("network=sockets", &["--network", "part"]),
            ("size=1k size=2k", &["size", "twice"]),
            ("conns=4,4", &["conns", "4 twice"]),
            ("frobnicate=1", &["frobnicate", "size, conns, cores, tls, dest, part", "options"]),
            ("dir=a", &["--dir", "dest"]),
        ] {
            let told = parse(text).unwrap_err();
            assert!(words.iter().all(|word| told.contains(word)), "{text}: {told}");
        }
        let many = (1..40).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert!(parse(&format!("conns={many} split={many}")).unwrap_err().contains("500 cells"));
    }

    proptest! {
        #[test]
        fn nothing_typed_panics(text in "[a-z=,0-9 /-]{0,40}") {
            if let Ok(matrix) = parse(&text) {
                let names: Vec<String> = matrix.cells().iter().map(Cell::name).collect();
                let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
                prop_assert_eq!(distinct.len(), names.len());
            }
        }

        #[test]
        fn sizes_are_what_was_typed(number in 0_u64..60, unit in 0_usize..4) {
            let text = format!("{number}{}", ["", "k", "M", "g"][unit]);
            prop_assert_eq!(bytes(&text), Some(number << (10 * unit)));
        }
    }
}
