//! The file of `--dns-cache`: read before the run begins, replaced every minute and at the end.

use crate::engine::books::replace::Replacement;
use crate::engine::books::row_file::make_parent;
use crate::engine::say::{heard, say};
use crate::error::RunError;
use crate::plan::dns_cache::{self, Line};
use crate::ring::dns::{CachedName, Resolver};
use crate::ring::draft::Access;
use anyhow::{Context as _, bail};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Keeps the file up to date with what is known of names.
pub(crate) struct DnsCache {
    file: CacheFile,
    resolver: Resolver,
    saved_at: Instant,
    /// A disk may take its time, and others must not wait for it.
    saving: Option<JoinHandle<()>>,
}

impl DnsCache {
    /// Reads the file, if there is one, and lets the resolver know what it says. Finds out whether
    /// it can be written.
    ///
    /// # Errors
    /// It is a file of another kind, or cannot be read or written.
    pub(crate) fn open(path: &Path, resolver: &Resolver) -> anyhow::Result<Self> {
        let shown = path.display();
        let cannot = || RunError::local_file(format!("cannot write --dns-cache {shown}"));
        make_parent(path).with_context(cannot)?;
        let file = CacheFile::at(path);
        match fs::metadata(&file.path) {
            Ok(metadata) if !metadata.is_file() => {
                bail!(RunError::usage(format!("--dns-cache {shown} is not a regular file")))
            }
            Ok(_) => file.load(resolver)?,
            // It is written below.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let cannot = RunError::usage(format!("cannot read --dns-cache {shown}"));
                return Err(anyhow::Error::from(error).context(cannot));
            }
        }
        file.save(resolver).with_context(cannot)?;
        let (resolver, saved_at) = (resolver.clone(), Instant::now());
        Ok(Self { file, resolver, saved_at, saving: None })
    }

    /// Writes the file when it is time to.
    pub(crate) fn tick(&mut self) {
        let is_saving = self.saving.as_ref().is_some_and(|saving| !saving.is_finished());
        if is_saving || self.saved_at.elapsed() < SAVE_INTERVAL {
            return;
        }
        self.saved_at = Instant::now();
        let (file, resolver) = (self.file.clone(), self.resolver.clone());
        // What cannot be written now is written at the end, or said there.
        self.saving = std::thread::Builder::new()
            .name("dns-cache".into())
            .spawn(heard::inherit(move || drop(file.save(&resolver))))
            .ok();
    }

    /// Writes the file for the last time. What cannot be written costs the next run its look-ups,
    /// and this one nothing.
    pub(crate) fn finish(mut self) {
        if let Some(saving) = self.saving.take() {
            drop(saving.join());
        }
        if let Err(error) = self.file.save(&self.resolver) {
            let shown = self.file.path.display();
            say(&format!("warning: cannot write --dns-cache {shown}: {error}"));
        }
    }
}

/// Where it is.
#[derive(Clone)]
struct CacheFile {
    path: PathBuf,
}

impl CacheFile {
    fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn load(&self, resolver: &Resolver) -> anyhow::Result<()> {
        let shown = self.path.display();
        let cannot = || RunError::usage(format!("cannot read --dns-cache {shown}"));
        let mut bytes = Vec::new();
        let file = File::open(&self.path).with_context(cannot)?;
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).with_context(cannot)?;
        let Ok(parsed) = dns_cache::parse(&bytes) else {
            bail!(RunError::usage(format!(
                "--dns-cache {shown} is not a file of an earlier run and is not replaced: give \
                 another name, or --resolve for addresses of your own"
            )));
        };
        if parsed.damaged > 0 {
            let count = parsed.damaged;
            say(&format!("warning: {count} damaged lines of --dns-cache {shown} are passed over"));
        }
        resolver.preload(parsed.names.into_iter().map(|(host, addresses, expires_unix_s)| {
            CachedName { host: host.into(), addresses: addresses.into(), expires_unix_s }
        }));
        Ok(())
    }

    fn save(&self, resolver: &Resolver) -> io::Result<()> {
        let mut held = resolver.cached_names();
        held.sort_unstable_by(|a, b| a.host.cmp(&b.host));
        let text = dns_cache::text(held.iter().map(|held| Line {
            host: &held.host,
            addresses: &held.addresses,
            expires_unix_s: held.expires_unix_s,
        }));
        let mut file = Replacement::begin(&self.path, Access::AsBefore, false)?;
        file.add(|out| out.extend_from_slice(text.as_bytes()));
        file.finish()
    }
}

/// How often the file is written in a long run.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);
/// Longest file that is read, in bytes; more names are not kept anyway.
const FILE_BYTES_MAX: u64 = 256 << 20;
