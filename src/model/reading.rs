//! A value, or why there is none. Never 0 for "don't know".

use std::io;

/// Why a reading has no value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gap {
    /// Nothing was read yet: the first tick, or a rate that needs two.
    #[default]
    NotYet,
    /// This machine, driver, kernel or interpreter does not offer it.
    Unsupported,
    /// It exists, and we may not read it.
    Denied,
    /// What was read is gone: a process that ended, a GPU that fell off the bus.
    Lost,
    /// The source did not answer within its deadline.
    Late,
    /// The answer made no sense: garbage, out of range, or an error that fits nothing above.
    Failed,
    /// The question has no answer here, as the queue depth of a loader without workers.
    NotApplicable,
}

impl Gap {
    /// Every reason, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::NotYet,
        Self::Unsupported,
        Self::Denied,
        Self::Lost,
        Self::Late,
        Self::Failed,
        Self::NotApplicable,
    ];

    /// The word that stands for it in files and streams.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotYet => "not_yet",
            Self::Unsupported => "unsupported",
            Self::Denied => "denied",
            Self::Lost => "lost",
            Self::Late => "late",
            Self::Failed => "failed",
            Self::NotApplicable => "not_applicable",
        }
    }

    /// The reason behind a code, if it is one of ours.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|gap| gap.code() == code)
    }

    /// Two or three words for the screen.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotYet => "not yet",
            Self::Unsupported => "not supported",
            Self::Denied => "no permission",
            Self::Lost => "lost",
            Self::Late => "no answer",
            Self::Failed => "unreadable",
            Self::NotApplicable => "n/a",
        }
    }
}

impl From<&io::Error> for Gap {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::NotFound => Self::Lost,
            io::ErrorKind::Unsupported => Self::Unsupported,
            io::ErrorKind::TimedOut => Self::Late,
            // ESRCH: the process ended between finding and reading it.
            _ if error.raw_os_error() == Some(3) => Self::Lost,
            _ => Self::Failed,
        }
    }
}

/// What one read of one quantity gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// The value.
    Is(T),
    /// No value, and why.
    Not(Gap),
}

impl<T> Default for Reading<T> {
    fn default() -> Self {
        Self::Not(Gap::NotYet)
    }
}

impl<T> Reading<T> {
    /// The value, where there is one.
    pub fn ok(self) -> Option<T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Not(_) => None,
        }
    }

    /// Whether there is a value.
    pub const fn is(&self) -> bool {
        matches!(self, Self::Is(_))
    }

    /// Why there is none, where there is none.
    pub const fn gap(&self) -> Option<Gap> {
        match self {
            Self::Is(_) => None,
            Self::Not(gap) => Some(*gap),
        }
    }

    /// The same reading by reference.
    pub const fn as_ref(&self) -> Reading<&T> {
        match self {
            Self::Is(value) => Reading::Is(value),
            Self::Not(gap) => Reading::Not(*gap),
        }
    }

    /// Applies `f` to a value and keeps a gap.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Is(value) => Reading::Is(f(value)),
            Self::Not(gap) => Reading::Not(gap),
        }
    }

    /// Applies `f`, which may itself find that there is no value.
    pub fn and_then<U>(self, f: impl FnOnce(T) -> Reading<U>) -> Reading<U> {
        match self {
            Self::Is(value) => f(value),
            Self::Not(gap) => Reading::Not(gap),
        }
    }

    /// Two values that are only worth something together; the first gap wins.
    pub fn zip<U>(self, other: Reading<U>) -> Reading<(T, U)> {
        self.and_then(|a| other.map(|b| (a, b)))
    }

    /// The other reading where this one has no value.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.is() { self } else { other }
    }

    /// A value that may be missing, with the reason for it.
    pub fn from_option(value: Option<T>, gap: Gap) -> Self {
        value.map_or(Self::Not(gap), Self::Is)
    }

    /// The result of a read, its error as a gap.
    pub fn from_io(result: io::Result<T>) -> Self {
        match result {
            Ok(value) => Self::Is(value),
            Err(error) => Self::Not(Gap::from(&error)),
        }
    }
}

impl<T> From<Result<T, Gap>> for Reading<T> {
    fn from(result: Result<T, Gap>) -> Self {
        match result {
            Ok(value) => Self::Is(value),
            Err(gap) => Self::Not(gap),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_again_by_its_code() {
        for gap in Gap::ALL {
            assert_eq!(Gap::from_code(gap.code()), Some(gap));
        }
        assert_eq!(Gap::from_code("zero"), None);
    }

    #[test]
    fn a_refused_read_is_denied_and_a_vanished_process_is_lost() {
        let denied = io::Error::from_raw_os_error(13);
        let gone = io::Error::from_raw_os_error(3);
        assert_eq!(Reading::<u8>::from_io(Err(denied)), Reading::Not(Gap::Denied));
        assert_eq!(Reading::<u8>::from_io(Err(gone)), Reading::Not(Gap::Lost));
    }

    #[test]
    fn two_readings_together_keep_the_first_reason() {
        let value = Reading::Is(1);
        let gap: Reading<i32> = Reading::Not(Gap::Late);
        assert_eq!(value.zip(gap), Reading::Not(Gap::Late));
        assert_eq!(gap.or(value), value);
    }
}
