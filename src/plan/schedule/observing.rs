//! What attempts say about their hosts is taken up, and every request is counted.

use super::Schedule;
use super::answers::Wake;
use super::caps::Limits;
use super::found::Pushed;
use super::hosts::Active;
use super::place::{OriginId, Place};
use super::refusing::Refusing;
use super::signal::{HostSignal, Round};
use super::speed::{Answer, is_from};

impl<T> Schedule<T> {
    /// An attempt of a grant that began in `round` says this about its host. Every attempt says
    /// something, before its grant ends; a first word ([`HostSignal::Answered`] when an answer
    /// begins) may come before.
    ///
    /// # Panics
    /// When the grant of `origin` has ended.
    pub fn observe(
        &mut self,
        origin: OriginId,
        round: Round,
        signal: HostSignal,
        now_ms: u64,
    ) -> Wake {
        self.now_ms = self.now_ms.max(now_ms);
        let index = self.hosts.index_of(origin);
        let (limits, number) = (self.limits, round.number);
        let host = self.hosts.at_mut(index);
        let (has_queued, active) = (host.has_queued(), host.active_mut());
        let throttle = &mut active.throttle;
        throttle.observe(signal, &limits);
        throttle.record.add(signal, round.began_ms, now_ms);
        match signal {
            HostSignal::Good { starttransfer_ms, opening_ms } => {
                let took_ms = now_ms.saturating_sub(round.began_ms).saturating_sub(opening_ms);
                active.good(round, starttransfer_ms, took_ms, has_queued, &limits, now_ms);
            }
            HostSignal::Answered => throttle.reached(),
            HostSignal::Busy { asked_ms, is_for_host } => {
                throttle.reached();
                // Nobody waits for longer than that, and "Retry-After: 0" asks for no wait.
                let waits_ms = 1..=limits.retry_after_max_ms;
                let asked_ms = asked_ms.filter(|asked_ms| waits_ms.contains(asked_ms));
                let push = asked_ms.map_or(Pushed::Refused, |asked_ms| Pushed::Asked { asked_ms });
                throttle.pushed(round, push, &limits, now_ms);
                match asked_ms {
                    Some(asked_ms) if is_for_host => throttle.obey(asked_ms, now_ms),
                    Some(asked_ms) => throttle.rest(asked_ms, now_ms),
                    None => {}
                }
                if let Some(found) = &mut throttle.found {
                    found.push.is_asked |= asked_ms.is_some() && limits.is_window_found();
                }
                if let Some(pace) = throttle.pace_mut() {
                    let due_ms = asked_ms.map(|asked_ms| now_ms.saturating_add(asked_ms));
                    pace.put_off(now_ms, due_ms);
                }
            }
            HostSignal::Cut => {
                throttle.reached();
                throttle.pushed(round, Pushed::Cut, &limits, now_ms);
            }
            HostSignal::Unreachable { code } => {
                let is_many = limits.is_automatic() && !throttle.breaker.is_probing();
                let is_stale = is_many && !is_from(number, throttle.since);
                if is_many && !is_stale && throttle.window(&limits) > limits.per_host_first {
                    throttle.pushed(round, Pushed::Cut, &limits, now_ms);
                    throttle.found().speed.back_to_first(limits.caps());
                }
                if !is_stale {
                    self.unreachable(index, number, code);
                }
            }
            HostSignal::Nameless => {
                throttle.breaker.close();
                self.refund(index);
            }
            HostSignal::Unasked => {
                throttle.breaker.no_verdict(number);
                self.refund(index);
            }
            HostSignal::Nothing => throttle.breaker.no_verdict(number),
        }
        self.refused_or_not(index, signal);
        self.rewait(index);
        self.reindex(index);
        self.wake(usize::from(self.hosts.at(index).home))
    }

    /// Takes note that a job could not reach its host.
    fn unreachable(&mut self, index: u32, round: u32, code: &'static str) {
        let (limits, now_ms) = (self.limits, self.now_ms);
        let host = self.hosts.at_mut(index);
        let has_deferred = host.deferred > 0;
        let throttle = &mut host.active_mut().throttle;
        let breaker = &mut throttle.breaker;
        if limits.host_fail_limit > 0
            && breaker.failed(round, code, &limits, now_ms)
            && breaker.is_down()
        {
            throttle.refusing = None;
            self.walk_later(has_deferred);
        }
    }

    /// Takes note of feedback, as far as a host is given up for it. Rests that follow from it have
    /// begun.
    fn refused_or_not(&mut self, index: u32, signal: HostSignal) {
        let (limits, now_ms) = (self.limits, self.now_ms);
        let host = self.hosts.at_mut(index);
        let has_deferred = host.deferred > 0;
        let throttle = &mut host.active_mut().throttle;
        let rest_until_ms = throttle.rest_until_ms;
        let down_ms =
            Refusing::observe(&mut throttle.refusing, signal, rest_until_ms, &limits, now_ms);
        if let Some(down_ms) = down_ms {
            throttle.breaker.go_down(now_ms.saturating_add(down_ms));
            self.walk_later(has_deferred);
        }
    }

    /// Starts no job of a host before `until_ms`; the later of two pauses counts. The caller looks
    /// at [`Self::next_due_ms`] again before it sleeps.
    pub fn pause(&mut self, place: Place<'_>, until_ms: u64) {
        let index = self.enter(place);
        let active = self.hosts.at_mut(index).active_mut();
        active.throttle.rest_until_ms = active.throttle.rest_until_ms.max(until_ms);
        self.rewait(index);
        self.reindex(index);
    }

    /// Brings the time until which a host waits in line with its reasons to wait.
    pub(super) fn rewait(&mut self, index: u32) {
        let now_ms = self.now_ms;
        let host = self.hosts.at_mut(index);
        let has_queued = host.has_queued();
        let Some(active) = &mut host.active else { return };
        let until_ms = active.wait_ends_ms(has_queued);
        let until = Some(until_ms).filter(|until| *until > now_ms);
        if active.waits_until_ms == until {
            return;
        }
        if let Some(before) = std::mem::replace(&mut active.waits_until_ms, until) {
            self.waits.remove(&(before, index));
        }
        if let Some(until) = until {
            self.waits.insert((until, index));
        }
    }

    /// Whether no request may begin now, whatever its host.
    pub(super) fn is_rate_reached(&self) -> bool {
        self.limits.rate.is_some() && self.rate_begins_ms() > self.now_ms
    }

    /// When the next request may begin by `--rate`, in milliseconds.
    pub(super) fn rate_begins_ms(&self) -> u64 {
        if self.limits.is_open_loop { self.due.on_schedule_ms() } else { self.due.begins_ms() }
    }

    /// Counts a request of a host that begins. Gives the time at which it was due, in milliseconds,
    /// where that was known before.
    pub(super) fn count_request(&mut self, index: u32) -> Option<u64> {
        let now_ms = self.now_ms;
        let due_ms = match (self.limits.rate, self.limits.is_open_loop) {
            (Some(rate), true) => Some(self.due.begin_on_schedule(rate, now_ms)),
            (Some(rate), false) => {
                self.due.begin(rate, now_ms);
                None
            }
            (None, _) => None,
        };
        let active = self.hosts.at_mut(index).active_mut();
        if let Some(rate) = self.limits.rate_per_host {
            active.due.begin(rate, now_ms);
        }
        if let Some(pace) = active.throttle.pace_mut() {
            pace.begin(now_ms);
        }
        due_ms
    }

    /// Takes back a request of a host that turned out not to be needed.
    pub(super) fn refund(&mut self, index: u32) {
        if let Some(rate) = self.limits.rate {
            self.due.give_back(rate);
        }
        let active = self.hosts.at_mut(index).active_mut();
        if let Some(rate) = self.limits.rate_per_host {
            active.due.give_back(rate);
        }
        if let Some(pace) = active.throttle.pace_mut() {
            pace.give_back();
        }
    }
}

impl Active {
    /// Takes note of a good answer to a request that `took_ms` from its sending.
    fn good(
        &mut self,
        round: Round,
        starttransfer_ms: u64,
        took_ms: u64,
        has_queued: bool,
        limits: &Limits,
        now_ms: u64,
    ) {
        let throttle = &mut self.throttle;
        let window = throttle.window(limits);
        let is_due = self.due.begins_ms().max(throttle.due().begins_ms()) <= now_ms;
        let is_limited = self.in_use >= window && has_queued && is_due;
        let answer = Answer { round, starttransfer_ms, took_ms, is_limited, now_ms };
        if !limits.is_window_fixed {
            if limits.is_automatic() {
                throttle.sped(&answer, self.in_use, limits.caps());
            } else if is_from(round.number, throttle.since) {
                throttle.good(starttransfer_ms, now_ms, limits.per_host_max);
            }
            throttle.paced(round, is_limited, window, now_ms);
        }
        throttle.rested();
        throttle.breaker.close();
    }
}
