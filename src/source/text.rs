//! Text that others wrote, made fit to show: names, paths and command lines of other processes are
//! hostile until they went through here.

/// The text without escape sequences and control characters, as UTF-8, at most `cap` characters.
///
/// What is not UTF-8 becomes `U+FFFD`; tabs and line ends become a space; the invisible characters
/// that turn the direction of a line go too. Never longer than `4 * cap` bytes.
pub fn clean(text: &[u8], cap: usize) -> Box<str> {
    // Beyond this nothing can be seen any more, and an argument may be megabytes long.
    let text = &text[..text.len().min(cap.saturating_mul(8).saturating_add(64))];
    let lossy = String::from_utf8_lossy(text);
    let mut out = String::with_capacity(lossy.len().min(cap));
    let mut chars = lossy.chars().peekable();
    let mut left = cap;
    while left > 0 {
        let Some(c) = chars.next() else { break };
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            '\t' | '\n' | '\r' => {
                out.push(' ');
                left -= 1;
            }
            c if c.is_control() || turns_direction(c) => {}
            c => {
                out.push(c);
                left -= 1;
            }
        }
    }
    out.into_boxed_str()
}

/// The characters that reorder what stands around them: a name could fake a line with them.
const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Skips what follows ESC: a control sequence, a string up to its end, or one character.
fn skip_escape(chars: &mut Chars<'_>) {
    match chars.next() {
        Some('[') => skip_csi(chars),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(chars),
        Some(c) if ('\u{20}'..='\u{2f}').contains(&c) => {
            chars.next();
        }
        _ => {}
    }
}

/// Skips parameters and the final byte of a control sequence.
fn skip_csi(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next_if(|c| ('\u{20}'..='\u{7e}').contains(c)) {
        if ('\u{40}'..='\u{7e}').contains(&c) {
            break;
        }
    }
}

/// Skips to the end of an operating system command or another string: BEL or ESC and a backslash.
fn skip_string(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next() {
        if c == '\u{7}' || c == '\u{9c}' {
            break;
        }
        if c == '\u{1b}' {
            chars.next_if_eq(&'\\');
            break;
        }
    }
}

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
    fn colours_titles_and_control_characters_are_stripped() {
        assert_eq!(&*clean(b"\x1b[31mred\x1b[0m", 40), "red");
        assert_eq!(&*clean(b"\x1b]0;owned\x07name", 40), "name");
        assert_eq!(&*clean(b"\x1b]8;;http://x\x1b\\link", 40), "link");
        assert_eq!(&*clean(b"a\x00b\x7f\x08c", 40), "abc");
        assert_eq!(&*clean(b"two\nlines", 40), "two lines");
        assert_eq!(&*clean("gpj.\u{202e}exe".as_bytes(), 40), "gpj.exe");
        assert_eq!(&*clean("\u{9b}2Jx".as_bytes(), 40), "x");
    }

    #[test]
    fn what_is_not_utf8_stays_visible_as_such() {
        assert_eq!(&*clean(b"caf\xe9", 40), "caf\u{fffd}");
    }

    #[test]
    fn the_cap_counts_characters() {
        assert_eq!(&*clean("äöü".as_bytes(), 2), "äö");
        assert_eq!(&*clean(b"abc", 0), "");
    }

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
        fn nothing_that_moves_the_cursor_gets_through(
            bytes in prop::collection::vec(any::<u8>(), 0..400), cap in 0usize..100,
        ) {
            let text = clean(&bytes, cap);
            prop_assert!(text.chars().count() <= cap);
            prop_assert!(!text.chars().any(char::is_control));
        }

        #[test]
        fn escapes_in_any_arrangement_are_stripped(text in "[\u{1b}\u{9b}\\[\\]\\\\;0-9a-zP\u{7}]{0,80}") {
            prop_assert!(!clean(text.as_bytes(), 80).chars().any(char::is_control));
        }

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
