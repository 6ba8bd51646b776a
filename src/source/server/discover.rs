//! Inference servers of this box: processes whose command line says so, at the port that it names and
//! that is listened on. No other port is asked anything.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::model::Pid;
use crate::source::loader::proc::{folder, read_capped};
use crate::source::root::Roots;

const COMMAND_CAP: usize = 64 << 10;
const SOCKETS_CAP: usize = 4 << 20;
/// Open files of one process that are looked through.
const MAX_FILES: usize = 16_384;
/// Sockets that are listened on, of one network namespace.
const MAX_LISTENING: usize = 4096;
/// State LISTEN in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// How names of processes begin that may be a server: those of interpreters too, which is why the
/// command line decides.
const NAMES: [&str; 11] = [
    "python",
    "pt_main_thread",
    "vllm",
    "VLLM",
    "sglang",
    "java",
    "tritonserver",
    "text-generation",
    "raylet",
    "uvicorn",
    "gunicorn",
];

/// Whether a process of this name is worth a look at its command line.
pub fn may_serve(name: &str) -> bool {
    NAMES.iter().any(|start| name.starts_with(start))
}

/// A kind of server, and how it is told where to publish its metrics.
struct Kind {
    name: &'static str,
    is: fn(&[&str]) -> bool,
    flags: &'static [&'static str],
    port: u16,
    /// Another process than the one that says so on its command line listens.
    helped: bool,
}

static KINDS: [Kind; 6] = [
    Kind {
        name: "vllm",
        is: |args| runs(args, "vllm", Some("serve")) || module(args, "vllm.entrypoints."),
        flags: &["--port"],
        port: 8000,
        helped: false,
    },
    Kind {
        name: "sglang",
        is: |args| runs(args, "sglang", Some("serve")) || module(args, "sglang.launch_server"),
        flags: &["--port"],
        port: 30_000,
        helped: false,
    },
    Kind {
        name: "tgi",
        is: |args| runs(args, "text-generation-router", None),
        flags: &["--port", "-p"],
        port: 3000,
        helped: false,
    },
    Kind {
        name: "triton",
        is: |args| runs(args, "tritonserver", None),
        flags: &["--metrics-port"],
        port: 8002,
        helped: false,
    },
    Kind {
        name: "torchserve",
        is: |args| args.contains(&"org.pytorch.serve.ModelServer"),
        flags: &[],
        port: 8082,
        helped: false,
    },
    Kind {
        name: "ray-serve",
        // Its agent, which listens, hides its command line behind a title; the raylet started it.
        is: |args| runs(args, "raylet", None),
        flags: &["--metrics_export_port"],
        port: 0,
        helped: true,
    },
];

/// Whether one of the first words is the program `name`, with this word after it. After a long option it
/// is that one's value.
fn runs(args: &[&str], name: &str, then: Option<&str>) -> bool {
    let mut first = args.iter().take(4).enumerate();
    let is_value = |at: usize| {
        at.checked_sub(1)
            .and_then(|before| args.get(before))
            .is_some_and(|arg| arg.starts_with("--"))
    };
    first.any(|(at, arg)| {
        arg.rsplit('/').next() == Some(name)
            && !is_value(at)
            && then.is_none_or(|then| args.get(at + 1) == Some(&then))
    })
}

/// Whether it runs as `python -m NAME…`.
fn module(args: &[&str], name: &str) -> bool {
    let place = args.iter().take(8).position(|arg| *arg == "-m");
    place.and_then(|at| args.get(at + 1)).is_some_and(|module| module.starts_with(name))
}

/// Which server a command line starts, and the port of its metrics; 0 where it chooses one itself.
pub fn server_of(args: &[&str]) -> Option<(&'static str, u16)> {
    let (kind, port) = kind_of(args)?;
    Some((kind.name, port))
}

fn kind_of(args: &[&str]) -> Option<(&'static Kind, u16)> {
    let kind = KINDS.iter().find(|kind| (kind.is)(args))?;
    let value = |flag: &str| {
        args.iter().enumerate().find_map(|(at, arg)| match arg.strip_prefix(flag) {
            Some("") => args.get(at + 1).copied(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        })
    };
    let named = kind.flags.iter().find_map(|flag| value(flag)?.parse().ok());
    Some((kind, named.unwrap_or(kind.port)))
}

/// An endpoint of a process, or why it has none that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The process.
    pub pid: Pid,
    /// The kind that its command line says.
    pub kind: &'static str,
    /// Where its metrics are, or why that is not known, in words.
    pub place: Result<SocketAddr, Box<str>>,
}

/// The endpoint of a process; `None` where it is no server, or ended, or listens nowhere, as the
/// helpers that servers start with their own command line.
pub fn endpoint(roots: &Roots, pid: Pid) -> Option<Endpoint> {
    let home = folder(&roots.proc, pid);
    let command = read_capped(&home.join("cmdline"), COMMAND_CAP).ok()?;
    let command = String::from_utf8_lossy(&command);
    let args: Vec<&str> = command.split('\0').filter(|arg| !arg.is_empty()).collect();
    let (kind, port) = kind_of(&args)?;
    let found = |place| Some(Endpoint { pid, kind: kind.name, place });
    let net = |who: &str| fs::read_link(roots.proc.join(who).join("ns/net")).ok();
    if let (Some(ours), Some(theirs)) = (net("self"), net(&pid.0.to_string()))
        && ours != theirs
    {
        return found(Err("it runs in a network of its own, as a container does".into()));
    }
    let listening = listening(roots, pid);
    let at_port = listening.values().find(|place| place.port() == port);
    if kind.helped {
        let missing = || match port {
            0 => "its command line does not tell the port of its metrics".into(),
            port => format!("nobody listens on port {port}").into(),
        };
        return found(at_port.map(|place| reachable(*place)).ok_or_else(missing));
    }
    let Some(own) = own_sockets(roots, pid) else {
        // Whose socket it is cannot be read; that the port which the command names is listened on can.
        return found(Ok(reachable(*at_port?)));
    };
    let mut places = own.iter().filter_map(|inode| listening.get(inode)).peekable();
    places.peek()?;
    match places.find(|place| place.port() == port) {
        Some(place) => found(Ok(reachable(*place))),
        None => found(Err(format!("it does not listen on port {port}").into())),
    }
}

/// An address that a client can connect to: a server that listens on all is here too.
fn reachable(place: SocketAddr) -> SocketAddr {
    let ip = match place.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        // Linux takes both on such a socket unless it is told otherwise.
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, place.port())
}

/// The sockets that are listened on in the network of a process, by inode.
fn listening(roots: &Roots, pid: Pid) -> BTreeMap<u64, SocketAddr> {
    let home = folder(&roots.proc, pid);
    let mut all = BTreeMap::new();
    for name in ["net/tcp", "net/tcp6"] {
        let Ok(bytes) = read_capped(&home.join(name), SOCKETS_CAP) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        all.extend(text.lines().filter_map(socket).take(MAX_LISTENING));
    }
    all
}

/// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 …`
fn socket(line: &str) -> Option<(u64, SocketAddr)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
    let &[_, local, _, LISTEN, _, _, _, _, _, inode] = fields.as_slice() else { return None };
    let (ip, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((inode.parse().ok()?, SocketAddr::new(address(ip)?, port)))
}

/// An address as the kernel writes it: words of 32 bits in the order of the machine.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut octets = [0; 16];
            for (to, from) in octets.iter_mut().zip(words.as_flattened()) {
                *to = *from;
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

/// The inodes of the sockets that a process has open; `None` where they cannot be read.
fn own_sockets(roots: &Roots, pid: Pid) -> Option<Vec<u64>> {
    let files = fs::read_dir(folder(&roots.proc, pid).join("fd")).ok()?;
    let inode = |file: fs::DirEntry| {
        let target = fs::read_link(file.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Some(files.flatten().take(MAX_FILES).filter_map(inode).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<(&'static str, u16)> {
        server_of(&line.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn a_command_line_says_which_server_it_is_and_where_its_metrics_are() {
        let cases = [
            ("/usr/bin/python3 /usr/local/bin/vllm serve meta/Llama --port 8123", ("vllm", 8123)),
            ("vllm serve meta/Llama", ("vllm", 8000)),
            ("python -u -m vllm.entrypoints.openai.api_server --port=9000", ("vllm", 9000)),
            ("python3 -m sglang.launch_server --model-path x --enable-metrics", ("sglang", 30_000)),
            ("text-generation-router --port 80 --max-input-length 1024", ("tgi", 80)),
            ("/opt/tritonserver/bin/tritonserver --model-repository=/m", ("triton", 8002)),
            ("tritonserver --metrics-port=9002", ("triton", 9002)),
            (
                "java -cp x.jar org.pytorch.serve.ModelServer --python /usr/bin/python",
                ("torchserve", 8082),
            ),
            (
                "/s/ray/raylet/raylet --metrics-agent-port=0 --metrics_export_port=18080",
                ("ray-serve", 18_080),
            ),
        ];
        for (line, wanted) in cases {
            assert_eq!(of(line), Some(wanted), "{line}");
        }
    }

    #[test]
    fn what_only_mentions_a_server_is_none() {
        for line in [
            "vim vllm",
            "python bench.py --backend vllm serve",
            "python -m vllm_plugin",
            "pip install vllm",
            "tail -f /var/log/tritonserver/log a b tritonserver",
            "",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
        assert!(may_serve("pt_main_thread") && !may_serve("bash"));
    }

    #[test]
    fn sockets_that_are_listened_on_are_read_from_the_kernels_table() {
        let line = "   3: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 48211 1 0000 100 0 0 10 0";
        let (inode, place) = socket(line).unwrap();
        assert_eq!((inode, place.to_string().as_str()), (48_211, "127.0.0.1:8080"));
        let six = line.replace("0100007F", "00000000000000000000000001000000");
        assert_eq!(socket(&six).unwrap().1.to_string(), "[::1]:8080");
        assert_eq!(socket(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(socket("  sl  local_address rem_address   st tx_queue"), None);
        let all: SocketAddr = "0.0.0.0:8000".parse().unwrap();
        assert_eq!(reachable(all).to_string(), "127.0.0.1:8000");
    }
}
