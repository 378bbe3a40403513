//! One cell as a command line, the list that it pulls, and how long that should be.

use super::matrix::{Cell, Dest};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Server that the cells pull from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Server {
    /// The embedded origin: its two URLs, and the certificate to trust.
    Origin { http: String, https: String, ca: PathBuf },
    /// A URL of the user, again and again.
    Url(String),
    /// A list of the user.
    List(PathBuf),
}

/// Paths of one repetition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The list.
    pub(super) list: &'a Path,
    /// The statistics of the run.
    pub(super) stats: &'a Path,
    /// The directory that takes the files.
    pub(super) dir: &'a Path,
    /// When the repetition ends, where that is not with its list.
    pub(super) time: Option<Duration>,
}

/// The words behind the program's name. `options` are those of all cells.
pub(super) fn words(
    cell: &Cell,
    place: Place<'_>,
    server: &Server,
    options: &[String],
) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    let mut add = |new: &[&dyn AsRef<std::ffi::OsStr>]| {
        words.extend(new.iter().map(|word| word.as_ref().to_owned()));
    };
    let conns = cell.conns.to_string();
    // What is measured is what was asked for, whoever asks, also in a task of a job array.
    add(&[&"--no-config", &"--shard", &"0/1"]);
    add(&[&"-q", &"--progress", &"none", &"--disk-wait", &"0", &"--stats", &place.stats]);
    add(&[&"-j", &conns, &"-x", &conns, &"--fixed-connections"]);
    match &cell.dest {
        Dest::Discard => add(&[&"--discard"]),
        Dest::Tmpfs | Dest::Directory(_) => add(&[&"-d", &place.dir]),
    }
    if !cell.part.has_network() {
        add(&[&format!("--network=memory:{}", cell.size)]);
    }
    match server {
        Server::Origin { ca, .. } => add(&[&"-i", &place.list, &"--proxy", &"", &"--cacert", ca]),
        Server::Url(_) => add(&[&"-i", &place.list, &"--name-template", &"{seq}"]),
        Server::List(list) => add(&[&"-i", list]),
    }
    if let Some(time) = place.time {
        add(&[&format!("--max-duration={}ms", time.as_millis())]);
        // The list is longer than the time, and what is read of it in vain is to be little.
        if cell.options.iter().all(|(option, _)| option != "lookahead") {
            add(&[&format!("--lookahead={}", LOOKAHEAD_MIN.max(4 * cell.conns))]);
        }
    }
    for (option, value) in &cell.options {
        add(&[&format!("--{option}={value}")]);
    }
    options.iter().for_each(|option| add(&[option]));
    words
}

/// The text of the list.
pub(super) fn list(cell: &Cell, server: &Server, files: u64) -> String {
    let mut text = String::new();
    for number in 0..files {
        let line = match server {
            Server::Origin { http, https, .. } => {
                let base = if cell.is_tls { https } else { http };
                writeln!(text, "{base}/bytes/{}/{number}.bin", cell.size)
            }
            Server::Url(url) => writeln!(text, "{url}"),
            Server::List(_) => Ok(()),
        };
        line.expect("a String takes any text");
    }
    text
}

/// Files of the first repetition, which finds out how many it takes: about a tenth of a second on
/// today's machines.
pub(super) fn files_first(cell: &Cell, server: &Server) -> u64 {
    match server {
        Server::Origin { .. } => bounded(100_000_000 / (25_000 + cell.size / 2), cell.size),
        Server::Url(_) | Server::List(_) => 200,
    }
}

/// Files that are enough for this time, if one takes so many seconds in the fastest cell.
pub(super) fn files_for(time: Duration, file_s: f64) -> u64 {
    let files = time.as_secs_f64() / file_s.max(1e-9) * 3.0;
    // What is cut off is less than a file.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is bounded")]
    let files = files as u64;
    files.clamp(FILES_MIN, FILES_OF_TIME_MAX)
}

/// Twice as many files, where that is not too many.
pub(super) fn files_more(files: u64) -> Option<u64> {
    files.checked_mul(2).filter(|files| *files <= FILES_OF_TIME_MAX)
}

/// Files that take about [`TARGET`], if one takes so many seconds.
pub(super) fn files_fitted(file_s: f64, size: u64) -> u64 {
    let fitted = TARGET.as_secs_f64() / file_s.max(1e-9);
    // What is cut off is less than a file.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is bounded")]
    let fitted = fitted as u64;
    // Two digits are easier to read, and the same on another day.
    let step = 10_u64.pow(fitted.max(1).ilog10().saturating_sub(1));
    bounded(fitted / step * step, size)
}

fn bounded(files: u64, size: u64) -> u64 {
    files.clamp(FILES_MIN, FILES_MAX).min((BYTES_MAX / size.max(1)).max(4))
}

/// Time that one repetition of the slowest cell of a list should take.
const TARGET: Duration = Duration::from_millis(400);
/// Fewest and most files of a repetition whose work was not given.
const FILES_MIN: u64 = 16;
const FILES_MAX: u64 = 100_000;
/// Fewest lines that are read ahead in a repetition that ends with its time.
const LOOKAHEAD_MIN: usize = 2_000;
/// Most files of a repetition that ends with its time.
const FILES_OF_TIME_MAX: u64 = 20_000_000;
/// Most bytes of one, which may have to fit into memory.
const BYTES_MAX: u64 = 512 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::matrix::Matrix;
    use proptest::prelude::*;

    fn origin() -> Server {
        Server::Origin { http: "http://h".into(), https: "https://h".into(), ca: "ca.pem".into() }
    }

    fn line(text: &str, server: &Server) -> String {
        line_of(text, server, None)
    }

    fn line_of(text: &str, server: &Server, time: Option<Duration>) -> String {
        let options = ["split".to_owned()];
        let cell = &Matrix::parse(text, &options).unwrap().cells()[0];
        let [list, stats, dir] = ["l", "s", "d"].map(Path::new);
        let words =
            words(cell, Place { list, stats, dir, time }, server, &["--retry=0".to_owned()]);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_cell_is_a_command_line() {
        let common = "--no-config --shard 0/1 -q --progress none --disk-wait 0 --stats s \
                      -j 7 -x 7 --fixed-connections";
        assert_eq!(
            line("conns=7 split=4 dest=discard", &origin()),
            format!("{common} --discard -i l --proxy  --cacert ca.pem --split=4 --retry=0")
        );
        assert_eq!(
            line("conns=7 size=5 part=files", &origin()),
            format!("{common} -d d --network=memory:5 -i l --proxy  --cacert ca.pem --retry=0")
        );
        assert_eq!(
            line_of("conns=7 dest=discard", &origin(), Some(Duration::from_millis(1_500))),
            format!(
                "{common} --discard -i l --proxy  --cacert ca.pem --max-duration=1500ms \
                 --lookahead=2000 --retry=0"
            )
        );
        assert_eq!(
            line("conns=7 dest=/t", &Server::Url("http://u/".into())),
            format!("{common} -d d -i l --name-template {{seq}} --retry=0")
        );
        assert_eq!(
            line("conns=7", &Server::List("mine.txt".into())),
            format!("{common} -d d -i mine.txt --retry=0")
        );
    }

    #[test]
    fn a_list_has_its_files() {
        let cell = Cell { size: 5, is_tls: true, ..Cell::default() };
        let text = "https://h/bytes/5/0.bin\nhttps://h/bytes/5/1.bin\n";
        assert_eq!(list(&cell, &origin(), 2), text);
        assert_eq!(list(&cell, &Server::Url("http://u/".into()), 2), "http://u/\nhttp://u/\n");
        assert_eq!(list(&cell, &Server::List("l".into()), 2), "");
    }

    #[test]
    fn a_time_has_files_enough() {
        let second = Duration::from_secs(1);
        assert_eq!(files_for(second, 0.001), 3_000);
        assert_eq!(files_for(second, 0.0), FILES_OF_TIME_MAX);
        assert_eq!((files_more(5), files_more(FILES_OF_TIME_MAX)), (Some(10), None));
    }

    proptest! {
        #[test]
        fn work_is_bounded(file_s in 0.0_f64..1e9, size in 0_u64..1 << 36) {
            let fitted = files_fitted(file_s, size);
            prop_assert!((4..=FILES_MAX).contains(&fitted));
            prop_assert!(fitted == 4 || fitted * size <= BYTES_MAX);
        }

        #[test]
        fn fitted_work_takes_the_time_that_is_aimed_at(file_s in 1e-5_f64..1e-2) {
            let took_s = files_fitted(file_s, 1_024) as f64 * file_s;
            prop_assert!((0.35..=0.41).contains(&took_s), "{took_s}");
        }
    }
}
