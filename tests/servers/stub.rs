//! An HTTP server of a few lines that answers in ways good and bad.
#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The text of a vllm again, later: so many more requests, all of them within a second.
pub(crate) fn later(text: &str, more: u32) -> String {
    let counts = BTreeMap::from([
        ("vllm:e2e_request_latency_seconds_bucket{engine=\"0\",le=\"1.0\"", 400),
        ("vllm:e2e_request_latency_seconds_bucket{engine=\"0\",le=\"2.5\"", 795),
        ("vllm:e2e_request_latency_seconds_bucket{engine=\"0\",le=\"+Inf\"", 800),
        ("vllm:e2e_request_latency_seconds_count", 800),
        ("vllm:request_success_total{engine=\"0\",finished_reason=\"stop\"", 773),
    ]);
    let lines = text.lines().map(|line| {
        let counted = counts.iter().find(|(start, _)| line.starts_with(**start));
        counted.map_or_else(
            || line.to_owned(),
            |(_, count)| format!("{} {}.0", line.rsplit_once(' ').unwrap().0, count + more),
        )
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    Chunked,
    /// It takes the connection and says nothing.
    Silent,
    /// A byte now and then.
    Dripping,
    /// More than anybody reads.
    Endless,
    NotFound,
    Redirect,
    Garbage,
}

/// A server that ends with the test.
pub(crate) struct Stub {
    port: u16,
    text: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
}

impl Stub {
    pub(crate) fn start(way: Way, text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (text, stop) =
            (Arc::new(Mutex::new(text.to_owned())), Arc::new(AtomicBool::new(false)));
        let (shared, stopped) = (Arc::clone(&text), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let text = shared.lock().unwrap().clone();
                let stopped = Arc::clone(&stopped);
                // Who stops reading is no fault of ours.
                std::thread::spawn(move || drop(serve(stream, way, &text, &stopped)));
            }
        });
        Self { port, text, stop }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.port)
    }

    /// What it answers from now on.
    pub(crate) fn answer(&self, text: &str) {
        text.clone_into(&mut self.text.lock().unwrap());
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(mut stream: TcpStream, way: Way, text: &str, stopped: &AtomicBool) -> std::io::Result<()> {
    const LONGEST: Duration = Duration::from_mins(1);
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && request.len() < 4096 {
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        request.push(byte[0]);
    }
    let begun = Instant::now();
    let goes_on = || !stopped.load(Ordering::Relaxed) && begun.elapsed() < LONGEST;
    match way {
        Way::Plain => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
            stream.write_all(head.as_bytes())?;
            stream.write_all(text.as_bytes())
        }
        Way::Chunked => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            for part in text.as_bytes().chunks(1000) {
                stream.write_all(format!("{:x}\r\n", part.len()).as_bytes())?;
                stream.write_all(part)?;
                stream.write_all(b"\r\n")?;
            }
            stream.write_all(b"0\r\n\r\n")
        }
        Way::Silent => {
            while goes_on() {
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        Way::Dripping => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")?;
            while goes_on() {
                stream.write_all(b"x")?;
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        }
        Way::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            while goes_on() {
                stream.write_all(&vec![b'x'; 1 << 16])?;
            }
            Ok(())
        }
        Way::NotFound => stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        Way::Redirect => stream.write_all(
            b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        ),
        Way::Garbage => stream.write_all(b"\0\0\0\x12\x04\0\0\0\0\0\0 not http\r\n\r\n"),
    }
}
