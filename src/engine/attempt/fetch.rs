//! One job on its way: what was asked, and what has happened so far.

use crate::engine::attempt::file_name::FileName;
use crate::engine::attempt::hops::Hops;
use crate::engine::attempt::outcome::End;
use crate::engine::attempt::proof::{Mirroring, Probe};
use crate::engine::attempt::team::{Leaving, Recruit, Team};
use crate::engine::attempt::trace::Trace;
use crate::engine::moment::Moment;
use crate::engine::output::flow::Flow;
use crate::engine::output::partial::Told;
use crate::fault::{Cause, Fault, Stage};
use crate::http::Head;
use crate::limits;
use crate::plan::checksum::Mismatch;
use crate::plan::job::{BadLine, Job};
use crate::plan::kept::{Kept, Value};
use crate::plan::name;
use crate::plan::retry::{self, Refusals};
use crate::plan::sources::Leave;
use crate::plan::target::Target;
use crate::report::{Counted, Row, Times, location, row};
use crate::ring::file::NameBy;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A job that waits in the schedule.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) job: Job,
    /// Path of the file beneath the directory of the run, unless a server proposed another, where
    /// that is not what [`name::plain`] says.
    pub(crate) name: Option<Box<str>>,
    /// When it was read, in milliseconds of the run.
    pub(crate) queued_ms: u64,
    /// Nothing before the first attempt: a queue of many jobs stays small.
    pub(crate) history: Option<Box<History>>,
}

/// A job in one of the slots of a core.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) job: Job,
    /// As in [`Waiting`].
    pub(crate) name: Option<Box<str>>,
    queued_ms: u64,
    pub(crate) history: Box<History>,
}

/// What has happened to a job since its first attempt.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) hops: Hops,
    /// Number of the current attempt, from 1.
    attempt: u32,
    /// Refusals so far, which may cost no attempt.
    pub(crate) refusals: Refusals,
    /// The next attempt is a new one, and not the next hop of this one.
    is_retry_due: bool,
    /// Connections of all attempts but the last.
    num_connects: u32,
    /// When the first attempt began.
    pub(crate) began: Instant,
    /// How long before that it was due, where that was known.
    late: Option<Duration>,
    attempted_at: SystemTime,
    /// When the job is over in any case, in milliseconds of the run.
    job_at_ms: u64,
    /// Pauses of the run that `job_at_ms` was moved for, in milliseconds.
    paused_ms: u64,
    /// What servers proposed.
    pub(crate) file_name: FileName,
    /// Why the attempt before failed.
    last_fault: Option<Box<Fault>>,
    /// The address that took a connection of the attempt before, and nothing good came of it.
    pub(crate) failed_ip: Option<IpAddr>,
    /// What the last body was that was not the one asked for.
    pub(crate) wrong_digest: Option<Box<Mismatch>>,
    queue: Duration,
    /// What the last attempt saw.
    pub(crate) trace: Trace,
    /// What there is of a long body, and who fills it.
    pub(crate) team: Option<Arc<Team>>,
    /// What came of a body that goes to no file.
    pub(crate) flow: Option<Box<Flow>>,
    /// What a row tells of a body that was given up, or of what came of one that goes to no file
    /// before the last response.
    pub(crate) told: Told,
    /// What an attempt before this one saw, the last that had an answer, of a body that is gone on
    /// with.
    trace_before: Option<Box<Trace>>,
    /// Bytes of its body that had come when the attempt began.
    came_before: u64,
    /// Whether this is a task beside the job: it has no row.
    is_helper: bool,
    /// What is known where it is at another source than others of its body.
    pub(crate) mirroring: Mirroring,
    /// Attempts that brought what is kept: they cost none of `--retry`.
    fruitful: u32,
    /// Attempts at the sources before this one: they cost none of `--retry`.
    elsewhere: u32,
}

/// Whether another address of the same host may do better. One that refuses speaks for its host,
/// and one that did not connect lost a race in which all had their turn.
fn is_of_address(fault: &Fault) -> bool {
    let is_answer = matches!(fault.cause, Cause::Status(_) | Cause::ProxyStatus(_));
    fault.stage != Stage::Connect && !is_answer
}

impl Waiting {
    /// The target of the next request.
    pub(crate) fn target(&self) -> &Target {
        match &self.history {
            Some(history) => history.hops.target(&self.job.target),
            None => &self.job.target,
        }
    }

    /// Path of the file beneath the directory of the run, whatever a server proposed.
    pub(crate) fn planned_name(&self) -> &str {
        planned_name(&self.job, self.name.as_deref())
    }

    /// When the job is over in any case, as [`Fetch::ends_ms`]; not before it has begun.
    pub(crate) fn ends_ms(&self, paused_ms: u64) -> u64 {
        self.history.as_ref().map_or(u64::MAX, |history| history.ends_ms(paused_ms))
    }

    /// Takes the job out of the queue. `boxed` has memory for what will happen to it.
    pub(crate) fn into_fetch(
        self,
        now: Moment,
        boxed: impl FnOnce(History) -> Box<History>,
    ) -> Fetch {
        let Self { job, name, queued_ms, history } = self;
        let history = history.unwrap_or_else(|| boxed(History::new(now)));
        Fetch { job, name, queued_ms, history }
    }

    /// A task beside a job that fills the same body, and has joined those who do.
    /// It goes to the target where `hops` led.
    pub(crate) fn helper(recruit: Recruit<'_>, hops: &Hops, now: Moment, paused_ms: u64) -> Self {
        let Recruit { team, job, began, job_at_ms, .. } = recruit;
        let source = hops.source();
        let probe = (source != team.partial.source()).then(|| Probe::new(now.ms));
        team.join(source, probe.as_ref());
        let helper = History {
            hops: hops.clone(),
            attempt: 1,
            is_retry_due: false,
            began,
            job_at_ms,
            paused_ms,
            team: Some(Arc::clone(team)),
            is_helper: true,
            mirroring: Mirroring { probe, ..Mirroring::default() },
            ..History::new(now)
        };
        Self { job: job.clone(), name: None, queued_ms: now.ms, history: Some(Box::new(helper)) }
    }

    /// The job that ends with this task while it waits: the task itself; or where that is one
    /// beside a job, which has no row, the job if nobody else is at it.
    pub(crate) fn ending(self, now_ms: u64) -> Option<Self> {
        let Some(history) = self.history.as_ref().filter(|history| history.is_helper) else {
            return Some(self);
        };
        let leaving = history.leaving(Leave::Failed);
        history.team.as_ref().and_then(|team| team.part(leaving, now_ms))
    }

    /// Goes on at the next source of the file after this fault, if it is one of the source and
    /// there is another one.
    pub(crate) fn go_to_next(&mut self, fault: &Fault, now: Moment) -> bool {
        if self.job.mirrors().is_empty() || !retry::is_of_source(&fault.cause) {
            return false;
        }
        let history = self.history.get_or_insert_with(|| Box::new(History::new(now)));
        history.go_to_next(&self.job, fault)
    }

    /// Forgets what fills its body with it, which it waits for.
    pub(in crate::engine::attempt) fn leave_team(&mut self) {
        if let Some(history) = &mut self.history {
            history.team = None;
        }
    }

    /// Has a body again, after the others are gone.
    pub(in crate::engine::attempt) fn join_team(&mut self, team: Arc<Team>) {
        if let Some(history) = &mut self.history {
            history.team = Some(team);
        }
    }

    /// The row of a job that ends while it waits.
    pub(crate) fn row(&mut self, end: End, now: Instant, dir: &str) -> Row {
        let history = self.history.as_deref();
        let mut row = row(&self.job, self.planned_name(), history, end, now, dir);
        if let Some(history) = &mut self.history {
            history.trace.tell(&mut row);
        }
        row
    }
}

impl Fetch {
    /// Begins an attempt, the first one or a further one. The job may take `job_ms` in all;
    /// `paused_ms` is for how long the run was paused so far.
    pub(crate) fn begin(&mut self, now: Moment, job_ms: u64, paused_ms: u64) {
        let history = &mut *self.history;
        if history.attempt == 0 {
            (history.began, history.attempted_at) = (now.at, now.date);
            history.job_at_ms = now.ms.saturating_add(job_ms);
            history.paused_ms = paused_ms;
            history.queue = Duration::from_millis(now.ms.saturating_sub(self.queued_ms));
        }
        if std::mem::take(&mut history.is_retry_due) {
            history.attempt += 1;
            let is_failed = history.last_fault.as_ref().is_some_and(|fault| is_of_address(fault));
            history.failed_ip = history.trace.remote_ip.filter(|_| is_failed);
        }
        history.num_connects += history.trace.num_connects;
        history.came_before = history.told().came;
        if history.team.is_some() || history.flow.is_some() {
            let last = std::mem::replace(&mut history.trace, Trace::new(now.at));
            if last.head.is_some() {
                history.trace_before = Some(Box::new(last));
            }
        } else {
            history.trace = Trace::new(now.at);
        }
        history.file_name.forget();
        // Nobody's time runs while the disk is full.
        let since_ms = std::mem::replace(&mut history.paused_ms, paused_ms);
        let paused_ms = paused_ms.saturating_sub(since_ms);
        history.job_at_ms = history.job_at_ms.saturating_add(paused_ms);
    }

    /// Gives the job back to the queue.
    pub(crate) fn into_waiting(self) -> Waiting {
        let Self { job, name, queued_ms, history } = self;
        Waiting { job, name, queued_ms, history: Some(history) }
    }

    /// The target of the next request.
    pub(crate) fn target(&self) -> &Target {
        self.history.hops.target(&self.job.target)
    }

    /// A redirect leads to `target`.
    pub(crate) fn redirect(&mut self, target: Target) {
        self.history.mirroring.proof = None;
        if self.history.hops.follow(&self.job.target, target) {
            self.history.refusals.leave_host();
        }
    }

    /// Path of the file beneath the directory of the run; nothing where there is to be none.
    pub(crate) fn name(&self) -> &str {
        self.history.file_name.proposed().unwrap_or_else(|| self.planned_name())
    }

    /// As [`Fetch::name`], whatever a server proposed.
    pub(crate) fn planned_name(&self) -> &str {
        planned_name(&self.job, self.name.as_deref())
    }

    /// When the job is over in any case, in milliseconds of the run; or this task beside it, which
    /// may only look whether a mirror has its file.
    pub(crate) fn job_at_ms(&self) -> u64 {
        self.history.mirroring.ends_ms(self.history.job_at_ms)
    }

    /// [`Fetch::job_at_ms`], moved by the pauses of the run since the last attempt began;
    /// `paused_ms` is for how long the run was paused so far.
    pub(crate) fn ends_ms(&self, paused_ms: u64) -> u64 {
        self.history.ends_ms(paused_ms)
    }

    /// How many attempts there were, this one included.
    pub(crate) fn attempt(&self) -> u32 {
        self.history.attempt
    }

    /// The body that this is a task beside, if it is one.
    pub(crate) fn helps(&self) -> Option<&Arc<Team>> {
        self.history.team.as_ref().filter(|_| self.history.is_helper)
    }

    /// Lets others who fill its body know where the job goes.
    pub(crate) fn tell_way(&self) {
        let History { team, hops, is_helper, .. } = &*self.history;
        team.iter().filter(|_| !is_helper).for_each(|team| team.follow(hops));
    }

    /// Whether this is a task beside a job whose mirror has shown that it has the file.
    pub(crate) fn has_proof(&self) -> bool {
        self.history.is_helper && self.history.mirroring.proof.is_some()
    }

    /// Whether nobody wants to know any more what this task beside a job looks for.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.history.mirroring.probe.as_ref().is_some_and(Probe::is_cut)
    }

    /// What a task beside a job leaves with.
    pub(crate) fn leaving(&self, why: Leave) -> Leaving<'_> {
        self.history.leaving(why)
    }

    /// Leaves the source alone for a while, where the job failed and others fill its body, too.
    pub(crate) fn rest_source(&self, now_ms: u64) {
        let History { team, hops, .. } = &*self.history;
        team.iter().for_each(|team| team.failed(hops.source(), now_ms));
    }

    /// Whether others fill its body, too.
    pub(crate) fn is_helped(&self) -> bool {
        self.history.team.as_ref().is_some_and(|team| !team.is_alone())
    }

    /// The attempt failed; it counts as none where it brought so many bytes that are kept.
    pub(crate) fn count_fruit(&mut self) {
        let brought = self.history.told().came.saturating_sub(self.history.came_before);
        self.history.fruitful += u32::from(brought >= limits::LONG_BYTES_MIN);
    }

    /// How many attempts cost none: they brought bytes that are kept, or were made elsewhere.
    pub(crate) fn free(&self) -> u32 {
        self.history.fruitful + self.history.elsewhere
    }

    /// Goes on at the next source of the file after this fault, if it is one of the source and
    /// there is another one.
    pub(crate) fn go_to_next(&mut self, fault: &Fault) -> bool {
        retry::is_of_source(&fault.cause) && self.history.go_to_next(&self.job, fault)
    }

    /// Whether nothing is lost of a body with the source that it came from.
    pub(crate) fn keeps_nothing(&self) -> bool {
        self.history.team.is_none() && self.history.flow.is_none()
    }

    /// A wait follows this fault, which the row tells of if the time is over before that.
    pub(crate) fn remember(&mut self, fault: Fault) {
        self.history.last_fault = Some(Box::new(fault));
    }

    /// Another attempt follows this fault.
    pub(crate) fn retry(&mut self, fault: Fault) {
        self.history.is_retry_due = true;
        self.remember(fault);
    }

    /// What is counted of a job that has ended now.
    pub(crate) fn counted<'t>(&'t self, end: &'t End, now: Instant) -> Counted<'t> {
        counted(self.target(), Some(&self.history), end, now)
    }

    /// The row of a job that has ended now. `dir` is the directory of the run, as the user wrote
    /// it.
    pub(crate) fn row(&mut self, end: End, now: Instant, dir: &str) -> Row {
        let mut row = row(&self.job, self.name(), Some(&self.history), end, now, dir);
        let history = &mut *self.history;
        if let Some(before) = history.trace_before.take() {
            history.trace.go_on_from(*before);
        }
        history.trace.tell(&mut row);
        row
    }
}

impl History {
    /// The history of a job that begins so much later than it was due, where that was known.
    pub(crate) fn late_by(self, late: Option<Duration>) -> Self {
        Self { late, ..self }
    }

    /// Nothing has happened so far. The first attempt begins about now, for
    /// [`Fetch::begin`] to say when.
    fn new(now: Moment) -> Self {
        Self {
            hops: Hops::default(),
            attempt: 0,
            refusals: Refusals::default(),
            is_retry_due: true,
            num_connects: 0,
            began: now.at,
            late: None,
            attempted_at: now.date,
            job_at_ms: u64::MAX,
            paused_ms: 0,
            file_name: FileName::default(),
            last_fault: None,
            failed_ip: None,
            wrong_digest: None,
            queue: Duration::ZERO,
            trace: Trace::new(now.at),
            team: None,
            flow: None,
            told: Told::default(),
            trace_before: None,
            came_before: 0,
            is_helper: false,
            mirroring: Mirroring::default(),
            fruitful: 0,
            elsewhere: 0,
        }
    }

    /// Goes on at the next source of the file after this fault, if there is one. Its attempts count
    /// anew.
    fn go_to_next(&mut self, job: &Job, fault: &Fault) -> bool {
        if !self.hops.go_to_next(job.mirrors()) {
            return false;
        }
        (self.elsewhere, self.fruitful, self.refusals) = (self.attempt, 0, Refusals::default());
        self.mirroring.proof = None;
        self.flow.iter_mut().for_each(|flow| flow.leave_server());
        self.trace.remote_ip = None;
        self.is_retry_due = true;
        self.last_fault = Some(Box::new(fault.clone()));
        true
    }

    /// When the job is over in any case, in milliseconds of the run, whatever this task does.
    pub(in crate::engine::attempt) fn whole_job_at_ms(&self) -> u64 {
        self.job_at_ms
    }

    /// The last head that came.
    fn head(&self) -> Option<&Head> {
        let before = self.trace_before.as_deref().and_then(|before| before.head.as_deref());
        self.trace.head.as_deref().or(before)
    }

    /// How a body came whose bytes are kept from one response to the next, but for the last one of
    /// a body that has no team.
    fn told(&self) -> Told {
        let Some(team) = &self.team else { return self.told };
        let told = team.partial.told();
        // What was given up before stays true.
        let resume = self.told.resume.or(told.resume);
        let num_connects = self.told.num_connects + told.num_connects;
        Told { resume, num_connects, came: told.came + self.told.came, ..told }
    }

    /// Body bytes that came, without those of attempts of which nothing was kept.
    fn size_download(&self) -> u64 {
        let last = if self.team.is_none() { self.trace.size_download } else { 0 };
        self.told().came + last
    }

    fn ends_ms(&self, paused_ms: u64) -> u64 {
        let paused_ms = paused_ms.saturating_sub(self.paused_ms);
        self.mirroring.ends_ms(self.job_at_ms.saturating_add(paused_ms))
    }

    fn leaving(&self, why: Leave) -> Leaving<'_> {
        Leaving { source: self.hops.source(), probe: self.mirroring.probe.as_ref(), why }
    }

    fn times(&self, now: Instant) -> Times {
        let total = now.saturating_duration_since(self.began);
        let last = self.trace_before.as_deref().filter(|_| self.trace.saw_nothing());
        Times { queue: self.queue, late: self.late, total, ..last.unwrap_or(&self.trace).times }
    }

    /// Tells why a job took so long whose time was over: that alone says little, and the fault
    /// before it more.
    fn with_reason(&self, fault: Fault) -> Fault {
        match &self.last_fault {
            Some(before) if fault.cause == Cause::JobTimeout => {
                let code = before.code();
                // It was escaped when it was made.
                let detail = Some(format!("before that, {before} ({code})").into());
                Fault { detail, ..fault }
            }
            Some(_) | None => fault,
        }
    }
}

/// Path of the file of a job beneath the directory of the run, whatever a server proposes. `own` is
/// as in [`Waiting`].
pub(crate) fn planned_name<'n>(job: &'n Job, own: Option<&'n str>) -> &'n str {
    own.or_else(|| name::plain(&job.target)).unwrap_or_default()
}

/// What is counted of a job that has ended now; its last request went to `target`.
fn counted<'t>(
    target: &'t Target,
    history: Option<&'t History>,
    end: &'t End,
    now: Instant,
) -> Counted<'t> {
    let head = history.and_then(History::head);
    let told = history.map(History::told).unwrap_or_default();
    Counted {
        status: end.status(),
        fault: end.fault(),
        response_code: head.map_or(0, |head| head.status),
        size_download: history.map_or(0, History::size_download),
        size_file: end.stored().map(|stored| stored.size),
        size_resumed: told.resumed,
        num_parts: told.num_parts.max(u32::from(head.is_some())),
        write_mode: told.write_mode.filter(|_| end.stored().is_some()),
        naming: end.stored().and_then(|stored| stored.naming.map(NameBy::word)),
        has_replaced: end.stored().is_some_and(|stored| stored.has_replaced),
        is_linked: end.stored().is_some_and(|stored| stored.duplicate_of.is_some()),
        num_retries: history.map_or(0, |history| history.attempt.saturating_sub(1)),
        num_redirects: history.map_or(0, |history| history.hops.num_redirects_total()),
        num_connects: history
            .map_or(0, |history| history.num_connects + history.trace.num_connects)
            + told.num_connects,
        times: history.map_or_else(Times::default, |history| history.times(now)),
        host: target.origin_str(),
    }
}

/// The row of a job that has ended now, but for what only the head of its response tells.
fn row(job: &Job, name: &str, history: Option<&History>, end: End, now: Instant, dir: &str) -> Row {
    let target = history.map_or(&job.target, |history| history.hops.target(&job.target));
    let asked = target.as_str();
    let attempted_at = history.map(|history| history.attempted_at);
    let counted = counted(target, history, &end, now);
    let mut row = Row {
        status: counted.status,
        response_code: counted.response_code,
        size_download: counted.size_download,
        size_file: counted.size_file,
        size_resumed: counted.size_resumed,
        num_parts: counted.num_parts,
        write_mode: counted.write_mode,
        naming: counted.naming,
        resume: history.and_then(|history| history.told().resume),
        has_replaced: counted.has_replaced,
        num_retries: counted.num_retries,
        num_redirects: counted.num_redirects,
        num_connects: counted.num_connects,
        times: counted.times,
        host: counted.host.to_owned(),
        url_effective: (asked != job.url()).then(|| asked.to_owned()),
        kept: kept(&job.kept),
        ..Row::new(job.index, job.url().into(), attempted_at.unwrap_or_else(SystemTime::now))
    };
    match end {
        End::Done(stored) => {
            row.filename = stored.location.shown(dir, name);
            row.digest = stored.digest.map(|digest| digest.to_string().into());
            row.duplicate_of = stored.duplicate_of;
        }
        End::Skipped => row.filename = Some(location::of_file(dir, name)),
        End::Refused(fault) => row.fault = Some(fault),
        End::Failed(fault) => {
            row.fault = Some(match history {
                Some(history) => history.with_reason(fault),
                None => fault,
            });
        }
    }
    row
}

/// The row of a line that is not a job.
pub(crate) fn bad_line_row(line: &BadLine) -> Row {
    Row {
        fault: Some(line.fault()),
        kept: kept(&line.kept),
        ..Row::new(line.index, line.text.clone(), SystemTime::now())
    }
}

/// The row of a job that is not tried, because it has the URL of line `first`.
pub(crate) fn duplicate_row(job: &Job, first: u64) -> Row {
    let end = End::Refused(Fault::new(Stage::Input, Cause::DuplicateUrl));
    let row = row(job, "", None, end, Instant::now(), "");
    Row { url_effective: None, duplicate_of: Some(first), ..row }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(ms: u64) -> Moment {
        let (at, date) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        Moment { at, ms, date }
    }

    fn waiting() -> Waiting {
        let url = "http://h.example/a";
        let job = Job::new(7, Target::parse(url).unwrap(), url);
        Waiting { job, name: None, queued_ms: 100, history: None }
    }

    #[test]
    fn attempts_are_counted_and_hops_are_not() {
        let mut fetch = waiting().into_fetch(moment(400), Box::new);
        fetch.begin(moment(500), 1_000, 0);
        assert_eq!((fetch.attempt(), fetch.job_at_ms()), (1, 1_500));
        fetch.history.trace.num_connects = 2;
        fetch.redirect(Target::parse("http://h.example/b").unwrap());
        fetch.begin(moment(600), 1_000, 0);
        assert_eq!(fetch.attempt(), 1, "the next hop");
        let ip = IpAddr::from([192, 0, 2, 1]);
        (fetch.history.trace.remote_ip, fetch.history.trace.num_connects) = (Some(ip), 1);
        fetch.retry(Fault::new(Stage::Body, Cause::Reset));
        let mut fetch = fetch.into_waiting().into_fetch(moment(700), Box::new);
        fetch.begin(moment(700), 1_000, 0);
        assert_eq!((fetch.attempt(), fetch.history.failed_ip), (2, Some(ip)));
        let end = End::Failed(Fault::new(Stage::Head, Cause::Status(404)));
        let counted = fetch.counted(&end, Instant::now());
        assert_eq!((counted.num_retries, counted.num_redirects, counted.num_connects), (1, 1, 3));
        assert_eq!(counted.times.queue, Duration::from_millis(400));
    }

    #[test]
    fn nobodys_time_runs_while_the_run_is_paused() {
        let waiting = waiting();
        assert_eq!(waiting.ends_ms(90), u64::MAX, "it has not begun");
        let mut fetch = waiting.into_fetch(moment(0), Box::new);
        fetch.begin(moment(500), 1_000, 40);
        assert_eq!((fetch.job_at_ms(), fetch.ends_ms(100)), (1_500, 1_560));
        fetch.begin(moment(900), 1_000, 100);
        assert_eq!((fetch.job_at_ms(), fetch.ends_ms(100)), (1_560, 1_560));
        assert_eq!(fetch.into_waiting().ends_ms(130), 1_590);
    }

    #[test]
    fn a_row_says_why_a_job_took_all_its_time() {
        let late = || End::Failed(Fault::new(Stage::Connect, Cause::JobTimeout));
        let mut waiting = waiting();
        let row = waiting.row(late(), Instant::now(), "out/");
        assert_eq!((row.fault.unwrap().detail, row.num_retries), (None, 0));
        let mut fetch = waiting.into_fetch(moment(0), Box::new);
        fetch.begin(moment(0), 1_000, 0);
        fetch.remember(Fault::new(Stage::Connect, Cause::Refused));
        let row = fetch.into_waiting().row(late(), Instant::now(), "out/");
        let detail = row.fault.unwrap().detail.unwrap_or_default();
        assert!(detail.contains("connect.refused"), "{detail}");
        assert_eq!(row.url_effective, None);
    }
}
