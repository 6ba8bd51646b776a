use std::os::unix::fs::symlink;

use super::*;

/// A `/proc` in a folder, with all of a machine's processes in it.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("self/ns")).unwrap();
        symlink(WHOLE, folder.path().join("self/ns/pid")).unwrap();
        let machine = Self(folder);
        machine.process(1, 0);
        machine
    }

    fn process(&self, pid: u32, start: u64) -> PathBuf {
        let folder = self.0.path().join(pid.to_string());
        fs::create_dir_all(folder.join("fd")).unwrap();
        fs::create_dir_all(folder.join("fdinfo")).unwrap();
        let rest = "0 ".repeat(17);
        fs::write(folder.join("stat"), format!("{pid} (python) S 1 {rest}{start} 0 0\n")).unwrap();
        folder
    }

    /// Opens a card: `id` is the number of the client.
    fn open(&self, pid: u32, file: u32, device: &str, id: u64) {
        let folder = self.0.path().join(pid.to_string());
        symlink(device, folder.join(format!("fd/{file}"))).unwrap();
        let text = format!(
            "pos:\t0\ndrm-driver:\txe\ndrm-client-id:\t{id}\ndrm-pdev:\t0000:03:00.0\n\
             drm-total-vram0:\t8 MiB\n"
        );
        fs::write(folder.join(format!("fdinfo/{file}")), text).unwrap();
    }

    fn search(&self) -> Search {
        Search::new(self.0.path())
    }
}

fn wanted() -> BTreeSet<String> {
    ["renderD128", "card0"].map(str::to_owned).into()
}

fn who(clients: &Clients) -> Vec<(u32, u64)> {
    clients.all.iter().map(|client| (client.pid.0, client.id)).collect()
}

#[test]
fn a_client_is_found_once_however_often_its_file_is_open() {
    let machine = Machine::new();
    machine.process(70, 5);
    machine.open(70, 3, "/dev/dri/renderD128", 1);
    machine.open(70, 4, "/dev/dri/renderD128", 1);
    machine.open(70, 5, "/dev/dri/card0", 2);
    machine.open(70, 6, "/dev/nvidia0", 3);
    let clients = machine.search().look(Instant::now(), &wanted());
    assert_eq!(who(&clients), [(70, 1), (70, 2)]);
    assert!(!clients.partial());
}

#[test]
fn a_client_that_workers_inherited_is_their_parent_s_even_where_pids_began_anew() {
    let machine = Machine::new();
    for (pid, start) in [(90, 100), (7, 200), (8, 201)] {
        machine.process(pid, start);
        machine.open(pid, 3, "/dev/dri/renderD128", 1);
    }
    assert_eq!(who(&machine.search().look(Instant::now(), &wanted())), [(90, 1)]);
}

#[test]
fn a_card_that_is_not_asked_for_is_not_read() {
    let machine = Machine::new();
    machine.process(70, 5);
    machine.open(70, 3, "/dev/dri/renderD129", 1);
    assert_eq!(who(&machine.search().look(Instant::now(), &wanted())), []);
}

#[test]
fn a_process_that_opens_a_card_late_is_found_within_seconds() {
    let machine = Machine::new();
    machine.process(70, 5);
    let (mut search, start) = (machine.search(), Instant::now());
    assert_eq!(who(&search.look(start, &wanted())), []);
    machine.open(70, 3, "/dev/dri/renderD128", 1);
    assert_eq!(who(&search.look(start + SOON / 4, &wanted())), []);
    assert_eq!(who(&search.look(start + SELDOM, &wanted())), [(70, 1)]);
}

#[test]
fn a_process_that_opens_a_second_card_is_looked_through_again_and_not_each_second() {
    let machine = Machine::new();
    machine.process(70, 5);
    machine.open(70, 3, "/dev/dri/renderD128", 1);
    let (mut search, start) = (machine.search(), Instant::now());
    assert_eq!(who(&search.look(start, &wanted())), [(70, 1)]);
    machine.open(70, 4, "/dev/dri/card0", 2);
    assert_eq!(who(&search.look(start + AGAIN / 2, &wanted())), [(70, 1)]);
    assert_eq!(who(&search.look(start + AGAIN, &wanted())), [(70, 1), (70, 2)]);
}

#[test]
fn what_was_closed_or_ended_is_gone() {
    let machine = Machine::new();
    machine.process(70, 5);
    machine.open(70, 3, "/dev/dri/renderD128", 1);
    machine.open(70, 4, "/dev/dri/renderD128", 2);
    let (mut search, start) = (machine.search(), Instant::now());
    assert_eq!(who(&search.look(start, &wanted())), [(70, 1), (70, 2)]);
    fs::remove_file(machine.0.path().join("70/fd/3")).unwrap();
    fs::remove_file(machine.0.path().join("70/fdinfo/3")).unwrap();
    assert_eq!(who(&search.look(start + SOON / 4, &wanted())), [(70, 2)]);
    fs::remove_dir_all(machine.0.path().join("70")).unwrap();
    assert_eq!(who(&search.look(start + SOON, &wanted())), []);
}

#[test]
fn processes_of_others_are_counted_and_a_part_of_the_machine_is_said_to_be_one() {
    let machine = Machine::new();
    let clients = machine.search().look(Instant::now(), &wanted());
    assert_eq!((clients.hidden, clients.apart), (0, false));
    fs::remove_file(machine.0.path().join("self/ns/pid")).unwrap();
    symlink("pid:[4026532999]", machine.0.path().join("self/ns/pid")).unwrap();
    assert!(machine.search().look(Instant::now(), &wanted()).apart);
    let hidden = Clients { hidden: 3, ..Clients::default() };
    assert!(hidden.partial());
}

#[test]
fn each_client_has_the_moment_of_its_own_read() {
    let machine = Machine::new();
    machine.process(70, 5);
    machine.process(71, 6);
    machine.open(70, 3, "/dev/dri/renderD128", 1);
    machine.open(71, 3, "/dev/dri/renderD128", 2);
    let clients = machine.search().look(Instant::now(), &wanted()).all;
    assert!(!clients[0].after.is_zero() && clients[1].after > clients[0].after, "{clients:?}");
}

#[test]
fn only_names_of_cards_are_devices() {
    assert_eq!(device("/dev/dri/renderD128"), Some("renderD128"));
    assert_eq!(device("/dev/dri/card0"), Some("card0"));
    for other in ["/dev/dri/card0 (deleted)", "/dev/dri/../sda1", "/dev/dri/card", "socket:[7]"] {
        assert_eq!(device(other), None);
    }
}

#[test]
fn our_own_processes_are_looked_through_without_an_error() {
    let mut search = Search::new(Path::new("/proc"));
    search.look(Instant::now(), &wanted());
    let own = search.known.get(&Pid(std::process::id())).unwrap();
    assert!(!own.hidden);
}

#[test]
fn more_clients_than_are_read_leave_what_is_read_a_part() {
    let machine = Machine::new();
    for pid in 100..116 {
        machine.process(pid, 5);
        (0..63).for_each(|file| {
            machine.open(pid, file, "/dev/dri/renderD128", u64::from(pid * 100 + file));
        });
    }
    let mut search = machine.search();
    let all = search.look(Instant::now(), &wanted());
    assert_eq!((all.all.len(), all.partial()), (1008, false));
    machine.process(200, 6);
    (0..17).for_each(|file| machine.open(200, file, "/dev/dri/renderD128", u64::from(file)));
    let cut = search.look(Instant::now(), &wanted());
    assert_eq!((cut.all.len(), cut.cut, cut.denied()), (MOST_CLIENTS, true, false));
    // Of one process alone.
    let machine = Machine::new();
    machine.process(70, 5);
    (0..65).for_each(|file| machine.open(70, file, "/dev/dri/renderD128", u64::from(file)));
    let cut = machine.search().look(Instant::now(), &wanted());
    assert_eq!((cut.all.len(), cut.partial()), (MOST_OPEN, true));
}
