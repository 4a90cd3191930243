//! SIGTERM and Ctrl-C, as messages.

use anyhow::{Context, Result};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Signals of this process; there is one receiver for its whole life.
pub struct Signals(UnboundedReceiver<()>);

impl Signals {
    /// Takes over SIGINT and SIGTERM.
    pub fn start() -> Result<Signals> {
        let (sender, receiver) = unbounded_channel();
        ctrlc::set_handler(move || {
            // Nobody waits any more when the process is ending.
            let _ = sender.send(());
        })
        .context("cannot listen for signals")?;
        Ok(Signals(receiver))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // Without a sender no signal can come.
            std::future::pending::<()>().await;
        }
    }

    /// Whether another one came.
    pub fn came(&mut self) -> bool {
        self.0.try_recv().is_ok()
    }
}
