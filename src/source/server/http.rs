//! One GET with a deadline and a cap, and nothing else: no redirect, no proxy, no connection kept.

use std::time::Duration;

use ureq::Agent;

/// From the connection to the last byte.
const DEADLINE: Duration = Duration::from_secs(2);
/// The most that an answer may hold; that of a large vLLM is some 200 KiB.
const CAP: u64 = 4 << 20;

/// A client.
#[derive(Clone, Debug)]
pub struct Client(Agent);

impl Default for Client {
    fn default() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(DEADLINE))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(0)
            .user_agent(concat!("mltop/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.into())
    }
}

/// Why there is no text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It did not answer in time.
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Late,
    /// It sent more than anybody's metrics.
    #[error("its answer is larger than {} MiB", CAP >> 20)]
    Large,
    /// It answered with something else.
    #[error("it answered with HTTP status {0}")]
    Status(u16),
    /// No connection, or no HTTP.
    #[error("{0}")]
    Other(String),
}

impl Client {
    /// What stands at a URL, as text; bytes that are none are replaced.
    pub fn get(&self, url: &str) -> Result<String, Trouble> {
        let answer = self.0.get(url).header("Accept", "text/plain").call();
        let mut answer = answer.map_err(trouble)?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(Trouble::Status(status));
        }
        let body = answer.body_mut().with_config().limit(CAP).read_to_vec().map_err(trouble)?;
        Ok(String::from_utf8(body)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }
}

fn trouble(error: ureq::Error) -> Trouble {
    match error {
        ureq::Error::Timeout(_) => Trouble::Late,
        ureq::Error::BodyExceedsLimit(_) => Trouble::Large,
        ureq::Error::StatusCode(code) => Trouble::Status(code),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Trouble::Late,
        other => Trouble::Other(other.to_string()),
    }
}
