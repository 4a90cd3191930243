//! Questions of other threads about what the workers have: each is answered by the worker itself,
//! between two turns, so that nothing is kept or locked for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sluice_core::{SessionKey, Shard};
use sluice_net::{ConnectionKey, Net, NetCounters};
use tokio::sync::oneshot;

use super::worker::{Mailbox, WorkerMessage};

/// Questions to all workers together in a second. Reached: who asks is told to come back.
const QUESTIONS_PER_SECOND_MAX: u32 = 100;
/// How long a worker may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// What a worker lends to who asks.
pub struct Seen<'a> {
    pub shard: &'a Shard,
    pub(super) net: &'a Net,
    pub(super) connections: &'a HashMap<SessionKey, ConnectionKey>,
}

impl Seen<'_> {
    /// The round-trip time to a session's peer.
    pub fn rtt(&self, session: SessionKey) -> Option<Duration> {
        let connection = self.connections.get(&session)?;
        Some(self.net.path_stats(*connection)?.rtt)
    }

    /// Round-trip times to some peers, at most `max`.
    pub fn rtts(&self, max: usize) -> Vec<Duration> {
        self.connections.keys().take(max).filter_map(|session| self.rtt(*session)).collect()
    }

    /// Connections open, and what happened to those that came.
    pub fn connections(&self) -> (usize, NetCounters) {
        (self.net.connections(), self.net.counters())
    }
}

/// A question, and where its answer goes.
pub type Question = Box<dyn FnOnce(Seen<'_>) + Send>;

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswered {
    /// Too many questions.
    Busy,
    /// The worker has ended, or does not come to it.
    Gone,
}

/// Asks workers.
#[derive(Clone)]
pub struct Surveyor {
    mailboxes: Vec<Mailbox>,
    asked: Arc<Mutex<(Option<Instant>, u32)>>,
}

impl Surveyor {
    pub fn new(mailboxes: Vec<Mailbox>) -> Self {
        Self { mailboxes, asked: Arc::default() }
    }

    pub fn workers(&self) -> usize {
        self.mailboxes.len()
    }

    /// Asks one worker.
    pub async fn ask<T: Send + 'static>(
        &self,
        worker: usize,
        question: impl FnOnce(Seen<'_>) -> T + Send + 'static,
    ) -> Result<T, Unanswered> {
        let mailbox = self.mailboxes.get(worker).ok_or(Unanswered::Gone)?;
        if !self.may_ask(Instant::now()) {
            return Err(Unanswered::Busy);
        }
        let (answer, answered) = oneshot::channel();
        let question = move |seen: Seen<'_>| drop(answer.send(question(seen)));
        mailbox.send(WorkerMessage::Question(Box::new(question)));
        match tokio::time::timeout(ANSWER_WAIT, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(Unanswered::Gone),
        }
    }

    /// Asks all of them the same.
    pub async fn ask_all<T: Send + 'static>(
        &self,
        question: impl Fn(Seen<'_>) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, Unanswered> {
        let mut answers = Vec::with_capacity(self.workers());
        for worker in 0..self.workers() {
            answers.push(self.ask(worker, question.clone()).await?);
        }
        Ok(answers)
    }

    /// Asks one after the other for rows of a list, from `after` of a worker on, until there are
    /// `rows`. Each comes with the worker that has it.
    pub async fn ask_in_turn<K: Copy + Send + 'static, T: Send + 'static>(
        &self,
        after: Option<(usize, K)>,
        rows: usize,
        question: impl Fn(Seen<'_>, Option<K>, usize) -> Vec<T> + Clone + Send + 'static,
    ) -> Result<Vec<(usize, T)>, Unanswered> {
        let (first, mut after) = match after {
            Some((worker, key)) => (worker, Some(key)),
            None => (0, None),
        };
        let mut found = Vec::new();
        for worker in first..self.workers() {
            let (question, after, rest) = (question.clone(), after.take(), rows - found.len());
            let told = self.ask(worker, move |seen| question(seen, after, rest)).await?;
            found.extend(told.into_iter().map(|row| (worker, row)));
            if found.len() == rows {
                break;
            }
        }
        Ok(found)
    }

    fn may_ask(&self, now: Instant) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = &mut *asked;
        if since.is_none_or(|since| now.duration_since(since) >= Duration::from_secs(1)) {
            (*since, *count) = (Some(now), 0);
        }
        *count += 1;
        *count <= QUESTIONS_PER_SECOND_MAX
    }
}
