//! Where a body went, as the column `filename` tells it: the path of a file, or `-` for standard
//! output.

/// What the column says of a body on standard output.
pub const STDOUT: &str = "-";

/// What the column says of the file `path` beneath the directory `dir`, which is empty or ends with
/// a `/`.
pub fn of_file(dir: &str, path: &str) -> String {
    // A file may well have that name.
    let dir = if dir.is_empty() && path == STDOUT { "./" } else { dir };
    [dir, path].concat()
}

/// The file that the column names, if it names one.
pub fn file(filename: &str) -> Option<&str> {
    (!matches!(filename, "" | STDOUT)).then_some(filename)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_standard_output() {
        for (dir, path, shown) in [
            ("", "a", "a"),
            ("out/", "a/b", "out/a/b"),
            ("", "-", "./-"),
            ("out/", "-", "out/-"),
            ("", "-a", "-a"),
        ] {
            assert_eq!(of_file(dir, path), shown);
            assert_eq!(file(shown), Some(shown));
        }
        assert_eq!((file(""), file(STDOUT)), (None, None));
    }
}
