//! Getting a proxy to pass on the bytes of a connection. The caller armed its deadline.

use crate::engine::attempt::kit::Kit;
use crate::fault::{Cause, Failure, Fault, InputProblem, Stage};
use crate::http::request::RequestProblem;
use crate::http::tunnel::{Destination, Tunnel, TunnelError, TunnelStep};
use crate::plan::proxy::Proxy;
use crate::plan::target::Target;
use crate::ring::buf::{RecvBuf, Size};
use crate::ring::conn::{Connection, ReadHint, Received};

/// Asks an HTTP proxy for the origin of the target.
pub(crate) async fn connect(
    kit: &Kit,
    connection: &mut Connection,
    target: &Target,
    proxy: &Proxy,
) -> Result<(), Fault> {
    let (host, port) = (target.host(), target.port());
    let asked = Tunnel::connect(host, port, kit.requests.user_agent(), proxy.authorization());
    talk(kit, connection, asked).await
}

/// Asks a SOCKS proxy for a destination and its port.
pub(crate) async fn socks5(
    kit: &Kit,
    connection: &mut Connection,
    (to, port): (Destination<'_>, u16),
    proxy: &Proxy,
) -> Result<(), Fault> {
    talk(kit, connection, Tunnel::socks5(to, port, proxy.credentials())).await
}

async fn talk(
    kit: &Kit,
    connection: &mut Connection,
    asked: Result<(Tunnel, Vec<u8>), RequestProblem>,
) -> Result<(), Fault> {
    let (tunnel, first) = asked.map_err(|problem| Fault::input(InputProblem::Host, problem))?;
    let mut buf = kit.buffers.take(Size::Small);
    let result = run(kit, connection, tunnel, first, &mut buf).await;
    kit.buffers.give(buf);
    result
}

async fn run(
    kit: &Kit,
    connection: &mut Connection,
    mut tunnel: Tunnel,
    mut bytes: Vec<u8>,
    buf: &mut RecvBuf,
) -> Result<(), Fault> {
    let broken = |failure: Failure| failure.at(Stage::Connect);
    loop {
        let (sent, _, received) = connection.request(bytes, buf, ReadHint::Any).await;
        sent.map_err(broken)?;
        let mut received = received.map_err(broken)?;
        bytes = loop {
            if received != Received::Bytes {
                return Err(Fault::new(Stage::Connect, Cause::Closed));
            }
            match tunnel.receive(buf.unread()).map_err(refusal)? {
                TunnelStep::NeedInput => {}
                TunnelStep::Send { used, bytes } => {
                    buf.skip(used);
                    break bytes;
                }
                TunnelStep::Open { used } => {
                    buf.skip(used);
                    return Ok(());
                }
            }
            if buf.free_len() == 0 {
                // A head that is longer than the small one; the large one takes any that is valid.
                kit.buffers.grow(buf, Size::Large);
            }
            received = connection.receive(buf, ReadHint::Any).await.map_err(broken)?;
        };
    }
}

/// What the answer of a proxy means for the job.
fn refusal(error: TunnelError) -> Fault {
    let failed = |cause| Fault::new(Stage::Connect, cause);
    match error {
        TunnelError::Status(status) => failed(Cause::ProxyStatus(status)),
        TunnelError::Refused(code) => failed(Cause::Socks(code)),
        TunnelError::NoMethod | TunnelError::Credentials => {
            failed(Cause::ProxyAuth).with_detail(error)
        }
        TunnelError::Head(error) => {
            failed(Cause::ProxyProtocol).with_detail(format_args!("{error} ({})", error.code()))
        }
        TunnelError::Malformed | TunnelError::Unasked => {
            failed(Cause::ProxyProtocol).with_detail(error)
        }
    }
}
