//! Ranges of a body from another source than the one whose version it is.
//!
//! A task that goes to one asks for the first byte of the file before anything else, without
//! If-Range: what the response says of the version and the length decides whether its bytes may
//! stand beside the others. Only then it takes a part of the file, and its requests name the
//! validator of its own server. So no range is in the hands of a mirror that does not answer, but
//! the place of a helper is for a second; and none is sent in vain by one that has another file.

use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::long::Todo;
use crate::engine::attempt::outcome::{Came, Outcome};
use crate::engine::attempt::proof::Proof;
use crate::engine::attempt::receiver::{FileReceiver, WantedRange};
use crate::engine::attempt::team::Team;
use crate::engine::output::partial::Claim;
use crate::http::Head;
use crate::plan::sources::Fit;
use crate::plan::validator::{Agreement, Validator};
use crate::report::Resume;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

impl FileReceiver<'_> {
    /// The team of a body whose version is that of another source.
    pub(super) fn elsewhere(&self) -> Option<&Arc<Team>> {
        let source = self.hops.source();
        let is_elsewhere =
            |team: &&Arc<Team>| team.partial.source() != source && !team.partial.is_unvouched();
        self.team.as_ref().filter(is_elsewhere)
    }

    /// What there is to do before a part of the body is asked for; nothing where its source is
    /// known.
    pub(super) fn before_part(&self, kit: &Kit) -> Option<Todo> {
        let team = self.elsewhere()?;
        if self.is_helper && team.is_out(self.hops.source()) {
            return Some(Todo::Nothing);
        }
        if self.mirroring.proof.is_some() || !team.partial.has_ranges() {
            return None;
        }
        match team.partial.is_whole() {
            true => None,
            false if self.is_helper && team.partial.wants_more(kit.now_ms()) == 0 => {
                Some(Todo::Nothing)
            }
            false => Some(Todo::Probe),
        }
    }

    /// The task is to fetch this part of the body, unless it has to look again first whether its
    /// source has the file: it may be another version by now.
    pub(super) fn with_part(&mut self, claim: Claim) -> Todo {
        let version = self.elsewhere().map(|team| team.partial.version());
        let proven = self.mirroring.proof.as_ref().map(|proof| proof.version);
        if version.is_none() || version == proven {
            return Todo::Ask(Some(claim));
        }
        self.mirroring.proof = None;
        Todo::Probe
    }

    /// Whether what is asked for is of another source than that of the version, or is to show
    /// whether it is.
    pub(super) fn is_of_mirror(&self) -> bool {
        let is_probe = self.wanted.as_ref().is_some_and(|wanted| wanted.claim.is_none());
        is_probe || self.elsewhere().is_some()
    }

    /// The team that a helper leaves whose answer shows that its mirror does not have the file.
    pub(super) fn left_by_unfit(&self) -> Option<Arc<Team>> {
        self.team.as_ref().filter(|_| self.is_helper && self.is_of_mirror()).cloned()
    }

    /// What tells that nobody wants what is asked for any more.
    pub(crate) fn cut(&self) -> Option<Arc<AtomicBool>> {
        let claim = self.wanted.as_ref()?.claim.as_ref();
        let of_probe = || self.mirroring.probe.as_ref().map(|probe| &probe.cut);
        claim.map(Claim::cut).or_else(of_probe).cloned()
    }

    /// Looks next whether its source has the file: one byte of it tells.
    pub(crate) fn want_proof(&mut self) {
        let validator = Arc::default();
        self.wanted =
            Some(WantedRange { claim: None, validator, complete: None, takes_unvouched: true });
    }

    /// What is asked of another source for a part of the body.
    pub(super) fn want_of_mirror(&self, team: &Team, claim: Claim) -> Option<WantedRange> {
        let Proof { fit, validator, .. } = self.mirroring.proof.as_ref()?;
        Some(WantedRange {
            claim: Some(claim.of_mirror(*fit)),
            validator: Arc::clone(validator),
            complete: team.partial.terms().1,
            takes_unvouched: *fit == Fit::Vouched,
        })
    }

    /// Another source has sent the range that was asked for, of a file of so many bytes. Gives the
    /// part that it is.
    ///
    /// # Errors
    /// It was only to tell whether it has the file.
    pub(super) fn part_of_mirror(
        &mut self,
        head: &Head,
        complete: Option<u64>,
    ) -> Result<Option<Claim>, Came> {
        let claim = self.wanted.take().and_then(|wanted| wanted.claim);
        let (None, Some(team)) = (&claim, self.team.clone()) else { return Ok(claim) };
        Err(match team.partial.fit(head, complete) {
            Some((fit, version)) => {
                let validator = Arc::new(Validator::of(head));
                self.mirroring.proof = Some(Proof { fit, version, validator });
                team.fits(self.hops.source(), self.mirroring.probe.take().as_ref());
                Came::Range
            }
            None => self.unfit(&team, Some(head)),
        })
    }

    /// The source of the task does not have the file, by this head where there is one. A helper
    /// leaves; the job begins again there.
    pub(super) fn unfit(&mut self, team: &Team, head: Option<&Head>) -> Came {
        self.wanted = None;
        if self.is_helper {
            team.give_up(self.hops.source());
            return Outcome::Left.into();
        }
        let (version, _) = team.partial.terms();
        let is_other = head.is_some_and(|head| version.agreement(head) == Agreement::Differs);
        team.partial.outdate(if is_other { Resume::Changed } else { Resume::Unvouched });
        Came::Range
    }
}
