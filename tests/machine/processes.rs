//! Processes: rows, pace and identity.

use std::collections::BTreeSet;

use mltop::model::Pid;
use mltop::model::reading::{Gap, Reading};
use mltop::model::sample::ProcState;
use mltop::source::machine::Procs;

use crate::hosts::Host;

#[test]
fn a_process_is_a_row_with_its_threads_summed() {
    let host = Host::named("box");
    let mut procs = Procs::new(host.roots());
    let table = procs.scan(1);
    assert_eq!(table.len(), 2);
    assert_eq!(&*table.get(Pid(100)).unwrap().name, "python train");
    assert_eq!(table.children(Pid(100)).count(), 1);
    let rows = procs.sample([Pid(101), Pid(100), Pid(100)].into_iter());
    assert_eq!(rows.len(), 2);
    let row = &rows[0];
    let hertz = rustix::param::clock_ticks_per_second() as f64;
    assert_eq!(row.cpu_seconds_total, Reading::Is(300.0 / hertz));
    assert_eq!(row.run_delay_seconds_total, Reading::Is(2.5));
    assert_eq!(row.main_cpu_seconds_total, Reading::Is(1e-6));
    assert_eq!(row.main_run_delay_seconds_total, Reading::Is(2.0));
    assert_eq!(row.read_bytes_total, Reading::Is(4096));
    assert_eq!(row.read_chars_total, Reading::Is(5000));
    assert_eq!(row.read_calls_total, Reading::Is(50));
    assert_eq!(row.write_bytes_total, Reading::Is(512));
    assert_eq!(row.major_faults_total, Reading::Is(3));
    assert_eq!(rows[1].state, Reading::Is(ProcState::Zombie));
    assert_eq!(rows[1].rss_bytes, Reading::Not(Gap::Lost));
    assert_eq!(rows[1].run_delay_seconds_total, Reading::Not(Gap::Lost));
}

#[test]
fn a_thread_that_ends_does_not_take_its_delay_with_it() {
    let host = Host::named("box");
    let mut procs = Procs::new(host.roots());
    let mut delay = |at: u64| {
        procs.scan(at);
        procs.sample([Pid(100)].into_iter())[0].run_delay_seconds_total
    };
    assert_eq!(delay(1), Reading::Is(2.5));
    host.remove("proc/100/task/101");
    host.write("proc/100/task/100/schedstat", "1 2250000000 5\n");
    assert_eq!(delay(1_001), Reading::Is(2.75));
}

#[test]
fn a_process_that_ended_is_a_row_of_gaps() {
    let host = Host::named("box");
    let mut procs = Procs::new(host.roots());
    procs.scan(1);
    host.remove("proc/100");
    let row = procs.sample([Pid(100)].into_iter()).remove(0);
    assert_eq!(row.state, Reading::Is(ProcState::Sleeping), "it was there when it was scanned");
    procs.scan(1_001);
    let row = procs.sample([Pid(100)].into_iter()).remove(0);
    assert_eq!(row.state, Reading::Not(Gap::Lost));
    assert_eq!(row.cpu_seconds_total, Reading::Not(Gap::Lost));
    assert!(procs.table().get(Pid(100)).is_none());
}

/// A quiet process with this pid, which has used this much CPU since this start.
fn stat(pid: u32, start: u64, ticks: u64) -> String {
    format!("{pid} (p) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {start} 0 9 0 0 0 0\n")
}

#[test]
fn a_quiet_process_is_read_seldom_and_a_watched_or_busy_one_at_every_scan() {
    let host = Host::from_text("");
    for pid in [4, 8, 12] {
        host.write(&format!("proc/{pid}/stat"), stat(pid, 1, 10));
    }
    let mut procs = Procs::new(host.roots());
    procs.watch(&BTreeSet::from([Pid(8)]));
    procs.scan(0);
    for pid in [4, 8, 12] {
        host.write(&format!("proc/{pid}/stat"), stat(pid, 1, 20));
    }
    let ticks = |procs: &Procs, pid: u32| procs.table().get(Pid(pid)).unwrap().cpu_ticks;
    procs.scan(1_000);
    assert_eq!((ticks(&procs, 4), ticks(&procs, 8)), (10, 20));
    procs.scan(4_000);
    assert_eq!(ticks(&procs, 4), 20, "every four seconds");
    host.write("proc/4/stat", stat(4, 1, 30));
    procs.scan(5_000);
    assert_eq!(ticks(&procs, 4), 30, "it was busy a moment ago");
    assert_eq!(procs.busiest(1), [Pid(4)]);
}

#[test]
fn processes_are_listed_anew_where_one_was_started_and_every_four_seconds() {
    let host = Host::from_text("");
    host.write("proc/4/stat", stat(4, 1, 10));
    let mut procs = Procs::new(host.roots());
    assert_eq!(procs.scan_after(Some(70), 0).len(), 1);
    host.write("proc/8/stat", stat(8, 1, 10));
    assert_eq!(procs.scan_after(Some(71), 1_000).len(), 2, "one was started");
    host.write("proc/12/stat", stat(12, 1, 10));
    assert_eq!(procs.scan_after(Some(71), 2_000).len(), 2, "nobody came, as far as told");
    host.remove("proc/4");
    assert_eq!(procs.scan_after(Some(71), 4_000).len(), 1, "one that ended shows when it is read");
    assert_eq!(procs.scan_after(Some(71), 5_000).len(), 2, "and the list does not stand for ever");
    host.remove("proc/12");
    assert_eq!(procs.scan_after(None, 6_000).len(), 1, "nor where no count is told");
}

#[test]
fn a_pid_that_was_given_away_again_is_a_new_process() {
    let host = Host::from_text("");
    host.write("proc/4/stat", stat(4, 1, 500));
    let mut procs = Procs::new(host.roots());
    procs.watch(&BTreeSet::from([Pid(4)]));
    procs.scan(0);
    host.write("proc/4/stat", stat(4, 99, 600));
    procs.scan(1_000);
    assert_eq!(procs.table().get(Pid(4)).unwrap().start_ticks, 99);
    assert!(procs.busiest(5).is_empty(), "its CPU time is not that of the one before");
}

#[test]
fn entries_that_make_no_sense_are_counted_and_not_shown() {
    let host = Host::named("torn");
    let mut procs = Procs::new(host.roots());
    let table = procs.scan(1);
    assert_eq!((table.len(), table.unreadable()), (3, 2));
    assert!(table.get(Pid(11)).is_none(), "a process cannot speak for another");
    let row = procs.sample([Pid(12)].into_iter()).remove(0);
    assert_eq!(row.read_chars_total, Reading::Not(Gap::Failed));
    assert_eq!(row.run_delay_seconds_total, Reading::Not(Gap::Failed));
}

#[test]
fn the_own_cost_is_the_sum_and_unknown_when_one_part_is() {
    let host = Host::named("box");
    let mut procs = Procs::new(host.roots());
    procs.scan(1);
    assert_eq!(procs.own_cost(&[Pid(100)]).pss_bytes, Reading::Is(3000 * 1024));
    assert_eq!(procs.own_cost(&[Pid(100), Pid(55)]).cpu_seconds, Reading::Not(Gap::Lost));
}
