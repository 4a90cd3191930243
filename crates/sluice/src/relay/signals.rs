//! SIGTERM and Ctrl-C, as messages.

use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context, Result};

/// A message for each signal.
pub fn start() -> Result<Receiver<()>> {
    let (sender, receiver) = channel();
    ctrlc::set_handler(move || {
        // Nobody waits any more when the process is ending.
        let _ = sender.send(());
    })
    .context("cannot listen for signals")?;
    Ok(receiver)
}
