//! A file or standard output, written in a thread of its own: a full pipe stalls nothing else.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// Pieces that wait to be written. Beyond them the connection is not read.
const PIECES_MAX: usize = 16;

/// Whether there is any use in going on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// It will be written.
    Taken,
    /// Whoever read the pipe has left, or the disk is full: [`Output::finish`] tells.
    NobodyReads,
}

/// Where bytes go.
pub struct Output {
    sender: Option<mpsc::Sender<Bytes>>,
    done: oneshot::Receiver<std::io::Result<()>>,
    name: String,
}

impl Output {
    /// A file, or standard output.
    pub fn open(path: Option<&Path>) -> Result<Output> {
        let name =
            path.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
        let mut writer: Box<dyn Write + Send> = match path {
            Some(path) => Box::new(create(path)?),
            None => Box::new(std::io::stdout()),
        };
        let (sender, mut pieces) = mpsc::channel::<Bytes>(PIECES_MAX);
        let (say_done, done) = oneshot::channel();
        std::thread::Builder::new()
            .name("sluice-output".into())
            .spawn(move || {
                let mut write = || -> std::io::Result<()> {
                    while let Some(piece) = pieces.blocking_recv() {
                        writer.write_all(&piece)?;
                        writer.flush()?;
                    }
                    Ok(())
                };
                // Nobody asks any more when a signal ended the program.
                let _ = say_done.send(write());
            })
            .context("cannot start a thread")?;
        Ok(Output { sender: Some(sender), done, name })
    }

    /// Hands bytes over, waiting while too much is unwritten.
    pub async fn write(&mut self, bytes: Bytes) -> Written {
        let Some(sender) = &self.sender else { return Written::NobodyReads };
        match sender.send(bytes).await {
            Ok(()) => Written::Taken,
            Err(_) => Written::NobodyReads,
        }
    }

    /// Waits until everything is written. A reader that closed its pipe has what it wanted.
    pub async fn finish(&mut self) -> Result<()> {
        self.sender = None;
        match (&mut self.done).await {
            Ok(Err(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Ok(done) => done.with_context(|| format!("cannot write {}", self.name)),
            Err(_) => Ok(()),
        }
    }
}

fn create(path: &Path) -> Result<std::fs::File> {
    std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file so that who looks into its folder sees it whole or not at all.
pub fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let part: PathBuf = folder.join(format!(".{name}.part"));
    let whole = folder.join(name);
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, &whole))
        .with_context(|| format!("cannot write {}", whole.display()))
}
