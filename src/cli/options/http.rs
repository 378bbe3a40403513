//! What requests carry, and which responses are taken.

use crate::cli::secrets;
use crate::cli::values::{self, Bytes};
use crate::config::{Config, RequestConfig};
use crate::error::RunError;
use crate::plan::netrc::Netrc;
use crate::plan::verdict::Redirects;
use crate::{http, limits, plan};
use anyhow::{Context as _, bail};
use clap::Args;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What requests carry.
#[derive(Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// Field of every request, 'Name: value'; @FILE has one a line.
    ///
    /// Repeatable. 'Name:' without a value leaves our own field of that name out. Authorization and
    /// Cookie are not sent on after a redirect to another origin.
    ///
    /// Example: -H 'Accept: image/*' -H @fields.txt
    #[arg(short = 'H', long = "header", value_name = "FIELD", value_parser = header)]
    pub headers: Vec<HeaderArg>,
    /// User-Agent to send; '' sends none [default: ringpull/VERSION]
    ///
    /// Lists can say it for single URLs, as user-agent=.
    #[arg(short = 'A', long, short_alias = 'U', value_name = "NAME",
          value_parser = values::visible)]
    pub user_agent: Option<String>,
    /// Referer to send.
    ///
    /// A user name and password in it are left out, since it goes to every server. Lists can say it
    /// for single URLs, as referer=.
    #[arg(short = 'e', long, value_name = "URL", value_parser = values::visible,
          hide_short_help = true)]
    pub referer: Option<String>,
    /// User and password for Basic authentication.
    ///
    /// For the origin of the input line only: never sent on after a redirect to another one. What
    /// is typed here is not shown in the list of processes, nor in reports. For several hosts see
    /// --netrc.
    // All that were typed, of which the last counts: none of them may be shown.
    #[arg(short = 'u', long = "user", value_name = "USER:PASSWORD", value_parser = values::user)]
    pub users: Vec<String>,
    /// Take user names and passwords from ~/.netrc.
    ///
    /// What it has for a host is sent to the origin of the input line only. A file that other users
    /// can read brings a warning.
    #[arg(short = 'n', long)]
    pub netrc: bool,
    /// Take user names and passwords from FILE instead of ~/.netrc.
    ///
    /// It implies --netrc.
    #[arg(long, alias = "netrc-path", value_name = "FILE", value_parser = values::path,
          hide_short_help = true)]
    pub netrc_file: Option<PathBuf>,
    /// Redirects followed for each URL.
    ///
    /// One redirect more fails the URL. The file is named after the first URL, whatever the
    /// redirects say.
    #[arg(long, alias = "max-redirect", value_name = "N",
          default_value_t = limits::REDIRECTS_DEFAULT, hide_short_help = true)]
    pub max_redirs: u32,
    /// Follow redirects from https to http.
    ///
    /// Without this they fail, since anyone on the way could answer.
    #[arg(long, hide_short_help = true)]
    pub allow_downgrade: bool,
    /// Ask for gzip, and store what it decodes to.
    ///
    /// Without this, files are stored as they are sent. A body may decode to 64 MiB and to 100
    /// times the bytes received, and no more.
    #[arg(long)]
    pub compressed: bool,
    /// Largest body: a longer one fails and leaves no file.
    ///
    /// Checked against Content-Length before anything is stored, and again while reading. 0 means
    /// no limit.
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub max_filesize: Option<Bytes>,
    /// Redirects are always followed.
    #[arg(short = 'L', long, hide = true)]
    pub location: bool,
    /// A status of 400 or more always fails and is never stored.
    #[arg(short = 'f', long, hide = true)]
    pub fail: bool,
}

impl HttpArgs {
    /// What every request carries.
    pub(crate) fn resolve(&self, fields: Fields, netrc: Option<Netrc>) -> RequestConfig {
        let defaults = Config::default().request;
        RequestConfig {
            headers: fields.all,
            user_agent: self.user_agent.clone().unwrap_or(defaults.user_agent),
            referer: self.referer.as_deref().map(|url| plan::target::referer(url).into_owned()),
            compressed: self.compressed,
            basic_auth: self.users.last().cloned(),
            netrc,
        }
    }

    /// The fields of `-H`, those of its files among them.
    pub(crate) fn fields(&self) -> anyhow::Result<Fields> {
        let mut fields = Fields::default();
        for arg in &self.headers {
            match arg {
                HeaderArg::Field { name, value } => fields.all.push((name.clone(), value.clone())),
                HeaderArg::File(path) => {
                    let own = header_file(path)?;
                    let has_secret = own.iter().any(|(name, _)| secrets::is_credential(name));
                    // A file that has gone since is read by nobody.
                    let found = fs::metadata(path);
                    if has_secret && found.is_ok_and(|found| is_readable_by_others(&found)) {
                        fields.open_files.push(path.clone());
                    }
                    fields.all.extend(own);
                }
            }
        }
        Ok(fields)
    }

    /// Which redirects are followed.
    pub(crate) fn redirects(&self) -> Redirects {
        Redirects { count_max: self.max_redirs, allow_downgrade: self.allow_downgrade }
    }

    /// The netrc file: that of `--netrc-file`, or with `--netrc` the one of the home directory,
    /// where there is one.
    pub(crate) fn netrc_path(&self) -> Option<PathBuf> {
        let home = || std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let of_home = || home().filter(|_| self.netrc).map(|home| home.join(".netrc"));
        self.netrc_file.clone().or_else(of_home)
    }

    /// What the netrc file says. It is read and understood here: what it lacks should not be found
    /// by a server's 401.
    pub(crate) fn netrc(&self) -> anyhow::Result<Option<NetrcFile>> {
        let path = match self.netrc_path() {
            Some(path) => path,
            None if self.netrc => {
                bail!(RunError::usage("cannot find ~/.netrc: set HOME, or use --netrc-file"))
            }
            None => return Ok(None),
        };
        let doing = || RunError::usage(format!("cannot use the netrc file {}", path.display()));
        let text = values::read_text(&path).with_context(doing)?;
        let netrc = Netrc::parse(&text).with_context(doing)?;
        let is_readable_by_others =
            is_readable_by_others(&fs::metadata(&path).with_context(doing)?);
        Ok(Some(NetrcFile { path, netrc, is_readable_by_others }))
    }
}

/// Whether its permissions let other users of this machine read a file.
fn is_readable_by_others(found: &fs::Metadata) -> bool {
    found.permissions().mode() & 0o044 != 0
}

/// Fields of every request, by name and value.
#[derive(Default)]
pub(crate) struct Fields {
    all: Vec<(String, String)>,
    /// Files of passwords that other users of this machine can read.
    pub(crate) open_files: Vec<PathBuf>,
}

/// A netrc file that was read.
pub(crate) struct NetrcFile {
    pub(crate) path: PathBuf,
    pub(crate) netrc: Netrc,
    /// Whether its permissions let other users of this machine read it.
    pub(crate) is_readable_by_others: bool,
}

/// One `-H`. `Debug` does not show the value.
#[derive(Clone, Eq, PartialEq)]
pub enum HeaderArg {
    /// `Name: value`, as [`http::request::parse_field`] takes it apart.
    Field {
        /// Field name as typed.
        name: String,
        /// Field value; empty leaves our own field of that name out.
        value: String,
    },
    /// `@FILE`: one field a line.
    File(PathBuf),
}

impl fmt::Debug for HeaderArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { name, .. } => f.debug_tuple("Field").field(name).finish(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// `-H`: `Name: value`, `Name:` or `@FILE`.
fn header(text: &str) -> Result<HeaderArg, String> {
    match text.strip_prefix('@') {
        Some("" | "-") => Err("write @FILE; fields are not read from standard input".to_owned()),
        Some(path) => Ok(HeaderArg::File(PathBuf::from(path))),
        None => {
            let (name, value) =
                http::request::parse_field(text).map_err(|problem| problem.to_string())?;
            Ok(HeaderArg::Field { name, value })
        }
    }
}

/// `-H @FILE`: one field a line; empty lines are left out.
fn header_file(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let doing = || RunError::usage(format!("cannot read the fields of -H @{}", path.display()));
    let text = values::read_text(path).with_context(doing)?;
    let mut fields = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let field = http::request::parse_field(line)
            .map_err(|problem| anyhow::anyhow!("line {}: {problem}", index + 1))
            .with_context(doing)?;
        fields.push(field);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{config, list, options, resolved, unusable};

    #[test]
    fn headers() {
        let field = |name: &str, value: &str| {
            Ok(HeaderArg::Field { name: name.to_owned(), value: value.to_owned() })
        };
        assert_eq!(header("Accept:  image/* "), field("Accept", "image/*"));
        assert_eq!(header("X-Time: 10:30"), field("X-Time", "10:30"));
        assert_eq!(header("User-Agent:"), field("User-Agent", ""));
        assert_eq!(header("@fields.txt"), Ok(HeaderArg::File(PathBuf::from("fields.txt"))));
        for text in ["", "X", ": v", "a b: c", "X: a\r\nB: c", "@", "@-"] {
            assert!(header(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_the_options() {
        let args = options(&["-H", "A: 1", "--header", "B: 2", "-H", "@f"]);
        let [HeaderArg::Field { name, value }, _, HeaderArg::File(file)] = &args.http.headers[..]
        else {
            panic!("{:?}", args.http.headers);
        };
        assert_eq!((name.as_str(), value.as_str(), file.to_str()), ("A", "1", Some("f")));
        for flag in ["-A", "-U", "--user-agent"] {
            assert_eq!(options(&[flag, ""]).http.user_agent.as_deref(), Some(""), "{flag}");
        }
        for flag in ["-e", "--referer"] {
            assert_eq!(options(&[flag, "http://r/"]).http.referer.as_deref(), Some("http://r/"));
        }
        for flag in ["-u", "--user"] {
            assert_eq!(options(&[flag, "me:pw"]).http.users, ["me:pw"]);
        }
        for flag in ["-n", "--netrc"] {
            assert!(options(&[flag]).http.netrc, "{flag}");
        }
        for flag in ["--netrc-file", "--netrc-path"] {
            assert!(options(&[flag, "f"]).http.netrc_file.is_some(), "{flag}");
        }
        for flag in ["--max-redirs", "--max-redirect"] {
            assert_eq!(options(&[flag, "0"]).http.max_redirs, 0);
        }
        assert!(options(&["--allow-downgrade"]).http.allow_downgrade);
    }

    #[test]
    fn fields_of_requests() {
        let (dir, _list) = list();
        let fields = dir.path().join("fields");
        fs::write(&fields, "A: 1\r\n\nB:\n").unwrap();
        let at_file = format!("@{}", fields.to_str().unwrap());
        let request =
            config(&["-H", "Z: 0", "-H", &at_file, "--referer", "r", "-u", "a:b", "u"]).request;
        let expected = [("Z", "0"), ("A", "1"), ("B", "")];
        assert_eq!(request.headers, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(
            (request.referer.as_deref(), request.basic_auth.as_deref()),
            (Some("r"), Some("a:b"))
        );
        assert_eq!(config(&["-A", "", "u"]).request.user_agent, "");

        fs::write(&fields, "A: 1\nwrong\n").unwrap();
        assert!(unusable(&["-H", &at_file, "u"]).contains("line 2"));
        assert!(unusable(&["-H", "@/nonexistent/fields", "u"]).contains("No such file"));
    }

    #[test]
    fn fields_that_others_can_read_bring_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fields");
        let at_file = format!("@{}", path.to_str().unwrap());
        for (field, mode, count) in [
            ("Accept: a", 0o644, 0),
            ("authorization: a", 0o600, 0),
            ("authorization: a", 0o640, 1),
            ("Cookie: a", 0o604, 1),
        ] {
            fs::write(&path, field).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let warnings = resolved(&["-H", &at_file, "u"]).warnings;
            assert_eq!(warnings.len(), count, "{field} {mode:o}: {warnings:?}");
            assert!(warnings.iter().all(|text| text.contains("chmod 600")), "{warnings:?}");
        }
    }

    #[test]
    fn a_netrc_file_is_read_before_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("netrc");
        let line = ["--netrc-file", path.to_str().unwrap(), "u"];
        assert!(unusable(&line).contains("No such file"));
        fs::write(&path, "machine h\nlogni SECRET").unwrap();
        let text = unusable(&line);
        assert!(text.contains("line 2") && !text.contains("SECRET"), "{text}");
        fs::write(&path, b"machine \xff").unwrap();
        assert!(unusable(&line).contains("UTF-8"));

        fs::write(&path, "machine h login l password p").unwrap();
        for (mode, count) in [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let warnings = resolved(&line).warnings;
            assert_eq!(warnings.len(), count, "{mode:o}: {warnings:?}");
            assert!(warnings.iter().all(|text| text.contains("chmod 600")), "{warnings:?}");
        }
    }
}
