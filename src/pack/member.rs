//! What the members of a sample are called.
//!
//! WebDataset takes for the key all of a path up to the first dot of its last component, and for
//! one sample what follows each other with the same key. So a key has no dot there, and no two
//! samples have one key.

/// The key of a sample whose line says no name: its number, as img2dataset writes keys.
pub fn key_of_index(index: u64) -> String {
    format!("{index:09}")
}

/// The key that a path asks for, and the extension that it has: `a/b.c.jpg` is `a/b_c` and `jpg`.
/// What is no extension of a file (1 to 16 ASCII letters and digits) belongs to the key.
pub fn key_of_path(path: &str) -> (String, Option<&str>) {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let (folder, name) = path.split_at(name);
    let (stem, ext) = match name.rsplit_once('.') {
        Some((stem, ext)) if is_extension(ext) && !stem.is_empty() => (stem, Some(ext)),
        Some(_) | None => (name, None),
    };
    let mut stem = stem.replace(['.', CLAIMED], "_");
    while stem.len() > KEY_BYTES_MAX {
        stem.pop();
    }
    (format!("{folder}{stem}"), ext)
}

/// The key that a sample has got, where the one that its line asked for was taken: what tells it
/// apart stands behind a dot in the path that was claimed, and no key that is asked for has a `~`.
pub fn key_of_claimed(path: &str) -> String {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let (folder, name) = path.split_at(name);
    format!("{folder}{}", name.replace('.', "~"))
}

/// The extension of a body in its sample: that of the name which the user gave it; else what its
/// media type says, where that is known; else that of the URL's name; else `bin`. It is in lower
/// case, and one that the row (`json`) or the caption (`txt`) has is told apart by `data.`.
pub fn extension(given: Option<&str>, content_type: Option<&str>, url_name: &str) -> String {
    let of_url = || url_name.rsplit_once('.').map(|(_, ext)| ext).filter(|ext| is_extension(ext));
    let ext = given.or_else(|| content_type.and_then(of_media_type)).or_else(of_url);
    let ext = ext.unwrap_or("bin").to_ascii_lowercase();
    match &*ext {
        "json" | "txt" => format!("data.{ext}"),
        _ => ext,
    }
}

fn is_extension(text: &str) -> bool {
    (1..=EXTENSION_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The usual extension of a media type (RFC 9110 section 8.3.1), of those that data sets are made
/// of.
fn of_media_type(content_type: &str) -> Option<&'static str> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let known = MEDIA_TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(essence));
    known.map(|(_, ext)| *ext)
}

const MEDIA_TYPES: [(&str, &str); 26] = [
    ("image/jpeg", "jpg"),
    ("image/jpg", "jpg"),
    ("image/png", "png"),
    ("image/webp", "webp"),
    ("image/gif", "gif"),
    ("image/avif", "avif"),
    ("image/bmp", "bmp"),
    ("image/tiff", "tiff"),
    ("image/svg+xml", "svg"),
    ("image/heic", "heic"),
    ("audio/mpeg", "mp3"),
    ("audio/flac", "flac"),
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/ogg", "ogg"),
    ("video/mp4", "mp4"),
    ("video/webm", "webm"),
    ("video/quicktime", "mov"),
    ("application/pdf", "pdf"),
    ("application/json", "json"),
    ("application/gzip", "gz"),
    ("application/zip", "zip"),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/csv", "csv"),
    ("text/xml", "xml"),
];
const EXTENSION_BYTES_MAX: usize = 16;
/// Longest last component of a key that is asked for, in bytes: a file name has 255, of which the
/// longest extension (`.data.json`, or 17) and a number that tells equal keys apart are left.
const KEY_BYTES_MAX: usize = 216;
/// What stands in a key in front of the number that tells it from an equal one.
const CLAIMED: char = '~';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_no_dot_in_their_last_component() {
        for (path, key, ext) in [
            ("a.jpg", "a", Some("jpg")),
            ("v1.2/a.b.jpg", "v1.2/a_b", Some("jpg")),
            ("a", "a", None),
            ("a.", "a_", None),
            (".jpg", "_jpg", None),
            ("a.b-c", "a_b-c", None),
            ("x/y", "x/y", None),
            ("a~3.jpg", "a_3", Some("jpg")),
        ] {
            assert_eq!(key_of_path(path), (key.to_owned(), ext), "{path}");
        }
        let (key, _) = key_of_path(&format!("d/{}.jpg", "\u{e4}".repeat(120)));
        assert_eq!(key, format!("d/{}", "\u{e4}".repeat(KEY_BYTES_MAX / 2)));
        assert_eq!(key_of_claimed("v1.2/a.3"), "v1.2/a~3");
        assert_eq!(key_of_index(7), "000000007");
        assert_eq!(key_of_index(12_345_678_901), "12345678901");
    }

    #[test]
    fn the_extension_is_given_or_known_or_of_the_url() {
        let of = |given, content_type, url| extension(given, content_type, url);
        assert_eq!(of(Some("PNG"), Some("image/jpeg"), "a.gif"), "png");
        assert_eq!(of(None, Some("Image/JPEG; q=1"), "a.php"), "jpg");
        assert_eq!(of(None, Some("application/octet-stream"), "a.TIFF"), "tiff");
        assert_eq!(of(None, None, "a"), "bin");
        assert_eq!(of(None, None, "a.x-y"), "bin");
        assert_eq!(of(None, Some("text/plain"), "a"), "data.txt");
        assert_eq!(of(Some("json"), None, "a"), "data.json");
    }
}
