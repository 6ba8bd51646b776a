//! Inference servers: their real texts, their ways to answer, how they are found, and what a recording
//! of them says again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test that cannot go on should stop, and what is read is what was written"
)]

#[path = "servers/judged.rs"]
mod judged;
#[path = "servers/stub.rs"]
mod stub;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mltop::diagnose::inference::{Budgets, Loads, Outcome, judge};
use mltop::model::inventory::HostInfo;
use mltop::model::server::Measure;
use mltop::model::{Inventory, Pid, Sample, Stamp};
use mltop::record::read::read as read_session;
use mltop::record::{Encoder, SessionInfo};
use mltop::source::Roots;
use mltop::source::server::answer::{Answer, Figures, read};
use mltop::source::server::discover::endpoint;
use mltop::source::server::http::{Client, Trouble};
use mltop::source::server::{Servers, Wanted};
use mltop::source::trainer::ProcSeen;
use proptest::prelude::*;
use stub::{Stub, Way, later};

const VLLM: &str = include_str!("servers/vllm.prom");
const SGLANG: &str = include_str!("servers/sglang.prom");
const TGI: &str = include_str!("servers/tgi.prom");
const TRITON: &str = include_str!("servers/triton.prom");
const TORCHSERVE: &str = include_str!("servers/torchserve.prom");
const RAY: &str = include_str!("servers/ray.prom");
const LLAMA: &str = "meta-llama/Llama-3.1-8B-Instruct";

fn answer(text: &str) -> Answer {
    read(text).unwrap()
}

fn only(answer: &Answer) -> (&str, &Figures) {
    assert_eq!(answer.models.len(), 1, "{answer:#?}");
    let (name, figures) = answer.models.iter().next().unwrap();
    (name, figures)
}

fn steps(figures: &Figures, measure: Measure) -> Vec<(f64, f64)> {
    figures.latencies[&measure].steps().collect()
}

#[test]
fn a_vllm_all_of_whose_requests_fail_has_answered_some() {
    let answer = answer(
        "vllm:num_requests_running{model_name=\"m\"} 1\n\
         vllm:request_success_total{model_name=\"m\"} 0\nhttp_requests_total{status=\"5xx\"} 7\n",
    );
    let (_, figures) = only(&answer);
    assert_eq!((figures.requests(), figures.failed()), (Some(7.0), Some(7.0)));
}

#[test]
fn vllm_is_read_with_its_histograms_and_the_answers_of_its_web_server() {
    let answer = answer(VLLM);
    assert_eq!(answer.kind, "vllm");
    let (name, figures) = only(&answer);
    assert_eq!(name, LLAMA);
    assert_eq!(figures.running(), Some(6.0));
    assert_eq!(figures.waiting(), Some(2.0));
    // The old name and the new one tell the same, and are not added.
    assert_eq!(figures.kv_used(), Some(0.4213));
    // It counts those that succeeded; those that failed ended, too.
    assert_eq!((figures.requests(), figures.failed()), (Some(804.0), Some(4.0)));
    assert_eq!(figures.generated(), Some(128_000.0));
    assert_eq!(figures.preemptions(), Some(3.0));
    let request = &figures.latencies[&Measure::Request];
    assert_eq!((request.count, request.seconds), (Some(800.0), Some(812.5)));
    assert_eq!(steps(figures, Measure::Request), [(0.3, 10.0), (1.0, 400.0), (2.5, 795.0)]);
    assert_eq!(steps(figures, Measure::InterToken), [(0.025, 126_000.0)]);
}

#[test]
fn sglang_is_read_though_its_requests_are_counted_in_a_histogram_only() {
    let answer = answer(SGLANG);
    let (name, figures) = only(&answer);
    assert_eq!((answer.kind, name), ("sglang", LLAMA));
    assert_eq!((figures.running(), figures.waiting()), (Some(162.0), Some(2826.0)));
    assert_eq!((figures.requests(), figures.failed()), (Some(11_228.0), None));
    assert_eq!(figures.generated(), Some(7_557_572.0));
    assert_eq!(steps(figures, Measure::InterToken), [(0.1, 4_950_195.0)]);
}

#[test]
fn tgi_names_no_model_and_adds_up_its_failures() {
    let answer = answer(TGI);
    let (name, figures) = only(&answer);
    assert_eq!((answer.kind, name), ("tgi", ""));
    assert_eq!((figures.requests(), figures.failed()), (Some(150.0), Some(2.0)));
    assert_eq!((figures.generated(), figures.waiting()), (Some(25_000.0), Some(3.0)));
    assert_eq!(steps(figures, Measure::Request)[0].0, 0.00015);
}

#[test]
fn triton_tells_means_for_one_model_and_its_own_quantiles_for_another() {
    let answer = answer(TRITON);
    assert_eq!((answer.kind, answer.models.len()), ("triton", 2));
    let plain = &answer.models["resnet50"];
    assert_eq!((plain.requests(), plain.failed()), (Some(8204.0), Some(12.0)));
    let mean = &plain.latencies[&Measure::Request];
    assert_eq!(mean.count, Some(8192.0));
    assert!(mean.seconds.is_some_and(|seconds| (seconds - 409.6).abs() < 1e-9), "{mean:?}");
    assert_eq!(mean.steps().count(), 0);
    let other = &answer.models["my_model"];
    assert_eq!(other.summary, [Some(0.02), Some(0.04), Some(0.05)]);
    assert_eq!(steps(other, Measure::FirstToken), [(0.1, 8.0), (0.5, 30.0)]);
}

#[test]
fn torchserve_tells_sums_and_a_count_of_failures_beside_its_only_model() {
    let answer = answer(TORCHSERVE);
    let (name, figures) = only(&answer);
    assert_eq!((answer.kind, name), ("torchserve", "resnet18"));
    assert_eq!((figures.requests(), figures.failed()), (Some(3.0), Some(1.0)));
    assert_eq!(figures.latencies[&Measure::Request].seconds, Some(0.290_371_129));
}

#[test]
fn ray_serve_is_read_by_application_in_seconds() {
    let answer = answer(RAY);
    let (name, figures) = only(&answer);
    assert_eq!((answer.kind, name), ("ray-serve", "echo"));
    assert_eq!((figures.requests(), figures.failed()), (Some(120.0), Some(0.0)));
    let request = &figures.latencies[&Measure::Request];
    assert_eq!((request.count, request.seconds), (Some(120.0), Some(3.79)));
    let steps = steps(figures, Measure::Request);
    assert_eq!((steps.len(), steps[0].0, steps[4]), (19, 0.001, (0.02, 32.0)));
}

#[test]
fn what_is_no_servers_answer_is_none() {
    for text in ["", "<html>vllm:num_requests_running</html>", "go_goroutines 12\n", "vllm:x 1\n"] {
        assert_eq!(read(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_answer_makes_the_reader_panic_or_grow(
        lines in prop::collection::vec(
            (0..6_usize, "[a-z_]{0,12}", "[^\n]{0,30}", any::<f64>()), 0..60),
    ) {
        let starts = ["vllm:", "sglang:", "tgi_", "nv_inference_", "ts_inference_requests", "ray_serve_"];
        let mut text = String::new();
        for (at, name, label, value) in &lines {
            let labels = format!("{{model_name=\"{label}\",le=\"{value}\"}}");
            text.extend([starts[*at], name, &labels, " ", &value.to_string(), "\n"]);
        }
        if let Some(answer) = read(&format!("{VLLM}{text}")) {
            prop_assert!(answer.models.len() <= 16);
        }
    }
}

#[test]
fn an_answer_is_taken_whole_or_in_chunks() {
    for way in [Way::Plain, Way::Chunked] {
        let stub = Stub::start(way, VLLM);
        assert_eq!(Client::default().get(&stub.url()).as_deref(), Ok(VLLM));
    }
}

#[test]
fn what_is_no_answer_is_said_in_words_and_never_waited_for() {
    let get = |way| {
        let stub = Stub::start(way, VLLM);
        let begun = Instant::now();
        let trouble = Client::default().get(&stub.url()).unwrap_err();
        // Two seconds, and what a busy box adds.
        assert!(begun.elapsed() < Duration::from_secs(30), "{way:?}: {:?}", begun.elapsed());
        trouble
    };
    assert_eq!(get(Way::Silent), Trouble::Late);
    assert_eq!(get(Way::Dripping), Trouble::Late);
    assert_eq!(get(Way::Endless), Trouble::Large);
    assert_eq!(get(Way::NotFound), Trouble::Status(404));
    assert_eq!(get(Way::Redirect), Trouble::Status(307));
    assert!(matches!(get(Way::Garbage), Trouble::Other(_)));
    let nobody = Client::default().get("http://127.0.0.1:1/metrics").unwrap_err();
    assert!(matches!(nobody, Trouble::Other(_)), "{nobody:?}");
}

/// A machine with one process that listens on a real port, in its kernel's own words.
fn machine(root: &Path, command: &str, port: u16) -> Roots {
    let home = root.join("proc/4711");
    fs::create_dir_all(home.join("fd")).unwrap();
    fs::create_dir_all(home.join("net")).unwrap();
    fs::write(home.join("cmdline"), command.replace(' ', "\0") + "\0").unwrap();
    let line = |port: u16, state: &str, inode: u32| {
        format!(
            "   0: 0100007F:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
        )
    };
    let table = format!("  sl  local_address …\n{}{}", line(9, "0A", 50), line(port, "0A", 51));
    fs::write(home.join("net/tcp"), table).unwrap();
    symlink("socket:[51]", home.join("fd/3")).unwrap();
    symlink("/dev/null", home.join("fd/0")).unwrap();
    Roots::below(root)
}

#[test]
fn a_server_is_found_by_its_command_line_and_the_port_that_it_listens_on() {
    let folder = tempfile::tempdir().unwrap();
    let roots = machine(folder.path(), "python vllm serve llama --port 8123", 8123);
    let found = endpoint(&roots, Pid(4711)).unwrap();
    assert_eq!((found.kind, found.place.unwrap().to_string()), ("vllm", "127.0.0.1:8123".into()));
    // Another's port is not asked, whatever the command line says.
    let folder = tempfile::tempdir().unwrap();
    let roots = machine(folder.path(), "python vllm serve llama --port 9", 8123);
    let found = endpoint(&roots, Pid(4711)).unwrap();
    assert_eq!(found.place.unwrap_err().as_ref(), "it does not listen on port 9");
    let folder = tempfile::tempdir().unwrap();
    let roots = machine(folder.path(), "python train.py --port 8123", 8123);
    assert_eq!(endpoint(&roots, Pid(4711)), None);
}

#[test]
fn a_server_in_a_network_of_its_own_is_told_and_not_guessed_at() {
    let folder = tempfile::tempdir().unwrap();
    let roots = machine(folder.path(), "tritonserver --metrics-port 8123", 8123);
    for (who, net) in [("self", "net:[1]"), ("4711", "net:[2]")] {
        fs::create_dir_all(roots.proc.join(who).join("ns")).unwrap();
        symlink(net, roots.proc.join(who).join("ns/net")).unwrap();
    }
    let found = endpoint(&roots, Pid(4711)).unwrap();
    assert!(found.place.unwrap_err().contains("network of its own"));
}

/// Samples of a server until it has been read twice.
fn watched(roots: Roots, stub: &Stub, seen: &[ProcSeen]) -> Vec<Sample> {
    let mut servers = Servers::start(roots, Wanted { find: true, named: Vec::new() });
    let begun = Instant::now();
    let mut samples = Vec::new();
    loop {
        servers.watch(seen);
        let look = servers.look(Instant::now());
        let reads = look.samples.first().and_then(|row| row.reads_total.ok()).unwrap_or_default();
        if reads == 1 {
            stub.answer(&later(VLLM, 400));
        }
        let seq = samples.len() as u64;
        samples.push(Sample {
            seq,
            stamp: Stamp {
                unix_ms: 1_790_000_000_000 + seq as i64 * 1000,
                mono_ms: 50_000 + seq * 1000,
            },
            inventory: Arc::new(Inventory { servers: look.infos, ..Inventory::default() }),
            servers: look.samples,
            latencies: look.latencies,
            ..Sample::default()
        });
        if reads >= 2 {
            return samples;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", look.status);
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_server_that_is_found_is_judged_the_same_live_and_from_its_recording() {
    let stub = Stub::start(Way::Plain, VLLM);
    let folder = tempfile::tempdir().unwrap();
    let command = format!("vllm serve llama --port {}", stub.port());
    let roots = machine(folder.path(), &command, stub.port());
    let seen = [ProcSeen { pid: Pid(4711), parent: Pid(1), name: "vllm".into(), start_ticks: 7 }];
    let samples = watched(roots, &stub, &seen);
    let budgets = Budgets::parse("[inference]\nmatch = \"llama\"\np99_ms = 1000\n").unwrap();
    assert!(
        judge(&budgets, &[])[0].text.contains("no inference server that is read matches 'llama'")
    );
    let budgets = Budgets::parse("[inference]\nmatch = 4711\np99_ms = 1000\n").unwrap();
    let verdict = |samples: &[Sample]| {
        let mut loads = Loads::default();
        for sample in samples {
            loads.take(sample);
        }
        judge(&budgets, &loads.all())
    };
    let live = verdict(&samples);
    assert_eq!(live[0].outcome, Outcome::Pass, "{live:#?}");
    // The life of the server would say otherwise: only half of its requests took less than a second.
    assert_eq!(live[0].count, 400, "{live:#?}");
    let mut encoder =
        Encoder::new(SessionInfo::new("s", HostInfo::default(), 1000, samples[0].stamp));
    let mut lines = String::new();
    encoder.head(&mut lines);
    for sample in samples {
        encoder.tick(&Arc::new(sample), None, &mut lines);
    }
    let session = read_session("test", lines.as_bytes()).unwrap();
    let replayed: Vec<Sample> = session.samples().map(|sample| (*sample).clone()).collect();
    assert_eq!(verdict(&replayed), live);
}

#[test]
fn a_server_that_does_not_answer_is_told_with_what_would_mend_it() {
    let stub = Stub::start(Way::NotFound, "");
    let named = vec![stub.url().into()];
    let mut servers = Servers::start(Roots::default(), Wanted { find: false, named });
    let begun = Instant::now();
    let look = loop {
        let look = servers.look(Instant::now());
        if look.status.is_some() {
            break look;
        }
        assert!(begun.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(50));
    };
    let status = look.status.unwrap();
    assert!(status.message.contains("HTTP status 404"), "{status:?}");
    assert!(status.remedy.contains("--server"), "{status:?}");
    assert!(look.infos[0].trouble.is_some() && !look.samples[0].requests_total.is());
}
