//! Bodies that go to no file, where one attempt does not bring all of one: what came is kept, and
//! the next attempt goes on behind it.
//!
//! What has gone into a stream cannot be taken back. So where nothing vouches for the rest, or the
//! server has another version by now, the job fails and says what to do instead; a body that is
//! only counted begins again.

use crate::engine::attempt::exchange::Answered;
use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::outcome::{Came, Outcome};
use crate::engine::attempt::receiver::FileReceiver;
use crate::engine::attempt::trace::Trace;
use crate::engine::output::body::Body;
use crate::fault::{Cause, Fault, Stage};
use crate::http::Head;
use crate::plan::retry::{self, Class};
use crate::plan::validator::Validator;
use crate::plan::verdict::{Answer, BadPart, Instead, WhyWhole, why_whole};
use crate::ring::buf::{RecvBuf, Size};
use crate::ring::conn::Connection;
use std::mem;

impl<'r> FileReceiver<'r> {
    /// Where the body of an answer goes that was asked for behind what came before. Nothing where
    /// nothing came before, or it is counted anew.
    ///
    /// # Errors
    /// It cannot go on with what came.
    pub(super) fn go_on<'b>(
        &mut self,
        kit: &'b Kit,
        head: &Head,
        answer: &Answer,
    ) -> Result<Option<Body<'b>>, Came>
    where
        'r: 'b,
    {
        let Some(flow) = self.flow.take() else { return Ok(None) };
        match answer {
            Answer::Part { .. } if !self.output.takes_unvouched() && !flow.fits_server(head) => {
                *self.flow = Some(flow);
                let why = &"nothing says that this server has the same version";
                let fault = Fault::new(Stage::Head, Cause::Range).with_detail(why);
                Err(self.instead_of_rest(Instead::BadPart(fault, BadPart::Unvouched)))
            }
            Answer::Part { range, complete } => {
                self.told.num_parts = self.told.num_parts.max(1) + 1;
                let bounds = kit.bounds(self.job_at_ms);
                let reach = (range.end, *complete);
                Ok(Some(Body::behind(self.output, self.job.index, *flow, reach, bounds)?))
            }
            Answer::Whole if !self.output.has_streamed() => {
                self.told.num_parts = 0;
                Ok(None)
            }
            Answer::Whole => {
                let cause = match why_whole(head, &flow.ask(self.output.takes_unvouched())) {
                    WhyWhole::Changed => Cause::Changed,
                    WhyWhole::RangesIgnored => Cause::Range,
                };
                *self.flow = Some(flow);
                Err(stuck(Fault::new(Stage::Head, cause), "the server sent all of it").into())
            }
        }
    }

    /// The connection for what is asked for: a new one for a rest, since nobody could tell by its
    /// looks that it is the answer to an earlier request.
    pub(super) fn fit(&self, pooled: Option<Connection>) -> Option<Connection> {
        pooled.filter(|_| self.flow.is_none())
    }

    /// What comes of an answer that was not the rest that was asked for.
    pub(super) fn instead_of_rest(&mut self, instead: Instead) -> Came {
        let (fault, why) = match instead {
            Instead::NotRange { complete } => {
                let Some(flow) = &mut *self.flow else { return Came::Range };
                if flow.ends_at(complete) {
                    return Came::Range;
                }
                let cause = if flow.fits(complete) { Cause::Range } else { Cause::Changed };
                (Fault::new(Stage::Head, cause), "the server has nothing behind it")
            }
            Instead::BadPart(fault, _) => (fault, "it is not known where to go on"),
            instead => return Outcome::from(instead).into(),
        };
        if self.output.has_streamed() {
            return stuck(fault, why).into();
        }
        *self.flow = None;
        self.told.num_parts = 0;
        Came::Range
    }

    /// A response ended where it must not. What came of its body is kept for the next attempt, if
    /// that can go on with it.
    pub(super) async fn cut_flow(
        &mut self,
        body: Body<'_>,
        buf: &mut RecvBuf,
        trace: &mut Trace,
        fault: Fault,
    ) -> Result<Answered<Came>, Fault> {
        if fault.cause == Cause::Range {
            if self.output.has_streamed() {
                return Err(stuck(fault, "it is not known where to go on"));
            }
            // Parts of this server are of no use. What was counted begins again.
            self.told.came += mem::take(&mut trace.size_download);
            self.told.num_parts = 0;
            return Ok((Came::Range, None));
        }
        let is_transient = retry::class(&fault.cause) == Class::Transient;
        let Some(head) = trace.head.as_deref().filter(|_| is_transient) else { return Err(fault) };
        if fault.stage == Stage::Write {
            return Err(fault);
        }
        let validator = Validator::of(head);
        if let Some(why) = self.why_no_rest(&body, &validator, head) {
            return Err(if self.output.has_streamed() { stuck(fault, why) } else { fault });
        }
        self.keep_flow(body, buf, trace, validator).await?;
        match &*self.flow {
            // Only the end of the response was cut off.
            Some(flow) if flow.is_whole() => Ok((Came::Range, None)),
            Some(_) | None => Err(fault),
        }
    }

    /// Keeps what came of a body, the last of it in `buf`.
    async fn keep_flow(
        &mut self,
        body: Body<'_>,
        buf: &mut RecvBuf,
        trace: &mut Trace,
        validator: Validator,
    ) -> Result<(), Fault> {
        *self.flow = body.into_flow(buf, validator).await?.map(Box::new);
        if self.flow.is_some() {
            self.told.came += mem::take(&mut trace.size_download);
        }
        Ok(())
    }

    /// Why nobody can ask for the rest of a body, if that is so.
    fn why_no_rest(
        &self,
        body: &Body<'_>,
        validator: &Validator,
        head: &Head,
    ) -> Option<&'static str> {
        match () {
            () if body.is_decoded() => Some("it was decoded on its way"),
            // Its first response could be gone on with.
            () if body.is_rest() => None,
            () => self.why_no_ranges(validator, head),
        }
    }

    /// A response has come to its end, the last of it in `buf`, that did not bring all of a rest:
    /// more is to be asked for, or it `lacks_more` than it should.
    pub(super) async fn ask_on(
        &mut self,
        body: Body<'_>,
        buf: &mut RecvBuf,
        trace: &mut Trace,
        lacks_more: Result<bool, Fault>,
    ) -> Result<Answered<Came>, Fault> {
        if let Err(fault) = lacks_more {
            return self.cut_flow(body, buf, trace, fault).await;
        }
        self.keep_flow(body, buf, trace, Validator::default()).await?;
        Ok((Came::Range, None))
    }

    /// Ends a body of which nothing is missing, after the response that brought the last of it.
    pub(super) async fn finish_flow(&mut self, kit: &Kit) -> Result<Outcome, Fault> {
        let Some(flow) = self.flow.take() else { return Ok(Outcome::Left) };
        let (index, bounds) = (self.job.index, kit.bounds(self.job_at_ms));
        let reach = (flow.bytes(), Some(flow.bytes()));
        let mut body = Body::behind(self.output, index, *flow, reach, bounds)?;
        let mut buf = kit.buffers.take(Size::Small);
        let stored = self.store(&mut body, &mut buf, None).await;
        kit.buffers.give(buf);
        stored
    }
}

/// The fault of a job that cannot go on, because bytes of its body cannot be taken back.
fn stuck(fault: Fault, why: &str) -> Fault {
    let detail = fault.detail.clone();
    let before = detail.map_or_else(String::new, |detail| format!("{detail}; "));
    fault.with_detail(format_args!(
        "{before}what was written of it cannot be taken back, and {why}; pull it into a file \
         (-o FILE), which can begin again"
    ))
}
