//! The table of limits, from the constants that hold them.

use crate::limits::{
    ADDRESSES_PER_FAMILY_MAX, CHUNK_EXTENSIONS_BYTES_MAX, CHUNK_LINE_BYTES_MAX, DECODED_BYTES_FREE,
    DECODED_BYTES_PER_BYTE_MAX, HEAD_BYTES_MAX, HEAD_FIELDS_MAX, HEAD_TEXT_BYTES_MAX,
    INTERIM_RESPONSES_MAX, LINE_BYTES_MAX, NAME_BYTES_MAX, OPTION_FILE_BYTES_MAX, RECORD_BYTES_MAX,
    REDIRECTS_DEFAULT, RETRY_AFTER_MAX_MS, ROBOTS_TXT_BYTES_MAX, SPEED_MIN_DEFAULT_BYTES_PER_S,
    SPEED_TIME_DEFAULT_MS, TIMEOUT_CONNECT_DEFAULT_MS, TIMEOUT_JOB_DEFAULT_MS,
    TIMEOUT_READ_DEFAULT_MS, TRAILER_BYTES_MAX,
};
use crate::plan::eyeballs::RACERS_MAX;

/// What is limited, to what, and by which option.
pub(super) fn table() -> String {
    let rows = network().into_iter().chain(responses()).chain(inputs());
    let rows = rows.map(|[of, limit, option]| format!("| {of} | {limit} | {option} |\n"));
    format!("| Of | Limit | Option |\n|---|---|---|\n{}", rows.collect::<String>())
}

type Row = [String; 3];

fn row(of: &str, limit: impl Into<String>, option: &str) -> Row {
    [of.to_owned(), limit.into(), option.to_owned()]
}

fn network() -> Vec<Row> {
    let connect = format!("{} each", time(TIMEOUT_CONNECT_DEFAULT_MS));
    let connects = "name lookup, connecting (all addresses together), TLS handshake, tunnel of a \
                    proxy";
    vec![
        row(connects, connect, "`--connect-timeout`"),
        row("addresses of a host that are connected to at once", RACERS_MAX.to_string(), ""),
        row("addresses of a name", format!("{ADDRESSES_PER_FAMILY_MAX} of each family"), ""),
        row("time without a received byte", time(TIMEOUT_READ_DEFAULT_MS), "`--read-timeout`"),
        row(
            "speed of a body",
            format!(
                "{SPEED_MIN_DEFAULT_BYTES_PER_S} bytes a second over {}; only time in which \
                 ringpull receives counts",
                time(SPEED_TIME_DEFAULT_MS)
            ),
            "`--speed-limit` (0: off), `--speed-time`",
        ),
        row(
            "one URL from its first attempt, with all retries and waits",
            time(TIMEOUT_JOB_DEFAULT_MS),
            "`-m`",
        ),
        row("redirects", REDIRECTS_DEFAULT.to_string(), "`--max-redirs`"),
        row(
            "`Retry-After` that is waited for; a longer one fails the URL (`http.retry_after`)",
            time(RETRY_AFTER_MAX_MS),
            "`--retry-after-max`",
        ),
    ]
}

fn responses() -> Vec<Row> {
    let head = format!(
        "{}, {}, {HEAD_FIELDS_MAX} lines",
        time(TIMEOUT_READ_DEFAULT_MS),
        size(HEAD_BYTES_MAX)
    );
    let decoded = format!(
        "{} and {DECODED_BYTES_PER_BYTE_MAX} times the bytes received",
        size(usize::try_from(DECODED_BYTES_FREE).unwrap_or(usize::MAX))
    );
    vec![
        row("response head as a whole", head, "`--read-timeout` for the time"),
        row("interim (1xx) responses", INTERIM_RESPONSES_MAX.to_string(), ""),
        row(
            "`Content-Type`, `Content-Encoding`, `ETag` in rows",
            format!("{} each, the rest is cut off", size(HEAD_TEXT_BYTES_MAX)),
            "",
        ),
        row("body", "none below 2^63 bytes; checked before and while reading", "`--max-filesize`"),
        row("decoded body (`--compressed`)", decoded, ""),
        row("chunk-size line", size(CHUNK_LINE_BYTES_MAX), ""),
        row("chunk extensions of a body", size(CHUNK_EXTENSIONS_BYTES_MAX), ""),
        row("trailers of a body", size(TRAILER_BYTES_MAX), ""),
        row("robots.txt", format!("{}, the rest is not read", size(ROBOTS_TXT_BYTES_MAX)), ""),
    ]
}

fn inputs() -> Vec<Row> {
    let option_file = size(usize::try_from(OPTION_FILE_BYTES_MAX).unwrap_or(usize::MAX));
    vec![
        row("URL, and line of a text list", size(LINE_BYTES_MAX), ""),
        row("row of a table, and JSON object", size(RECORD_BYTES_MAX), ""),
        row("file name", size(NAME_BYTES_MAX), ""),
        row("file that an option names", option_file, ""),
    ]
}

/// `10 s`, `5 min`, `24 h`.
fn time(ms: u64) -> String {
    let units = [(3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let unit = units.iter().find(|(unit, _)| ms.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{ms} ms"), |(unit, name)| format!("{} {name}", ms / unit))
}

/// `255 bytes`, `64 KiB`, `1 MiB`.
fn size(bytes: usize) -> String {
    let units = [(1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.iter().find(|(unit, _)| bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes() {
        let times =
            [(10_000, "10 s"), (300_000, "5 min"), (86_400_000, "24 h"), (1_500, "1500 ms")];
        assert!(times.iter().all(|(ms, text)| time(*ms) == *text));
        let sizes =
            [(255, "255 bytes"), (65_536, "64 KiB"), (1 << 20, "1 MiB"), (500 << 10, "500 KiB")];
        assert!(sizes.iter().all(|(bytes, text)| size(*bytes) == *text));
    }
}
