//! Long bodies: begun, gone on with, and named when nothing of them is missing.

use crate::engine::attempt::exchange::Answered;
use crate::engine::attempt::keep_alive::Ended;
use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::outcome::{Came, Outcome};
use crate::engine::attempt::receiver::{FileReceiver, WantedRange};
use crate::engine::attempt::team::{Recruit, Team};
use crate::engine::attempt::trace::Trace;
use crate::engine::output::assembly::{Coming, Kept};
use crate::engine::output::body::Body;
use crate::engine::output::partial::{Claim, Filling, Next, Told, Version};
use crate::engine::output::stored::Obstacle;
use crate::engine::output::versions::Held;
use crate::fault::{Cause, Fault, Stage};
use crate::http::Head;
use crate::http::request::Conditions;
use crate::plan::checksum::Mismatch;
use crate::plan::ranges::Ranges;
use crate::plan::retry::{self, Class};
use crate::plan::validator::Validator;
use crate::plan::verdict::{Answer, BadPart, Instead, PartAsk, WhyWhole, check_size, why_whole};
use crate::report::Resume;
use crate::ring::buf::RecvBuf;
use std::sync::Arc;

/// What an attempt does next about the body of its job.
pub(crate) enum Todo {
    /// Asks for the file, or for a range of it.
    Ask(Option<Claim>),
    /// Asks whether its source has the file that others bring, too.
    Probe,
    /// Gives the file its name: nothing is missing.
    Finish,
    /// Nothing: others are at what is missing.
    Nothing,
}

impl<'r> FileReceiver<'r> {
    /// What there is to do about the body.
    pub(crate) fn todo(&mut self, kit: &Kit) -> Todo {
        let Some(team) = &*self.team else {
            let is_whole = self.flow.as_ref().is_some_and(|flow| flow.is_whole());
            return if is_whole { Todo::Finish } else { Todo::Ask(None) };
        };
        if let Some(todo) = self.before_part(kit) {
            return todo;
        }
        match team.partial.next(kit.now_ms()) {
            Next::Part(claim) => self.with_part(claim),
            // The job alone ends it, or begins again.
            Next::Whole | Next::Anew if self.is_helper => Todo::Nothing,
            Next::Whole => Todo::Finish,
            Next::Anew => Todo::Ask(None),
            Next::Nothing => Todo::Nothing,
        }
    }

    /// Takes the range that is asked for next, or all of the file.
    pub(crate) fn want(&mut self, claim: Option<Claim>) {
        self.wanted = self.team.as_ref().zip(claim).and_then(|(team, claim)| {
            if self.elsewhere().is_some() {
                return self.want_of_mirror(team, claim);
            }
            let (validator, complete) = team.partial.terms();
            let takes_unvouched = self.output.takes_unvouched() || self.is_unvouched();
            Some(WantedRange { claim: Some(claim), validator, complete, takes_unvouched })
        });
    }

    /// What a request says of what is asked for: a range of the version `terms`, or the file unless
    /// it is the one that is `held`.
    pub(crate) fn conditions<'c>(
        &mut self,
        terms: Option<&'c Validator>,
        held: Option<&'c Held>,
    ) -> Conditions<'c> {
        let range = self.part_ask().map(|ask| (ask.first, ask.last));
        let conditions = match (range, held) {
            (None, Some(held)) => held.conditions(),
            _ => {
                let if_range = terms.and_then(Validator::if_range);
                Conditions { range, if_range, ..Conditions::default() }
            }
        };
        self.is_conditional = range.is_none() && conditions != Conditions::default();
        conditions
    }

    /// The version that a range is to be of.
    pub(crate) fn terms(&self) -> Option<Arc<Validator>> {
        let of_range = self.wanted.as_ref().map(|wanted| &wanted.validator);
        of_range.or_else(|| self.flow.as_ref().map(|flow| flow.validator())).cloned()
    }

    /// What is asked of a server, where that is a range.
    pub(crate) fn part_ask(&self) -> Option<PartAsk<'_>> {
        if let Some(flow) = &*self.flow {
            return Some(flow.ask(self.output.takes_unvouched()));
        }
        let WantedRange { claim, validator, complete, takes_unvouched } = self.wanted.as_ref()?;
        let range = claim.as_ref().map_or(0..1, Claim::range);
        Some(PartAsk {
            first: range.start,
            last: (range.end != u64::MAX).then(|| range.end - 1),
            complete: *complete,
            validator,
            takes_unvouched: *takes_unvouched,
        })
    }

    /// Where the body of a good answer goes.
    ///
    /// # Errors
    /// It cannot be stored, or this task cannot go on with it.
    pub(crate) fn body<'b>(
        &mut self,
        kit: &'b Kit,
        (head, answer): (&Head, Answer),
        is_coded: bool,
    ) -> Result<Body<'b>, Came>
    where
        'r: 'b,
    {
        self.check_length((head, &answer), is_coded)?;
        self.check_permitted(&answer)?;
        if let Some(body) = self.go_on(kit, head, &answer)? {
            return Ok(body);
        }
        let is_of_mirror = self.is_of_mirror();
        let claimed = match answer {
            Answer::Part { range, complete } if is_of_mirror => {
                self.part_of_mirror(head, complete)?.map(|claim| (claim, Some(range.end)))
            }
            Answer::Part { range, complete } => {
                let learned = match (&*self.team, complete) {
                    (Some(team), Some(complete)) => team.partial.learn_length(complete),
                    _ => true,
                };
                if !learned {
                    return Err(self.mistaken(BadPart::Changed));
                }
                if !self.is_vouched_by(kit, head) {
                    return Err(self.mistaken(BadPart::Unvouched));
                }
                let claim = self.wanted.take().and_then(|wanted| wanted.claim);
                claim.map(|claim| (claim, Some(range.end)))
            }
            Answer::Whole => {
                let length = self.coming(head, is_coded).length();
                self.whole(kit, head, is_coded)?.map(|claim| (claim, length))
            }
        };
        if let Some((claim, end)) = claimed {
            if let Some(team) = self.team.as_ref().filter(|_| !is_of_mirror) {
                team.partial.set_stamp(self.output.stamp(self.job, Some(head)));
            }
            let filling = Filling::new(&kit.io, claim, end, kit.common.began)?;
            return Ok(Body::of_range(self.output, self.job.index, filling));
        }
        let (output, bounds) = (self.output, kit.bounds(self.job_at_ms));
        let coming = self.coming(head, is_coded);
        Ok(Body::begin(output, coming, (&kit.dir, &kit.buffers), bounds)?)
    }

    fn coming(&self, head: &Head, is_coded: bool) -> Coming<'_> {
        Coming { job: self.job, path: self.path(), framing: head.framing, is_coded }
    }

    /// Whether a response is of a file that has the length that the list gives it, as far as its
    /// head tells.
    ///
    /// # Errors
    /// It is of another file.
    fn check_length(
        &mut self,
        (head, answer): (&Head, &Answer),
        is_coded: bool,
    ) -> Result<(), Fault> {
        let expected = self.job.options.as_ref().and_then(|options| options.size);
        let length = match answer {
            // Whether it goes with what others bring is found out elsewhere.
            _ if self.is_helper => None,
            Answer::Part { .. } if self.is_of_mirror() => None,
            Answer::Part { complete, .. } => *complete,
            Answer::Whole => self.coming(head, is_coded).length(),
        };
        let Some(mismatch) = length.and_then(|got| Mismatch::check_size(got, expected).err())
        else {
            return Ok(());
        };
        self.wanted = None;
        if let (Some(team), Answer::Part { .. }) = (&*self.team, answer) {
            team.partial.outdate(Resume::Changed);
        }
        Err(self.wrong_digest(&mismatch))
    }

    /// Whether a file that a part comes of is as short as permitted, as far as the head tells.
    ///
    /// # Errors
    /// It is longer.
    fn check_permitted(&self, answer: &Answer) -> Result<(), Fault> {
        match answer {
            // It has the length of the file, or is not asked for more.
            Answer::Part { .. } if self.is_of_mirror() => Ok(()),
            Answer::Part { range, complete } => {
                check_size(complete.unwrap_or(range.end), self.output.body_bytes_max)
            }
            // Looked at where it is known what becomes of it.
            Answer::Whole => Ok(()),
        }
    }

    /// A response brings all of the file. Gives what it fills, where that is a long body.
    fn whole(&mut self, kit: &Kit, head: &Head, is_coded: bool) -> Result<Option<Claim>, Came> {
        let why = self.part_ask().map(|ask| why_whole(head, &ask));
        if let Some(team) = self.left_by_unfit() {
            return Err(self.unfit(&team, None));
        }
        self.wanted = None;
        let length = self.coming(head, is_coded).length();
        check_size(length.unwrap_or_default(), self.output.body_bytes_max)?;
        // Of a short body nothing is read that vouches for it.
        let is_long = !is_coded && self.output.is_long(length, head);
        let version = is_long.then(|| {
            let (validator, source) = (Validator::of(head), self.hops.source());
            let is_ranged = self.is_ranged(&validator, head);
            Version { length, validator, source, is_ranged }
        });
        if self.is_unvouched() {
            self.let_go(Resume::NoRanges);
        }
        if let Some(team) = self.team.clone() {
            match why {
                Some(WhyWhole::Changed) => team.partial.outdate(Resume::Changed),
                Some(WhyWhole::RangesIgnored) => team.partial.give_up_ranges(),
                None => {}
            }
            if self.is_helper || !team.is_alone() {
                return Err(Outcome::Left.into());
            }
            let is_adopted = team.partial.is_adopted();
            if !is_adopted && let Some(version) = version {
                return Ok(Some(team.partial.restart(version, kit.now_ms())?));
            }
            // It was long, and is not any more, or it is not ours: what is there is of no use.
            // Had an adopted one been of another version, that would have been said.
            let is_same = is_adopted || why == Some(WhyWhole::RangesIgnored);
            team.partial.outdate(if is_same { Resume::NoRanges } else { Resume::Changed });
            team.partial.give_back()?;
            let Told { resume, num_connects, .. } = team.partial.told();
            *self.told = Told { resume, num_connects, ..Told::default() };
            *self.team = None;
        }
        let Some(version) = version else { return Ok(None) };
        let is_ranged = version.is_ranged;
        let (output, now_ms) = (self.output, kit.now_ms());
        let partial = output.begin_partial(&kit.dir, self.planned, self.job, version, now_ms)?;
        let team = Team::new(partial, self.job, self.hops);
        output.bodies.watch(&team.partial);
        let claim = team.partial.take_all(kit.now_ms());
        if is_ranged {
            team.partial.tile();
        }
        *self.team = Some(team);
        Ok(Some(claim))
    }

    /// What comes of an answer that was not what was asked for.
    pub(crate) fn instead(&mut self, instead: Instead) -> Came {
        if self.flow.is_some() {
            return self.instead_of_rest(instead);
        }
        match instead {
            Instead::NotRange { complete }
                if self.team.as_ref().is_some_and(|team| team.partial.ends_at(complete)) =>
            {
                self.wanted = None;
                Came::Range
            }
            // The file has got shorter.
            Instead::NotRange { .. } => self.mistaken(BadPart::Changed),
            Instead::BadPart(_, why) => self.mistaken(why),
            instead => Outcome::from(instead).into(),
        }
    }

    /// The answer to a request for a range was none. The task goes on with what there is to do
    /// then.
    fn mistaken(&mut self, why: BadPart) -> Came {
        if let Some(team) = self.left_by_unfit() {
            return self.unfit(&team, None);
        }
        self.wanted = None;
        if self.is_unvouched() {
            self.let_go(Resume::Unvouched);
        }
        if let Some(team) = &*self.team {
            match why {
                BadPart::Changed => team.partial.outdate(Resume::Changed),
                BadPart::Unvouched => team.partial.outdate(Resume::Unvouched),
                BadPart::Lie => {
                    team.partial.give_up_ranges();
                    team.partial.outdate(Resume::NoRanges);
                }
            }
        }
        Came::Range
    }

    /// Whether nothing vouches so far for what there is of the body.
    fn is_unvouched(&self) -> bool {
        self.team.as_ref().is_some_and(|team| team.partial.is_unvouched())
    }

    /// Whether a response vouches for what there is, which is taken over then.
    fn is_vouched_by(&self, kit: &Kit, head: &Head) -> bool {
        let Some(team) = &*self.team else { return true };
        let file = (&kit.dir, self.job.index);
        team.partial.is_vouched_by(head, self.output.takes_unvouched(), file, kit.now_ms())
    }

    /// What another program left of the body is of no use, for this reason: it stays as it is.
    fn let_go(&mut self, why: Resume) {
        let Some(team) = self.team.take() else { return };
        team.partial.let_go();
        *self.told = Told { resume: Some(why), ..Told::default() };
    }

    /// An attempt is over. What another program left is let go, unless something vouched for it.
    pub(crate) fn settle(&mut self) {
        self.wanted = None;
        if self.is_unvouched() {
            self.let_go(Resume::Unvouched);
            *self.told = Told::default();
        }
    }

    /// Keeps what came of a body in order, for the next attempt.
    pub(crate) fn keep(&mut self, kit: &Kit, kept: Kept, head: &Head) {
        let validator = Validator::of(head);
        let is_ranged = self.is_ranged(&validator, head);
        if !is_ranged {
            return kept.file.discard();
        }
        let Kept { file, written, length } = kept;
        let version = Version { length, validator, source: self.hops.source(), is_ranged };
        let mut done = Ranges::default();
        done.insert(0..written);
        let partial = self.output.partial(file, self.job, version, done, kit.now_ms());
        let team = Team::new(partial, self.job, self.hops);
        self.output.bodies.watch(&team.partial);
        *self.team = Some(team);
    }

    /// Whether a server may be asked for a range of what it sends.
    fn is_ranged(&self, validator: &Validator, head: &Head) -> bool {
        self.why_no_ranges(validator, head).is_none()
    }

    /// Why a server may not be asked for a range of what it sends, where it says that it has none,
    /// or there is no way to see that a range is of the same version and somebody asks for that.
    pub(super) fn why_no_ranges(&self, validator: &Validator, head: &Head) -> Option<&'static str> {
        if self.has_own_range {
            return Some("its request asks for a range already");
        }
        if head.accepts_ranges == Some(false) {
            return Some("the server says that it sends no parts");
        }
        // Whoever coded it on its way need not do so with a part of it.
        if head.content_encoding.is_some() {
            return Some("it came in a coding, in which parts need not come");
        }
        let is_vouched = validator.is_strong() || self.output.takes_unvouched();
        (!is_vouched).then_some("no strong ETag or old Last-Modified vouches for the rest")
    }

    /// Seeks helpers for a body, if there is something for them to do.
    pub(crate) fn grow(&self, kit: &Kit) {
        let Some(team) = &*self.team else { return };
        let count_max = team.wants_more(kit.now_ms());
        if count_max > 0 {
            let Self { job, began, job_at_ms, .. } = *self;
            (self.enlist)(Recruit { team, job, began, job_at_ms, count_max });
        }
    }
}

impl FileReceiver<'_> {
    /// A response ended where it must not. What came of its body is kept for the next attempt.
    pub(crate) async fn cut_short(
        &mut self,
        kit: &Kit,
        mut body: Body<'_>,
        buf: &mut RecvBuf,
        trace: &mut Trace,
        fault: Fault,
    ) -> Result<Answered<Came>, Fault> {
        if !self.output.has_files() {
            return self.cut_flow(body, buf, trace, fault).await;
        }
        if let Some(filling) = body.filling() {
            let is_cut = filling.is_cut();
            if let (Cause::TooLarge { .. }, Some(team)) = (&fault.cause, &*self.team) {
                // No run with such a limit has a use for it.
                team.partial.abandon();
            }
            if fault.stage != Stage::Write {
                // What cannot be written is asked for again.
                let _ = body.write(buf).await;
            }
            // Somebody else fetches what is left of it.
            return if is_cut { Ok((self.lagged(kit), None)) } else { Err(fault) };
        }
        let may_go_on = fault.stage != Stage::Write
            && matches!(retry::class(&fault.cause), Class::Transient | Class::Later);
        if let (true, Some(head)) = (may_go_on, &trace.head)
            && let Some(kept) = body.keep(buf, (&kit.dir, self.planned)).await
        {
            self.keep(kit, kept, head);
        }
        Err(fault)
    }

    /// A response has brought what it was to bring of a range, the last of it in `buf`.
    pub(crate) async fn end_range(
        &mut self,
        kit: &Kit,
        mut body: Body<'_>,
        buf: &mut RecvBuf,
        ended: Ended,
    ) -> Result<Answered<Came>, Fault> {
        body.write(buf).await?;
        if !ended.is_ours
            && let Some(team) = &*self.team
        {
            // It may have been the answer to another request.
            team.partial.outdate(Resume::Unvouched);
        }
        let filling = body.filling();
        filling.inspect(|filling| filling.told_length());
        // One that is to be shut down is of no further use.
        if filling.is_some_and(Filling::is_cut) {
            return Ok((self.lagged(kit), None));
        }
        if filling.is_some_and(Filling::is_short) {
            return Ok((self.mistaken(BadPart::Lie), None));
        }
        Ok((Came::Range, ended.connection))
    }

    /// Somebody else fetches what was left of a part, for it lagged. A helper leaves the mirror
    /// where it did.
    fn lagged(&self, kit: &Kit) -> Came {
        match self.elsewhere().filter(|_| self.is_helper) {
            Some(team) => {
                team.failed(self.hops.source(), kit.now_ms());
                Outcome::Left.into()
            }
            None => Came::Range,
        }
    }
}

/// Gives a body its name of which nothing is missing. The job alone is at it.
pub(crate) async fn finish(kit: &Kit, file: &mut FileReceiver<'_>) -> Outcome {
    let finished = match file.team.clone() {
        Some(team) => finish_body(kit, file, &team).await,
        None => file.finish_flow(kit).await,
    };
    match finished {
        Ok(outcome) => outcome,
        Err(fault) => fault.into(),
    }
}

async fn finish_body(
    kit: &Kit,
    file: &mut FileReceiver<'_>,
    team: &Team,
) -> Result<Outcome, Fault> {
    let partial = &team.partial;
    // An earlier run may have permitted more.
    check_size(partial.extent().0.unwrap_or_default(), file.output.body_bytes_max)?;
    let digests = match partial.digest().await? {
        Ok(digests) => digests,
        Err(mismatch) if partial.is_mixed() && team.give_up_mirrors() => {
            partial.forget_mirrored(&mismatch);
            return Ok(Outcome::Mixed);
        }
        Err(mismatch) => {
            match &*mismatch {
                Mismatch::Piece(piece) => {
                    partial.forget(piece.range.clone());
                    if !partial.may_be_written((&kit.dir, file.job.index), kit.now_ms()) {
                        partial.outdate(Resume::WrongDigest);
                    }
                }
                // Nobody knows which of its bytes are wrong, nor whether ranges are what they say.
                Mismatch::Digest { .. } | Mismatch::Size { .. } => {
                    partial.give_up_ranges();
                    partial.outdate(Resume::WrongDigest);
                }
            }
            return Err(file.wrong_digest(&mismatch));
        }
    };
    file.name.recall();
    let place = (file.path(), file.job.index);
    let named = Box::pin(file.output.name_partial(&kit.dir, partial, place, digests)).await;
    Ok(match named {
        Ok(stored) => Outcome::Done(stored),
        Err(obstacle) => {
            if matches!(obstacle, Obstacle::Kept) {
                // Another file has the name, and stays.
                partial.abandon();
            }
            obstacle.into()
        }
    })
}
