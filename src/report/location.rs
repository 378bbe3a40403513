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

/// The shards and members that the column may name, the shortest path of a shard first: folders and
/// members may have such names as well, and who asks knows which is a shard.
pub fn members(filename: &str) -> impl Iterator<Item = (&str, &str)> {
    filename.match_indices(".tar/").map(|(at, _)| {
        let at = at + ".tar".len();
        (&filename[..at], &filename[at + 1..])
    })
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

    #[test]
    fn every_shard_that_may_be_meant_is_named() {
        let named = of_member("set.tar/", "00001.tar", "a.tar/b.jpg");
        let found: Vec<_> = members(&named).collect();
        let wanted = [
            ("set.tar", "00001.tar/a.tar/b.jpg"),
            ("set.tar/00001.tar", "a.tar/b.jpg"),
            ("set.tar/00001.tar/a.tar", "b.jpg"),
        ];
        assert_eq!(found, wanted);
        assert_eq!(members("a/b.tar").count(), 0);
    }
}
