use super::*;
use crate::model::Reading;

#[derive(Default)]
struct Machine {
    procs: BTreeMap<Pid, ProcSeen>,
    facts: BTreeMap<Pid, Facts>,
    gpu: BTreeSet<Pid>,
}

impl Machine {
    fn add(mut self, pid: u32, parent: u32, name: &str, command: &str, learns: bool) -> Self {
        let pid = Pid(pid);
        self.procs.insert(
            pid,
            ProcSeen { pid, parent: Pid(parent), name: name.into(), start_ticks: u64::from(pid.0) },
        );
        // Code after -c is one argument, blanks and all.
        let args = match command.split_once(" -c ") {
            Some((program, code)) => vec![program.into(), "-c".into(), code.into()],
            None => command.split(' ').map(Into::into).collect(),
        };
        let env = Reading::Is(BTreeMap::new());
        let facts = Facts { pid, args, env, ml: Reading::Is(learns), ..Facts::default() };
        self.facts.insert(pid, facts);
        self
    }

    fn env(mut self, pid: u32, key: &'static str, value: &str) -> Self {
        let facts = self.facts.get_mut(&Pid(pid)).unwrap();
        let mut env = facts.env.clone().ok().unwrap();
        env.insert(key, value.into());
        facts.env = Reading::Is(env);
        self
    }

    fn workers(mut self, pid: u32, workers: &[u32]) -> Self {
        let facts = self.facts.get_mut(&Pid(pid)).unwrap();
        facts.workers = workers.iter().map(|&pid| Pid(pid)).collect();
        self
    }

    fn gpu(mut self, pid: u32) -> Self {
        self.gpu.insert(Pid(pid));
        self
    }

    fn sorted(&self) -> Roles {
        World { procs: &self.procs, facts: &self.facts, gpu_pids: &self.gpu }.roles()
    }
}

fn of(roles: &Roles, role: Role) -> Vec<u32> {
    roles.of.iter().filter(|(_, is)| **is == role).map(|(pid, _)| pid.0).collect()
}

#[test]
fn a_lone_training_is_a_run_called_after_its_script() {
    let roles = Machine::default()
        .add(10, 1, "bash", "bash", false)
        .add(11, 10, "python", "python train.py", true)
        .add(12, 11, "pt_data_worker", "python train.py", false)
        .sorted();
    assert_eq!(of(&roles, Role::Trainer), [11]);
    assert_eq!(of(&roles, Role::Worker), [12]);
    assert_eq!(roles.jobs.len(), 1);
    assert_eq!((roles.jobs[0].name.as_str(), &*roles.jobs[0].launcher), ("train.py", ""));
}

#[test]
fn a_renamed_interpreter_is_found_by_what_it_maps() {
    let roles = Machine::default().add(11, 1, "llm-7b [ep 3]", "llm-7b", true).sorted();
    assert_eq!(of(&roles, Role::Trainer), [11]);
}

#[test]
fn forked_workers_without_a_name_are_known_by_their_pipes() {
    let roles = Machine::default()
        .add(11, 1, "python3", "python3 train.py", true)
        .add(12, 11, "python3", "python3 train.py", true)
        .add(13, 11, "python3", "python3 train.py", true)
        .workers(11, &[12, 13])
        .sorted();
    assert_eq!((of(&roles, Role::Trainer), of(&roles, Role::Worker)), (vec![11], vec![12, 13]));
}

#[test]
fn the_ranks_of_torchrun_are_one_run_in_the_order_of_rank() {
    let roles = Machine::default()
        .add(10, 1, "pt_elastic", "python /env/bin/torchrun --nproc 2 train.py", true)
        .add(11, 10, "python", "python -u train.py", true)
        .add(12, 10, "python", "python -u train.py", true)
        .env(11, "RANK", "1")
        .env(12, "RANK", "0")
        .env(11, "WORLD_SIZE", "2")
        .sorted();
    assert_eq!(of(&roles, Role::Launcher), [10]);
    assert_eq!(roles.jobs.len(), 1);
    let job = &roles.jobs[0];
    assert_eq!((job.trainers.as_slice(), job.world_size), ([Pid(12), Pid(11)].as_slice(), Some(2)));
    assert_eq!((&*job.launcher, job.name.as_str()), ("torchrun", "train.py"));
}

#[test]
fn a_parent_that_spawned_ranks_and_holds_no_gpu_is_their_launcher() {
    let spawned = "python -c from multiprocessing.spawn import spawn_main";
    let roles = Machine::default()
        .add(10, 1, "python", "python main.py", true)
        .add(11, 10, "python", spawned, true)
        .add(12, 10, "python", spawned, true)
        .gpu(11)
        .gpu(12)
        .sorted();
    assert_eq!((of(&roles, Role::Launcher), of(&roles, Role::Trainer)), (vec![10], vec![11, 12]));
    assert_eq!((&*roles.jobs[0].launcher, roles.jobs[0].name.as_str()), ("mp.spawn", "main.py"));
}

#[test]
fn helpers_below_a_trainer_are_no_ranks() {
    let roles = Machine::default()
        .add(10, 1, "python", "python train.py", true)
        .add(11, 10, "python", "python /x/torch/_inductor/compile_worker/__main__.py", true)
        .add(12, 10, "python", "python train.py", true)
        .sorted();
    assert_eq!((of(&roles, Role::Trainer), of(&roles, Role::Other)), (vec![10], vec![11, 12]));
}

#[test]
fn ranks_started_by_hand_meet_at_their_rendezvous() {
    let mut all = Machine::default();
    for (pid, rank) in [(11, "0"), (12, "1")] {
        all = all
            .add(pid, 1, "python", "python train.py", true)
            .env(pid, "RANK", rank)
            .env(pid, "MASTER_ADDR", "localhost")
            .env(pid, "MASTER_PORT", "29500");
    }
    assert_eq!(all.sorted().jobs.len(), 1);
}

#[test]
fn two_trainings_side_by_side_are_two_runs() {
    let roles = Machine::default()
        .add(11, 1, "python", "python a.py", true)
        .add(12, 1, "python", "python b.py", true)
        .sorted();
    assert_eq!(roles.jobs.len(), 2);
}

#[test]
fn workers_of_a_fork_server_belong_to_the_trainer_above_it() {
    let server = "python -c from multiprocessing.forkserver import main";
    let roles = Machine::default()
        .add(10, 1, "python", "python train.py", true)
        .add(11, 10, "python", server, true)
        .add(12, 11, "pt_data_worker", server, true)
        .sorted();
    assert_eq!(roles.trainer_of.get(&Pid(12)), Some(&Pid(10)));
    assert_eq!(of(&roles, Role::Trainer), [10]);
}

#[test]
fn a_trainer_of_another_user_is_known_by_its_named_workers() {
    let mut all = Machine::default().add(10, 1, "python", "python train.py", false).add(
        11,
        10,
        "pt_data_worker",
        "python train.py",
        false,
    );
    all.facts.get_mut(&Pid(10)).unwrap().ml = Reading::Not(crate::model::Gap::Denied);
    assert_eq!(of(&all.sorted(), Role::Trainer), [10]);
}
