//! Bodies into the one archive on standard output, which all cores add to.

use super::{Packing, fail};
use crate::engine::attempt::fetch::Fetch;
use crate::engine::attempt::outcome::End;
use crate::engine::core::sample::Sample;
use crate::engine::core::state::Core;
use crate::engine::output::archive::{Archiving, PACKED, Streaming};
use crate::engine::output::collected::Collected;
use crate::engine::output::stored::{Location, write_fault};
use crate::engine::state::stop::Stop;
use crate::fault::Cause;
use crate::pack::tar;
use crate::ring::stream::{Outlet, Stream};

impl Core {
    pub(super) async fn pack_into_stream(
        &self,
        archive: &Archiving,
        fetch: &mut Fetch,
        packing: Packing<'_>,
    ) {
        let Packing { mut stored, body, claim, name, now } = packing;
        stored.location = Location::Stdout;
        let mut row = fetch.row(End::Done(stored), now.at, self.shared.output.dir_shown());
        let sample = self.packer.sampler.sample(archive, name, &row);
        let mut stream = archive.stream.lock().await;
        let mut left = None;
        if let Err(cause) = self.stream(&mut stream, &sample, body).await {
            // What is behind a torn member is lost: nothing more is pulled for it.
            self.shared.stop.set(Stop::Draining);
            fail(&mut row, &write_fault(cause.clone()));
            *stream = Streaming::Broken(cause);
            left = Some((&fetch.job, fetch.name()));
        } else if let Some(claim) = claim {
            claim.remember(fetch.job.index, "", Some(PACKED));
        }
        drop(stream);
        self.desk.rows.write(&row, left);
    }

    /// Writes a sample into the archive on standard output.
    async fn stream(
        &self,
        streaming: &mut Streaming,
        sample: &Sample,
        body: &Collected,
    ) -> Result<(), Cause> {
        let stream = self.open_stream(streaming)?;
        let bounds = self.kit.bounds(u64::MAX);
        let io = bounds.io;
        let mut pending = sample.head().to_vec();
        let (mut at, mut buffer) = (0, Vec::new());
        while at < sample.body_bytes {
            let bytes = body.read(at, &mut buffer)?;
            pending.extend_from_slice(bytes);
            at += bytes.len() as u64;
            if pending.len() >= STREAM_BYTES {
                bounds.until(stream.write(io, &pending)).await??;
                pending.clear();
            }
        }
        pending.extend_from_slice(sample.tail());
        bounds.until(stream.write(io, &pending)).await?
    }

    fn open_stream<'s>(&self, streaming: &'s mut Streaming) -> Result<&'s Stream, Cause> {
        if let Streaming::Closed = streaming {
            let opened = Stream::open(&Outlet::Descriptor(1))?;
            *streaming = Streaming::Open(opened.expect("a descriptor is open or an error"));
        }
        match streaming {
            Streaming::Open(stream) => Ok(stream),
            Streaming::Broken(cause) => Err(cause.clone()),
            Streaming::Closed => unreachable!("it was opened above"),
        }
    }

    /// Ends the archive on standard output, which is whole then: an empty one has its end, too.
    pub(super) async fn end_stream(&self, archive: &Archiving) {
        let mut streaming = archive.stream.lock().await;
        let Ok(stream) = self.open_stream(&mut streaming) else { return };
        let bounds = self.kit.bounds(u64::MAX);
        let written = bounds.until(stream.write(bounds.io, &tar::END)).await;
        let finished = written
            .and_then(|written| written)
            .and_then(|()| stream.finish(self.shared.config.fsync));
        if let Err(cause) = finished {
            *streaming = Streaming::Broken(cause);
        }
    }
}

/// Bytes that are written into a stream at once, at least.
const STREAM_BYTES: usize = 256 * 1024;
