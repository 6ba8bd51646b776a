use std::fmt::Write;

use proptest::prelude::*;

use super::*;

/// The example in the kernel's xe_drm_client.c, which says that it shows every key of the driver.
const XE: &str = "pos:\t0\nflags:\t0100002\nmnt_id:\t26\nino:\t685\ndrm-driver:\txe\ndrm-client-id:\t3\n\
drm-pdev:\t0000:03:00.0\ndrm-total-system:\t0\ndrm-shared-system:\t0\ndrm-active-system:\t0\n\
drm-resident-system:\t0\ndrm-purgeable-system:\t0\ndrm-total-gtt:\t192 KiB\ndrm-shared-gtt:\t0\n\
drm-active-gtt:\t0\ndrm-resident-gtt:\t192 KiB\ndrm-total-vram0:\t23992 KiB\n\
drm-shared-vram0:\t16 MiB\ndrm-active-vram0:\t0\ndrm-resident-vram0:\t23992 KiB\n\
drm-total-stolen:\t0\ndrm-resident-stolen:\t0\ndrm-cycles-rcs:\t28257900\n\
drm-total-cycles-rcs:\t7655183225\ndrm-cycles-bcs:\t0\ndrm-total-cycles-bcs:\t7655183225\n\
drm-cycles-vcs:\t0\ndrm-total-cycles-vcs:\t7655183225\ndrm-engine-capacity-vcs:\t2\n\
drm-cycles-ccs:\t0\ndrm-total-cycles-ccs:\t7655183225\ndrm-engine-capacity-ccs:\t4\n";

fn engine_of<'a>(client: &'a Client, name: &str) -> &'a Engine {
    client.engines.iter().find(|engine| engine.name == name).unwrap()
}

fn region_of<'a>(client: &'a Client, name: &str) -> &'a Region {
    client.memory.iter().find(|region| region.name == name).unwrap()
}

#[test]
fn the_example_of_the_kernel_s_documentation_is_read_whole() {
    let client = parse(Pid(7), XE).unwrap();
    let who = (client.pid, &*client.driver, &*client.pdev, client.id);
    assert_eq!(who, (Pid(7), "xe", "0000:03:00.0", 3));
    let names: Vec<&str> = client.engines.iter().map(|engine| &*engine.name).collect();
    assert_eq!(names, ["bcs", "ccs", "rcs", "vcs"]);
    let busy = Busy::Cycles { busy: 28_257_900, total: 7_655_183_225 };
    assert_eq!(engine_of(&client, "rcs").busy, busy);
    assert_eq!(engine_of(&client, "rcs").capacity, 1);
    assert_eq!(engine_of(&client, "ccs").capacity, 4);
    let vram = region_of(&client, "vram0");
    assert_eq!((vram.total, vram.resident), (Some(23_992 << 10), Some(23_992 << 10)));
}

#[test]
fn times_in_nanoseconds_and_sizes_in_each_unit_are_read() {
    let text = "drm-driver: i915\ndrm-client-id: 9\ndrm-pdev: 0000:00:02.0\n\
drm-engine-render: 9288864723 ns\ndrm-engine-capacity-video: 2\ndrm-engine-video: 12 ns\n\
drm-total-local0: 3 MiB\ndrm-resident-local0: 4096\ndrm-memory-vram: 60060 KiB\n";
    let client = parse(Pid(1), text).unwrap();
    assert_eq!(engine_of(&client, "render").busy, Busy::Nanoseconds(9_288_864_723));
    // The capacity may come before the engine that it is of, and is no engine by itself.
    assert_eq!(engine_of(&client, "video").capacity, 2);
    assert_eq!(client.engines.len(), 2);
    let local = region_of(&client, "local0");
    assert_eq!((local.total, local.resident), (Some(3 << 20), Some(4096)));
    assert_eq!(region_of(&client, "vram").resident, Some(60_060 << 10));
}

#[test]
fn a_file_that_is_no_client_s_is_none() {
    assert_eq!(parse(Pid(1), "pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t1\n"), None);
    assert_eq!(parse(Pid(1), "drm-driver: xe\ndrm-client-id: 3\n"), None);
    assert_eq!(parse(Pid(1), "drm-driver: xe\ndrm-pdev: 0000:03:00.0\n"), None);
}

#[test]
fn what_cannot_be_is_left_out_and_never_0() {
    let text = "drm-driver: xe\ndrm-client-id: 3\ndrm-pdev: 0000:03:00.0\n\
drm-cycles-rcs: 5\ndrm-cycles-ccs: 5\ndrm-total-cycles-ccs: many\ndrm-engine-copy: 5 s\n\
drm-total-vram0: 5 furlongs\ndrm-resident-vram1: 99999999999999999999 KiB\n\
drm-resident-gtt: 18446744073709551615 MiB\ndrm-engine-capacity-x: 0\ndrm-engine-x: 7 ns\n";
    let client = parse(Pid(1), text).unwrap();
    assert_eq!(client.memory, []);
    let engine = Engine { name: "x".into(), capacity: 1, busy: Busy::Nanoseconds(7) };
    assert_eq!(client.engines, [engine]);
}

#[test]
fn hostile_names_and_endless_lists_are_cut() {
    let mut text = String::from("drm-driver: xe\ndrm-client-id: 3\ndrm-pdev: 0000:03:00.0\n");
    let long = "a".repeat(100);
    writeln!(text, "drm-engine-{long}: 1 ns\ndrm-engine-\u{1b}[31m: 1 ns\ndrm-engine-: 1 ns")
        .unwrap();
    for number in 0..1000 {
        writeln!(text, "drm-engine-e{number}: 1 ns\ndrm-total-r{number}: 1").unwrap();
    }
    let client = parse(Pid(1), &text).unwrap();
    assert_eq!((client.engines.len(), client.memory.len()), (MOST, MOST));
    assert!(client.engines.iter().all(|engine| engine.name.starts_with('e')));
}

fn busy() -> impl Strategy<Value = Busy> {
    prop_oneof![
        any::<u64>().prop_map(Busy::Nanoseconds),
        (any::<u64>(), any::<u64>()).prop_map(|(busy, total)| Busy::Cycles { busy, total }),
    ]
}

fn client() -> impl Strategy<Value = Client> {
    let engines = proptest::collection::btree_map("[a-z]{1,8}", (1..=64_u32, busy()), 0..8);
    let size = || proptest::option::of(0..1_u64 << 40);
    let memory = proptest::collection::btree_map("[a-z]{1,8}[0-9]", (size(), size()), 0..6);
    ("[a-z0-9]{2,8}", "[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]", any::<u64>(), engines, memory)
        .prop_map(|(driver, pdev, id, engines, memory)| Client {
            pid: Pid(5),
            driver,
            pdev,
            id,
            after: Duration::ZERO,
            engines: engines
                .into_iter()
                .map(|(name, (capacity, busy))| Engine { name, capacity, busy })
                .collect(),
            memory: memory
                .into_iter()
                .filter(|(_, (total, resident))| total.is_some() || resident.is_some())
                .map(|(name, (total, resident))| Region { name, total, resident })
                .collect(),
        })
}

/// As a driver writes it: the unit is the largest that loses nothing.
fn size(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => bytes.to_string(),
    }
}

fn written(client: &Client) -> String {
    let mut lines = vec![
        format!("drm-driver:\t{}", client.driver),
        format!("drm-client-id:\t{}", client.id),
        format!("drm-pdev:\t{}", client.pdev),
    ];
    for engine in &client.engines {
        let name = &engine.name;
        match engine.busy {
            Busy::Nanoseconds(time) => lines.push(format!("drm-engine-{name}:\t{time} ns")),
            Busy::Cycles { busy, total } => {
                lines.push(format!("drm-cycles-{name}:\t{busy}"));
                lines.push(format!("drm-total-cycles-{name}:\t{total}"));
            }
        }
        if engine.capacity > 1 {
            lines.push(format!("drm-engine-capacity-{name}:\t{}", engine.capacity));
        }
    }
    for region in &client.memory {
        let name = &region.name;
        lines.extend(region.total.map(|total| format!("drm-total-{name}:\t{}", size(total))));
        lines.extend(region.resident.map(|held| format!("drm-resident-{name}:\t{}", size(held))));
    }
    lines.join("\n")
}

proptest! {
    #[test]
    fn any_bytes_are_a_client_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = parse(Pid(1), &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_keys_and_values_are_bounded(pairs in proptest::collection::vec(("(total-|cycles-|engine-|capacity-|memory-|resident-|){0,3}.{0,9}", ".{0,14}"), 0..80)) {
        let mut text = String::from("drm-driver: xe\ndrm-client-id: 3\ndrm-pdev: 0000:03:00.0\n");
        for (key, value) in pairs {
            writeln!(text, "drm-{key}: {value}").unwrap();
        }
        if let Some(client) = parse(Pid(1), &text) {
            prop_assert!(client.engines.len() <= MOST && client.memory.len() <= MOST);
            prop_assert!(client.engines.iter().all(|engine| engine.capacity >= 1));
        }
    }

    #[test]
    fn what_is_written_is_read_back(client in client()) {
        prop_assert_eq!(parse(Pid(5), &written(&client)), Some(client));
    }
}
