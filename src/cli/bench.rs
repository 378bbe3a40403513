//! What `ringpull bench` was asked to do.

use super::command::{Command, command, parse};
use super::options::{BenchArgs, PullArgs};
use super::resolve::Host;
use super::{argv, secrets};
use crate::bench::{BenchConfig, Matrix, Source, Work, parts};
use crate::error::RunError;
use anyhow::bail;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// What `ringpull bench` was asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Cells are measured.
    Measure(Box<BenchConfig>),
    /// Two files of results are compared.
    Compare {
        /// The results of before.
        old: PathBuf,
        /// The results of now.
        new: PathBuf,
    },
}

/// Makes the configuration of a bench.
///
/// # Errors
/// An axis, a value, a URL or an option that there is not, or two that do not go together.
pub fn resolve(args: &BenchArgs, host: &Host) -> anyhow::Result<Asked> {
    if let [old, new] = &args.compare[..] {
        return Ok(Asked::Compare { old: old.clone(), new: new.clone() });
    }
    let pull = pull(args)
        .map_err(|told| RunError::usage(format!("cannot use what is behind --: {told}")))?;
    let secrets = secrets(args);
    let shown: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let (cpus, source) = (cpus(args, host)?, source(args)?);
    let config = BenchConfig {
        matrix: matrix(args)?,
        notes: notes(&pull, &source, host)?,
        source,
        options: args.options.clone(),
        rate: args.rate.clone(),
        repeat: args.repeat,
        work: match (args.files, args.bytes, args.time) {
            (Some(files), ..) => Work::Files(files as u64),
            (None, Some(bytes), _) => Work::Bytes(bytes.0),
            (None, None, Some(time)) => Work::Time(Duration::from_millis(time.0)),
            (None, None, None) => Work::Fitted,
        },
        temporary: std::env::temp_dir(),
        cpus,
        json: args.json.clone(),
        csv: args.csv.clone(),
        html: args.html.clone(),
        argv: argv::without_secrets(&host.argv, &shown),
        secrets,
        is_quiet: args.quiet,
    };
    Ok(Asked::Measure(Box::new(config)))
}

/// What was typed behind `--` that nobody else may see.
pub(super) fn secrets(args: &BenchArgs) -> Vec<String> {
    let pull = pull(args).ok();
    let found = pull.iter().flat_map(|pull| secrets::of(pull));
    found.map(str::to_owned).collect()
}

/// The options behind `--`, as a cell understands them. A word that is no option would be a URL.
fn pull(args: &BenchArgs) -> Result<Box<PullArgs>, String> {
    let words = ["ringpull", "-q"].into_iter().chain(args.options.iter().map(String::as_str));
    match parse(words.chain(["--", URL_ANY]).map(OsString::from)) {
        Ok(Command::Pull(pull)) if pull.urls == [URL_ANY] => Ok(pull),
        Ok(_) => Err("there is a word that is no option".to_owned()),
        Err(error) => {
            let told = error.to_string();
            let first = told.lines().next().unwrap_or_default();
            Err(first.trim_start_matches("error: ").to_owned())
        }
    }
}

fn matrix(args: &BenchArgs) -> anyhow::Result<Matrix> {
    let foreign = match (&args.url, &args.input_file) {
        (Some(_), _) => Some("--url"),
        (None, Some(_)) => Some("-i"),
        (None, None) => None,
    };
    let default = if foreign.is_some() { MATRIX_FOREIGN } else { MATRIX_DEFAULT };
    let options = command();
    let options = options.get_arguments().filter_map(|option| option.get_long());
    let options: Vec<String> = options.map(str::to_owned).collect();
    let matrix = Matrix::parse(args.matrix.as_deref().unwrap_or(default), &options)
        .map_err(|problem| RunError::usage(format!("cannot use --matrix: {problem}")))?;
    if let Some(source) = foreign
        && let Some(axis) = ["size", "tls"].into_iter().find(|axis| matrix.has(axis))
    {
        bail!(RunError::usage(format!(
            "cannot use the axis {axis} with {source}: it is about files of the embedded origin, \
             and those of {source} are what they are"
        )));
    }
    if args.rate.is_some() && matrix.has("rate") {
        bail!(RunError::usage(
            "cannot use both --rate and the axis rate: leave one of them out (an axis of rates is \
             measured from when requests are due with -- --open-loop)"
        ));
    }
    if let Some(source) = foreign
        && matrix.has_value(parts::AXIS, &["files", "neither"])
    {
        bail!(RunError::usage(format!(
            "cannot use part=files or part=neither with {source}: nobody knows before how long its \
             files are, which memory has to stand for; leave {source} out"
        )));
    }
    Ok(matrix)
}

fn source(args: &BenchArgs) -> anyhow::Result<Source> {
    if let Some(list) = &args.input_file {
        if let Err(error) = std::fs::File::open(list) {
            let list = list.display();
            bail!(
                anyhow::Error::new(error).context(RunError::usage(format!("cannot open {list}")))
            );
        }
        // Cells run in the directory of the bench, and so do their lists.
        return Ok(Source::List(list.clone()));
    }
    let Some(typed) = &args.url else { return Ok(Source::Origin) };
    let url = Url::parse(typed).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    match url {
        Some(url) if url.username().is_empty() && url.password().is_none() => {
            Ok(Source::Url(typed.clone()))
        }
        Some(_) => bail!(RunError::usage(
            "cannot bench a URL with a user name in it, which would be in the results: write \
             -- -u USER:PASSWORD behind the other options"
        )),
        None => bail!(RunError::usage(format!("cannot bench {typed}: it is no http or https URL"))),
    }
}

/// What the environment changes in what is measured: requests to the embedded origin go through no
/// proxy, others as those of a pull.
fn notes(pull: &PullArgs, source: &Source, host: &Host) -> anyhow::Result<Vec<String>> {
    if *source == Source::Origin {
        return Ok(Vec::new());
    }
    let (_, note) = pull.proxy.resolve(&host.proxy_variables, &mut Vec::new())?;
    Ok(note.into_iter().collect())
}

fn cpus(args: &BenchArgs, host: &Host) -> anyhow::Result<Vec<usize>> {
    let Some(wanted) = &args.cpus else { return Ok(host.cpus.clone()) };
    match wanted.0.iter().find(|cpu| !host.cpus.contains(cpu)) {
        None => Ok(wanted.0.clone()),
        Some(cpu) => {
            bail!(RunError::usage(format!("cannot use CPU {cpu} of --cpus: this process may not")))
        }
    }
}

/// What stands for the URLs of a cell where only its options count.
const URL_ANY: &str = "http://localhost/";
/// What is measured without `--matrix`: less than two minutes.
const MATRIX_DEFAULT: &str = "size=1k,50k,1m conns=16,256 dest=discard,tmpfs tls=off,on";
/// What is measured without `--matrix` where the server is the user's.
const MATRIX_FOREIGN: &str = "conns=16,64 dest=discard,tmpfs";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{host, list, refused, typed};
    use crate::exit::ExitStatus;

    fn asked(line: &[&str]) -> anyhow::Result<Asked> {
        let line: Vec<&str> = ["bench"].iter().chain(line).copied().collect();
        let Command::Bench(args) = typed(&line) else { panic!("{line:?} is no bench") };
        resolve(&args, &Host { argv: line.iter().map(ToString::to_string).collect(), ..host() })
    }

    fn config(line: &[&str]) -> BenchConfig {
        match asked(line) {
            Ok(Asked::Measure(config)) => *config,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    #[test]
    fn defaults() {
        let own = config(&[]);
        assert_eq!((own.matrix.cells().len(), own.repeat, own.work), (24, 7, Work::Fitted));
        assert_eq!((own.source, own.cpus), (Source::Origin, vec![0, 1, 2, 5]));
        let (_dir, path) = list();
        let own = config(&["-i", &path, "--cpus", "1-2"]);
        assert_eq!((own.matrix.cells().len(), own.cpus), (4, vec![1, 2]));
        assert_eq!(own.source, Source::List(path.into()));
    }

    #[test]
    fn what_was_typed() {
        let own = config(&["--matrix", "split=1,4", "--url", "http://h/", "--files", "9"]);
        assert_eq!(own.source, Source::Url("http://h/".to_owned()));
        assert_eq!((own.work, own.matrix.compared()), (Work::Files(9), vec!["split"]));
        assert_eq!(config(&["--bytes", "1k"]).work, Work::Bytes(1_024));
        assert_eq!(config(&["--time", "1.5"]).work, Work::Time(Duration::from_millis(1_500)));
        let own = config(&["--", "--retry", "0", "-u", "me:secret"]);
        assert_eq!(own.options, ["--retry", "0", "-u", "me:secret"]);
        assert_eq!(own.secrets, ["me:secret"]);
        assert!(!own.argv.join(" ").contains("secret"), "{:?}", own.argv);
        let (old, new) = ("a.json".into(), "b.json".into());
        let compare = asked(&["--compare", "a.json", "b.json"]).unwrap();
        assert_eq!(compare, Asked::Compare { old, new });
    }

    #[test]
    fn proxies_of_the_environment_are_noted() {
        let notes = |line: &[&str]| {
            let line: Vec<&str> = ["bench"].iter().chain(line).copied().collect();
            let Command::Bench(args) = typed(&line) else { panic!("{line:?} is no bench") };
            let proxy_variables = vec![("http_proxy", "http://p:3128".to_owned())];
            match resolve(&args, &Host { proxy_variables, ..host() }) {
                Ok(Asked::Measure(config)) => config.notes,
                other => panic!("{line:?}: {other:?}"),
            }
        };
        let told = notes(&["--url", "http://h/"]).concat();
        assert!(told.contains("(http_proxy)") && told.contains("--proxy ''"), "{told}");
        assert_eq!(notes(&["--url", "http://h/", "--", "--proxy", ""]), Vec::<String>::new());
        assert_eq!(notes(&[]), Vec::<String>::new());
    }

    #[test]
    fn mistakes_are_named() {
        for (line, words) in [
            (&["--matrix", "size=1k,x"][..], &["--matrix", "size=x"][..]),
            (&["--matrix", "colour=red"], &["colour", "conns", "long options"]),
            (&["--url", "http://h/", "--matrix", "tls=on"], &["tls", "--url"]),
            (&["-i", "/dev/null", "--matrix", "size=1k"], &["size", "-i"]),
            (&["--url", "http://h/", "--matrix", "part=both,files"], &["part=files", "--url"]),
            (&["--rate", "5/s", "--matrix", "rate=1/s,2/s"], &["--rate", "-- --open-loop"]),
            (&["-i", "/nonexistent/list"], &["/nonexistent/list"]),
            (&["--url", "ftp://h/"], &["ftp://h/"]),
            (&["--url", "http://a:b@h/"], &["-u USER:PASSWORD"]),
            (&["--cpus", "3"], &["CPU 3"]),
            (&["--", "--no-such-flag"], &["behind --", "--no-such-flag"]),
            (&["--", "help"], &["behind --"]),
        ] {
            let error = asked(line).unwrap_err();
            let told = format!("{error:#}");
            assert_eq!(ExitStatus::from(&error), ExitStatus::Usage, "{told}");
            assert!(words.iter().all(|word| told.contains(word)), "{line:?}: {told}");
            assert!(!told.contains("a:b"), "{told}");
        }
        for line in [
            &["bench", "--compare", "a.json"][..],
            &["bench", "--compare", "a", "b", "--json", "c"],
            &["bench", "--url", "http://h/", "-i", "l"],
            &["bench", "--files", "1", "--bytes", "1k"],
            &["bench", "--files", "1", "--time", "1"],
            &["bench", "--time", "0"],
            &["bench", "--rate", "5"],
            &["bench", "--repeat", "0"],
            &["bench", "http://h/"],
        ] {
            refused(line);
        }
    }
}
