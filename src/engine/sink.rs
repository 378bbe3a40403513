//! Where the body of one response goes.

use crate::config::FileOps;
use crate::fault::Cause;
use crate::ring::buf::RecvBuf;
use crate::ring::file::{self, Naming, OutFile};

/// Where the body of one response goes.
#[derive(Debug)]
pub(super) enum Sink {
    /// A file that has its name only when it is whole.
    File(Box<OutFile>),
    /// Standard output, a buffer at a time: what has gone out cannot be tried again.
    Stdout,
    /// Nowhere: the body of a redirect or of a failure, read so that its connection can be reused;
    /// at most so many bytes of it.
    Nowhere(usize),
}

impl Sink {
    /// Takes the waiting body of `buf`.
    pub(super) async fn write(&mut self, buf: &mut RecvBuf, ops: FileOps) -> Result<(), Cause> {
        match self {
            Self::File(file) => file.write(buf, ops).await,
            Self::Stdout => {
                file::write_stdout(buf.body())?;
                buf.body_written();
                Ok(())
            }
            Self::Nowhere(left) => {
                *left = left.checked_sub(buf.body_len()).ok_or(Cause::Closed)?;
                buf.body_written();
                Ok(())
            }
        }
    }

    /// Takes the last of the body: the whole is there and right. When the name is taken
    /// (`disk.exists`), it may be called again with another one.
    pub(super) async fn finish(
        &mut self,
        buf: &mut RecvBuf,
        name: &str,
        naming: Naming,
        ops: FileOps,
    ) -> Result<(), Cause> {
        match self {
            Self::File(file) => file.finish(buf, name, naming, ops).await,
            Self::Stdout => {
                self.write(buf, ops).await?;
                file::finish_stdout()
            }
            Self::Nowhere(_) => self.write(buf, ops).await,
        }
    }
}
