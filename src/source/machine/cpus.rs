//! The CPUs one by one (`/proc/stat`); where there are many, neighbours together.

use super::file::whole_lines;
use crate::model::reading::{Gap, Reading};
use crate::model::sample::CpuSample;

/// Rows at most: a box with more CPUs has rows of several, all of as many.
const MOST: usize = 64;

/// One CPU, in clock ticks.
struct Cpu {
    number: u32,
    used: Option<u64>,
    idle: Option<u64>,
}

/// The CPUs that are online, by number.
pub(super) fn parse(text: &str, ticks_per_second: f64) -> Vec<CpuSample> {
    let mut cpus: Vec<Cpu> = whole_lines(text).filter_map(cpu).collect();
    cpus.sort_by_key(|cpu| cpu.number);
    cpus.dedup_by_key(|cpu| cpu.number);
    let each = cpus.len().div_ceil(MOST).max(1);
    cpus.chunks(each).map(|cpus| row(cpus, ticks_per_second)).collect()
}

fn cpu(line: &str) -> Option<Cpu> {
    let mut words = line.strip_prefix("cpu")?.split_ascii_whitespace();
    // The line of all CPUs together has a blank there.
    let number = line.get(3..4).filter(|next| *next != " ").and_then(|_| words.next())?;
    let number = number.parse().ok()?;
    let ticks: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
    let sum = |fields: &[usize]| {
        // The first four are on every kernel, the others on most.
        let of = |at: &usize| ticks.get(*at).copied().or_else(|| (*at > 3).then_some(0));
        fields.iter().try_fold(0_u64, |sum, at| sum.checked_add(of(at)?))
    };
    Some(Cpu { number, used: sum(&[0, 1, 2, 5, 6]), idle: sum(&[3, 4, 7]) })
}

fn row(cpus: &[Cpu], ticks_per_second: f64) -> CpuSample {
    let sum = |of: fn(&Cpu) -> Option<u64>| {
        let ticks = cpus.iter().try_fold(0_u64, |sum, cpu| sum.checked_add(of(cpu)?));
        Reading::from_option(ticks.map(|ticks| ticks as f64 / ticks_per_second), Gap::Failed)
    };
    let (first, last) = (cpus.first().map(|cpu| cpu.number), cpus.last().map(|cpu| cpu.number));
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    CpuSample {
        cpu: if first == last { first.to_string() } else { format!("{first}-{last}") }.into(),
        used_seconds_total: sum(|cpu| cpu.used),
        idle_seconds_total: sum(|cpu| cpu.idle),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_cpu_has_a_row_and_the_sum_of_all_has_none() {
        let text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 10 50 700 40 3 2 5 0 0\ncpu3 1 2 3 4\n";
        let rows = parse(text, 100.0);
        assert_eq!(rows.len(), 2);
        assert_eq!(&*rows[0].cpu, "0");
        assert_eq!(rows[0].used_seconds_total, Reading::Is(1.65));
        assert_eq!(rows[0].idle_seconds_total, Reading::Is(7.45));
        assert_eq!((&*rows[1].cpu, rows[1].idle_seconds_total), ("3", Reading::Is(0.04)));
    }

    #[test]
    fn neighbours_of_a_large_box_share_a_row_and_none_is_left_out() {
        let text: String = (0..130)
            .flat_map(|cpu| ["cpu".to_owned(), cpu.to_string(), " 100 0 0 300\n".to_owned()])
            .collect();
        let rows = parse(&text, 100.0);
        assert_eq!((rows.len(), &*rows[0].cpu, &*rows[43].cpu), (44, "0-2", "129"));
        let used: f64 = rows.iter().filter_map(|row| row.used_seconds_total.ok()).sum();
        assert!((used - 130.0).abs() < 1e-6, "{used}");
    }

    #[test]
    fn a_line_that_makes_no_sense_costs_its_own_figures() {
        let rows = parse("cpu0 1 2 x\ncpu1 1 2 3 4\n", 100.0);
        assert_eq!(rows[0].idle_seconds_total, Reading::Not(Gap::Failed));
        assert_eq!(rows[1].idle_seconds_total, Reading::Is(0.04));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(cpu[0-9 ]{0,30}|cpu|Ω|\n| |[0-9]{1,25}){0,30}") {
            prop_assert!(parse(&text, 100.0).len() <= MOST);
        }
    }
}
