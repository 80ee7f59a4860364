//! The shape of the tour: acts of beats. A beat plays real requests and says one sentence, one verdict, one place and
//! one measured time; or it is surprised.
//!
//! Another act is another [`Act`] in [`acts`](super::acts).

use std::fmt::{self, Debug, Display};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::rig::Rig;

/// A part of the tour for one kind of reader.
pub(super) struct Act {
    pub(super) title: &'static str,
    pub(super) beats: &'static [Beat],
}

/// One thing to watch.
pub(super) struct Beat {
    /// One sentence: what happens.
    pub(super) says: &'static str,
    pub(super) needs: Needs,
    pub(super) play: Play,
}

/// Plays a beat: asks, and compares the bytes on the wire and the entries with what must be.
pub(super) type Play = for<'a> fn(&'a mut Rig) -> Playing<'a>;

pub(super) type Playing<'a> = Pin<Box<dyn Future<Output = Result<Told, Surprise>> + Send + 'a>>;

/// What a beat needs of the backend.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Any model will do.
    AnyModel,
    /// An answer that no honest model gives on demand.
    PlantedAnswer,
}

/// What a beat found, all of it checked. Every line fits beside its label.
pub(super) struct Told {
    pub(super) verdict: Verdict,
    /// The rest of the verdict.
    pub(super) what: Vec<String>,
    /// What somebody might believe now, and should not. Mostly empty.
    pub(super) not_proved: Vec<String>,
    /// Rule with file and line, JSON path, entries.
    pub(super) place: Vec<String>,
    pub(super) time: String,
}

impl Told {
    pub(super) fn new(verdict: Verdict, what: impl Into<String>) -> Told {
        Told {
            verdict,
            what: vec![what.into()],
            not_proved: Vec::new(),
            place: Vec::new(),
            time: String::new(),
        }
    }

    /// Goes on with the verdict on another line.
    pub(super) fn and(mut self, what: impl Into<String>) -> Told {
        self.what.push(what.into());
        self
    }

    pub(super) fn not_proved(mut self, line: impl Into<String>) -> Told {
        self.not_proved.push(line.into());
        self
    }

    pub(super) fn at(mut self, place: impl Into<String>) -> Told {
        self.place.push(place.into());
        self
    }

    pub(super) fn took(self, time: Duration) -> Told {
        self.timed(Took(time).to_string())
    }

    pub(super) fn timed(mut self, time: String) -> Told {
        self.time = time;
        self
    }
}

/// The verdict in one word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Answered,
    Redacted,
    Denied,
    Blocked,
    Stopped,
    Refused,
    Recovered,
    Found,
    Proved,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Verdict::Answered => "answered",
            Verdict::Redacted => "redacted",
            Verdict::Denied => "denied",
            Verdict::Blocked => "blocked",
            Verdict::Stopped => "stopped",
            Verdict::Refused => "refused",
            Verdict::Recovered => "recovered",
            Verdict::Found => "found",
            Verdict::Proved => "proved",
        }
    }
}

/// Something was not as it must be. The tour ends here.
#[derive(Debug)]
pub(super) struct Surprise {
    pub(super) about: String,
    pub(super) expected: String,
    pub(super) got: String,
}

impl Surprise {
    pub(super) fn new(
        about: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Surprise {
        Surprise {
            about: about.into(),
            expected: expected.into(),
            got: got.into(),
        }
    }

    /// Something that the demo itself has to do did not work.
    pub(super) fn failed(doing: &str, why: impl Display) -> Surprise {
        Surprise::new(doing, "that it works", why.to_string())
    }
}

/// Both must be the same.
pub(super) fn same<T, U>(about: &str, got: T, expected: U) -> Result<(), Surprise>
where
    T: PartialEq<U> + Debug,
    U: Debug,
{
    if got == expected {
        Ok(())
    } else {
        Err(Surprise::new(
            about,
            format!("{expected:?}"),
            format!("{got:?}"),
        ))
    }
}

/// It must be so; `got` is shown if it is not.
pub(super) fn holds(expected: &str, so: bool, got: impl Debug) -> Result<(), Surprise> {
    if so {
        Ok(())
    } else {
        Err(Surprise::new("", expected, format!("{got:?}")))
    }
}

/// It must be there.
pub(super) fn some<T>(expected: &str, found: Option<T>) -> Result<T, Surprise> {
    found.ok_or_else(|| Surprise::new("", expected, "nothing"))
}

/// A measured time with as many digits as are worth reading.
pub(super) struct Took(pub(super) Duration);

impl Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_secs_f64() * 1000.0;
        match ms {
            ..1.0 => write!(f, "{ms:.2} ms"),
            ..100.0 => write!(f, "{ms:.1} ms"),
            ..1000.0 => write!(f, "{ms:.0} ms"),
            _ => write!(f, "{:.2} s", ms / 1000.0),
        }
    }
}

#[cfg(test)]
mod tests;
