//! Columns of a table, or members of an object, and what they mean.

use std::fmt;

/// Names of columns, where they are not those that are looked for by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// `--url-col`.
    pub url: Option<String>,
    /// `--out-col`: the path of the file, as `out=` has it.
    pub out: Option<String>,
    /// `--checksum-col`: the digest of the file, as `checksum=` has it.
    pub checksum: Option<String>,
    /// `--keep-cols`: those that the report has, too.
    pub keep: Vec<KeptColumn>,
}

/// A column of a list that the report keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptColumn {
    /// What it is called in the list.
    pub name: String,
    /// What it is called in the report.
    pub report_name: String,
}

impl Columns {
    /// What the kept columns are called in the report.
    pub fn report_names(&self) -> Vec<String> {
        self.keep.iter().map(|column| column.report_name.clone()).collect()
    }
}

/// Why an input cannot be read as what it is said to be. `Display` says what to do instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FormError(pub(super) String);

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FormError {}

/// Positions of the columns that are read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Picked {
    pub(super) url: usize,
    pub(super) out: Option<usize>,
    pub(super) checksum: Option<usize>,
    /// Columns that the report has, too.
    pub(super) keep: Vec<usize>,
    /// Number of columns.
    pub(super) count: usize,
}

/// Finds the columns in a header line.
pub(super) fn pick(names: &[&str], wanted: &Columns) -> Result<Picked, FormError> {
    let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
    if let Some(at) = names.iter().position(|name| name.contains("://")) {
        return Err(FormError(format!(
            "its first line has a URL where the names of the columns belong; say which column that \
             is, with --url-col {}, or read plain URLs with --input-format txt",
            at + 1
        )));
    }
    if let [only] = names[..]
        && wanted.url.as_deref() != Some(only)
        && let Some(separator) = only.chars().find(|c| [';', '\t', '|', ','].contains(c))
    {
        return Err(FormError(format!(
            "its only column is {}, which {separator:?} may separate: say so with --delimiter \
             {separator:?}, or name the column with --url-col",
            quoted(only)
        )));
    }
    find_all(&names, wanted)
}

/// Finds the columns among these names.
pub(super) fn find_all(names: &[&str], wanted: &Columns) -> Result<Picked, FormError> {
    let find = |name: &str, flag: &str| {
        let exact = names.iter().position(|known| *known == name);
        let found = exact.or_else(|| {
            let mut alike = (0..names.len()).filter(|at| names[*at].eq_ignore_ascii_case(name));
            alike.next().filter(|_| alike.next().is_none())
        });
        found.ok_or_else(|| no_column(&format!("no column {name:?}"), names, flag))
    };
    let keep = |column: &KeptColumn| find(&column.name, KEEP_FLAG);
    let url = match &wanted.url {
        Some(name) => find(name, "--url-col")?,
        None => {
            default_url(names).ok_or_else(|| no_column("no column \"url\"", names, "--url-col"))?
        }
    };
    let optional =
        |name: &Option<String>, flag| name.as_deref().map(|name| find(name, flag)).transpose();
    Picked {
        url,
        out: optional(&wanted.out, "--out-col")?,
        checksum: optional(&wanted.checksum, "--checksum-col")?,
        keep: wanted.keep.iter().map(keep).collect::<Result<_, _>>()?,
        count: names.len(),
    }
    .checked(wanted)
}

/// Whether the columns are told by their positions: the list has no line of names then.
pub(super) fn are_numbers(wanted: &Columns) -> bool {
    wanted.url.as_deref().is_some_and(is_number)
}

/// Finds the columns of a list without a header line, whose first row has `count` cells.
pub(super) fn pick_numbers(wanted: &Columns, count: usize) -> Result<Picked, FormError> {
    let find = |name: &str, flag: &str| {
        if !is_number(name) {
            return Err(FormError(format!(
                "--url-col is a number, which says that the list has no line with the names of its \
                 columns, and {flag} {name:?} is such a name; give numbers to all of them, or names"
            )));
        }
        match name.parse::<usize>() {
            Ok(number) if (1..=count).contains(&number) => Ok(number - 1),
            _ => Err(FormError(format!(
                "its first row has {count} cells, and none has the number {name} of {flag}; the \
                 first one is 1"
            ))),
        }
    };
    let optional =
        |name: &Option<String>, flag| name.as_deref().map(|name| find(name, flag)).transpose();
    let keep = |column: &KeptColumn| find(&column.name, KEEP_FLAG);
    Picked {
        url: optional(&wanted.url, "--url-col")?.unwrap_or_default(),
        out: optional(&wanted.out, "--out-col")?,
        checksum: optional(&wanted.checksum, "--checksum-col")?,
        keep: wanted.keep.iter().map(keep).collect::<Result<_, _>>()?,
        count,
    }
    .checked(wanted)
}

fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

impl Picked {
    /// The column of the URL is in the report in any case, without passwords.
    fn checked(self, wanted: &Columns) -> Result<Self, FormError> {
        match self.keep.iter().position(|at| *at == self.url) {
            Some(at) => Err(url_kept(&wanted.keep[at].name)),
            None => Ok(self),
        }
    }
}

/// The error for a column of the URL that is to be kept.
pub(super) fn url_kept(name: &str) -> FormError {
    FormError(format!(
        "{name:?} of {KEEP_FLAG} is the URL, which every row has as `url`; leave it out there"
    ))
}

/// How well a name fits the URL where none was asked for; less is better.
pub(super) fn rank(name: &str) -> Option<usize> {
    let exact = URL_NAMES.iter().position(|known| *known == name);
    exact.or_else(|| name.eq_ignore_ascii_case("url").then_some(URL_NAMES.len()))
}

fn default_url(names: &[&str]) -> Option<usize> {
    let ranked = names.iter().enumerate().filter_map(|(at, name)| Some((rank(name)?, at)));
    let best = ranked.clone().min();
    // "Url" and "uRL" side by side: nobody can know.
    let is_only = |best: &(usize, usize)| {
        best.0 < URL_NAMES.len() || ranked.clone().filter(|other| other.0 == best.0).count() == 1
    };
    let best = best.filter(is_only).map(|(_, at)| at);
    best.or_else(|| (names.len() == 1).then_some(0))
}

fn no_column(what: &str, names: &[&str], flag: &str) -> FormError {
    let mut shown: Vec<String> =
        names.iter().take(COLUMNS_SHOWN_MAX).map(|name| quoted(name)).collect();
    if names.len() > COLUMNS_SHOWN_MAX {
        shown.push(format!("and {} more", names.len() - COLUMNS_SHOWN_MAX));
    }
    let shown = shown.join(", ");
    FormError(format!("it has {what}, but {shown}; name one of them with {flag}"))
}

fn quoted(name: &str) -> String {
    match name.char_indices().nth(NAME_SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?}...", &name[..end]),
        None => format!("{name:?}"),
    }
}

/// Names of the column with the URLs where `--url-col` gives none, in this order.
const URL_NAMES: [&str; 3] = ["url", "URL", "image_url"];
pub(super) const KEEP_FLAG: &str = "--keep-cols";
const COLUMNS_SHOWN_MAX: usize = 20;
const NAME_SHOWN_CHARS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(url: &str, out: &str, checksum: &str) -> Columns {
        let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        Columns { url: name(url), out: name(out), checksum: name(checksum), keep: Vec::new() }
    }

    #[test]
    fn the_url_is_found_by_default() {
        let table: [(&[&str], Option<usize>); 12] = [
            (&["url"], Some(0)),
            (&["anything"], Some(0)),
            (&["caption", "url"], Some(1)),
            (&["image_url", "URL", "url"], Some(2)),
            (&["image_url", "URL"], Some(1)),
            (&["caption", "image_url"], Some(1)),
            (&["caption", " Url "], Some(1)),
            (&["uRL", "Url"], None),
            (&["uRL", "Url", "image_url"], Some(2)),
            (&["url", "url"], Some(0)),
            (&["caption", "link"], None),
            (&["", ""], None),
        ];
        for (names, url) in table {
            let picked = pick(names, &Columns::default());
            assert_eq!(picked.ok().map(|picked| picked.url), url, "{names:?}");
        }
    }

    #[test]
    fn columns_are_found_by_name() {
        let names = ["id", "Link", "link", "SHA"];
        let picked = pick(&names, &columns("link", "id", "sha"));
        let keep = Vec::new();
        let wanted = Picked { url: 2, out: Some(0), checksum: Some(3), keep, count: 4 };
        assert_eq!(picked, Ok(wanted));
        for (wanted, flag) in [
            (columns("LINK", "", ""), "--url-col"),
            (columns("link", "name", ""), "--out-col"),
            (columns("link", "", "md5"), "--checksum-col"),
        ] {
            let error = pick(&names, &wanted).unwrap_err().to_string();
            assert!(error.contains(flag) && error.contains(r#""id", "Link", "link""#), "{error}");
        }
    }

    fn keeping(url: &str, keep: &[&str]) -> Columns {
        let column = |name: &&str| {
            let name = (*name).to_owned();
            KeptColumn { report_name: name.clone(), name }
        };
        Columns { keep: keep.iter().map(column).collect(), ..columns(url, "", "") }
    }

    #[test]
    fn columns_are_kept_by_name_and_by_number() {
        let names = ["id", "url", "caption"];
        let picked = pick(&names, &keeping("", &["caption", "ID"])).unwrap();
        assert_eq!(picked.keep, [2, 0]);
        let picked = pick_numbers(&keeping("2", &["3", "1"]), 3).unwrap();
        assert_eq!((picked.url, picked.keep), (1, vec![2, 0]));
        for (picked, told) in [
            (pick(&names, &keeping("", &["captoin"])), r#"no column "captoin""#),
            (pick(&names, &keeping("", &["URL"])), r#""URL" of --keep-cols is the URL"#),
            (pick_numbers(&keeping("2", &["2"]), 3), r#""2" of --keep-cols is the URL"#),
            (pick_numbers(&keeping("2", &["4"]), 3), "none has the number 4 of --keep-cols"),
            (pick_numbers(&keeping("0", &[]), 3), "none has the number 0 of --url-col"),
            (pick_numbers(&columns("2", "name", ""), 3), r#"--out-col "name" is such a name"#),
        ] {
            let error = picked.unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_header_that_is_none_is_told() {
        let error = pick(&["7", "http://me:s@h/1"], &Columns::default()).unwrap_err().to_string();
        assert!(error.contains("--url-col 2") && !error.contains("me:s"), "{error}");
        let error = pick(&["http://me:secret@h/1"], &Columns::default()).unwrap_err().to_string();
        assert!(error.contains("--input-format txt") && !error.contains("secret"), "{error}");
        for header in ["url;md5", "url\tmd5", "url,md5", "URL|caption"] {
            let error = pick(&[header], &Columns::default()).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{header:?}")) && error.contains("--url-col"),
                "{error}"
            );
            let picked = pick(&[header], &columns(header, "", "")).unwrap();
            assert_eq!(picked.url, 0, "{header}: this very name was asked for");
        }
        let many: Vec<String> = (0..1_000).map(|n| format!("{n}-{}", "x".repeat(1_000))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = pick(&many, &Columns::default()).unwrap_err().to_string();
        assert!(error.len() < 2_000 && error.contains("and 980 more"), "{error}");
        let error = pick(&["a\u{1b}[31m", "b"], &Columns::default()).unwrap_err().to_string();
        assert!(!error.contains('\u{1b}'), "{error}");
    }
}
