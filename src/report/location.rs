//! Where a body went, as the column `filename` tells it: the path of a file, that of a shard with
//! the name of the member behind it, or `-` for standard output.

/// What the column says of a body on standard output.
pub const STDOUT: &str = "-";

/// What the column says of the file `path` beneath the directory `dir`, which is empty or ends with
/// a `/`.
pub fn of_file(dir: &str, path: &str) -> String {
    // A file may well have that name.
    let dir = if dir.is_empty() && path == STDOUT { "./" } else { dir };
    [dir, path].concat()
}

/// What the column says of the member `name` of a shard beneath the directory `dir`: as if the
/// shard were a folder.
pub fn of_member(dir: &str, shard: &str, name: &str) -> String {
    [dir, shard, "/", name].concat()
}

/// The shard and the member that the column names, if it may name one: what a folder has in its
/// name is looked at by nobody here.
pub fn member(filename: &str) -> Option<(&str, &str)> {
    let at = filename.find(".tar/")? + ".tar".len();
    Some((&filename[..at], &filename[at + 1..]))
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
