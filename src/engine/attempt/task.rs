//! One job on its way: what was asked, and what has happened so far.

use crate::engine::core::desk::Granting;
use crate::engine::moment::Moment;
use crate::engine::output::stored::Stored;
use crate::fault::{Cause, Fault, Stage, WrongDigest};
use crate::http::Head;
use crate::plan::checksum::{Checksum, Mismatch};
use crate::plan::job::{BadLine, Job};
use crate::plan::kept::{Kept, Value};
use crate::plan::name;
use crate::plan::retry::Refusals;
use crate::plan::target::Target;
use crate::report::{Counted, Row, Status, Times, location, row};
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

/// One job, from the reader to its row.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) job: Job,
    /// Path of the file beneath the directory of the run, unless a server proposed another, where
    /// that is not what [`name::plain`] says.
    pub(crate) name: Option<Box<str>>,
    /// When it was read, in milliseconds of the run.
    pub(crate) queued_ms: u64,
    /// Nothing before the first attempt: a queue of many jobs stays small.
    pub(crate) story: Option<Box<Story>>,
}

/// What has happened to a job since its first attempt.
#[derive(Debug)]
pub(crate) struct Story {
    /// Where a redirect led, unless that is where it began.
    pub(crate) target: Option<Target>,
    /// Whether a redirect led to another origin than that of the input line. What comes after it
    /// was chosen by a foreign server, wherever it leads.
    has_left_home: bool,
    /// Number of the current attempt, from 1.
    pub(crate) attempt: u32,
    /// Refusals so far, which may cost no attempt.
    pub(crate) refusals: Refusals,
    /// The next attempt is a new one, and not the next hop of this one.
    pub(crate) is_retry_due: bool,
    pub(crate) num_redirects: u32,
    pub(crate) num_connects: u32,
    /// When the first attempt began.
    pub(crate) began: Instant,
    pub(crate) attempted_at: SystemTime,
    /// When the job is over in any case, in milliseconds of the run.
    pub(crate) job_at_ms: u64,
    /// Pauses of the run that `job_at_ms` was moved for, in milliseconds.
    paused_ms: u64,
    /// Body bytes went to standard output: they cannot be taken back, so no attempt follows.
    pub(crate) is_output_begun: bool,
    /// What a server proposed as the path of the file. Kept over attempts: a name that was claimed
    /// for this job is its own.
    proposed: Option<Proposed>,
    /// Why the attempt before failed.
    last_fault: Option<Box<Fault>>,
    /// The address that took a connection of the attempt before, and nothing good came of it.
    pub(crate) failed_ip: Option<IpAddr>,
    /// The digest of the last body that was not the one asked for.
    wrong_digest: Option<Box<Checksum>>,
    queue: Duration,
    pub(crate) last: Last,
}

/// A path that a server proposed.
#[derive(Debug)]
struct Proposed {
    wanted: String,
    claimed: String,
}

/// What the last attempt saw.
#[derive(Debug)]
pub(crate) struct Last {
    pub(crate) began: Instant,
    pub(crate) head: Option<Box<Head>>,
    pub(crate) size_download: u64,
    pub(crate) remote_ip: Option<IpAddr>,
    pub(crate) is_tls_resumed: Option<bool>,
    pub(crate) times: Times,
    /// Its number among the transfers of its core, while the attempt goes on.
    pub(crate) transfer: usize,
    /// The grant of an attempt whose first byte others of its host wait for.
    pub(crate) probe: Option<Granting>,
    /// Its response proposed a path for the file.
    has_proposed: bool,
}

/// Whether another address of the same host may do better. One that refuses speaks for its host,
/// and one that did not connect lost a race in which all had their turn.
fn is_of_address(fault: &Fault) -> bool {
    let is_answer = matches!(fault.cause, Cause::Status(_) | Cause::ProxyStatus(_));
    fault.stage != Stage::Connect && !is_answer
}

/// How a job ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The whole body is where it belongs.
    Done(Stored),
    /// The file was there and nothing was asked for.
    Skipped,
    /// The site asks robots to leave it alone, in the way that the fault says.
    Refused(Fault),
    /// It failed.
    Failed(Fault),
}

impl Task {
    /// The target of the next request.
    pub(crate) fn target(&self) -> &Target {
        let redirected = self.story.as_ref().and_then(|story| story.target.as_ref());
        redirected.unwrap_or(&self.job.target)
    }

    /// Whether the next request may carry secrets: it goes to the origin of the input line, and no
    /// other origin led it there.
    pub(crate) fn is_home(&self) -> bool {
        let has_left_home = self.story.as_ref().is_some_and(|story| story.has_left_home);
        !has_left_home && self.target().same_origin(&self.job.target)
    }

    /// A redirect leads to `target`.
    pub(crate) fn redirect(&mut self, target: Target) {
        let is_foreign = !target.same_origin(&self.job.target);
        let is_elsewhere = !target.same_origin(self.target());
        let story = self.story_mut();
        if is_elsewhere {
            story.refusals.leave_host();
        }
        story.num_redirects += 1;
        story.has_left_home |= is_foreign;
        story.target = Some(target);
    }

    /// What has happened so far, to be gone on with in the attempt that has begun.
    pub(crate) fn story_mut(&mut self) -> &mut Story {
        self.story.as_mut().expect("an attempt has begun")
    }

    /// Path of the file beneath the directory of the run; nothing where there is to be none.
    pub(crate) fn name(&self) -> &str {
        let story = self.story.as_ref().filter(|story| story.last.has_proposed);
        let proposed = story.and_then(|story| story.proposed.as_ref());
        proposed.map_or_else(|| self.planned_name(), |proposed| &proposed.claimed)
    }

    /// The same, whatever a server proposed.
    pub(crate) fn planned_name(&self) -> &str {
        let own = self.name.as_deref();
        own.or_else(|| name::plain(&self.job.target)).unwrap_or_default()
    }

    /// The response at hand proposes a path for the file. `claim` makes it this job's own, once.
    pub(crate) fn propose(&mut self, wanted: String, claim: impl FnOnce(String, u64) -> String) {
        let index = self.job.index;
        let story = self.story_mut();
        story.last.has_proposed = true;
        if story.proposed.as_ref().is_none_or(|proposed| proposed.wanted != wanted) {
            let claimed = claim(wanted.clone(), index);
            story.proposed = Some(Proposed { wanted, claimed });
        }
    }

    /// The fault of an attempt that brought another file than the list asks for.
    pub(crate) fn wrong_file(&mut self, mismatch: &Mismatch) -> Fault {
        let before = self.story_mut().wrong_digest.replace(Box::new(mismatch.got));
        let wrong = match before {
            Some(before) if *before == mismatch.got => WrongDigest::Again,
            Some(_) | None => WrongDigest::First,
        };
        Fault::new(Stage::Body, Cause::Checksum(wrong)).with_detail(mismatch)
    }

    /// When the job is over in any case, in milliseconds of the run; not before it has begun.
    pub(crate) fn job_at_ms(&self) -> u64 {
        self.story.as_ref().map_or(u64::MAX, |story| story.job_at_ms)
    }

    /// The same, moved for what the run was paused since its last attempt began; `paused_ms` is for
    /// how long it was paused so far.
    pub(crate) fn ends_ms(&self, paused_ms: u64) -> u64 {
        let paused = |story: &Story| paused_ms.saturating_sub(story.paused_ms);
        self.job_at_ms().saturating_add(self.story.as_deref().map_or(0, paused))
    }

    /// Another attempt follows this fault, which the row tells of if the time is over before that.
    pub(crate) fn remember(&mut self, fault: Fault) {
        self.story_mut().last_fault = Some(Box::new(fault));
    }

    /// Begins an attempt, the first one or a further one. `paused_ms` is for how long the run was
    /// paused so far, and `boxed` has the memory of what will be told.
    pub(crate) fn begin(
        &mut self,
        now: Moment,
        job_ms: u64,
        paused_ms: u64,
        boxed: impl FnOnce(Story) -> Box<Story>,
    ) -> &mut Story {
        let queued_ms = self.queued_ms;
        let story = self.story.get_or_insert_with(|| {
            boxed(Story {
                target: None,
                has_left_home: false,
                attempt: 1,
                refusals: Refusals::default(),
                is_retry_due: false,
                num_redirects: 0,
                num_connects: 0,
                began: now.at,
                attempted_at: now.date,
                job_at_ms: now.ms.saturating_add(job_ms),
                paused_ms,
                is_output_begun: false,
                proposed: None,
                last_fault: None,
                failed_ip: None,
                wrong_digest: None,
                queue: Duration::from_millis(now.ms.saturating_sub(queued_ms)),
                last: Last::new(now.at),
            })
        });
        if std::mem::take(&mut story.is_retry_due) {
            story.attempt += 1;
            story.failed_ip = story
                .last
                .remote_ip
                .filter(|_| story.last_fault.as_ref().is_some_and(|fault| is_of_address(fault)));
        }
        story.last = Last::new(now.at);
        // Nobody's time runs while the disk is full.
        let paused_ms =
            paused_ms.saturating_sub(std::mem::replace(&mut story.paused_ms, paused_ms));
        story.job_at_ms = story.job_at_ms.saturating_add(paused_ms);
        story
    }

    /// That the time of the job was over says little: the fault before it says why it took so long.
    fn with_reason(&self, fault: Fault) -> Fault {
        let before = self.story.as_ref().and_then(|story| story.last_fault.as_ref());
        match before {
            Some(before) if fault.cause == Cause::JobTimeout => {
                let code = before.code();
                // It was escaped when it was made.
                let detail = Some(format!("before that, {before} ({code})").into());
                Fault { detail, ..fault }
            }
            Some(_) | None => fault,
        }
    }

    /// What is counted of a job that has ended now.
    pub(crate) fn counted<'t>(&'t self, end: &'t End, now: Instant) -> Counted<'t> {
        let story = self.story.as_deref();
        let head = story.and_then(|story| story.last.head.as_deref());
        Counted {
            status: end.status(),
            fault: end.fault(),
            response_code: head.map_or(0, |head| head.status),
            size_download: story.map_or(0, |story| story.last.size_download),
            size_file: end.stored().map(|stored| stored.size),
            has_replaced: end.stored().is_some_and(|stored| stored.has_replaced),
            num_retries: story.map_or(0, |story| story.attempt - 1),
            num_redirects: story.map_or(0, |story| story.num_redirects),
            num_connects: story.map_or(0, |story| story.num_connects),
            times: story.map_or_else(Times::default, |story| story.times(now)),
            host: self.target().origin_str(),
        }
    }

    /// The row of a job that has ended now. `dir` is the directory of the run, as the user wrote
    /// it.
    pub(crate) fn row(&mut self, end: End, now: Instant, dir: &str) -> Row {
        let asked = self.target().as_str();
        let url_effective = (asked != self.job.url()).then(|| asked.to_owned());
        let attempted_at = self.story.as_ref().map(|story| story.attempted_at);
        let url = self.job.url().into();
        let counted = self.counted(&end, now);
        let mut row = Row {
            status: counted.status,
            response_code: counted.response_code,
            size_download: counted.size_download,
            size_file: counted.size_file,
            has_replaced: counted.has_replaced,
            num_retries: counted.num_retries,
            num_redirects: counted.num_redirects,
            num_connects: counted.num_connects,
            times: counted.times,
            host: counted.host.to_owned(),
            url_effective,
            kept: kept(&self.job.kept),
            ..Row::new(self.job.index, url, attempted_at.unwrap_or_else(SystemTime::now))
        };
        match end {
            End::Done(stored) => {
                row.filename = stored.location.shown(dir, self.name());
                row.digest = stored.digest.map(|digest| digest.to_string().into());
            }
            End::Skipped => row.filename = Some(location::of_file(dir, self.name())),
            End::Refused(fault) => row.fault = Some(fault),
            End::Failed(fault) => row.fault = Some(self.with_reason(fault)),
        }
        if let Some(story) = &mut self.story {
            story.tell(&mut row);
        }
        row
    }
}

impl End {
    fn status(&self) -> Status {
        match self {
            Self::Done(_) => Status::Ok,
            Self::Skipped | Self::Refused(_) => Status::Skipped,
            Self::Failed(fault) if fault.cause == Cause::Interrupted => Status::Cancelled,
            Self::Failed(_) => Status::Failed,
        }
    }

    fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Done(_) | Self::Skipped => None,
            Self::Refused(fault) | Self::Failed(fault) => Some(fault),
        }
    }

    fn stored(&self) -> Option<&Stored> {
        match self {
            Self::Done(stored) => Some(stored),
            Self::Skipped | Self::Refused(_) | Self::Failed(_) => None,
        }
    }
}

impl Story {
    fn times(&self, now: Instant) -> Times {
        let total = now.saturating_duration_since(self.began);
        Times { queue: self.queue, total, ..self.last.times }
    }

    fn tell(&mut self, row: &mut Row) {
        row.remote_ip = self.last.remote_ip;
        row.tls_resumed = self.last.is_tls_resumed;
        if let Some(head) = self.last.head.take() {
            row.http_minor_version = Some(head.minor_version);
            row.content_type = head.content_type;
            row.content_encoding = head.content_encoding;
            row.etag = head.etag;
        }
    }
}

impl Last {
    fn new(began: Instant) -> Self {
        Self {
            began,
            head: None,
            size_download: 0,
            remote_ip: None,
            is_tls_resumed: None,
            times: Times::default(),
            transfer: 0,
            probe: None,
            has_proposed: false,
        }
    }

    /// The response was another's: nothing of it is this job's.
    pub(crate) fn forget_response(&mut self) {
        (self.head, self.size_download, self.has_proposed) = (None, 0, false);
    }
}

/// The row of a line that is no job.
pub(crate) fn bad_line_row(line: &BadLine) -> Row {
    Row {
        fault: Some(line.fault()),
        kept: kept(&line.kept),
        ..Row::new(line.index, line.text.clone(), SystemTime::now())
    }
}

/// What the list says in the columns that the report keeps.
fn kept(values: &Kept) -> Vec<row::Kept> {
    let of = |value| match value {
        Value::Nothing => row::Kept::Nothing,
        Value::Text(text) => row::Kept::Text(text.into()),
        Value::Json(json) => row::Kept::Json(json.into()),
    };
    values.values().map(of).collect()
}
