//! Which columns of a table, or members of an object, say what.

use crate::config::Columns;
use std::fmt;

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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Picked {
    pub(super) url: usize,
    pub(super) out: Option<usize>,
    pub(super) checksum: Option<usize>,
    /// How many columns there are.
    pub(super) count: usize,
}

/// Finds the columns in a header line.
pub(super) fn pick(names: &[&str], wanted: &Columns) -> Result<Picked, FormError> {
    let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
    let has_url = |name: &&str| name.contains("://");
    if names.iter().any(has_url) {
        return Err(FormError(
            "its first line has a URL where the names of the columns belong; put a line of names \
             above it, or read plain URLs with --input-format txt"
                .to_owned(),
        ));
    }
    if let [only] = names[..]
        && wanted.url.as_deref() != Some(only)
        && let Some(separator) = only.chars().find(|c| [';', '\t', '|', ','].contains(c))
    {
        return Err(FormError(format!(
            "its only column is {}, which {separator:?} may separate; CSV has commas and TSV has \
             TABs: say which with --input-format, or name the column with --url-col",
            quoted(only)
        )));
    }
    let find = |name: &str, flag: &str| {
        let exact = names.iter().position(|known| *known == name);
        let found = exact.or_else(|| {
            let mut alike = (0..names.len()).filter(|at| names[*at].eq_ignore_ascii_case(name));
            alike.next().filter(|_| alike.next().is_none())
        });
        found.ok_or_else(|| no_column(&format!("no column {name:?}"), &names, flag))
    };
    let url = match &wanted.url {
        Some(name) => find(name, "--url-col")?,
        None => default_url(&names)
            .ok_or_else(|| no_column("no column \"url\"", &names, "--url-col"))?,
    };
    let optional =
        |name: &Option<String>, flag| name.as_deref().map(|name| find(name, flag)).transpose();
    Ok(Picked {
        url,
        out: optional(&wanted.out, "--out-col")?,
        checksum: optional(&wanted.checksum, "--checksum-col")?,
        count: names.len(),
    })
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
const COLUMNS_SHOWN_MAX: usize = 20;
const NAME_SHOWN_CHARS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(url: &str, out: &str, checksum: &str) -> Columns {
        let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        Columns { url: name(url), out: name(out), checksum: name(checksum) }
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
        assert_eq!(picked, Ok(Picked { url: 2, out: Some(0), checksum: Some(3), count: 4 }));
        for (wanted, flag) in [
            (columns("LINK", "", ""), "--url-col"),
            (columns("link", "name", ""), "--out-col"),
            (columns("link", "", "md5"), "--checksum-col"),
        ] {
            let error = pick(&names, &wanted).unwrap_err().to_string();
            assert!(error.contains(flag) && error.contains(r#""id", "Link", "link""#), "{error}");
        }
    }

    #[test]
    fn a_header_that_is_none_is_told() {
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
