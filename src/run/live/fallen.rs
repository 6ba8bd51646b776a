//! Threads of mltop itself that fail: which of them the screen can do without, and what is gone then.

use std::panic::PanicHookInfo;
use std::thread;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::error::Error;

/// What is gone with a thread, by its name. Without any other there is nothing to be shown, or it is
/// not known what is missing.
const SPARED: [(&str, &str); 11] = [
    ("loaders", "loaders are looked at no more"),
    ("gpu-collector", "GPUs of one driver are read no more"),
    ("demo-gpu", "the simulated GPU stands still"),
    ("servers", "inference servers are read no more"),
    ("inspector", "processes that are new are looked into no more"),
    ("runs", "what `mltop run` starts is found no more"),
    ("serve", "other mltops hear nothing of this training any more"),
    ("recorder", "the recording ended"),
    ("keeper", "what was to be saved is not"),
    ("analysis", "findings of what was not played are not known"),
    ("reader", "findings of what was not played are not known"),
];

/// A thread that panicked.
#[derive(Debug)]
pub(super) struct Fallen {
    name: String,
    why: String,
}

impl Fallen {
    /// What the screen is to say of it; or the end, where it cannot go on.
    pub(super) fn judge(self) -> Result<String, Error> {
        let Self { name, why } = self;
        match SPARED.iter().find(|(spared, _)| *spared == name) {
            Some((_, gone)) => Ok(format!("mltop's thread '{name}' failed ({why}): {gone}")),
            None => Err(Error::Thread { name, why }),
        }
    }
}

/// Hears of threads that fail.
#[derive(Debug)]
pub(super) struct Ear {
    heard: UnboundedReceiver<Fallen>,
}

impl Ear {
    /// One, and what is to be told of a panic.
    pub(super) fn new() -> (impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static, Self) {
        let (sender, heard): (UnboundedSender<Fallen>, _) = unbounded_channel();
        let tell = move |panic: &PanicHookInfo<'_>| {
            let name = thread::current().name().unwrap_or("without a name").to_owned();
            let what = panic.payload_as_str().unwrap_or("no reason given");
            let why = match panic.location() {
                Some(place) => format!("{what}, at {place}"),
                None => what.to_owned(),
            };
            // Nobody hears it where the screen ends at this moment.
            let _ = sender.send(Fallen { name, why });
        };
        (tell, Self { heard })
    }

    /// The next one that fails.
    pub(super) async fn next(&mut self) -> Fallen {
        match self.heard.recv().await {
            Some(fallen) => fallen,
            None => std::future::pending().await,
        }
    }
}
