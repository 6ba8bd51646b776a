//! How busy a card is and what is held of it, as its clients tell: the sum over them where no file
//! tells it of the card (Intel), and who they are (all).
//!
//! A sum over those that may be looked at is the least that there is. Where nothing of a card is to be
//! seen and something may be hidden, that is no 0 but nothing known.

use std::collections::BTreeMap;

use super::super::check;
use super::super::wire::Held;
use super::clients::Clients;
use super::engines::Work;
use super::fdinfo::Client;
use crate::model::sample::{Bound, GpuProcKind, GpuSample, UsageSource};
use crate::model::{Gap, Pid, Reading};

/// The classes of engines, as the drivers name them: i915, xe, and where it has them amdgpu.
const COMPUTE: &[&str] = &["compute", "ccs"];
const RENDER: &[&str] = &["render", "rcs", "gfx"];
const COPY: &[&str] = &["copy", "bcs"];
const VIDEO: &[&str] = &["video", "vcs"];

/// Fills in what the clients of the card `pdev` tell.
pub(super) fn fill(row: &mut GpuSample, pdev: &str, clients: &Clients, work: &[Work]) {
    let ours = of_card(pdev, clients);
    let work: Vec<&Work> = work.iter().filter(|work| work.pdev == pdev).collect();
    if ours.is_empty() && clients.denied() {
        return unknown(row, Gap::Denied);
    }
    // Without a client there is no work.
    let of = |names| if ours.is_empty() { Reading::Is(0.0) } else { share(&work, names) };
    row.compute_engine_ratio = of(COMPUTE);
    row.render_engine_ratio = of(RENDER);
    row.copy_engine_ratio = of(COPY);
    row.decoder_ratio = of(VIDEO);
    // Kernels run on the compute engines, and on cards without one, or by older libraries, on the
    // render engine. The two share their units: the sum could count one of them twice.
    row.utilization_ratio = most(row.compute_engine_ratio, row.render_engine_ratio);
    row.memory_used_bytes = used(&ours, row);
    let untold = work.iter().any(|work| work.share.is_none());
    let bound = if clients.partial() || untold { Bound::Lower } else { Bound::Exact };
    row.usage_source = Reading::Is(UsageSource::Processes);
    row.usage_bound = Reading::Is(bound);
}

/// Nothing is known of the clients.
pub(super) fn unknown(row: &mut GpuSample, gap: Gap) {
    row.compute_engine_ratio = Reading::Not(gap);
    row.render_engine_ratio = Reading::Not(gap);
    row.copy_engine_ratio = Reading::Not(gap);
    row.decoder_ratio = Reading::Not(gap);
    row.utilization_ratio = Reading::Not(gap);
    row.memory_used_bytes = Reading::Not(gap);
    row.usage_source = Reading::Is(UsageSource::Processes);
    row.usage_bound = Reading::Not(gap);
}

fn of_card<'a>(pdev: &str, clients: &'a Clients) -> Vec<&'a Client> {
    clients.all.iter().filter(|client| client.pdev == pdev).collect()
}

/// The larger of two, where both are known.
fn most(a: Reading<f64>, b: Reading<f64>) -> Reading<f64> {
    match (a, b) {
        (Reading::Is(a), Reading::Is(b)) => Reading::Is(a.max(b)),
        (is @ Reading::Is(_), _) | (_, is) => is,
    }
}

/// The share of a class of engines that worked, over all clients that there are.
fn share(work: &[&Work], names: &[&str]) -> Reading<f64> {
    let ours = || work.iter().filter(|work| names.contains(&&*work.engine));
    if ours().next().is_none() {
        // Where none names the class, the card does not have it; where none names any, the driver does
        // not tell, as i915 where the card's firmware hands out the work.
        return Reading::Not(Gap::Unsupported);
    }
    let told: Vec<f64> = ours().filter_map(|work| work.share).collect();
    if told.is_empty() {
        return Reading::Not(Gap::NotYet);
    }
    Reading::Is(told.iter().sum::<f64>().min(1.0))
}

/// Bytes of the card's own memory that a client holds; `None` where the driver tells none.
fn vram(client: &Client) -> Option<u64> {
    let own = client.memory.iter().filter(|region| {
        let number = region.name.strip_prefix("vram").or_else(|| region.name.strip_prefix("local"));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    own.filter_map(|region| region.resident.or(region.total)).reduce(u64::saturating_add)
}

fn used(ours: &[&Client], row: &GpuSample) -> Reading<u64> {
    if ours.is_empty() {
        return Reading::Is(0);
    }
    let told = ours.iter().filter_map(|client| vram(client)).reduce(u64::saturating_add);
    let used = Reading::from_option(told, Gap::Unsupported);
    used.and_then(|used| match row.memory_total_bytes {
        // Buffers that clients share are each one's: the sum may come to more than there is.
        Reading::Is(total) => Reading::Is(used.min(total)),
        Reading::Not(_) => check::memory(used),
    })
}

/// What each process holds of the card `pdev`, and how much of the time it worked.
pub(super) fn held(pdev: &str, clients: &Clients, work: &[Work]) -> Vec<Held> {
    let mut held: BTreeMap<Pid, Held> = BTreeMap::new();
    for client in of_card(pdev, clients) {
        let one = held.entry(client.pid).or_insert_with(|| Held {
            pid: client.pid.0,
            bytes: None,
            kind: GpuProcKind::Graphics,
            sm: None,
        });
        if let Some(bytes) = vram(client) {
            one.bytes = Some(one.bytes.unwrap_or(0).saturating_add(bytes));
        }
    }
    for (pid, one) in &mut held {
        let its = |work: &&Work| work.pid == *pid && work.pdev == pdev;
        let its: Vec<&Work> = work.iter().filter(its).collect();
        // Desktops open every card, and do not compute on it.
        if its.iter().any(|work| work.ever && COMPUTE.contains(&&*work.engine)) {
            one.kind = GpuProcKind::Compute;
        }
        one.sm = most(share(&its, COMPUTE), share(&its, RENDER)).ok();
    }
    held.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::super::fdinfo::Region;
    use super::*;

    const CARD: &str = "0000:03:00.0";

    fn client(pid: u32, id: u64, vram: u64) -> Client {
        let region = |name: &str, bytes| Region {
            name: name.into(),
            total: Some(bytes * 2),
            resident: Some(bytes),
        };
        Client {
            pid: Pid(pid),
            driver: "xe".into(),
            pdev: CARD.into(),
            id,
            memory: vec![region("vram0", vram), region("vram1", vram), region("gtt", 1 << 40)],
            ..Client::default()
        }
    }

    fn work(pid: u32, engine: &str, share: Option<f64>) -> Work {
        Work { pid: Pid(pid), pdev: CARD.into(), engine: engine.into(), share, ever: true }
    }

    fn row(clients: &Clients, work: &[Work]) -> GpuSample {
        let mut row = GpuSample { memory_total_bytes: Reading::Is(1000), ..GpuSample::default() };
        fill(&mut row, CARD, clients, work);
        row
    }

    #[test]
    fn the_load_is_the_sum_over_processes_and_of_the_busiest_kind_of_engine() {
        let all = vec![client(7, 1, 100), client(8, 2, 50)];
        let clients = Clients { all, ..Clients::default() };
        let work = [
            work(7, "ccs", Some(0.5)),
            work(7, "rcs", Some(0.25)),
            work(8, "ccs", Some(0.25)),
            work(8, "bcs", Some(0.125)),
        ];
        let row = row(&clients, &work);
        assert_eq!(row.utilization_ratio, Reading::Is(0.75));
        assert_eq!(row.render_engine_ratio, Reading::Is(0.25));
        assert_eq!(row.copy_engine_ratio, Reading::Is(0.125));
        assert_eq!(row.decoder_ratio, Reading::Not(Gap::Unsupported));
        assert_eq!(row.memory_used_bytes, Reading::Is(300));
        assert_eq!(row.usage_bound, Reading::Is(Bound::Exact));
        let held = held(CARD, &clients, &work);
        let told: Vec<_> = held.iter().map(|one| (one.pid, one.bytes, one.sm)).collect();
        assert_eq!(told, [(7, Some(200), Some(0.5)), (8, Some(100), Some(0.25))]);
    }

    #[test]
    fn engines_that_worked_beyond_all_of_the_time_are_all_of_it() {
        let clients = Clients { all: vec![client(7, 1, 900)], ..Clients::default() };
        let row = row(&clients, &[work(7, "ccs", Some(0.9)), work(7, "ccs", Some(0.4))]);
        assert_eq!(row.utilization_ratio, Reading::Is(1.0));
        // Shared buffers are each client's.
        assert_eq!(row.memory_used_bytes, Reading::Is(1000));
    }

    #[test]
    fn what_may_be_hidden_makes_a_sum_the_least_and_nothing_at_all_unknown() {
        let clients = Clients { all: vec![client(7, 1, 100)], hidden: 3, ..Clients::default() };
        let seen = row(&clients, &[work(7, "ccs", Some(0.5))]);
        assert_eq!(seen.usage_bound, Reading::Is(Bound::Lower));
        let none = row(&Clients { hidden: 3, ..Clients::default() }, &[]);
        assert_eq!(none.utilization_ratio, Reading::Not(Gap::Denied));
        assert_eq!(none.memory_used_bytes, Reading::Not(Gap::Denied));
        // Of clients without end some may be of this card, and none is denied.
        let cut = row(&Clients { cut: true, ..Clients::default() }, &[]);
        assert_eq!(cut.utilization_ratio, Reading::Is(0.0));
        assert_eq!(cut.usage_bound, Reading::Is(Bound::Lower));
        let idle = row(&Clients::default(), &[]);
        assert_eq!(idle.utilization_ratio, Reading::Is(0.0));
        assert_eq!(idle.memory_used_bytes, Reading::Is(0));
    }

    #[test]
    fn clients_whose_driver_tells_of_no_engines_are_not_idle() {
        let clients = Clients { all: vec![client(7, 1, 100)], ..Clients::default() };
        let row = row(&clients, &[]);
        assert_eq!(row.utilization_ratio, Reading::Not(Gap::Unsupported));
        assert_eq!(row.memory_used_bytes, Reading::Is(200));
        assert_eq!(held(CARD, &clients, &[])[0].sm, None);
    }

    #[test]
    fn a_client_whose_count_is_not_told_leaves_the_sum_a_least() {
        let clients = Clients { all: vec![client(7, 1, 1), client(8, 2, 1)], ..Clients::default() };
        let row = row(&clients, &[work(7, "ccs", Some(0.5)), work(8, "ccs", None)]);
        assert_eq!(row.utilization_ratio, Reading::Is(0.5));
        assert_eq!(row.usage_bound, Reading::Is(Bound::Lower));
    }

    #[test]
    fn a_desktop_is_told_from_a_training_by_the_engines_that_it_ever_used() {
        let clients = Clients { all: vec![client(7, 1, 1), client(8, 2, 1)], ..Clients::default() };
        let work = [work(7, "ccs", Some(0.0)), work(8, "rcs", Some(0.0))];
        let kinds: Vec<_> = held(CARD, &clients, &work).iter().map(|one| one.kind).collect();
        assert_eq!(kinds, [GpuProcKind::Compute, GpuProcKind::Graphics]);
    }
}
