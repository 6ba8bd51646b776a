//! What a finding says, in every scenario that raises one: full sentences with their numbers, a remedy
//! that names the knob, and no cause that its evidence does not cover.

use mltop::model::{Evidence, Finding};

/// Fewer words are a heading, not a sentence.
const TITLE_WORDS: usize = 6;
const ADVICE_WORDS: usize = 4;
const EVIDENCE_WORDS: usize = 4;

/// Without one of these, a line of evidence is a label.
const VERBS: &[&str] = &[
    "is", "are", "was", "were", "had", "has", "runs", "ran", "takes", "took", "take", "spend",
    "waits", "waited", "wait", "holds", "held", "hold", "stands", "stand", "stood", "come",
    "comes", "came", "returns", "reads", "read", "uses", "use", "idles", "draws", "grew", "gives",
    "looks", "loads", "goes", "stops", "copy", "want", "writes", "Measured", "Also",
];

/// What a title may name as the cause, and of which columns evidence must then be.
const COVERED: [(&[&str], &[&str]); 4] = [
    (&["disk", "nvme"], &["disk", "read", "io", "storage", "write"]),
    (&["cpu"], &["cpu", "run", "throttled", "cores"]),
    (&["network", "nfs"], &["net", "rx", "rtt", "storage"]),
    (&["memory", "vram", "swap"], &["memory", "vram", "swap", "shm", "cache", "refault"]),
];

/// Fails where a finding says anything that is not a full sentence with what belongs in it.
pub(crate) fn full(finding: &Finding) {
    let Finding { title, advice, gain, evidence, .. } = finding;
    assert!(has_number(title), "a title without its number: {title}");
    assert!(words(title) >= TITLE_WORDS, "a title that is no sentence: {title}");
    assert!(words(advice) >= ADVICE_WORDS, "advice that is no sentence: {advice}");
    assert!(advice.ends_with('.'), "advice without its end: {advice}");
    assert!(advice.starts_with(|c: char| c.is_uppercase() || c.is_numeric()), "{advice}");
    assert!(names_a_knob(advice), "advice that names no knob: {advice}");
    // Words without a number promise none.
    if has_number(gain) {
        let bounded = ["up to", "at most", "frees", "or less", "below"]
            .iter()
            .any(|word| gain.contains(word));
        assert!(bounded || names_a_knob(gain), "a gain without its bound: {gain}");
    }
    assert!(!evidence.is_empty(), "no evidence: {title}");
    for part in evidence {
        assert!(has_number(&part.text), "evidence without its number: {}", part.text);
        assert!(words(&part.text) >= EVIDENCE_WORDS, "evidence that is no sentence: {}", part.text);
        assert!(part.text.ends_with('.'), "evidence without its end: {}", part.text);
        let begins = |c: char| c.is_uppercase() || c.is_numeric() || c == '/';
        assert!(part.text.starts_with(begins), "evidence without its begin: {}", part.text);
        assert!(has_verb(&part.text), "evidence without a verb: {}", part.text);
    }
    for text in [title, advice, gain].into_iter().chain(evidence.iter().map(|part| &part.text)) {
        let broken = ["  ", "NaN", "inf ", " ,", "{", "}", "None", "Some("];
        for word in broken {
            assert!(!text.contains(word), "'{word}' in: {text}");
        }
    }
    covered(title, evidence);
}

/// Every cause that the title names has a number of its own in the evidence.
fn covered(title: &str, evidence: &[Evidence]) {
    // What the run is called is no cause.
    let said = title.to_lowercase();
    for (named, columns) in COVERED {
        let Some(word) = named.iter().find(|word| said.contains(*word)) else { continue };
        let rests = evidence.iter().any(|part| {
            let told = part.text.to_lowercase();
            columns.iter().any(|column| part.series.contains(column) || told.contains(column))
        });
        assert!(rests, "'{word}' in the title, and no evidence of it: {title}\n{evidence:#?}");
    }
}

fn has_verb(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| VERBS.contains(&word))
}

fn has_number(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit())
}

fn words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

/// Something that one can set, call, install or stop: `num_workers`, `OMP_NUM_THREADS=1`, `--shm-size`,
/// `cpu.max`, `DataLoader(...)`, `DALI`, `WebDataset`, `process 4711`.
fn names_a_knob(advice: &str) -> bool {
    advice.split(|c: char| c.is_whitespace() || ",;".contains(c)).any(|word| {
        let word = word.trim_matches(|c: char| "()\".".contains(c));
        let inner = |sign: char| word.trim_matches(sign).contains(sign);
        let capitals = word.chars().filter(|c| c.is_uppercase()).count();
        inner('_')
            || inner('=')
            || word.starts_with('-')
            || inner('.')
            || inner('(')
            || capitals >= 2
    }) || advice.contains("process ")
}

#[test]
fn what_is_no_sentence_is_told_from_what_is_one() {
    assert!(names_a_knob("Raise num_workers from 8 to 14."));
    assert!(names_a_knob("Set OMP_NUM_THREADS=1 in the environment."));
    assert!(names_a_knob("Pack the files into WebDataset shards."));
    assert!(names_a_knob("Raise cpu.max of the control group."));
    assert!(names_a_knob("Stop the process 7."));
    assert!(!names_a_knob("Make it faster."));
    assert!(has_number("41 %") && !has_number("much"));
    assert_eq!(words("· 41 % of it"), 3);
}
