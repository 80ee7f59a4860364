//! Four verifiers of one log. Ours; a Python file that shares no line with it; Go's own packages for transparency logs;
//! and two crates by Cloudflare. The last two see the tree and the checkpoint, and no more.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use audit::{Checkpoint, VerifyKey, VerifyOptions};
use signed_note::{Note, StandardVerifier, VerifierList};
use tests::repository;
use tlog_tiles::{Error, Hash, HashReader, Tile, TileHashReader, TileReader};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verifier {
    Ours,
    Python,
    Go,
    Crates,
}

pub(super) const ALL: [Verifier; 4] = [
    Verifier::Ours,
    Verifier::Python,
    Verifier::Go,
    Verifier::Crates,
];

/// What it said of a log that verifies, or of one that does not.
pub(super) type Said = Result<String, String>;

impl Verifier {
    /// Verifies a log, alone or against a checkpoint that was kept.
    pub(super) fn verify(self, dir: &Path, vkey: &str, since: Option<&Path>) -> Said {
        match self {
            Verifier::Ours => ours(dir, vkey, since),
            Verifier::Python => python(&["log".as_ref(), dir, vkey.as_ref()], since),
            Verifier::Go => go(dir, vkey, since),
            Verifier::Crates => crates(dir, vkey, since),
        }
    }
}

fn ours(dir: &Path, vkey: &str, since: Option<&Path>) -> Said {
    let key = VerifyKey::parse(vkey).unwrap();
    let options = VerifyOptions {
        vkey: Some(key.clone()),
        ..VerifyOptions::default()
    };
    let proof = audit::verify(dir, options).map_err(|damage| damage.to_string())?;
    if let Some(kept) = since {
        let old = Checkpoint::open(&std::fs::read_to_string(kept).unwrap(), &key).unwrap();
        let new = Checkpoint::open(
            &std::fs::read_to_string(dir.join("checkpoint")).unwrap(),
            &key,
        )
        .unwrap();
        if old.size > new.size {
            return Err(format!(
                "rolled back: {} entries were seen, and there are {}",
                old.size, new.size
            ));
        }
        let proof = audit::prove_consistency(dir, old.size, new.size).unwrap();
        audit::check_consistency(old.size, &old.root.0, new.size, &new.root.0, &proof)
            .map_err(|_| "another history than was seen".to_owned())?;
    }
    Ok(proof.to_string())
}

/// Runs the Python verifier; anything but "verifies" and "does not" fails the test.
pub(super) fn python(arguments: &[&Path], since: Option<&Path>) -> Said {
    static INTERPRETER: OnceLock<String> = OnceLock::new();
    let interpreter = INTERPRETER.get_or_init(|| {
        let mut command = Command::new("python3");
        command.args(["-c", "import sys; print(sys.executable)"]);
        run(command).unwrap().trim().to_owned()
    });
    let mut command = Command::new(interpreter);
    command
        .args(["-I", "-S"])
        .arg(repository().join("audit/verifier/verify.py"))
        .args(arguments);
    command.args(
        since
            .into_iter()
            .flat_map(|kept| ["--since".as_ref(), kept.as_os_str()]),
    );
    run(command)
}

fn go(dir: &Path, vkey: &str, since: Option<&Path>) -> Said {
    let mut command = Command::new(go_verifier());
    command.args(
        since
            .into_iter()
            .flat_map(|kept| ["-since".as_ref(), kept.as_os_str()]),
    );
    command.arg(dir).arg(vkey);
    run(command)
}

fn run(mut command: Command) -> Said {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).unwrap();
    match output.status.code() {
        Some(0) => Ok(text(&output.stdout)),
        Some(1) => Err(text(&output.stderr)),
        code => panic!(
            "{command:?}: {code:?}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        ),
    }
}

/// Builds the Go verifier from Debian's packages. Where they are missing the test fails: `make test` installs them.
fn go_verifier() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let (built, here) = (
            folder.join(format!("go-verifier-{}", std::process::id())),
            folder.join("go-verifier"),
        );
        let mut command = Command::new("go");
        command
            .args(["build", "-o"])
            .arg(&built)
            .arg(".")
            .current_dir(repository().join("audit/verifier/go"));
        command
            .env("GO111MODULE", "off")
            .env("GOPATH", "/usr/share/gocode")
            .env("GOFLAGS", "");
        command.env("GOCACHE", folder.join("go-cache"));
        let output = command
            .output()
            .expect("go runs: scripts/install-go.sh installs it");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::rename(&built, &here).unwrap(); // another test may be running it
        here
    };
    BUILT.get_or_init(build).clone()
}

fn crates(dir: &Path, vkey: &str, since: Option<&Path>) -> Said {
    let (size, root) = opened(&dir.join("checkpoint"), vkey)?;
    let tiles = Tiles {
        dir,
        wrong: RefCell::default(),
    };
    let indexes: Vec<u64> = (0..tlog_tiles::stored_hash_count(size)).collect();
    let hashes = TileHashReader::new(size, root, &tiles).read_hashes(&indexes);
    let hashes = Stored(hashes.map_err(|error| format!("{}: {error}", tiles.wrong.borrow()))?);
    for number in 0..size.div_ceil(256) {
        let width = (size - 256 * number).min(256);
        let (file, bundle) = tiles.read("entries", &Tile::new(8, 0, number, width as u32, true))?;
        let mut rest = &bundle[..];
        for index in 256 * number..256 * number + width {
            let short = || format!("entry {index}, {file}: ends too early");
            let (length, bytes) = rest.split_first_chunk::<2>().ok_or_else(short)?;
            let (leaf, after) = bytes
                .split_at_checked(u16::from_be_bytes(*length).into())
                .ok_or_else(short)?;
            let proof = tlog_tiles::prove_record(size, index, &hashes)
                .map_err(|error| error.to_string())?;
            tlog_tiles::check_record(&proof, size, root, index, tlog_tiles::record_hash(leaf))
                .map_err(|error| format!("entry {index}, {file}: {error}"))?;
            rest = after;
        }
        if !rest.is_empty() && file.contains(".p/") == (width < 256) {
            return Err(format!("{file}: is too long"));
        }
    }
    if let Some(kept) = since {
        let (old, old_root) = opened(kept, vkey)?;
        if old > size {
            return Err(format!(
                "rolled back: {old} entries were seen, and there are {size}"
            ));
        }
        let proof =
            tlog_tiles::prove_tree(size, old, &hashes).map_err(|error| error.to_string())?;
        tlog_tiles::check_tree(&proof, size, root, old, old_root)
            .map_err(|error| format!("another history than was seen: {error}"))?;
    }
    Ok(format!("{size} entries"))
}

fn opened(file: &Path, vkey: &str) -> Result<(u64, Hash), String> {
    let bad = |error: &dyn std::fmt::Display| format!("checkpoint: {error}");
    let bytes = std::fs::read(file).map_err(|error| bad(&error))?;
    let note = Note::from_bytes(&bytes).map_err(|error| bad(&error))?;
    let key = StandardVerifier::new(vkey).unwrap();
    note.verify(&VerifierList::new(vec![Box::new(key)]))
        .map_err(|error| bad(&error))?;
    let checkpoint =
        tlog_tiles::Checkpoint::from_bytes(note.text()).map_err(|error| bad(&error))?;
    match vkey.starts_with(&format!("{}+", checkpoint.origin())) {
        true => Ok((checkpoint.size(), *checkpoint.hash())),
        false => Err(bad(&"another log's")),
    }
}

/// Tiles in the layout of C2SP, for code that knows that of Go's checksum database.
struct Tiles<'a> {
    dir: &'a Path,
    wrong: RefCell<String>,
}

impl Tiles<'_> {
    /// The file and its bytes; where a partial tile is gone, those of the full one.
    fn read(&self, folder: &str, tile: &Tile) -> Result<(String, Vec<u8>), String> {
        let full = Tile::new(8, 0, tile.level_index(), 256, tile.is_data());
        let path = |tile: &Tile| {
            let path = tile.path();
            let number = path.split('/').skip(3).collect::<Vec<_>>().join("/");
            format!("tile/{folder}/{number}")
        };
        let exact = path(tile);
        let read = |file: String| std::fs::read(self.dir.join(&file)).map(|bytes| (file, bytes));
        read(exact.clone())
            .or_else(|_| read(path(&full)))
            .map_err(|error| format!("{exact}: {error}"))
    }

    fn hashes(&self, tile: &Tile) -> Result<Vec<u8>, String> {
        let (file, mut bytes) = self.read(&tile.level().to_string(), tile)?;
        let width = 32 * tile.width() as usize;
        let stored = if file.contains(".p/") {
            width
        } else {
            32 * 256
        };
        if bytes.len() != stored {
            return Err(format!("{file}: has another length than it must"));
        }
        bytes.truncate(width);
        Ok(bytes)
    }
}

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let hashes = tiles.iter().map(|tile| self.hashes(tile));
        hashes.collect::<Result<_, _>>().map_err(|what| {
            *self.wrong.borrow_mut() = what;
            Error::InvalidTile
        })
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

/// Every hash of a tree, by its stored index.
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes
            .iter()
            .map(|&at| {
                self.0
                    .get(at as usize)
                    .copied()
                    .ok_or(Error::IndexesNotInTree)
            })
            .collect()
    }
}
