//! When each connection wants to be woken, earliest first.

use std::collections::BTreeSet;
use std::time::Instant;

/// One deadline for each connection.
///
/// Deadlines mostly move later, with every packet. Such a move leaves the entry where it is: it
/// pops, nothing is due, and its owner arms the later one. So `poll_timeout` may name a moment
/// at which nothing is due, and moving a deadline costs nothing most of the time.
#[derive(Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(Instant, usize)>,
}

/// The part of a timer that its owner keeps: the moment of its entry.
#[derive(Default)]
pub(crate) struct TimerSlot(Option<Instant>);

impl Timers {
    /// Makes sure that `owner` pops at `deadline` or earlier.
    pub(crate) fn arm(&mut self, owner: usize, slot: &mut TimerSlot, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        if slot.0.is_none_or(|queued| deadline < queued) {
            self.disarm(owner, slot);
            slot.0 = Some(deadline);
            self.queue.insert((deadline, owner));
        }
    }

    /// Removes the entry of `owner`.
    pub(crate) fn disarm(&mut self, owner: usize, slot: &mut TimerSlot) {
        if let Some(queued) = slot.0.take() {
            self.queue.remove(&(queued, owner));
        }
    }

    /// Earliest moment at which something may be due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }

    /// The owners whose entries are due at `now`, for the caller to disarm.
    pub(crate) fn due(&self, now: Instant) -> Vec<usize> {
        self.queue
            .iter()
            .take_while(|(deadline, _)| *deadline <= now)
            .map(|(_, owner)| *owner)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_deadline_that_moves_back_and_forth_has_one_entry() {
        let start = Instant::now();
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        let mut timers = Timers::default();
        let mut slot = TimerSlot::default();
        for seconds in [30, 2, 31, 1, 40] {
            timers.arm(7, &mut slot, at(seconds));
        }
        assert_eq!(timers.poll_timeout(), at(1));
        assert_eq!(timers.due(start), []);
        assert_eq!(timers.due(start + Duration::from_secs(1)), [7]);
        timers.disarm(7, &mut slot);
        assert_eq!(timers.poll_timeout(), None);
    }
}
