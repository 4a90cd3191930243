//! Where bytes come from, read in a thread of their own: input that stalls stalls nothing else.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, channel};

/// Bytes of one read.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait to be taken.
const CHUNKS_MAX: usize = 16;

/// Something to read, possibly several times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Bytes of the program itself.
    Bytes(&'static [u8]),
    /// A file.
    File(PathBuf),
    /// Standard input; once.
    Stdin,
    /// A file that ffmpeg turns into fragmented MP4.
    Converted(PathBuf),
}

impl Source {
    /// Fails at once when there is nothing to read.
    pub fn check(&self) -> Result<()> {
        match self {
            Source::File(path) | Source::Converted(path) => open(path).map(drop),
            Source::Bytes(_) | Source::Stdin => Ok(()),
        }
    }
}

/// What a [`Source`] gives, chunk by chunk.
pub struct Input(Receiver<std::io::Result<Bytes>>);

impl Input {
    /// Begins to read.
    pub fn open(source: &Source) -> Result<Input> {
        let mut reader: Box<dyn Read + Send> = match source {
            Source::Bytes(bytes) => Box::new(*bytes),
            Source::File(path) => Box::new(open(path)?),
            Source::Stdin => Box::new(std::io::stdin()),
            Source::Converted(path) => Box::new(Conversion::start(path)?),
        };
        let (sender, receiver) = channel(CHUNKS_MAX);
        std::thread::Builder::new()
            .name("sluice-input".into())
            .spawn(move || {
                let mut buffer = vec![0; CHUNK_BYTES];
                loop {
                    let read = match reader.read(&mut buffer) {
                        Ok(0) => return,
                        Ok(count) => Ok(Bytes::copy_from_slice(&buffer[..count])),
                        Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                        Err(error) => Err(error),
                    };
                    let failed = read.is_err();
                    if sender.blocking_send(read).is_err() || failed {
                        return;
                    }
                }
            })
            .context("cannot start a thread")?;
        Ok(Input(receiver))
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.0.recv().await.transpose().context("cannot read the input")
    }
}

fn open(path: &Path) -> Result<std::fs::File> {
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    if file.metadata().is_ok_and(|about| about.is_dir()) {
        bail!("cannot read {}: it is a folder", path.display());
    }
    Ok(file)
}

/// A running ffmpeg that repackages a file without encoding it again.
struct Conversion {
    child: Child,
}

impl Conversion {
    fn start(path: &Path) -> Result<Conversion> {
        let child = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-i"])
            .arg(path)
            .args(["-map", "0:v:0?", "-map", "0:a:0?", "-c", "copy", "-f", "mp4"])
            .args(["-movflags", "cmaf+frag_keyframe+delay_moov", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start ffmpeg")?;
        Ok(Conversion { child })
    }
}

impl Read for Conversion {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(stdout) = &mut self.child.stdout else { return Ok(0) };
        let count = stdout.read(buffer)?;
        if count == 0 {
            let status = self.child.wait()?;
            if !status.success() {
                return Err(std::io::Error::other(format!("ffmpeg failed ({status})")));
            }
        }
        Ok(count)
    }
}

impl Drop for Conversion {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
