//! Sleeping until the socket, another thread or the clock has something to do.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};
use sluice_net::Net;

use crate::socket::{Datagram, Sent, Socket};

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);
/// System calls to receive with before the connections are looked after.
const RECEIVES_PER_TURN: usize = 8;
/// Largest number of datagrams in one send: a burst that pacing allows anyway.
const SEGMENTS_PER_SEND: usize = 16;

/// Why [`UdpLoop::wait`] returned. All false: the deadline has come.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Ready {
    /// Datagrams may be waiting.
    pub readable: bool,
    /// A [`LoopWaker`] was used.
    pub woken: bool,
}

/// Ends the sleep of a [`UdpLoop`] from another thread.
#[derive(Clone, Debug)]
pub struct LoopWaker(Arc<Waker>);

impl LoopWaker {
    /// Wakes the loop; several wakes before it looks are one.
    pub fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

/// A socket with its readiness, a waker and a deadline: what one shard's thread sleeps on.
pub struct UdpLoop {
    socket: Socket,
    poll: Poll,
    events: Events,
    waker: LoopWaker,
    /// The poll reports changes only: whether the socket was not yet read until it was empty.
    readable: bool,
    buffer: Vec<u8>,
}

impl UdpLoop {
    /// A loop around `socket`.
    pub fn new(mut socket: Socket) -> io::Result<UdpLoop> {
        let poll = Poll::new()?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut socket.socket, SOCKET, interest)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        Ok(UdpLoop {
            socket,
            poll,
            events: Events::with_capacity(16),
            waker: LoopWaker(Arc::new(waker)),
            readable: true,
            buffer: Vec::new(),
        })
    }

    /// A handle that ends [`UdpLoop::wait`] from any thread.
    pub fn waker(&self) -> LoopWaker {
        self.waker.clone()
    }

    /// The socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sleeps until the socket is readable, a waker was used, or `deadline` has come. Without a
    /// deadline it sleeps as long as it takes.
    pub fn wait(&mut self, deadline: Option<Instant>) -> io::Result<Ready> {
        let timeout = if self.readable {
            Some(Duration::ZERO)
        } else {
            deadline.map(|at| at.saturating_duration_since(Instant::now()))
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let mut ready = Ready::default();
        for event in &self.events {
            match event.token() {
                WAKER => ready.woken = true,
                _ => self.readable |= event.is_readable() || event.is_error(),
            }
        }
        ready.readable = self.readable;
        Ok(ready)
    }

    /// Passes on what has arrived, a bounded number of datagrams in one turn.
    pub fn receive(&mut self, mut deliver: impl FnMut(Datagram)) -> io::Result<()> {
        for _ in 0..RECEIVES_PER_TURN {
            if !self.readable {
                break;
            }
            self.readable = self.socket.receive(&mut deliver)?;
        }
        Ok(())
    }

    /// [`UdpLoop::receive`] for a `net` that takes every datagram.
    pub fn receive_into(&mut self, net: &mut Net, now: Instant) -> io::Result<()> {
        self.receive(|datagram| {
            net.handle_datagram(
                now,
                datagram.from,
                datagram.local_ip,
                datagram.ecn,
                datagram.bytes,
            );
        })
    }

    /// Sends what `net` has until it has no more or the kernel takes no more; the rest waits in
    /// the connections for the next call.
    pub fn transmit_from(&mut self, net: &mut Net, now: Instant) {
        if !self.socket.flush() {
            return;
        }
        let segments = self.socket.segments_max().min(SEGMENTS_PER_SEND);
        while let Some(transmit) = net.poll_transmit(now, &mut self.buffer, segments) {
            let bytes = &self.buffer[..transmit.size];
            if self.socket.send(transmit, bytes) != Sent::Now {
                break;
            }
        }
    }
}
