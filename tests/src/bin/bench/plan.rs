//! What is measured: every path, in every mode, at every number of connections.

/// From the client to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
    /// Straight to it, over plain HTTP. What is added is added to this.
    Direct,
    /// Straight to it, over TLS.
    DirectTls,
    /// Through the gateway.
    Gateway(Guards, Medium),
}

/// What the gateway looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Guards {
    /// Profiles that read none of the bench's texts, no model loaded.
    Off,
    /// The repository's profiles without the classifier's rules, no model loaded.
    Patterns,
    /// The repository's profiles as they are.
    Classifier,
}

/// Where the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Medium {
    /// On the disk.
    Disk,
    /// On a tmpfs, where a flush costs nothing: to compare with what does not flush.
    Memory,
}

/// How the answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// One JSON document.
    Plain,
    /// An event stream.
    Streamed,
}

/// What is alike for all paths that are compared with one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Setting {
    pub(crate) connections: usize,
    pub(crate) mode: Mode,
}

/// One thing that is measured, in each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) setting: Setting,
    pub(crate) path: Path,
}

/// Many users at once.
pub(crate) const CONNECTIONS_MANY: usize = 64;

/// One user, and many.
pub(crate) const CONNECTIONS: [usize; 2] = [1, CONNECTIONS_MANY];

impl Path {
    /// All paths, in the order of measuring: neighbours are compared with one another.
    pub(crate) const ALL: [Path; 8] = [
        Path::Direct,
        Path::DirectTls,
        Path::Gateway(Guards::Off, Medium::Disk),
        Path::Gateway(Guards::Patterns, Medium::Disk),
        Path::Gateway(Guards::Classifier, Medium::Disk),
        Path::Gateway(Guards::Off, Medium::Memory),
        Path::Gateway(Guards::Patterns, Medium::Memory),
        Path::Gateway(Guards::Classifier, Medium::Memory),
    ];

    /// What it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Path::Direct => "direct",
            Path::DirectTls => "direct, TLS",
            Path::Gateway(guards, _) => guards.name(),
        }
    }

    /// Where its log is, for tables.
    pub(crate) fn log(self) -> &'static str {
        match self {
            Path::Direct | Path::DirectTls => "none",
            Path::Gateway(_, medium) => medium.name(),
        }
    }
}

impl Guards {
    /// What it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Guards::Off => "guards off",
            Guards::Patterns => "patterns",
            Guards::Classifier => "patterns + classifier",
        }
    }
}

impl Medium {
    /// What it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Medium::Disk => "disk",
            Medium::Memory => "tmpfs",
        }
    }
}

impl Mode {
    /// What it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Plain => "plain",
            Mode::Streamed => "streamed",
        }
    }
}

/// Every setting, cheapest first.
pub(crate) fn settings() -> impl Iterator<Item = Setting> {
    let modes = [Mode::Plain, Mode::Streamed];
    CONNECTIONS
        .into_iter()
        .flat_map(move |connections| modes.map(|mode| Setting { mode, connections }))
}

/// Every cell, in the order of one round.
pub(crate) fn cells() -> impl Iterator<Item = Cell> {
    settings().flat_map(|setting| Path::ALL.map(|path| Cell { setting, path }))
}

impl Cell {
    /// In words, as `--only` searches them.
    pub(crate) fn description(self) -> String {
        let Setting { mode, connections } = self.setting;
        let (path, log) = (self.path.name(), self.path.log());
        format!(
            "{connections} connections, {}, {path}, log on {log}",
            mode.name()
        )
    }
}
