//! The text that a Prometheus endpoint answers with, line by line.
//!
//! Any bytes may come: a line that is none is left out, and nothing is kept but what is asked for.

use std::borrow::Cow;

/// Lines longer than this are left out.
const LONGEST_LINE: usize = 16 << 10;

/// One series: a name, labels, a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series<'a> {
    /// Its name.
    pub name: &'a str,
    /// What stands between the braces.
    labels: &'a str,
    /// Its value; not always a finite number.
    pub value: f64,
}

/// Every series of a text.
pub fn series(text: &str) -> impl Iterator<Item = Series<'_>> {
    text.lines().filter(|line| line.len() <= LONGEST_LINE).filter_map(parse)
}

fn parse(line: &str) -> Option<Series<'_>> {
    let line = line.trim();
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = line.find(|c| !named(c))?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_at(closing(rest)?),
        None => ("", rest),
    };
    let rest = rest.strip_prefix('}').unwrap_or(rest);
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Series { name, labels, value })
}

/// Where the brace is that ends the labels: one that stands in no value.
fn closing(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().position(|byte| {
        let literal = std::mem::take(&mut escaped);
        match byte {
            _ if literal => {}
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return true,
            _ => {}
        }
        false
    })
}

impl<'a> Series<'a> {
    /// The value of a label, where the series has it.
    pub fn label(&self, key: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.labels;
        loop {
            rest = rest.trim_start_matches([' ', ',', '\t']);
            let (name, tail) = rest.split_once('=')?;
            let tail = tail.trim_start().strip_prefix('"')?;
            let end = end_of_value(tail)?;
            let (value, tail) = tail.split_at(end);
            if name.trim_end() == key {
                return Some(plain(value));
            }
            rest = tail.get(1..)?;
        }
    }
}

/// Where the quote is that ends a value.
fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let literal = std::mem::take(&mut escaped);
        escaped = !literal && byte == b'\\';
        !literal && byte == b'"'
    })
}

/// A value without its escapes: `\\`, `\"` and `\n`.
fn plain(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            (other, false) => out.push(other),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "what is read is what was written, to the last bit")]

    use proptest::prelude::*;

    use super::*;

    fn only(line: &str) -> Series<'_> {
        series(line).next().unwrap()
    }

    #[test]
    fn names_labels_and_values_are_read_as_servers_write_them() {
        let one = only("vllm:num_requests_running{engine=\"0\",model_name=\"a/b\"} 3.0\n");
        assert_eq!((one.name, one.value), ("vllm:num_requests_running", 3.0));
        assert_eq!(one.label("model_name").as_deref(), Some("a/b"));
        assert_eq!(one.label("engine").as_deref(), Some("0"));
        assert_eq!(one.label("name"), None);
        // TorchServe ends its labels with a comma, SGLang writes large counts with an exponent.
        let serve = only("ts_inference_requests_total{model_name=\"r\",model_version=\"d\",} 3.0");
        assert_eq!(serve.label("model_version").as_deref(), Some("d"));
        assert_eq!(only("x{le=\"0.1\"} 4.950195e+06").value, 4_950_195.0);
        assert_eq!(only("tgi_queue_size 12").value, 12.0);
        assert_eq!(only("x 1 1395066363000").value, 1.0);
        assert_eq!(only("x{le=\"+Inf\"} +Inf").value, f64::INFINITY);
        assert_eq!(only("x 5 # {trace_id=\"1\"} 0.67").value, 5.0);
    }

    #[test]
    fn braces_commas_and_quotes_in_a_value_are_part_of_it() {
        let odd = only(r#"x{a="}{,=\"\\\n",b="2"} 1"#);
        assert_eq!(odd.label("a").as_deref(), Some("}{,=\"\\\n"));
        assert_eq!(odd.label("b").as_deref(), Some("2"));
    }

    #[test]
    fn what_is_no_series_is_left_out() {
        let bad = [
            "",
            "#",
            "# TYPE x counter",
            "{}",
            "x",
            "x{",
            "x{a=\"b\" 1",
            "x{a=\"b\"}",
            "x y",
            "x{a=b} z",
            "ü 1",
            "\0",
            "x{a=\"b\\\"} 1",
        ];
        for line in bad {
            assert_eq!(series(line).count(), 0, "{line:?}");
        }
        assert_eq!(only("x{a=b} 1").label("a"), None);
        let long = format!("x{{a=\"{}\"}} 1", "b".repeat(LONGEST_LINE));
        assert_eq!(series(&long).count(), 0);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(
            text in "(.|\n|[{}=\",\\\\#]){0,200}", key in "[a-z\"=]{0,4}",
        ) {
            for one in series(&text) {
                one.label(&key);
            }
        }

        #[test]
        fn what_a_library_writes_is_read_back(
            name in "[a-z_:][a-z0-9_:]{0,20}",
            labels in prop::collection::btree_map("[a-z_]{1,8}", ".{0,20}", 0..4),
            value in prop::num::f64::NORMAL,
        ) {
            let escaped = |value: &str| {
                value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
            };
            let body: Vec<String> =
                labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
            // What ends a line for Rust and not for Prometheus no server puts into a label.
            prop_assume!(labels.values().all(|value| !value.contains('\r')));
            let line = format!("{name}{{{}}} {value:e}\n", body.join(","));
            let read = series(&line).next().unwrap();
            prop_assert_eq!((read.name, read.value), (&*name, value));
            for (key, wanted) in &labels {
                let read = read.label(key);
                prop_assert_eq!(read.as_deref(), Some(&**wanted));
            }
        }
    }
}
