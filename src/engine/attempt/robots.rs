//! robots.txt: asked for once an origin and run, before the first of its URLs, on the connection
//! that this URL goes on to use. The other jobs of the origin wait meanwhile and hold no slot.

use crate::engine::attempt::ahead::Following;
use crate::engine::attempt::exchange::{Answered, Start, exchange};
use crate::engine::attempt::fetch::Fetch;
use crate::engine::attempt::hops::Hops;
use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::open::{is_looked_up_ahead, lookup};
use crate::engine::attempt::outcome::{Came, Outcome};
use crate::engine::attempt::receiver::Receiver;
use crate::engine::attempt::request::Request;
use crate::engine::attempt::rules::{Asking, Found, State};
use crate::engine::attempt::trace::Trace;
use crate::fault::{Cause, Fault, Stage};
use crate::http::request::{Conditions, Secrets};
use crate::limits;
use crate::plan::robots::{ROBOTS_PATH, Rules};
use crate::plan::target::Target;
use crate::ring::buf::Size;
use crate::ring::conn::Connection;
use std::sync::Arc;
use std::time::Instant;

/// Whether a job may ask for its target; then gives the connection back that was granted, or a new
/// one. If not, what comes of the attempt.
pub(crate) async fn permit(
    kit: &Kit,
    fetch: &mut Fetch,
    pooled: Option<Connection>,
) -> Result<Option<Connection>, Answered> {
    if !kit.obeys_robots {
        return Ok(pooled);
    }
    let target = fetch.target().clone();
    let (path, origin) = (target.request_target(), target.origin_str());
    if path == ROBOTS_PATH {
        return Ok(pooled);
    }
    let robots = &kit.common.robots;
    let attempt = fetch.attempt();
    let (rules, pooled) = match robots.find(origin, attempt, kit.now_ms()) {
        Found::Rules(rules) => (rules, pooled),
        Found::Failed(fault) => return Err((fault.into(), pooled)),
        Found::Wait => return Err((Outcome::Waiting, pooled)),
        Found::Ask => {
            let asking = Asking { robots, origin: origin.into() };
            let (answer, connection) = Box::pin(ask(kit, fetch, &target, pooled)).await;
            match answer {
                Ok(rules) => robots.keep(origin, State::Rules(Arc::new(rules))),
                Err(outcome) => {
                    if let Outcome::Failed(fault, _) = &outcome
                        && !is_of_this_job(&fault.cause)
                    {
                        robots.keep(origin, State::Failed(fault.clone(), kit.now_ms()));
                    }
                    return Err((outcome, connection));
                }
            }
            drop(asking);
            match robots.find(origin, attempt, kit.now_ms()) {
                Found::Rules(rules) => (rules, connection),
                // Too many others came between: it is asked for again.
                Found::Failed(_) | Found::Wait | Found::Ask => {
                    return Err((Outcome::Waiting, connection));
                }
            }
        }
    };
    match rules.allow(path) {
        true => Ok(pooled),
        false => {
            let fault = Fault::new(Stage::Head, Cause::RobotsDisallowed);
            Err((Outcome::Refused(fault), pooled))
        }
    }
}

/// What came of asking for a robots.txt: rules, or what becomes of the job.
type Answer = Result<Rules, Outcome>;

/// Asks for the robots.txt of the origin of a job, which is that of `home` (RFC 9309 section 2.3).
/// Also gives the connection, if it is one to that origin and can serve another request.
async fn ask(
    kit: &Kit,
    fetch: &mut Fetch,
    home: &Target,
    mut pooled: Option<Connection>,
) -> (Answer, Option<Connection>) {
    let Ok(first) = home.join(ROBOTS_PATH.as_bytes()) else {
        return (Ok(Rules::default()), pooled);
    };
    // A redirect may have led the job itself to an origin that is to learn no secrets.
    let may_tell = fetch.history.hops.secrets(&fetch.job.target) == Secrets::Send;
    let mut hops = Hops::default();
    let mut trace = Trace::new(Instant::now());
    let transfer = kit.transfers.begin(fetch.job.index, &first, trace.began);
    trace.transfer = transfer.index();
    let mut bytes = kit.request_memory();
    let mut text = Vec::new();
    let answer = loop {
        let target = hops.target(&first);
        let is_home = target.same_origin(home);
        let request = Request {
            target,
            login: &first,
            fields: &[],
            secrets: if may_tell { hops.secrets(&first) } else { Secrets::Withhold },
            conditions: Conditions::default(),
            num_redirects: hops.num_redirects,
            failed_ip: None,
            job_at_ms: fetch.job_at_ms(),
            cut: None,
            first_byte: None,
        };
        let mut buf = kit.buffers.take(Size::Small);
        let memory = (&mut bytes, &mut buf);
        let (following, now_ms) = (&Following::new(), kit.now_ms());
        let start = Start { pooled: &mut pooled, now_ms, following, memory };
        let bytes_max = limits::ROBOTS_TXT_BYTES_MAX;
        let mut receiver = Receiver::Text { bytes_max, text: &mut text };
        let got = exchange(kit, &request, &mut trace, &mut receiver, start).await;
        kit.buffers.give(buf);
        let (came, connection) = got.unwrap_or_else(|outcome| (outcome.into(), None));
        pooled = connection.filter(|_| is_home);
        match came {
            Came::Over(Outcome::Redirect(to)) => {
                pooled = pooled.filter(|_| to.same_origin(home));
                look_up(kit, &to, fetch.job_at_ms()).await;
                hops.follow(&first, to);
                // After so many it is as if there were no robots.txt (section 2.3.1.2).
                if hops.num_redirects > limits::ROBOTS_REDIRECTS_MAX {
                    break Ok(Rules::default());
                }
            }
            Came::Over(Outcome::Done(_)) => {
                break Ok(Rules::parse(&text, kit.common.robots.token()));
            }
            Came::Over(Outcome::Failed(fault, retry_after)) => {
                break judge(fault).map_err(|fault| Outcome::Failed(fault, retry_after));
            }
            // The names of this host are looked up again, and the job waits for that.
            Came::Over(Outcome::Unresolved) if is_home => break Err(Outcome::Unresolved),
            // Nothing of this comes of a text.
            _ => {
                let fault = Fault::new(Stage::Resolve, Cause::ResolveFailed);
                break judge(fault).map_err(Outcome::from);
            }
        }
    };
    kit.keep_request_memory(bytes);
    fetch.history.trace.num_connects += trace.num_connects;
    if let Some(connection) = &mut pooled {
        connection.park();
    }
    (answer, pooled.and_then(|connection| kit.undisturbed(connection, home)))
}

/// Looks the host of a redirect up. The schedule knows nothing of this hop, so nobody else does.
async fn look_up(kit: &Kit, to: &Target, job_at_ms: u64) {
    if is_looked_up_ahead(&kit.proxies, &kit.dns, to.host_header()) {
        // What comes of it is known to whoever connects.
        let _: Result<_, Fault> = lookup(kit, to.host(), to.port(), job_at_ms).await;
    }
}

/// What a failure to get robots.txt says.
fn judge(fault: Fault) -> Result<Rules, Fault> {
    match (&fault.cause, fault.stage) {
        // Section 2.3.1.3: it is not there, so everything is permitted. 429 does not say that: it
        // may be there, and what it disallows would be asked for (Google's reading, too).
        (Cause::Status(400..=428 | 430..=499), _) => Ok(Rules::default()),
        (Cause::Redirects { .. } | Cause::Location | Cause::Downgrade, _) => Ok(Rules::default()),
        // The URL itself would fail of it just so.
        (_, Stage::Input | Stage::Resolve | Stage::Connect | Stage::Tls) => Err(fault),
        (cause, _) if is_of_this_job(cause) => Err(fault),
        // Section 2.3.1.4: nothing is permitted.
        (_, Stage::Send | Stage::Head | Stage::Body | Stage::Write) => {
            Err(Fault::new(Stage::Head, Cause::RobotsUnreachable).with_detail(&fault))
        }
    }
}

/// Whether a failure says nothing of the origin.
fn is_of_this_job(cause: &Cause) -> bool {
    matches!(cause, Cause::Resources(_) | Cause::Interrupted | Cause::JobTimeout | Cause::Panic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_to_get_robots_txt_permits_all_or_nothing_or_is_the_jobs() {
        let all = Ok(Rules::default());
        let of = |stage, cause| judge(Fault::new(stage, cause)).map_err(|fault| fault.code());
        for status in [400, 401, 404, 410, 428, 430, 451] {
            assert_eq!(of(Stage::Head, Cause::Status(status)), all, "{status}");
        }
        for cause in [Cause::Redirects { limit: 5 }, Cause::Location, Cause::Downgrade] {
            assert_eq!(of(Stage::Head, cause), all);
        }
        for (stage, cause, code) in [
            (Stage::Head, Cause::Status(429), "robots.unreachable"),
            (Stage::Head, Cause::Status(500), "robots.unreachable"),
            (Stage::Head, Cause::Timeout, "robots.unreachable"),
            (Stage::Body, Cause::Reset, "robots.unreachable"),
            (Stage::Connect, Cause::Refused, "connect.refused"),
            (Stage::Resolve, Cause::NameNotFound, "resolve.not_found"),
            (Stage::Head, Cause::JobTimeout, "job.timeout"),
            (Stage::Body, Cause::Interrupted, "run.interrupted"),
        ] {
            assert_eq!(of(stage, cause), Err(code));
        }
    }
}
