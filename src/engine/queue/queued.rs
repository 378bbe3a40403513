//! A job in its queue. Millions may wait, so one that has not begun is one short string of bytes.

use crate::engine::attempt::fetch::Waiting;
use crate::engine::books::closing::{Books, Left};
use crate::plan::job::Job;
use crate::plan::kept::Kept;
use crate::plan::name;
use crate::plan::schedule::Place;
use crate::plan::target::{Offsets, Scheme, Target};
use std::ops::Range;

/// A job as the schedule keeps it: 16 bytes, and behind them for a URL of 70 bytes some 85 more.
#[derive(Debug)]
pub(crate) enum Queued {
    /// A job that is only a URL, not begun: see [`Line`].
    Line(Line),
    /// Any other job.
    Whole(Box<Waiting>),
}

impl Queued {
    /// Makes a job small.
    pub(crate) fn pack(job: Waiting) -> Self {
        if job.history.is_some() || job.job.options.is_some() {
            return Self::Whole(Box::new(job));
        }
        Self::Line(Line::new(&job.job, job.planned_name(), job.queued_ms))
    }

    /// A job that was just read, packed.
    pub(crate) fn of_job(job: Job, name: String, queued_ms: u64) -> Self {
        if job.options.is_some() {
            let name = Some(name.into());
            return Self::Whole(Box::new(Waiting { job, name, queued_ms, history: None }));
        }
        Self::Line(Line::new(&job, &name, queued_ms))
    }

    /// The job as it was.
    pub(crate) fn unpack(self) -> Waiting {
        match self {
            Self::Line(line) => line.unpack(),
            Self::Whole(job) => *job,
        }
    }

    /// Tells the session of a job that was not begun, or not ended.
    pub(crate) fn leave(self, books: &Books) {
        if books.session().is_some() {
            let job = self.unpack();
            books.leave(Left::Job(&job.job, job.planned_name()));
        }
    }

    /// Whether an attempt has begun.
    pub(crate) fn has_begun(&self) -> bool {
        match self {
            Self::Line(_) => false,
            Self::Whole(job) => job.history.is_some(),
        }
    }

    /// Hosts of the further URLs of its file.
    pub(crate) fn mirror_hosts(&self) -> impl Iterator<Item = &str> {
        let mirrors = match self {
            Self::Line(_) => &[],
            Self::Whole(waiting) => waiting.job.mirrors(),
        };
        mirrors.iter().map(Target::host_header)
    }

    /// Where the schedule puts it.
    pub(crate) fn place(&self) -> Place<'_> {
        match self {
            Self::Whole(job) => place(job.target()),
            Self::Line(line) => {
                let head = Head::read(&line.0);
                let origin = head.text(&line.0, 0..head.offsets.path_at);
                let host = &origin[head.offsets.scheme.as_str().len() + "://".len()..];
                Place { origin, host }
            }
        }
    }
}

/// Where the schedule puts what goes to this target.
pub(crate) fn place(target: &Target) -> Place<'_> {
    Place { origin: target.origin_str(), host: target.host_header() }
}

/// A byte of flags; as variable-length numbers the index, the time it was queued, and the lengths
/// of scheme to host, port, path, query, name, what the list gave and what is kept; the URL, the
/// name, what the list gave, what is kept and the user information. The name is left out where it
/// is what the URL says, and of the URL as the list gave it there is what differs from the one in
/// its normal form.
#[derive(Debug)]
pub(crate) struct Line(Box<[u8]>);

impl Line {
    fn new(job: &Job, name: &str, queued_ms: u64) -> Self {
        let Job { index, target, given, kept, options: _ } = job;
        let Offsets { scheme, host_end, path_at, path_end } = target.offsets();
        let text = target.as_str();
        let own_name = if name::is_of_target(name, target) { None } else { Some(name) };
        let mut front = Front { bytes: [0; FRONT_BYTES_MAX], len: 0 };
        let flag = |is_set, bit| if is_set { bit } else { 0 };
        let is_https = flag(scheme == Scheme::Https, IS_HTTPS);
        let has_userinfo = flag(target.userinfo().is_some(), HAS_USERINFO);
        let is_given = flag(given.is_some(), IS_GIVEN);
        let kept = kept.as_bytes();
        let has_kept = flag(!kept.is_empty(), HAS_KEPT);
        let has_name = flag(own_name.is_some(), HAS_NAME);
        front.push_byte(is_https | has_userinfo | is_given | has_kept | has_name);
        front.push(*index);
        front.push(queued_ms);
        front.push(u64::from(host_end));
        front.push(u64::from(path_at - host_end));
        front.push(u64::from(path_end - path_at));
        front.push((text.len() - path_end as usize) as u64);
        let (name, userinfo) = (own_name.unwrap_or(""), target.userinfo().unwrap_or(""));
        if own_name.is_some() {
            front.push(name.len() as u64);
        }
        let given = given.as_deref().map(|given| Given::new(given, text));
        if let Some(given) = &given {
            front.push(given.same_front as u64);
            front.push(given.same_back as u64);
            front.push(given.middle.len() as u64);
        }
        if !kept.is_empty() {
            front.push(kept.len() as u64);
        }
        let given = given.map_or("", |given| given.middle);
        let [text, name, given, userinfo] = [text, name, given, userinfo].map(str::as_bytes);
        Self([front.bytes(), text, name, given, kept, userinfo].concat().into())
    }

    fn unpack(&self) -> Waiting {
        let head = Head::read(&self.0);
        let name_at = head.text_len;
        let given_at = name_at + head.name_len.unwrap_or(0);
        let kept_at = given_at + head.given.map_or(0, |given| given.2);
        let userinfo_at = kept_at + head.kept_len;
        let end = u32::try_from(self.0.len() - head.text_at).expect("it was made of shorter parts");
        let userinfo = head.has_userinfo.then(|| head.text(&self.0, userinfo_at..end));
        let target = Target::from_parts(head.text(&self.0, 0..name_at), head.offsets, userinfo);
        let name = match head.name_len {
            Some(_) => Some(head.text(&self.0, name_at..given_at).into()),
            None if name::plain(&target).is_some() => None,
            None => Some(name::from_target(&target).into()),
        };
        let given = head.given.map(|(same_front, same_back, _)| {
            let middle = head.text(&self.0, given_at..kept_at);
            let (same_front, same_back) = (same_front as usize, same_back as usize);
            Given { same_front, same_back, middle }.of(target.as_str()).into()
        });
        let kept = Kept::from_bytes(head.bytes(&self.0, kept_at..userinfo_at));
        let job = Job { index: head.index, target, given, kept, options: None };
        Waiting { job, name, queued_ms: head.queued_ms, history: None }
    }
}

/// A URL as a list gave it, told by its normal form: so many bytes are the same at the front, so
/// many at the back, and these stand between them.
struct Given<'g> {
    same_front: usize,
    same_back: usize,
    middle: &'g str,
}

impl<'g> Given<'g> {
    /// `normal` is ASCII, so that what is the same ends with a character.
    fn new(given: &'g str, normal: &str) -> Self {
        let same = |(a, b): &(u8, u8)| a == b;
        let same_front = given.bytes().zip(normal.bytes()).take_while(same).count();
        let (given, normal) = (&given[same_front..], &normal[same_front..]);
        let back = given.bytes().rev().zip(normal.bytes().rev());
        let same_back = back.take_while(same).count();
        Self { same_front, same_back, middle: &given[..given.len() - same_back] }
    }

    fn of(&self, normal: &str) -> String {
        let (front, back) = (&normal[..self.same_front], &normal[normal.len() - self.same_back..]);
        [front, self.middle, back].concat()
    }
}

/// What stands before the text.
struct Head {
    index: u64,
    queued_ms: u64,
    offsets: Offsets,
    text_len: u32,
    name_len: Option<u32>,
    /// Bytes of [`Given`] that are the same at the front, those at the back, and those between.
    given: Option<(u32, u32, u32)>,
    kept_len: u32,
    has_userinfo: bool,
    /// Where the text begins.
    text_at: usize,
}

impl Head {
    fn read(bytes: &[u8]) -> Self {
        let (flags, mut rest) = bytes.split_first().expect("flags go before all");
        let index = pull(&mut rest);
        let queued_ms = pull(&mut rest);
        let mut length = || u32::try_from(pull(&mut rest)).expect("it was a length");
        let host_end = length();
        let path_at = host_end + length();
        let path_end = path_at + length();
        let text_len = path_end + length();
        let name_len = (flags & HAS_NAME != 0).then(&mut length);
        let given = (flags & IS_GIVEN != 0).then(|| (length(), length(), length()));
        let kept_len = if flags & HAS_KEPT != 0 { length() } else { 0 };
        let scheme = if flags & IS_HTTPS != 0 { Scheme::Https } else { Scheme::Http };
        Self {
            index,
            queued_ms,
            offsets: Offsets { scheme, host_end, path_at, path_end },
            text_len,
            name_len,
            given,
            kept_len,
            has_userinfo: flags & HAS_USERINFO != 0,
            text_at: bytes.len() - rest.len(),
        }
    }

    /// A part of the text and what follows it.
    fn text<'b>(&self, bytes: &'b [u8], range: Range<u32>) -> &'b str {
        std::str::from_utf8(self.bytes(bytes, range)).expect("it was made of strings")
    }

    fn bytes<'b>(&self, bytes: &'b [u8], range: Range<u32>) -> &'b [u8] {
        &bytes[self.text_at..][range.start as usize..range.end as usize]
    }
}

/// Numbers being put together.
struct Front {
    bytes: [u8; FRONT_BYTES_MAX],
    len: usize,
}

impl Front {
    fn push_byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// Seven bits a byte, the low ones first; the top bit says that more follow (LEB128).
    fn push(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.push_byte((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.push_byte((number & 0x7f) as u8);
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn pull(rest: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, behind) = rest.split_first().expect("a number ends");
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            break;
        }
    }
    number
}

const IS_HTTPS: u8 = 1;
const HAS_NAME: u8 = 2;
const HAS_USERINFO: u8 = 4;
const IS_GIVEN: u8 = 8;
const HAS_KEPT: u8 = 16;
/// The flags, two numbers of 64 bits and nine lengths of 32.
const FRONT_BYTES_MAX: usize = 1 + 2 * 10 + 9 * 5;

const _: () = assert!(size_of::<Queued>() == 16);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::moment::Moment;
    use crate::http::request::Secrets;
    use crate::plan::kept::Value;
    use proptest::prelude::*;
    use std::time::{Instant, SystemTime};

    fn job(index: u64, url: &str) -> Job {
        Job::new(index, Target::parse(url).unwrap(), url)
    }

    fn check(index: u64, url: &str, name: &str, queued_ms: u64) -> usize {
        let packed = Queued::of_job(job(index, url), name.to_owned(), queued_ms);
        let target = Target::parse(url).unwrap();
        assert_eq!(packed.place(), place(&target));
        assert!(!packed.has_begun());
        let size = match &packed {
            Queued::Line(line) => line.0.len(),
            Queued::Whole(_) => panic!("it is small"),
        };
        let waiting = packed.unpack();
        assert_eq!(waiting.job, job(index, url));
        assert_eq!((waiting.planned_name(), waiting.queued_ms), (name, queued_ms));
        let again = Queued::pack(waiting).unpack();
        assert_eq!((&again.job, again.planned_name()), (&job(index, url), name));
        size
    }

    #[test]
    fn a_waiting_line_is_small() {
        let url = "https://images.example.com/wp-content/uploads/2019/0f3c2a/product-7.jpg";
        assert_eq!(url.len(), 71);
        let size = check(199_999_999, url, "product-7.jpg", 36_000_000);
        assert_eq!(size, url.len() + 13);
    }

    #[test]
    fn what_is_kept_comes_back() {
        let url = "http://u:p@h?q";
        for kept in [Kept::default(), Kept::new([Value::Nothing, Value::Text(b"\xff")])] {
            let job = Job { kept, ..job(1, url) };
            let waiting = Queued::of_job(job.clone(), "index".to_owned(), 5).unpack();
            assert_eq!((&waiting.job, waiting.planned_name()), (&job, "index"));
            assert_eq!(Queued::pack(waiting).unpack().job, job);
        }
    }

    #[test]
    fn a_url_that_is_not_in_its_normal_form_costs_what_differs() {
        let name = "a";
        let plain = check(7, "http://h.example/dir/a", name, 0);
        for (url, more) in [
            ("http://h.example/dir/a#top", 4),
            ("HTTP://h.example/dir/a", 4),
            ("  http://h.example/dir/a ", 25),
            ("http://u:p@h.example/dir/a", 3),
        ] {
            assert_eq!(check(7, url, name, 0), plain + more + 3 * usize::from(!url.contains('@')));
        }
        check(7, "http://h?q", "index", 0);
        check(7, "http://bücher.example/ä ü.jpg", "x", 0);
    }

    #[test]
    fn a_begun_job_and_one_with_options_keep_what_they_have() {
        let options = Some(Box::default());
        let with_options = Job { options, ..job(1, "http://h/a") };
        let packed = Queued::of_job(with_options.clone(), "a".to_owned(), 5);
        assert_eq!(packed.place(), place(&with_options.target));
        assert_eq!(packed.unpack().job, with_options);
        let waiting = Queued::of_job(job(2, "http://h/b"), "b".to_owned(), 5).unpack();
        let now = Moment { at: Instant::now(), ms: 9, date: SystemTime::now() };
        let mut fetch = waiting.into_fetch(now, Box::new);
        fetch.begin(now, 1_000, 0);
        fetch.redirect(Target::parse("https://other:8443/").unwrap());
        let packed = Queued::pack(fetch.into_waiting());
        assert!(packed.has_begun());
        assert_eq!(packed.place().host, "other:8443");
        let fetch = packed.unpack().into_fetch(now, |_| panic!("it has a history"));
        assert_eq!(fetch.history.hops.secrets(&fetch.job.target), Secrets::Withhold);
        assert_eq!(fetch.attempt(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn nothing_is_lost(
            index in any::<u64>(),
            scheme in "https?|HTTP",
            userinfo in "([a-z]{0,3}(:[a-z%41é]{0,3})?@)?",
            host in "([a-zA-Z]{1,9}|[a-z.é]{1,9}[a-z]|\\[::1\\]|127[.]1)",
            port in "(:[1-9][0-9]{0,3})?",
            rest in "(/[a-z%0-9./é ]{0,200})?([?][a-z&=/é]{0,200})?(#[a-zé/]{0,9})?",
            name in prop::option::of("[a-zé/.0-9]{0,300}"),
            queued_ms in any::<u64>(),
        ) {
            let url = format!("{scheme}://{userinfo}{host}{port}{rest}");
            if let Ok(target) = Target::parse(&url) {
                let name = name.unwrap_or_else(|| name::from_target(&target));
                check(index, &url, &name, queued_ms);
            }
        }
    }
}
