//! Text of other processes, made fit to be shown and stored.

/// At most `cap` characters of it, without control characters, escapes and what turns the writing
/// direction. Bytes that are no UTF-8 become `�`.
pub(super) fn clean(text: &[u8], cap: usize) -> Box<str> {
    let head = text.get(..text.len().min(cap.saturating_mul(4))).unwrap_or_default();
    let text = String::from_utf8_lossy(head);
    let text: String = text.chars().filter(|&c| fit(c)).take(cap).collect();
    text.into()
}

fn fit(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns
}

/// A command line with what looks like a secret replaced by `***`.
pub(super) fn redact(args: &[&str]) -> String {
    let mut out: Vec<String> = Vec::with_capacity(args.len());
    let mut hide = false;
    for arg in args {
        if std::mem::take(&mut hide) && !arg.starts_with('-') {
            out.push("***".into());
            continue;
        }
        match arg.split_once('=') {
            Some((key, _)) if secret(key) => out.push(format!("{key}=***")),
            None if arg.starts_with('-') && secret(arg) => {
                hide = true;
                out.push((*arg).to_owned());
            }
            _ => out.push(without_password(arg)),
        }
    }
    out.join(" ")
}

fn secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    // `max_tokens` and a tokenizer's path are no secrets.
    let words = ["password", "passwd", "secret", "api_key", "apikey", "access_key", "credential"];
    words.iter().any(|word| key.contains(word)) || key == "token" || key.ends_with("_token")
}

/// `scheme://user:password@host` without the password.
fn without_password(arg: &str) -> String {
    let hidden = || {
        let (scheme, rest) = arg.split_once("://")?;
        let (login, host) = rest.split_once('@')?;
        let (user, _) = login.split_once(':')?;
        (!login.contains('/')).then(|| format!("{scheme}://{user}:***@{host}"))
    };
    hidden().unwrap_or_else(|| arg.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_stripped_and_lengths_capped() {
        assert_eq!(&*clean(b"a\x1b[31mb\x07", 100), "a[31mb");
        assert_eq!(&*clean("añb".as_bytes(), 2), "añ");
    }

    #[test]
    fn secrets_are_replaced_and_the_rest_kept() {
        let args = ["x", "--api-key", "s3", "--wandb_token=q", "--max_tokens=5", "s3://u:p@h/x"];
        assert_eq!(
            redact(&args),
            "x --api-key *** --wandb_token=*** --max_tokens=5 s3://u:***@h/x"
        );
    }

    proptest! {
        #[test]
        fn nothing_that_steers_a_terminal_survives(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(clean(&bytes, 50).chars().all(|c| !c.is_control()));
        }
    }
}
