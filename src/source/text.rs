//! Text of other processes, made fit to keep: cleaned as everywhere, and without the secrets that
//! stand in command lines.

pub use crate::model::text::clean;

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// Words in the name of an option or variable whose value nobody else should see.
const SECRET_WORDS: [&str; 8] =
    ["token", "password", "passwd", "secret", "credential", "apikey", "auth", "key"];

/// Whether a value under this name is a secret. `key` counts as a word of its own only, so that
/// `--keyboard` and `--monkey` keep their values and `--api-key` and `AWS_ACCESS_KEY_ID` do not.
fn names_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| match *word {
        "key" | "auth" => lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|p| p == *word),
        word => lower.contains(word),
    })
}

/// A command line on one line, without the secrets that people pass in it: values of options and
/// variables with a telling name, and user and password in URLs.
pub fn redact(args: &[&str]) -> String {
    let mut out = String::new();
    let mut hide_next = false;
    for arg in args {
        if !out.is_empty() {
            out.push(' ');
        }
        // An option after an option means that the first had no value.
        if std::mem::take(&mut hide_next) && !arg.starts_with("--") {
            out.push_str(HIDDEN);
            continue;
        }
        match arg.split_once('=') {
            Some((name, value)) if names_secret(name) && !value.is_empty() => {
                out.push_str(&hide_logins(name));
                out.push('=');
                out.push_str(HIDDEN);
            }
            _ => {
                hide_next = arg.starts_with('-') && !arg.contains('=') && names_secret(arg);
                out.push_str(&hide_header(&hide_logins(arg)));
            }
        }
    }
    out
}

/// `Authorization: Bearer …` as one argument, as curl takes it.
fn hide_header(arg: &str) -> String {
    match arg.split_once(':') {
        Some((name, value))
            if !value.is_empty() && !value.starts_with("//") && is_secret_header(name) =>
        {
            format!("{name}: {HIDDEN}")
        }
        _ => arg.to_owned(),
    }
}

fn is_secret_header(name: &str) -> bool {
    name.eq_ignore_ascii_case("authorization") || names_secret(name)
}

/// `scheme://user:password@host` without user and password, wherever it stands in the text.
fn hide_logins(arg: &str) -> String {
    let mut out = String::with_capacity(arg.len());
    let mut rest = arg;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| matches!(c, '/' | '?' | '#' | ',') || c.is_whitespace())
            .unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        // A password may hold a slash or an @ of its own: the last @ before white space ends it.
        if let Some(mark) = authority.rfind('@') {
            out.push_str(HIDDEN);
            out.push_str(&authority[mark..]);
            rest = tail;
            continue;
        }
        let word = after.find(char::is_whitespace).unwrap_or(after.len());
        match after[..word].rfind('@') {
            Some(mark) if authority.contains(':') && !is_port(authority) => {
                out.push_str(HIDDEN);
                rest = &after[mark..];
            }
            _ => rest = after,
        }
    }
    out.push_str(rest);
    out
}

/// Whether `host:123` ends in a port, so that an `@` further on belongs to a path.
fn is_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_options_with_a_telling_name_are_hidden() {
        let cases = [
            (vec!["train.py", "--wandb-token", "abc"], "train.py --wandb-token ***"),
            (vec!["--api_key=abc", "--lr=1"], "--api_key=*** --lr=1"),
            (vec!["--Password", "abc", "x"], "--Password *** x"),
            (vec!["env", "HF_TOKEN=abc", "python"], "env HF_TOKEN=*** python"),
            (vec!["AWS_SECRET_ACCESS_KEY=a=b"], "AWS_SECRET_ACCESS_KEY=***"),
            (vec!["--use-auth", "--lr", "1"], "--use-auth --lr 1"),
            (vec!["-H", "Authorization: Bearer abc"], "-H Authorization: ***"),
        ];
        for (args, wanted) in cases {
            assert_eq!(redact(&args), wanted);
        }
    }

    #[test]
    fn options_that_only_sound_alike_keep_their_values() {
        assert_eq!(redact(&["--keyboard", "us", "--monkey=1"]), "--keyboard us --monkey=1");
        assert_eq!(redact(&["--author", "me"]), "--author me");
    }

    #[test]
    fn logins_in_urls_are_hidden() {
        assert_eq!(redact(&["s3://me:pw@host/b"]), "s3://***@host/b");
        assert_eq!(redact(&["--db=pg://me:p/w@host"]), "--db=pg://***@host");
        assert_eq!(redact(&["http://host:80/a@b"]), "http://host:80/a@b");
        assert_eq!(redact(&["a://u:p@h,b://u:p@i"]), "a://***@h,b://***@i");
    }

    proptest! {
        #[test]
        fn a_password_never_survives(
            user in "[a-z]{1,5}", word in "Z[A-Z]{6,12}", host in "[a-z]{1,8}", option in "--[a-z]{0,4}(token|password|secret)[a-z]{0,4}",
        ) {
            let url = format!("s3://{user}:{word}@{host}/x");
            let joined = format!("{option}={word}");
            let line = redact(&["python", &option, &word, &joined, &url]);
            prop_assert!(!line.contains(&word), "{}", line);
        }

        #[test]
        fn any_command_line_can_be_redacted(args in prop::collection::vec(".{0,30}", 0..8)) {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            redact(&args);
        }
    }
}
