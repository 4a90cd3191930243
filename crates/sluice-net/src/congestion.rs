//! A congestion controller that also tells how many bytes are in flight.
//!
//! The QUIC library keeps that number to itself, and
//! [`Transport::send_room`](sluice_proto::transport::Transport::send_room) needs it.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller, ControllerFactory, ControllerMetrics};

/// What may be handed to QUIC beyond one congestion window: enough to have the next packets at
/// hand, so that the window grows, little enough to decide late.
const SEND_SLACK_BYTES_MIN: u64 = 8 * 1024;
const SEND_SLACK_BYTES_MAX: u64 = 64 * 1024;

/// What may be handed to QUIC and be unacknowledged: about one congestion window.
pub(crate) fn send_window_bytes(quic: &quinn_proto::Connection) -> u64 {
    let window = quic.congestion_state().window();
    window + (window / 8).clamp(SEND_SLACK_BYTES_MIN, SEND_SLACK_BYTES_MAX)
}

/// Makes metered controllers around those of another factory.
pub(crate) struct MeteredFactory {
    inner: Arc<dyn ControllerFactory + Send + Sync>,
}

impl MeteredFactory {
    pub(crate) fn new(inner: Arc<dyn ControllerFactory + Send + Sync>) -> MeteredFactory {
        MeteredFactory { inner }
    }
}

impl ControllerFactory for MeteredFactory {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Metered { inner: self.inner.clone().build(now, current_mtu), in_flight_bytes: 0 })
    }
}

/// Bytes in flight on the path of this controller, about exact between two acknowledgements.
pub(crate) fn in_flight_bytes(controller: &dyn Controller) -> u64 {
    controller.metrics().pacing_rate.unwrap_or(0)
}

struct Metered {
    inner: Box<dyn Controller>,
    in_flight_bytes: u64,
}

impl Controller for Metered {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.in_flight_bytes += bytes;
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.in_flight_bytes = in_flight;
        self.inner.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(lost_bytes);
        self.inner.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.inner.window()
    }

    /// The library reads these for its own trace files only, which Sluice does not write. The
    /// field for a pacing rate carries the bytes in flight: no other one can be reached through
    /// a shared reference.
    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.inner.metrics();
        metrics.pacing_rate = Some(self.in_flight_bytes);
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Metered { inner: self.inner.clone_box(), in_flight_bytes: self.in_flight_bytes })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
