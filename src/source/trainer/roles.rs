//! Who trains, who works for whom, who only starts others, and which ranks belong together: pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Pid;
use crate::model::inventory::Role;

use super::ProcSeen;
use super::command::program;
use super::facts::Facts;

/// Processes with their facts, as far as known.
pub(super) struct World<'a> {
    pub(super) procs: &'a BTreeMap<Pid, ProcSeen>,
    pub(super) facts: &'a BTreeMap<Pid, Facts>,
    pub(super) gpu_pids: &'a BTreeSet<Pid>,
}

/// A job before it has a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Job {
    /// What makes it the same job at the next look.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) launcher: Box<str>,
    pub(super) trainers: Vec<Pid>,
    pub(super) world_size: Option<u32>,
}

/// The roles of all processes of training jobs, and the jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) of: BTreeMap<Pid, Role>,
    /// The trainer of each worker.
    pub(super) trainer_of: BTreeMap<Pid, Pid>,
    pub(super) jobs: Vec<Job>,
}

impl World<'_> {
    /// The ancestors of a process, nearest first.
    pub(super) fn ancestors(&self, pid: Pid) -> impl Iterator<Item = Pid> + '_ {
        let parent = |pid: &Pid| self.procs.get(pid).map(|seen| seen.parent);
        std::iter::successors(parent(&pid), parent).take(64).take_while(|pid| pid.0 > 1)
    }

    /// Whether a process has a library of machine learning, or holds a GPU. A fork that runs the
    /// same command has what its parent has.
    fn learns(&self, pid: Pid) -> bool {
        let own = self
            .facts
            .get(&pid)
            .is_some_and(|facts| facts.ml.as_ref().ok() == Some(&true) || facts.gpu_file);
        own || self.gpu_pids.contains(&pid) && self.procs.contains_key(&pid)
    }

    fn args(&self, pid: Pid) -> Vec<&str> {
        let facts = self.facts.get(&pid);
        facts.map(|facts| facts.args.iter().map(|arg| &**arg).collect()).unwrap_or_default()
    }

    /// A variable of a process's environment.
    pub(super) fn variable(&self, pid: Pid, name: &str) -> Option<&str> {
        self.facts.get(&pid)?.env.as_ref().ok()?.get(name).map(|value| &**value)
    }

    /// The rank of a process in its job.
    pub(super) fn rank(&self, pid: Pid) -> Option<u32> {
        ["RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "LOCAL_RANK"]
            .iter()
            .find_map(|name| self.variable(pid, name)?.parse().ok())
    }

    fn world_size(&self, pid: Pid) -> Option<u32> {
        ["WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"]
            .iter()
            .find_map(|name| self.variable(pid, name)?.parse().ok())
    }

    /// Sorts everybody out.
    pub(super) fn roles(&self) -> Roles {
        let mut out = Roles::default();
        let mut learners: BTreeSet<Pid> =
            self.procs.keys().copied().filter(|&pid| self.learns(pid)).collect();
        learners.extend(self.named_workers().filter_map(|pid| self.above_named(pid)));
        // Nobody is a trainer before its command line was read, or failed to be.
        learners.retain(|&pid| self.facts.contains_key(&pid) && !self.serves_forks(pid));
        self.workers(&learners, &mut out);
        let rest: Vec<Pid> =
            learners.iter().copied().filter(|pid| !out.trainer_of.contains_key(pid)).collect();
        // Those below another learner first decide what that one is.
        let mut launchers = BTreeSet::new();
        let mut trainers: BTreeSet<Pid> = BTreeSet::new();
        for &pid in &rest {
            let parent = self.ancestors(pid).find(|above| rest.contains(above));
            let what = program(&self.args(pid));
            if !what.launcher.is_empty() {
                launchers.insert(pid);
            } else if what.helper {
                out.of.insert(pid, Role::Other);
            } else if parent.is_none_or(|above| self.is_rank(pid, above, &out.trainer_of)) {
                trainers.insert(pid);
            } else {
                out.of.insert(pid, Role::Other);
            }
        }
        for pid in trainers.clone() {
            for above in self.ancestors(pid) {
                if trainers.contains(&above) && !self.gpu_pids.contains(&above) {
                    let loads = out.trainer_of.values().any(|&trainer| trainer == above);
                    if !loads {
                        trainers.remove(&above);
                        launchers.insert(above);
                    }
                } else if !program(&self.args(above)).launcher.is_empty() {
                    launchers.insert(above);
                }
            }
        }
        out.of.extend(launchers.iter().map(|&pid| (pid, Role::Launcher)));
        out.of.extend(trainers.iter().map(|&pid| (pid, Role::Trainer)));
        out.jobs = self.jobs(&trainers, &launchers);
        out
    }

    fn named_worker(&self, pid: Pid) -> bool {
        self.procs.get(&pid).is_some_and(|seen| &*seen.name == "pt_data_worker")
    }

    fn named_workers(&self) -> impl Iterator<Item = Pid> + '_ {
        self.procs.keys().copied().filter(|&pid| self.named_worker(pid))
    }

    /// The process that a worker with torch's name works for, even where nothing of it may be read.
    fn above_named(&self, worker: Pid) -> Option<Pid> {
        self.ancestors(worker).find(|&pid| !self.named_worker(pid) && !self.serves_forks(pid))
    }

    /// Forks workers for its parent, and may map what they need; trains nothing itself.
    fn serves_forks(&self, pid: Pid) -> bool {
        let code = self.args(pid);
        code.iter().any(|arg| arg.contains("multiprocessing.forkserver")) && !self.named_worker(pid)
    }

    fn workers(&self, learners: &BTreeSet<Pid>, out: &mut Roles) {
        for (&pid, facts) in self.facts.iter().filter(|(pid, _)| learners.contains(pid)) {
            for worker in facts.workers.iter().filter(|pid| self.procs.contains_key(pid)) {
                out.trainer_of.insert(*worker, pid);
            }
        }
        for pid in self.named_workers() {
            let trainer = self
                .ancestors(pid)
                .find(|above| learners.contains(above) && !self.named_worker(*above));
            if let Some(trainer) = trainer {
                out.trainer_of.entry(pid).or_insert(trainer);
            }
        }
        out.of.extend(out.trainer_of.keys().map(|&pid| (pid, Role::Worker)));
    }

    /// Whether a learner below another one is a rank of its own and not a helper.
    fn is_rank(&self, pid: Pid, above: Pid, trainer_of: &BTreeMap<Pid, Pid>) -> bool {
        let differs = |name| self.variable(pid, name) != self.variable(above, name);
        self.gpu_pids.contains(&pid) && !self.gpu_pids.contains(&above)
            || trainer_of.values().any(|&trainer| trainer == pid)
            || self.rank(pid).is_some() && (differs("RANK") || differs("LOCAL_RANK"))
            || !program(&self.args(above)).launcher.is_empty()
    }

    fn jobs(&self, trainers: &BTreeSet<Pid>, launchers: &BTreeSet<Pid>) -> Vec<Job> {
        let mut jobs: BTreeMap<String, Job> = BTreeMap::new();
        for &pid in trainers {
            let launcher = self.ancestors(pid).filter(|above| launchers.contains(above)).last();
            let key = self.job_key(pid, launcher);
            let job = jobs.entry(key.clone()).or_insert_with(|| Job { key, ..Job::default() });
            job.trainers.push(pid);
            job.world_size = job.world_size.or_else(|| self.world_size(pid));
            if job.name.is_empty() {
                job.name = self.job_name(pid, launcher);
            }
            if job.launcher.is_empty() {
                job.launcher = launcher.map_or("", |above| self.launcher_name(above)).into();
            }
        }
        for job in jobs.values_mut() {
            job.trainers.sort_by_key(|&pid| (self.rank(pid).unwrap_or(u32::MAX), pid));
        }
        jobs.into_values().collect()
    }

    fn job_key(&self, pid: Pid, launcher: Option<Pid>) -> String {
        let named = |name: &str| self.variable(pid, name).filter(|value| !value.is_empty());
        let born = |pid: Pid| self.procs.get(&pid).map_or(0, |seen| seen.start_ticks);
        if let Some(above) = launcher {
            return format!("launcher {above} {}", born(above));
        }
        if let Some(id) = named("TORCHELASTIC_RUN_ID").filter(|&id| id != "none") {
            return format!("elastic {id}");
        }
        let rendezvous = named("MASTER_ADDR").zip(named("MASTER_PORT"));
        if let (Some((address, port)), Some(_)) = (rendezvous, self.rank(pid)) {
            return format!("rendezvous {address} {port}");
        }
        let many = self.world_size(pid).is_some_and(|size| size > 1);
        if let Some(job) = named("SLURM_JOB_ID").filter(|_| many) {
            return format!("slurm {job} {}", named("SLURM_STEP_ID").unwrap_or_default());
        }
        format!("pid {pid} {}", born(pid))
    }

    fn job_name(&self, pid: Pid, launcher: Option<Pid>) -> String {
        let own = program(&self.args(pid));
        let named = |program: &super::command::Program| !program.name.is_empty() && !program.child;
        if !named(&own) {
            let above = launcher.into_iter().chain(self.ancestors(pid));
            let other = above.map(|pid| program(&self.args(pid))).find(named);
            if let Some(other) = other {
                return other.name;
            }
        }
        if own.name.is_empty() {
            return self.procs.get(&pid).map(|seen| seen.name.to_string()).unwrap_or_default();
        }
        own.name
    }

    fn launcher_name(&self, pid: Pid) -> &'static str {
        match program(&self.args(pid)).launcher {
            "" => "mp.spawn",
            name => name,
        }
    }
}

#[cfg(test)]
#[path = "roles_tests.rs"]
mod tests;
