//! What `mltop run` reads of its training, for other mltops: the session's own lines on a socket.
//!
//! Nothing is read from the socket, and nothing is looked at while nobody listens. A listener that
//! does not keep up is dropped.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;

use crate::model::{Event, Pid, Sample};
use crate::record::{Encoder, SessionInfo};
use crate::source::Roots;
use crate::source::beside::{OwnFolder, SOCKET};

use super::below::Below;

/// Between two ticks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Listeners at a time.
const MOST: usize = 8;
/// Bytes that a listener may be behind.
const BEHIND: usize = 1 << 20;
/// How long the end may take to be told.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The thread that serves.
pub(super) struct Server {
    last: Sender<Event>,
    /// Its end tells the thread that the last event is there.
    wake: PipeWriter,
    done: Receiver<()>,
}

impl Server {
    /// Listens in a run's folder. `start` is what every listener hears first.
    pub(super) fn start(roots: Roots, folder: &OwnFolder, start: Event) -> io::Result<Self> {
        let path = folder.path().join(SOCKET);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let (ended, wake) = io::pipe()?;
        let (last, stop) = channel();
        let (finished, done) = channel();
        thread::Builder::new().name("serve".into()).spawn(move || {
            Serving { roots, listener, start, listeners: Vec::new(), below: None }
                .serve(&ended, &stop);
            let _ = finished.send(());
        })?;
        Ok(Self { last, wake, done })
    }

    /// Tells the listeners how it ended, if that takes no time.
    pub(super) fn end(self, stop: Event) {
        let Self { last, wake, done } = self;
        let _ = last.send(stop);
        drop(wake);
        let _ = done.recv_timeout(LAST_WORDS);
    }
}

struct Serving {
    roots: Roots,
    listener: UnixListener,
    start: Event,
    listeners: Vec<Listener>,
    below: Option<Below>,
}

impl Serving {
    fn serve(&mut self, ended: &PipeReader, stop: &Receiver<Event>) {
        let mut due = Instant::now();
        loop {
            match self.wait(ended, due) {
                Ok(true) => break,
                Ok(false) => {}
                // Without a way to wait there is nothing to be done but to be silent.
                Err(_) => return,
            }
            self.accept(&mut due);
            if self.listeners.is_empty() {
                self.below = None;
            } else if Instant::now() >= due {
                self.tick();
                due = Instant::now() + INTERVAL;
            }
        }
        if let Ok(event) = stop.try_recv() {
            for listener in &mut self.listeners {
                listener.end(&event);
            }
        }
    }

    /// Waits for a listener, for the next tick, or for the end, and says whether it came to that.
    fn wait(&self, ended: &PipeReader, due: Instant) -> io::Result<bool> {
        let left = due.saturating_duration_since(Instant::now());
        let timeout = (!self.listeners.is_empty()).then(|| Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let mut fds =
            [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => Ok(!fds[1].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn accept(&mut self, due: &mut Instant) {
        while let Ok((stream, _)) = self.listener.accept() {
            let admitted = self.listeners.len() < MOST && may_listen(&stream);
            if !admitted || stream.set_nonblocking(true).is_err() {
                continue;
            }
            // What it says is not taken, and must not pile up either.
            let _ = stream.shutdown(Shutdown::Read);
            self.listeners.push(Listener { stream, encoder: None, waiting: Vec::new() });
            *due = Instant::now();
        }
    }

    fn tick(&mut self) {
        let own = Pid(std::process::id());
        let below = self.below.get_or_insert_with(|| Below::new(&self.roots, own));
        let sample = Arc::new(below.sample());
        let start = &self.start;
        self.listeners.retain_mut(|listener| listener.tick(&sample, start));
    }
}

/// Only the user's own processes, and root's, may listen.
fn may_listen(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    socket_peercred(stream).is_ok_and(|peer| peer.uid == own || peer.uid.is_root())
}

/// Somebody who listens.
struct Listener {
    stream: UnixStream,
    encoder: Option<Encoder>,
    waiting: Vec<u8>,
}

impl Listener {
    /// Sends a tick; false when the listener is gone or too slow.
    fn tick(&mut self, sample: &Arc<Sample>, start: &Event) -> bool {
        let mut lines = String::new();
        let encoder = self.encoder.get_or_insert_with(|| {
            let name = format!("run-{}", std::process::id());
            let host = (*sample.inventory.host).clone();
            let interval = INTERVAL.as_millis() as u64;
            let mut encoder = Encoder::new(SessionInfo::new(&name, host, interval, sample.stamp));
            encoder.head(&mut lines);
            encoder.event(start, &mut lines);
            encoder
        });
        encoder.tick(sample, None, &mut lines);
        self.send(&lines)
    }

    fn end(&mut self, event: &Event) {
        let Some(encoder) = &mut self.encoder else { return };
        let mut lines = String::new();
        encoder.event(event, &mut lines);
        encoder.end(event.t_ms, &event.title, &mut lines);
        self.send(&lines);
    }

    fn send(&mut self, lines: &str) -> bool {
        self.waiting.extend_from_slice(lines.as_bytes());
        while !self.waiting.is_empty() {
            match self.stream.write(&self.waiting) {
                Ok(0) => return false,
                Ok(sent) => {
                    self.waiting.drain(..sent);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.waiting.len() <= BEHIND;
                }
                Err(_) => return false,
            }
        }
        true
    }
}
