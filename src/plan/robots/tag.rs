//! `X-Robots-Tag`: the wishes of a response about robots. There is no RFC; this is the practice
//! that Google's page on robots meta tags describes and img2dataset follows.

/// The first of the `listed` directives that the field lines of a response, one line each in
/// `lines`, hold for us. A line may name a robot before its directives (`googlebot: noindex`): then
/// it is for that one only, here the one with our product `token`. `none` is short for noindex and
/// nofollow.
pub fn refusal<'l>(lines: &[u8], token: &str, listed: &'l [String]) -> Option<&'l str> {
    lines.split(|byte| *byte == b'\n').find_map(|line| {
        let mut is_ours = true;
        line.split(|byte| *byte == b',').find_map(|part| {
            let mut directive = part.trim_ascii();
            if let Some(colon) = directive.iter().position(|byte| *byte == b':') {
                let name = directive[..colon].trim_ascii();
                if WITH_VALUES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
                    return None;
                }
                is_ours = !token.is_empty() && name.eq_ignore_ascii_case(token.as_bytes());
                directive = directive[colon + 1..].trim_ascii();
            }
            let is_it = |listed: &&String| {
                directive.eq_ignore_ascii_case(listed.as_bytes())
                    || (directive.eq_ignore_ascii_case(b"none")
                        && ["noindex", "nofollow"].iter().any(|of| listed.eq_ignore_ascii_case(of)))
            };
            listed.iter().find(is_it).filter(|_| is_ours).map(String::as_str)
        })
    })
}

/// Directives that have a colon themselves.
const WITH_VALUES: [&str; 4] =
    ["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_and_meant_for_us_counts() {
        let listed = ["noai", "noimageai", "noindex", "noimageindex"].map(str::to_owned);
        let table = [
            ("noindex", Some("noindex")),
            ("nofollow, NoAI", Some("noai")),
            ("nofollow", None),
            ("", None),
            ("none", Some("noindex")),
            ("noindexed", None),
            ("googlebot: noindex", None),
            ("googlebot: nofollow, noindex", None),
            ("googlebot: noindex, ringpull: noai", Some("noai")),
            ("RingPull: noimageai", Some("noimageai")),
            ("googlebot: nofollow\nnoindex", Some("noindex")),
            ("noarchive\ngooglebot: noai\n ringpull : noindex ", Some("noindex")),
            ("unavailable_after: 25 Jun 2010 15:00:00 PST, noindex", Some("noindex")),
            ("max-snippet: 50, noai", Some("noai")),
            ("unavailable_after: noindex", None),
        ];
        for (lines, wanted) in table {
            assert_eq!(refusal(lines.as_bytes(), "ringpull", &listed), wanted, "{lines}");
        }
        assert_eq!(refusal(b": noindex", "", &listed), None);
        assert_eq!(refusal(b"noindex", "ringpull", &[]), None);
        assert_eq!(refusal(b"\xff\xfe, noindex", "ringpull", &listed), Some("noindex"));
    }
}
