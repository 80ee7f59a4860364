//! The run, from empty folders to all figures.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_rustls::TlsConnector;

use crate::bare::{self, Flushes};
use crate::client::{self, Sample, Target};
use crate::figures::{Figures, Percentiles, Round, Spent};
use crate::gateway::{Counters, Gateway, Site};
use crate::load::{self, Load};
use crate::plan::{self, Cell, Guards, Medium, Mode, Path, Setting};
use crate::process::{self, Memory};
use crate::proof::{self, Proof};
use crate::upstream::Upstream;
use crate::{Failed, Options};

/// Everything that was measured.
pub(crate) struct Measured {
    pub(crate) options: Options,
    pub(crate) figures: Figures,
    /// Flushes without a gateway.
    pub(crate) bare: BTreeMap<Medium, Flushes>,
    /// Of each gateway, before its first request and after its last.
    pub(crate) memory: BTreeMap<(Guards, Medium), (Memory, Memory)>,
    /// The kernel's count of flushes, or why there is none.
    pub(crate) proof: Result<Proof, String>,
}

/// What is running.
struct Stage {
    // Children end before the folders they work in.
    gateways: BTreeMap<(Guards, Medium), Gateway>,
    upstream: Upstream,
    tls: TlsConnector,
    site: Site,
}

/// What is read at both ends of a measured time.
struct Reading {
    client: Duration,
    upstream: Duration,
    connections_made: u64,
    gateway: Option<(Duration, Counters)>,
}

/// Measures everything.
pub(crate) async fn all(options: &Options) -> Result<Measured, Failed> {
    let cells = chosen(options);
    if cells.is_empty() {
        return Err("no cell is described like that: see the words of the tables".into());
    }
    let stage = Stage::set(options, &cells).await?;
    let media = [Medium::Disk, Medium::Memory];
    let bare = media.map(|medium| Ok((medium, bare::flushes(stage.site.folder(medium))?)));
    let bare = bare.into_iter().collect::<Result<_, Failed>>()?;
    let before = stage.memory()?;
    let mut figures = Figures::default();
    for round in 1..=options.rounds() {
        for &cell in &cells {
            progress(options, round, cell);
            let measured = stage.round(cell, options).await;
            figures.add(
                cell,
                measured.map_err(|error| format!("{}: {error}", cell.description()))?,
            );
        }
    }
    let after = stage.memory()?;
    stage.check_recorded(&figures).await?;
    let proof = stage
        .proof(options)
        .await
        .map_err(|error| error.to_string());
    let memory = before
        .into_iter()
        .zip(after)
        .map(|((which, before), (_, after))| (which, (before, after)));
    Ok(Measured {
        options: options.clone(),
        figures,
        bare,
        memory: memory.collect(),
        proof,
    })
}

impl Stage {
    async fn set(options: &Options, cells: &[Cell]) -> Result<Stage, Failed> {
        let site = Site::new(options)?;
        let upstream = Upstream::start(options, &site.certs())?;
        let mut gateways = BTreeMap::new();
        let asked = |path: &Path| cells.iter().any(|cell| cell.path == *path);
        for path in Path::ALL.into_iter().filter(asked) {
            if let Path::Gateway(guards, medium) = path {
                let gateway = Gateway::start(&site, guards, medium, upstream.plain).await?;
                gateways.insert((guards, medium), gateway);
            }
        }
        Ok(Stage {
            tls: client::connector(&site.certs())?,
            gateways,
            upstream,
            site,
        })
    }

    fn gateway(&self, path: Path) -> Option<&Gateway> {
        match path {
            Path::Direct | Path::DirectTls => None,
            Path::Gateway(guards, medium) => self.gateways.get(&(guards, medium)),
        }
    }

    fn target(&self, cell: Cell) -> Target {
        let (address, tls) = match (cell.path, self.gateway(cell.path)) {
            (_, Some(gateway)) => (gateway.address, true),
            (Path::DirectTls, None) => (self.upstream.tls, true),
            (_, None) => (self.upstream.plain, false),
        };
        Target::new(
            address,
            tls.then(|| self.tls.clone()),
            cell.setting.mode,
            &self.site.key,
        )
    }

    fn memory(&self) -> Result<BTreeMap<(Guards, Medium), Memory>, Failed> {
        self.gateways
            .iter()
            .map(|(which, gateway)| Ok((*which, gateway.process.memory()?)))
            .collect()
    }

    async fn round(&self, cell: Cell, options: &Options) -> Result<Round, Failed> {
        let probe = async || self.read(cell.path).await;
        let load = load::run(
            self.target(cell),
            cell.setting.connections,
            options.timing(),
            probe,
        )
        .await?;
        Ok(round(load))
    }

    async fn read(&self, path: Path) -> Result<Reading, Failed> {
        let gateway = match self.gateway(path) {
            None => None,
            Some(gateway) => Some((gateway.process.processor_time()?, gateway.counters().await?)),
        };
        Ok(Reading {
            client: process::processor_time(std::process::id())?,
            upstream: self.upstream.process.processor_time()?,
            connections_made: self.upstream.connections_made().await?,
            gateway,
        })
    }

    /// Every answer has an intent and an outcome in the log, or the figures are of something else.
    async fn check_recorded(&self, figures: &Figures) -> Result<(), Failed> {
        for ((guards, medium), gateway) in &self.gateways {
            let path = Path::Gateway(*guards, *medium);
            let rounds = figures
                .cells()
                .filter(|cell| cell.path == path)
                .flat_map(|cell| figures.rounds(cell));
            let answers = rounds.map(|round| round.requests).sum::<u64>() as f64;
            let entries = gateway.counters().await?.entries;
            if entries < 2.0 * answers {
                let which = format!("{}, log on {}", guards.name(), medium.name());
                return Err(
                    format!("{which}: {answers} answers, but only {entries} entries").into(),
                );
            }
        }
        Ok(())
    }

    async fn proof(&self, options: &Options) -> Result<Proof, Failed> {
        let path = Path::Gateway(Guards::Classifier, Medium::Disk);
        let setting = Setting {
            mode: Mode::Plain,
            connections: plan::CONNECTIONS_MANY,
        };
        let gateway = self.gateway(path).ok_or("it is not running")?;
        let target = || self.target(Cell { setting, path });
        let file = self.site.folder(Medium::Disk).join("system-calls");
        proof::flushes(
            gateway,
            target,
            setting.connections,
            options.timing().measured,
            &file,
        )
        .await
    }
}

fn round(load: Load<Reading>) -> Round {
    let Load {
        samples,
        elapsed,
        before,
        after,
    } = load;
    let requests = samples.len() as f64;
    let microseconds_each = |before: Duration, after: Duration| {
        after.saturating_sub(before).as_secs_f64() * 1e6 / requests
    };
    let percentiles =
        |time: fn(&Sample) -> Duration| Percentiles::of(samples.iter().map(time).collect());
    let gateway =
        before
            .gateway
            .zip(after.gateway)
            .map(|((cpu_before, before), (cpu_after, after))| {
                let flushes = after.flushes - before.flushes;
                let seconds = after.flush_seconds - before.flush_seconds;
                Spent {
                    processor_us: microseconds_each(cpu_before, cpu_after),
                    flushes,
                    flushes_each: flushes / requests,
                    flush_ms: if flushes > 0.0 {
                        seconds * 1e3 / flushes
                    } else {
                        0.0
                    },
                    entries_each: (after.entries - before.entries) / requests,
                }
            });
    Round {
        requests: samples.len() as u64,
        per_second: requests / elapsed.as_secs_f64(),
        first: percentiles(|sample| sample.first),
        whole: percentiles(|sample| sample.whole),
        client_us: microseconds_each(before.client, after.client),
        upstream_us: microseconds_each(before.upstream, after.upstream),
        dialled: after
            .connections_made
            .saturating_sub(before.connections_made) as f64
            / requests,
        gateway,
    }
}

/// The cells that are measured: those that were asked for, and the direct path that they are compared with.
fn chosen(options: &Options) -> Vec<Cell> {
    let wanted = |cell: &Cell| match &options.only {
        Some(words) => cell.description().contains(words.as_str()),
        None => true,
    };
    let settings: Vec<_> = plan::cells()
        .filter(wanted)
        .map(|cell| cell.setting)
        .collect();
    let compared = |cell: &Cell| cell.path == Path::Direct && settings.contains(&cell.setting);
    plan::cells()
        .filter(|cell| wanted(cell) || compared(cell))
        .collect()
}

fn progress(options: &Options, round: u32, cell: Cell) {
    if cell.path == Path::Direct {
        let Setting { mode, connections } = cell.setting;
        eprintln!(
            "round {round} of {}: {connections} connections, {}",
            options.rounds(),
            mode.name()
        );
    }
}
