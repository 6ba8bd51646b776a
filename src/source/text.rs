//! Text of other processes, made fit to keep: cleaned as everywhere, and without the secrets that
//! stand in command lines.

pub use crate::model::text::clean;

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// Words in the name of an option or variable whose value nobody else should see.
const SECRET_WORDS: [&str; 9] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "credential",
    "apikey",
    "authorization",
    "bearer",
];
/// Words that end in `key` and open nothing.
const HARMLESS_KEYS: [&str; 7] =
    ["monkey", "hotkey", "donkey", "turkey", "hockey", "jockey", "whiskey"];
/// How access tokens of well-known services begin: they are secret wherever they stand.
const TOKEN_STARTS: [&str; 21] = [
    "hf_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "sk-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "nvapi-",
    "wandb_v1_",
    "gsk_",
    "r8_",
    "pypi-",
    "npm_",
    "eyJ",
];
/// The fewest characters of such a token.
const TOKEN_MIN: usize = 20;
/// What may stand between a header's name and its secret.
const SCHEMES: [&str; 4] = ["bearer", "basic", "token", "digest"];
/// What ends a pair of name and value within a word.
const ENDS: [char; 8] = ['&', '?', ';', ',', '{', '}', '"', '\''];

/// Words beside `tokens` that make it a count, and beside `token` too.
const COUNTING: [&str; 7] = ["per", "len", "length", "count", "limit", "budget", "size"];
/// Words that make a count of `tokens` alone: `--new-token` may be one that opens something.
const COUNTING_SEVERAL: [&str; 17] = [
    "max",
    "min",
    "num",
    "n",
    "total",
    "new",
    "batch",
    "batched",
    "prompt",
    "input",
    "output",
    "context",
    "generated",
    "train",
    "eval",
    "sample",
    "seen",
];
/// Words that make `token` a word of a vocabulary: `--pad-token-id`.
const VOCABULARY: [&str; 8] = ["pad", "eos", "bos", "unk", "sep", "cls", "mask", "special"];

/// Whether a value under this name is a secret. `key` counts where a word is or ends with it, so that
/// `--keyboard` and `--monkey` keep their values and `--api-key`, `--sshkey` and `AWS_ACCESS_KEY_ID`
/// do not.
fn names_secret(name: &str) -> bool {
    let lower = without_tokens_of_text(&name.to_ascii_lowercase());
    let key =
        |part: &str| part == "auth" || (part.ends_with("key") && !HARMLESS_KEYS.contains(&part));
    SECRET_WORDS.iter().any(|word| lower.contains(word))
        || lower.split(|c: char| !c.is_ascii_alphanumeric()).any(key)
}

/// Parts of a variable's name that tell a secret, beside those of options: an environment has more of
/// them, and shorter ones.
const SECRET_PARTS: [&str; 14] = [
    "pass",
    "pwd",
    "pw",
    "pat",
    "cred",
    "creds",
    "cookie",
    "dsn",
    "sas",
    "jwt",
    "otp",
    "pin",
    "cert",
    "signature",
];

/// Whether the value of an environment's variable is not to be shown.
pub(super) fn hides_in_environment(name: &str) -> bool {
    let folder = matches!(name, "PWD" | "OLDPWD");
    let lower = name.to_ascii_lowercase();
    let mut parts = lower.split(|c: char| !c.is_ascii_alphanumeric());
    !folder && (names_secret(name) || parts.any(|part| SECRET_PARTS.contains(&part)))
}

/// The name without the tokens in it that are pieces of text: `--max-tokens`, `num_tokens_per_batch`,
/// `--tokenizer`, `--pad-token-id`. What is counted in them is no secret.
fn without_tokens_of_text(lower: &str) -> String {
    let parts = || lower.split(|c: char| !c.is_ascii_alphanumeric());
    let has = |wanted: &[&str]| parts().any(|part| wanted.contains(&part));
    let any = has(&COUNTING) || has(&VOCABULARY);
    let several = any || has(&COUNTING_SEVERAL);
    let kept = parts().filter(|part| match *part {
        "token" => !any,
        "tokens" => !several,
        part => !part.starts_with("tokeniz") && !part.starts_with("tokenis"),
    });
    kept.collect::<Vec<_>>().join("-")
}

/// A command line on one line, without the secrets that people pass in it: values of options,
/// variables, headers and query parameters with a telling name, tokens of well-known services, and
/// user and password in URLs. An argument that is itself a command line is read as one.
pub fn redact(args: &[&str]) -> String {
    let mut line = Redacted::default();
    for arg in args {
        line.arg(arg);
    }
    line.out
}

/// What is to become of the next word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Show,
    /// It is a secret.
    Hide,
    /// It is a secret, or the scheme before one.
    HideScheme,
    /// It is part of a secret up to this quote.
    Until(char),
}

#[derive(Default)]
struct Redacted {
    out: String,
    next: Next,
}

impl Redacted {
    fn push(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.out.push(' ');
        }
        self.out.push_str(text);
    }

    fn arg(&mut self, arg: &str) {
        // An option after an option means that the first had no value.
        if self.next == Next::Hide && !arg.starts_with("--") {
            self.push(HIDDEN);
            self.next = Next::Show;
        } else if let Some((name, _)) = assignment(arg) {
            self.push(&format!("{name}={HIDDEN}"));
            self.next = Next::Show;
        } else if let Some(name) = header(arg) {
            self.push(&format!("{name}: {HIDDEN}"));
            self.next = Next::Show;
        } else if arg.contains(char::is_whitespace) {
            arg.split_whitespace().for_each(|word| self.word(word));
            if matches!(self.next, Next::Until(_)) {
                self.next = Next::Show;
            }
        } else {
            self.word(arg);
        }
    }

    fn word(&mut self, word: &str) {
        let quote = word.chars().next().filter(|c| matches!(c, '"' | '\''));
        let bare = word.trim_matches(['"', '\'']).trim_end_matches(':').to_ascii_lowercase();
        match self.next {
            Next::Until(quote) => {
                if word.ends_with(quote) {
                    self.next = Next::Show;
                }
                return;
            }
            Next::HideScheme if SCHEMES.contains(&&*bare) => {
                self.push(word);
                self.next = Next::Hide;
                return;
            }
            Next::Hide | Next::HideScheme if !word.starts_with("--") => {
                self.push(HIDDEN);
                let open = quote.filter(|quote| word.len() == 1 || !word.ends_with(*quote));
                self.next = open.map_or(Next::Show, Next::Until);
                return;
            }
            _ => self.next = Next::Show,
        }
        let named = names_secret(word);
        if bare == "bearer" || (named && word.starts_with('-') && !word.contains(['=', ':'])) {
            self.next = Next::Hide;
        } else if named && word.ends_with(':') {
            self.next = Next::HideScheme;
        } else if let Some((name, value)) = assignment(word) {
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
            let open = quote.filter(|quote| value.len() == 1 || !value.ends_with(*quote));
            self.next = open.map_or(Next::Show, Next::Until);
            self.push(&format!("{name}={HIDDEN}"));
            return;
        } else if let Some(name) = header(word) {
            self.push(&format!("{name}: {HIDDEN}"));
            return;
        }
        let shown = hide_pairs(&hide_logins(word));
        self.push(&shown);
    }
}

/// `NAME=value` or `--name=value` with a telling name and a value.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_one = !value.is_empty() && name.chars().all(plain) && names_secret(name);
    is_one.then_some((name, value))
}

/// `Authorization: Bearer …` as one argument, as curl takes it.
fn header(arg: &str) -> Option<&str> {
    let (name, value) = arg.split_once(':')?;
    let is_one = !value.is_empty()
        && !value.starts_with("//")
        && !name.contains(char::is_whitespace)
        && names_secret(name);
    is_one.then_some(name)
}

/// Hides values of query parameters and of members of objects, and tokens that stand by themselves.
fn hide_pairs(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut hide = false;
    for part in word.split_inclusive(ENDS) {
        let text = part.trim_end_matches(ENDS);
        let end = &part[text.len()..];
        let telling = |mark| text.split_once(mark).filter(|(name, _)| names_secret(name));
        let named = std::mem::take(&mut hide);
        if named && !text.is_empty() && text != ":" {
            // A number has no quotes: its colon stands with it.
            out.push_str(if text.starts_with(':') { ":" } else { "" });
            out.push_str(HIDDEN);
        } else if let Some((name, value)) = telling('=').or_else(|| telling(':')) {
            let mark = if text[name.len()..].starts_with('=') { '=' } else { ':' };
            out.push_str(name);
            out.push(mark);
            if value.is_empty() {
                hide = true;
            } else {
                out.push_str(HIDDEN);
            }
        } else if is_token(text.rsplit(['=', ':', '/']).next().unwrap_or(text)) {
            let kept = text.rfind(['=', ':', '/']).map_or(0, |at| at + 1);
            out.push_str(&text[..kept]);
            out.push_str(HIDDEN);
        } else {
            // `"token":"value"`: the name, its quote, a colon, a quote, and then the value.
            hide = (names_secret(text) || (text == ":" && named)) && end.starts_with(['"', '\'']);
            out.push_str(text);
        }
        out.push_str(end);
    }
    out
}

/// Whether a word is an access token of a well-known service.
fn is_token(word: &str) -> bool {
    word.len() >= TOKEN_MIN && TOKEN_STARTS.iter().any(|start| word.starts_with(start))
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
            (vec!["--new-token", "abc", "--tokens=a,b"], "--new-token *** --tokens=***"),
            (
                vec!["--max-access-key=abc", "--session-token", "1"],
                "--max-access-key=*** --session-token ***",
            ),
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
    fn tokens_of_well_known_services_are_hidden_wherever_they_stand() {
        for start in TOKEN_STARTS {
            let token = format!("{start}{}", "Zq3".repeat(8));
            let line = redact(&["train.py", &token, &format!("--run={token}")]);
            assert!(!line.contains("Zq3"), "{line}");
        }
        assert_eq!(redact(&["r8_small", "pypi-mirror"]), "r8_small pypi-mirror");
    }

    #[test]
    fn logins_in_urls_are_hidden() {
        assert_eq!(redact(&["s3://me:pw@host/b"]), "s3://***@host/b");
        assert_eq!(redact(&["--db=pg://me:p/w@host"]), "--db=pg://***@host");
        assert_eq!(redact(&["http://host:80/a@b"]), "http://host:80/a@b");
        assert_eq!(redact(&["a://u:p@h,b://u:p@i"]), "a://***@h,b://***@i");
    }

    #[test]
    fn secrets_are_found_in_what_is_itself_a_command_line_or_an_object() {
        let cases = [
            ("cd /x && HF_TOKEN=Zabc python t.py", "cd /x && HF_TOKEN=*** python t.py"),
            ("python t.py --token Zabc --lr 1", "python t.py --token *** --lr 1"),
            ("curl -H \"Authorization: Bearer Zabc\" u", "curl -H \"Authorization: Bearer *** u"),
            ("export WANDB_API_KEY='Z a b' x", "export WANDB_API_KEY=*** x"),
            ("https://h/x?a=1&token=Zabc&b=2", "https://h/x?a=1&token=***&b=2"),
            (
                "{\"lr\":1,\"token\":\"Zabc\",\"b\":\"c\"}",
                "{\"lr\":1,\"token\":\"***\",\"b\":\"c\"}",
            ),
            ("{\"b\":2,\"secret\":7,\"c\":3}", "{\"b\":2,\"secret\":***,\"c\":3}"),
            ("hf_abcdefghijklmnopqrstuv", "***"),
            ("--sshkey=Zabc", "--sshkey=***"),
        ];
        for (line, wanted) in cases {
            assert_eq!(redact(&[line]), wanted);
        }
        assert_eq!(redact(&["wandb", "--header=Authorization: Bearer Zabc"]).find("Zabc"), None);
        assert_eq!(redact(&["Bearer", "Zabc", "x"]), "Bearer *** x");
    }

    #[test]
    fn what_is_no_secret_is_shown_as_it_is() {
        for line in [
            "python -m train --lr=1e-3 --data /x/y.json",
            "{\"lr\":1,\"name\":\"x\"}",
            "train.py --max-tokens 4096 --max_new_tokens=64 --batch-tokens 1",
            "vllm serve m --max-num-batched-tokens 8192 --tokenizer gpt2 --tokenizer-mode=slow",
            "train.py --tokens-per-sample 512 --max_token_len=77 --pad-token-id 0 --train_tokens 1e9",
            "MAX_TOKENS=7 TOKENIZERS_PARALLELISM=false python t.py --token-limit=9",
        ] {
            assert_eq!(redact(&[line]), line);
        }
    }

    proptest! {
        #[test]
        fn a_secret_never_survives_wherever_it_stands(
            word in "Z[A-Z0-9]{6,12}", shape in 0..14_usize, before in "[a-z ./]{0,12}", after in "[a-z ./]{0,12}",
        ) {
            let one = match shape {
                0 => format!("API_KEY={word}"),
                1 => format!("--hf-token={word}"),
                2 => format!("Authorization: Bearer {word}"),
                3 => format!("https://h/x?y=1&password={word}&z=2"),
                4 => format!("s3://user:{word}@bucket/key"),
                5 => format!("{{\"a\":1,\"secret\":\"{word}\"}}"),
                6 => format!("sh -c 'x --secret {word}'"),
                7 => format!("cd /x; TOKEN={word} python y"),
                8 => format!("hf_abcdefghij{word}"),
                9 => format!("--db-password='{word} {word}'"),
                10 => format!("X-Auth-Token: {word}"),
                11 => format!("export GH_TOKEN={word} && x"),
                12 => format!("-H \"Authorization: Basic {word}\""),
                _ => format!("bearer {word}"),
            };
            let line = redact(&["python", &before, &one, &after]);
            prop_assert!(!line.contains(&word), "{}", line);
            let spaced = format!("{before} {one} {after}");
            let line = redact(&["sh", "-c", &spaced]);
            prop_assert!(!line.contains(&word), "{}", line);
        }

        #[test]
        fn a_password_never_survives(
            user in "[a-z]{1,5}", word in "Z[A-Z]{6,12}", host in "[a-z]{1,8}", option in "--[a-z]{0,4}(token|password|secret)[a-z]{0,4}",
        ) {
            prop_assume!(!option.contains("tokeniz") && !option.contains("tokenis"));
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
