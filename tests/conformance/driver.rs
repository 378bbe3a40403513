//! A caller of [`Exchange`]: feeds parts, holds the machine to its contract, and notes what
//! happened.

use ringpull::http::{CloseReason, Eof, Exchange, Framing, Head, ProtocolError, Reuse, Step};

/// What became of one response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) head: Option<Head>,
    pub(crate) body: Vec<u8>,
    /// Bytes of the complete response; `None` for any other, where framing may be held back.
    pub(crate) used: Option<usize>,
    pub(crate) end: End,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    Complete(Reuse),
    Broken(ProtocolError),
    Eof(Eof),
}

impl Outcome {
    pub(crate) fn is_close_delimited(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.framing == Framing::Close)
    }
}

/// Feeds the parts one after the other, then the end of the connection.
pub(crate) fn feed<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut caller = Caller::default();
    let mut parts = parts.into_iter();
    // A caller may ask before anything came.
    let mut end = caller.receive(&[]);
    while end.is_none() {
        let Some(part) = parts.next() else {
            let end = match caller.exchange.receive_eof(caller.unread.len()) {
                Ok(reuse) => End::Complete(reuse),
                Err(eof) => End::Eof(eof),
            };
            return caller.into_outcome(end);
        };
        end = caller.receive(part);
    }
    let mut end = end.expect("the loop ended with one");
    // Bytes that come later are seen by the pool when it looks at the idle connection.
    if let End::Complete(reuse) = &mut end
        && parts.any(|part| !part.is_empty())
    {
        *reuse = Reuse::Close(CloseReason::BytesAfterEnd);
    }
    caller.into_outcome(end)
}

#[derive(Default)]
struct Caller {
    exchange: Exchange,
    unread: Vec<u8>,
    head: Option<Head>,
    body: Vec<u8>,
    used: usize,
}

impl Caller {
    /// Appends one part and calls the machine until it needs more.
    fn receive(&mut self, part: &[u8]) -> Option<End> {
        self.unread.extend_from_slice(part);
        loop {
            // Comparing all of a large buffer byte by byte would be quadratic.
            let before = (self.unread.len() <= 4096).then(|| self.unread.clone());
            let remaining = self.exchange.body_remaining();
            let step = match self.exchange.receive(&mut self.unread) {
                Ok(step) => step,
                Err(error) => {
                    assert_eq!(self.exchange.receive(&mut self.unread), Err(error), "once more");
                    return Some(End::Broken(error));
                }
            };
            let used = match &step {
                Step::NeedInput => 0,
                Step::Head { used, .. } | Step::Body { used, .. } | Step::End { used, .. } => *used,
            };
            if let Some(before) = before {
                assert_eq!(self.unread[used..], before[used..], "unread bytes were touched");
            }
            self.used += used;
            match step {
                Step::NeedInput => return None,
                Step::Head { head, .. } => {
                    assert!(used > 0, "a head of no bytes");
                    assert!(self.head.replace(*head).is_none(), "a second head");
                }
                Step::Body { span, .. } => {
                    assert!(span.start == 0 && !span.is_empty() && span.end <= used, "{span:?}");
                    if let Some(remaining) = remaining {
                        let left = remaining.checked_sub(span.len() as u64);
                        assert_eq!(self.exchange.body_remaining(), left);
                    }
                    self.body.extend_from_slice(&self.unread[span]);
                }
                Step::End { reuse, .. } => {
                    assert_eq!(self.exchange.body_remaining(), Some(0));
                    let is_followed = used < self.unread.len();
                    assert_eq!(is_followed, reuse == Reuse::Close(CloseReason::BytesAfterEnd));
                    let again = self.exchange.receive(&mut self.unread[used..]);
                    assert_eq!(again, Ok(Step::End { used: 0, reuse }), "once more");
                    return Some(End::Complete(reuse));
                }
            }
            self.unread.drain(..used);
        }
    }

    fn into_outcome(self, end: End) -> Outcome {
        let used = matches!(end, End::Complete(_)).then_some(self.used);
        Outcome { head: self.head, body: self.body, used, end }
    }
}
