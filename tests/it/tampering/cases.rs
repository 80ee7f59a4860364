//! The tamperings, one a row.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::forge::{self, Hash, frame, read, replace};
use super::logs::{Image, Logs, ORIGIN, OTHER, copy, renamed};

/// What a verifier should find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// It does not verify, and this place is named.
    Rejects(&'static str),
    /// It verifies, and the verifier says this of it.
    Says(&'static str),
    /// It verifies: the verifier does not look there, or nobody can tell.
    Unseen,
}

use Found::{Rejects, Says, Unseen};

/// Who could do it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Needs {
    /// Whoever can write to the disk.
    Disk,
    /// Whoever holds the signing key as well.
    Key,
}

use Needs::{Disk, Key};

/// One tampering.
pub(super) struct Case {
    pub(super) name: &'static str,
    needs: Needs,
    of: Image,
    tamper: fn(&Tampered<'_>),
    /// By our verifier, the Python one, Go, the crates.
    pub(super) found: [Found; 4],
    /// The image whose checkpoint, kept elsewhere, shows it to all of them.
    pub(super) kept: Option<Image>,
}

/// A copy of a log, to be tampered with.
pub(super) struct Tampered<'a> {
    folder: tempfile::TempDir,
    logs: &'a Logs,
    /// The key that it is verified with.
    vkey: RefCell<String>,
}

impl Tampered<'_> {
    pub(super) fn new<'a>(logs: &'a Logs, case: &Case) -> Tampered<'a> {
        let tampered = Tampered {
            folder: tempfile::tempdir().unwrap(),
            logs,
            vkey: RefCell::new(logs.vkey.clone()),
        };
        copy(&logs.image(case.of), tampered.dir());
        (case.tamper)(&tampered);
        tampered
    }

    pub(super) fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn vkey(&self) -> String {
        self.vkey.borrow().clone()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir().join(file)
    }

    fn edit(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.path(file)).unwrap();
        change(&mut bytes);
        std::fs::write(self.path(file), bytes).unwrap();
    }

    fn flip(&self, file: &str, at: usize) {
        self.edit(file, |bytes| bytes[at] ^= 1);
    }

    fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(file)).unwrap();
    }

    fn leaves(&self) -> Vec<Vec<u8>> {
        forge::leaves(self.dir())
    }

    /// The entries changed, and the log signed anew with the stolen key.
    fn resign(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let mut leaves = self.leaves();
        change(&mut leaves);
        forge::publish(self.dir(), &leaves, ORIGIN, &self.logs.secret);
    }

    /// The last tile of a level or of the bundles.
    fn last(&self, folder: &str) -> String {
        let size = forge::size(self.dir());
        let count = if folder == "1" { size / 256 } else { size };
        forge::tile(folder, count / 256, count % 256)
    }

    /// Some key file.
    fn key_file(&self) -> String {
        let mut names: Vec<_> = std::fs::read_dir(self.path("keyring"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        names.sort_by_key(std::fs::DirEntry::file_name);
        format!("keyring/{}", names[0].file_name().to_str().unwrap())
    }

    /// The one file of a closed write-ahead log.
    fn end(&self) -> String {
        let entry = std::fs::read_dir(self.path("wal"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        format!("wal/{}", entry.file_name().to_str().unwrap())
    }

    /// A tail of one batch in the place of the write-ahead log, unsigned and right in every checksum.
    fn tail(&self, mut leaves: Vec<Vec<u8>>, more: &[Vec<u8>]) {
        let mut segment = forge::header(
            ORIGIN,
            2_000,
            77,
            &leaves,
            &forge::root(&hashes(&leaves)),
            0,
        );
        let from = segment.len();
        for (index, leaf) in (leaves.len() as u64..).zip(more) {
            frame(&mut segment, 1, index, leaf);
        }
        leaves.extend_from_slice(more);
        forge::commit(
            &mut segment,
            leaves.len() as u64,
            &forge::root(&hashes(&leaves)),
            from,
        );
        std::fs::remove_dir_all(self.path("wal")).unwrap();
        std::fs::create_dir(self.path("wal")).unwrap();
        std::fs::write(self.path("wal/00000009"), segment).unwrap();
    }
}

fn hashes(leaves: &[Vec<u8>]) -> Vec<Hash> {
    leaves.iter().map(|leaf| audit::leaf_hash(leaf)).collect()
}

/// Where an entry lies in its bundle, length and all.
fn offset(bundle: &[u8], nth: usize) -> usize {
    (0..nth).fold(0, |at, _| {
        at + 2 + usize::from(u16::from_be_bytes([bundle[at], bundle[at + 1]]))
    })
}

/// Exchanges two entries that follow each other in a bundle.
fn exchange(bundle: &mut [u8], nth: usize) {
    let (first, second, end) = (
        offset(bundle, nth),
        offset(bundle, nth + 1),
        offset(bundle, nth + 2),
    );
    bundle[first..end].rotate_left(second - first);
}

fn position(leaves: &[Vec<u8>], from: usize, kind: &str) -> usize {
    from + leaves[from..]
        .iter()
        .position(|leaf| read(leaf)["type"] == kind)
        .unwrap()
}

/// The leaf that opens another life, and how it looks otherwise.
fn boot(leaves: &[Vec<u8>], found: usize) -> Vec<u8> {
    let first = String::from_utf8(leaves[0].clone()).unwrap();
    let name = read(&leaves[0])["boot"].as_str().unwrap().to_owned();
    let leaf = first
        .replace(&name, "feedfeedfeedfeed")
        .replace("\"found\":0", &format!("\"found\":{found}"));
    leaf.into_bytes()
}

/// Seen by all of them; the first two name a place, whose parts are set apart by bars.
const fn all(ours: &'static str, python: &'static str) -> [Found; 4] {
    [Rejects(ours), Rejects(python), Rejects(""), Rejects("")]
}

/// Seen by the two that read everything.
const fn whole(ours: &'static str, python: &'static str) -> [Found; 4] {
    [Rejects(ours), Rejects(python), Unseen, Unseen]
}

/// Said by the two that read everything: it is no proof of anything.
const fn said(ours: &'static str, python: &'static str) -> [Found; 4] {
    [Says(ours), Says(python), Unseen, Unseen]
}

const fn case(
    name: &'static str,
    needs: Needs,
    of: Image,
    found: [Found; 4],
    tamper: fn(&Tampered<'_>),
) -> Case {
    Case {
        name,
        needs,
        of,
        found,
        kept: None,
        tamper,
    }
}

const fn kept(
    name: &'static str,
    needs: Needs,
    of: Image,
    kept: Image,
    tamper: fn(&Tampered<'_>),
) -> Case {
    Case {
        name,
        needs,
        of,
        found: [Unseen; 4],
        kept: Some(kept),
        tamper,
    }
}

use Image::{Closed, Crashed, Older};

pub(super) const CASES: &[Case] = &[
    // The checkpoint.
    case(
        "a byte of the checkpoint's root",
        Disk,
        Closed,
        all("checkpoint", "checkpoint"),
        |log| {
            log.edit("checkpoint", |note| {
                let at = ORIGIN.len() + 10;
                note[at] = if note[at] == b'A' { b'B' } else { b'A' };
            });
        },
    ),
    case(
        "a byte of the checkpoint's signature",
        Disk,
        Closed,
        all("checkpoint", "checkpoint"),
        |log| {
            log.edit("checkpoint", |note| {
                let at = note.len() - 20;
                note[at] = if note[at] == b'A' { b'B' } else { b'A' };
            });
        },
    ),
    case(
        "a carriage return after the signature",
        Disk,
        Closed,
        all("checkpoint", "checkpoint"),
        |log| {
            log.edit("checkpoint", |note| note.insert(note.len() - 1, b'\r'));
        },
    ),
    case(
        "the checkpoint removed",
        Disk,
        Closed,
        all("checkpoint: is missing", "checkpoint"),
        |log| log.remove("checkpoint"),
    ),
    case(
        "everything replaced by invented entries that nobody signed, and no checkpoint",
        Disk,
        Closed,
        [
            Rejects("checkpoint"),
            Rejects("checkpoint: is missing"),
            Rejects(""),
            Rejects(""),
        ],
        |log| {
            let first = log.leaves().remove(0);
            log.remove("checkpoint");
            for folder in ["tile", "content", "keyring"] {
                std::fs::remove_dir_all(log.path(folder)).unwrap();
            }
            log.tail(Vec::new(), &[first]);
        },
    ),
    case(
        "signed by another key",
        Disk,
        Closed,
        all("checkpoint", "checkpoint"),
        |log| {
            let leaves = log.leaves();
            forge::publish(log.dir(), &leaves, ORIGIN, STRANGER);
        },
    ),
    case(
        "replayed under another log's name, the name in the checkpoint changed",
        Disk,
        Closed,
        all("checkpoint", "checkpoint"),
        |log| {
            let (vkey, _) = renamed(OTHER, &log.logs.vkey, &log.logs.secret);
            log.vkey.replace(vkey);
            log.edit("checkpoint", |note| replace(note, ORIGIN, OTHER));
        },
    ),
    // Entries and tiles.
    case(
        "a byte of an entry",
        Disk,
        Closed,
        all("entry 300|tile/entries/001", "entry 300|tile/entries/001"),
        |log| {
            log.edit("tile/entries/001", |bundle| {
                let at = offset(bundle, 44) + 60;
                bundle[at] ^= 1;
            });
        },
    ),
    case(
        "a byte of an entry's hash",
        Disk,
        Closed,
        all(
            "entry 300|tile/0/001 at byte 1408",
            "entry 300|tile/0/001 at byte 1408",
        ),
        |log| {
            log.flip("tile/0/001", 32 * 44);
        },
    ),
    case(
        "a byte of a hash of hashes",
        Disk,
        Closed,
        all("entry 256|tile/1/000.p", "entry 256|tile/1/000.p"),
        |log| {
            log.flip(&log.last("1"), 40);
        },
    ),
    case(
        "an entry with its hash",
        Disk,
        Closed,
        all("entry 300|tile/entries/001", "tile/0/001"),
        |log| {
            log.edit("tile/entries/001", |bundle| {
                let at = offset(bundle, 44);
                let end = offset(bundle, 45);
                bundle[at + 60] ^= 1;
                let hash = audit::leaf_hash(&bundle[at + 2..end]);
                log.edit("tile/0/001", |tile| {
                    tile[32 * 44..32 * 45].copy_from_slice(&hash)
                });
            });
        },
    ),
    case(
        "an entry with every hash above it",
        Disk,
        Closed,
        all("checkpoint", "checkpoint"),
        |log| {
            let mut leaves = log.leaves();
            let intent = position(&leaves, 300, "req.intent");
            replace(&mut leaves[intent], "10.0.0.7", "10.0.0.8");
            forge::tiles(log.dir(), &leaves);
        },
    ),
    case(
        "two entries exchanged",
        Disk,
        Closed,
        all("entry 300|tile/entries/001", "entry 300|tile/entries/001"),
        |log| {
            log.edit("tile/entries/001", |bundle| exchange(bundle, 44));
        },
    ),
    case(
        "two entries exchanged, with their hashes",
        Disk,
        Closed,
        all("entry 300|tile/entries/001", "tile/0/001"),
        |log| {
            log.edit("tile/entries/001", |bundle| exchange(bundle, 44));
            log.edit("tile/0/001", |tile| tile[32 * 44..32 * 46].rotate_left(32));
        },
    ),
    case(
        "the last entries removed",
        Disk,
        Closed,
        all("tile/", "tile/"),
        |log| {
            let leaves = log.leaves();
            forge::tiles(log.dir(), &leaves[..leaves.len() - 5]);
        },
    ),
    case(
        "an entry added to the last bundle",
        Disk,
        Closed,
        all("tile/entries/", "tile/entries/"),
        |log| {
            log.edit(&log.last("entries"), |bundle| {
                bundle.extend([0, 2, b'{', b'}'])
            });
        },
    ),
    case(
        "a bundle cut short",
        Disk,
        Closed,
        all("tile/entries/001", "entry 511|tile/entries/001"),
        |log| {
            log.edit("tile/entries/001", |bundle| {
                bundle.truncate(bundle.len() - 1)
            });
        },
    ),
    case(
        "a tile removed",
        Disk,
        Closed,
        all("tile/0/000", "tile/0/000"),
        |log| log.remove("tile/0/000"),
    ),
    case(
        "a bundle removed",
        Disk,
        Closed,
        all("tile/entries/000", "tile/entries/000"),
        |log| log.remove("tile/entries/000"),
    ),
    case(
        "a partial tile that disagrees with the full one beside it",
        Disk,
        Closed,
        all("tile/0/", "tile/0/"),
        |log| {
            let (last, width) = (log.last("0"), 32 * 256);
            log.edit(&last, |tile| {
                let mut full = tile.clone();
                full.resize(width, 7);
                std::fs::write(log.path(last.split(".p").next().unwrap()), full).unwrap();
                tile[40] ^= 1;
            });
        },
    ),
    case(
        "an older partial tile that disagrees with the full one",
        Disk,
        Closed,
        said(
            "nothing accounts for",
            "nothing accounts for tile/0/000.p/9",
        ),
        |log| {
            std::fs::create_dir_all(log.path("tile/0/000.p")).unwrap();
            std::fs::write(log.path("tile/0/000.p/9"), [7; 9 * 32]).unwrap();
        },
    ),
    case(
        "an entry and tiles beyond the checkpoint",
        Disk,
        Closed,
        [Unseen, Says("nothing accounts for tile/0/"), Unseen, Unseen],
        |log| {
            let note = std::fs::read(log.path("checkpoint")).unwrap();
            let mut leaves = log.leaves();
            leaves.push(boot(&leaves, leaves.len()));
            let (narrow, bundle) = (log.last("0"), log.last("entries"));
            let kept = [narrow, bundle, log.last("1")]
                .map(|file| (std::fs::read(log.path(&file)).unwrap(), file));
            forge::tiles(log.dir(), &leaves);
            for (bytes, file) in kept {
                std::fs::write(log.path(&file), bytes).unwrap();
            }
            std::fs::write(log.path("checkpoint"), note).unwrap();
        },
    ),
    // Bodies and keys.
    case(
        "a byte of a sealed body",
        Disk,
        Closed,
        whole("content/00000000 at byte", "content/00000000 at byte"),
        |log| {
            log.flip("content/00000000", first_body(log) + 11);
        },
    ),
    case(
        "two sealed bodies exchanged",
        Disk,
        Closed,
        whole("content/00000000 at byte 0", "content/00000000 at byte 0"),
        |log| {
            let length = first_body(log);
            log.edit("content/00000000", |volume| {
                volume[..2 * length].rotate_left(length);
            });
        },
    ),
    case(
        "a sealed body cut short",
        Disk,
        Closed,
        whole("content/00000000", "content/00000000"),
        |log| {
            log.edit("content/00000000", |volume| {
                volume.truncate(volume.len() - 1)
            });
        },
    ),
    case(
        "something behind the sealed bodies",
        Disk,
        Closed,
        whole("content/00000000", "content/00000000"),
        |log| {
            log.edit("content/00000000", |volume| volume.push(0));
        },
    ),
    case(
        "the sealed bodies removed",
        Disk,
        Closed,
        whole("content/00000000", "content/00000000"),
        |log| log.remove("content/00000000"),
    ),
    case(
        "a byte of a key file",
        Disk,
        Closed,
        whole("keyring/", "keyring/"),
        |log| log.flip(&log.key_file(), 30),
    ),
    case(
        "a key file removed",
        Disk,
        Closed,
        whole("keyring/", "keyring/"),
        |log| log.remove(&log.key_file()),
    ),
    case(
        "a file that no entry names",
        Disk,
        Closed,
        said(
            "nothing accounts for",
            "nothing accounts for keyring/0000000000000000",
        ),
        |log| {
            std::fs::write(log.path("keyring/0000000000000000"), "{}").unwrap();
        },
    ),
    // The write-ahead log.
    case(
        "the write-ahead log removed",
        Disk,
        Closed,
        whole("wal", "wal"),
        |log| log.remove(&log.end()),
    ),
    case(
        "a byte of its header",
        Disk,
        Closed,
        whole("wal", "wal"),
        |log| log.flip(&log.end(), 40),
    ),
    case(
        "its first segment removed",
        Disk,
        Crashed,
        whole("wal", "wal"),
        |log| {
            log.remove(&forge::segments(log.dir())[0].file);
        },
    ),
    case(
        "a byte of an entry in its middle",
        Disk,
        Crashed,
        whole("wal", "a frame that had been committed"),
        |log| {
            let segment = &forge::segments(log.dir())[1];
            let first = segment.frames.iter().position(|frame| frame.kind == 3);
            log.flip(&segment.file, segment.frames[first.unwrap() + 1].at + 30);
        },
    ),
    case(
        "a byte of the first entry of a segment",
        Disk,
        Crashed,
        whole(
            "a frame that had been committed",
            "a frame that had been committed",
        ),
        |log| {
            let segment = &forge::segments(log.dir())[1];
            log.flip(&segment.file, segment.frames[0].at + 30);
        },
    ),
    case(
        "an entry in its middle, checksum and all",
        Disk,
        Crashed,
        whole("wal", "wal"),
        |log| {
            let segment = &forge::segments(log.dir())[1];
            let entry = segment.frames.iter().find(|frame| frame.kind == 1).unwrap();
            log.edit(&segment.file, |bytes| {
                let at = entry.at
                    + 24
                    + bytes[entry.at + 24..]
                        .windows(4)
                        .position(|four| four == b"alic")
                        .unwrap();
                bytes[at] = b'A';
                forge::check(bytes, entry.at, entry.length);
            });
        },
    ),
    case(
        "a sealed body in its middle, checksum and all",
        Disk,
        Crashed,
        whole("wal", "wal"),
        |log| {
            let segment = &forge::segments(log.dir())[1];
            let body = segment.frames.iter().find(|frame| frame.kind == 2).unwrap();
            log.edit(&segment.file, |bytes| {
                bytes[body.at + 100] ^= 1;
                forge::check(bytes, body.at, body.length);
            });
        },
    ),
    case(
        "a segment's header that lies about the tree before it",
        Disk,
        Crashed,
        whole("begins with another tree", "begins with another tree"),
        |log| {
            let segment = &forge::segments(log.dir())[1];
            log.edit(&segment.file, |bytes| {
                bytes[50] ^= 1;
                forge::check_header(bytes);
            });
        },
    ),
    case(
        "invented entries that contradict the others",
        Disk,
        Closed,
        whole("wal", "without a gap"),
        |log| {
            let leaves = log.leaves();
            let mut more = boot(&leaves, leaves.len());
            replace(&mut more, "\"n\":0", "\"n\":1");
            log.tail(leaves, &[more]);
        },
    ),
    case(
        "the tail removed, and a clean end put there",
        Disk,
        Crashed,
        whole(
            "calls an end clean that was none",
            "calls an end clean that was none",
        ),
        |log| {
            let leaves = log.leaves();
            forge::close(log.dir(), &leaves, &forge::root(&hashes(&leaves)), ORIGIN);
        },
    ),
    case(
        "invented entries behind a clean end",
        Disk,
        Closed,
        whole(
            "follows an end that is called clean",
            "something follows an end that is called clean",
        ),
        |log| {
            let mut leaves = log.leaves();
            let more = boot(&leaves, leaves.len());
            log.edit(&log.end(), |end| {
                let from = end.len();
                frame(end, 1, leaves.len() as u64, &more);
                leaves.push(more);
                forge::commit(
                    end,
                    leaves.len() as u64,
                    &forge::root(&hashes(&leaves)),
                    from,
                );
            });
        },
    ),
    // What nobody has signed, nobody can vouch for.
    case(
        "invented entries in place of a clean end",
        Disk,
        Closed,
        said(
            "1 more are committed in the write-ahead log and not yet signed",
            "1 more are committed in the write-ahead log; nobody signed them",
        ),
        |log| {
            let leaves = log.leaves();
            let more = boot(&leaves, leaves.len());
            log.tail(leaves, &[more]);
        },
    ),
    case(
        "the last segment removed, of entries that nobody signed",
        Disk,
        Crashed,
        [Unseen; 4],
        |log| {
            log.remove(&forge::segments(log.dir()).last().unwrap().file);
        },
    ),
    case(
        "a byte of the last batch, of entries that nobody signed",
        Disk,
        Crashed,
        said("never acknowledged", "never acknowledged"),
        |log| {
            let segments = forge::segments(log.dir());
            let last = segments.last().unwrap();
            // Its commit: a crash may leave whole frames behind that, which count for nothing already.
            let mut commits = last.frames.iter().filter(|frame| frame.kind == 3);
            log.flip(&last.file, commits.next_back().unwrap().at + 30);
        },
    ),
    // With the stolen key: signed, and yet not a story that can be true.
    case(
        "an entry taken out",
        Key,
        Closed,
        whole("entry 300", "entry 300"),
        |log| {
            log.resign(|leaves| drop(leaves.remove(300)));
        },
    ),
    case(
        "two entries exchanged, signed anew",
        Key,
        Closed,
        whole("entry 300", "entry 300"),
        |log| log.resign(|leaves| leaves.swap(300, 301)),
    ),
    case(
        "an entry put in",
        Key,
        Closed,
        whole("entry 301", "entry 301"),
        |log| {
            log.resign(|leaves| leaves.insert(301, leaves[300].clone()));
        },
    ),
    case(
        "an entry in another spelling",
        Key,
        Closed,
        whole("entry 300", "entry 300"),
        |log| {
            log.resign(|leaves| replace(&mut leaves[300], "{\"type\"", "{ \"type\""));
        },
    ),
    case(
        "an entry with a key more than its type has",
        Key,
        Closed,
        whole("entry 0", "entry 0"),
        |log| {
            log.resign(|leaves| replace(&mut leaves[0], "\"open\":0", "\"open\":0,\"note\":1"));
        },
    ),
    case(
        "an outcome that closes another's intent",
        Key,
        Closed,
        whole("entry", "entry"),
        |log| {
            log.resign(|leaves| {
                let first = position(leaves, 0, "req.outcome");
                let second = position(leaves, first + 1, "req.outcome");
                let of = |at: usize| format!("\"intent\":{}", read(&leaves[at])["intent"]);
                let (one, other) = (of(first), of(second));
                replace(&mut leaves[first], &one, &other);
                replace(&mut leaves[second], &other, &one);
            });
        },
    ),
    case(
        "a body sealed under a key that came later",
        Key,
        Closed,
        whole("never announced", "not announced before"),
        |log| {
            log.resign(|leaves| {
                let first = position(leaves, 0, "key.epoch");
                let later = position(leaves, first + 1, "key.epoch");
                let of = |at: usize| read(&leaves[at])["epoch"].as_str().unwrap().to_owned();
                let (one, other) = (of(first), of(later));
                let intent = position(leaves, first, "req.intent");
                replace(&mut leaves[intent], &one, &other);
            });
        },
    ),
    case(
        "a body at another's place",
        Key,
        Closed,
        whole("content/00000000", "does not follow"),
        |log| {
            log.resign(|leaves| {
                let intent = position(leaves, 0, "req.intent");
                replace(&mut leaves[intent], "\"at\":0", "\"at\":189");
            });
        },
    ),
    case(
        "an opening that hides open intents",
        Key,
        Closed,
        whole("intents were open", "where the log stood"),
        |log| {
            log.resign(|leaves| {
                let boot = leaves
                    .iter()
                    .position(|leaf| read(leaf)["open"] == 3)
                    .unwrap();
                replace(&mut leaves[boot], "\"open\":3", "\"open\":0");
            });
        },
    ),
    case(
        "an opening that calls a crash a clean end",
        Key,
        Closed,
        whole("calls an end clean", "calls an end clean"),
        |log| {
            log.resign(|leaves| {
                let boot = leaves
                    .iter()
                    .position(|leaf| read(leaf)["open"] == 3)
                    .unwrap();
                replace(&mut leaves[boot], "\"clean\":false", "\"clean\":true");
            });
        },
    ),
    case(
        "the last entry, the shutdown, taken out",
        Key,
        Closed,
        whole(
            "calls an end clean that was none",
            "calls an end clean that was none",
        ),
        |log| {
            log.resign(|leaves| drop(leaves.pop()));
        },
    ),
    case(
        "replayed under another log's name, signed anew",
        Key,
        Closed,
        whole("entry 0|under another name", "entry 0|under another name"),
        |log| {
            let (vkey, secret) = renamed(OTHER, &log.logs.vkey, &log.logs.secret);
            log.vkey.replace(vkey);
            let leaves = log.leaves();
            forge::publish(log.dir(), &leaves, OTHER, &secret);
        },
    ),
    case(
        "an entry that calls another's outcome late",
        Key,
        Closed,
        whole("calls something late", "calls something late"),
        |log| {
            log.resign(|leaves| {
                let deny = position(leaves, 0, "req.deny");
                let text = String::from_utf8(leaves[deny].clone())
                    .unwrap()
                    .replace("req.deny", "req.late");
                let (envelope, _) = text.split_once(",\"op\"").unwrap();
                leaves[deny] = format!("{envelope},\"outcome\":0}}").into_bytes();
            });
        },
    ),
    case(
        "two lives under one name",
        Key,
        Closed,
        whole(
            "two lives of the log have one name",
            "two lives of the log have one name",
        ),
        |log| {
            log.resign(|leaves| {
                let later = position(leaves, 1, "boot");
                let name = |at: usize| read(&leaves[at])["boot"].as_str().unwrap().to_owned();
                let (one, other) = (name(0), name(later));
                let theirs = |leaf: &&mut Vec<u8>| read(leaf)["boot"] == other.as_str();
                leaves
                    .iter_mut()
                    .filter(theirs)
                    .for_each(|leaf| replace(leaf, &other, &one));
            });
        },
    ),
    case(
        "a format that nobody knows",
        Key,
        Closed,
        whole("another version", "another version"),
        |log| {
            log.resign(|leaves| replace(&mut leaves[0], "\"format\":1", "\"format\":2"));
        },
    ),
    case(
        "a score beyond its scale",
        Key,
        Closed,
        whole(
            "holds more than an entry can",
            "does not have the fields of its type",
        ),
        |log| {
            log.resign(|leaves| {
            let intent = position(leaves, 0, "req.intent");
            let hit = "\"hits\":[{\"path\":\"messages[0].content\",\"label\":\"pii\",\"rule\":\"CS-10\",\"score\":10001,\"threshold\":5000,\"action\":\"allow\",\"n\":1}]";
            replace(&mut leaves[intent], "\"action\":\"allow\"}]", &format!("\"action\":\"allow\",{hit}}}]"));
        });
        },
    ),
    case(
        "the clock back by a year",
        Key,
        Closed,
        said("1 of them go back", "1 of them go back"),
        |log| {
            log.resign(|leaves| {
                let ts = read(&leaves[300])["ts"].as_u64().unwrap();
                replace(
                    &mut leaves[300],
                    &format!("\"ts\":{ts}"),
                    &format!("\"ts\":{}", ts - 31_536_000_000_000_000),
                );
            });
        },
    ),
    // What verifies alone: only a checkpoint that somebody else kept, or a witness, shows it.
    kept(
        "the whole disk put back to an older state",
        Disk,
        Older,
        Closed,
        |_| {},
    ),
    kept(
        "another history than was seen, same key (a fork)",
        Key,
        Closed,
        Image::Forked,
        |_| {},
    ),
    kept(
        "an entry rewritten and the log signed anew",
        Key,
        Closed,
        Closed,
        |log| {
            log.resign(|leaves| {
                let intent = position(leaves, 300, "req.intent");
                replace(&mut leaves[intent], "svc:payroll", "svc:benefit");
            });
        },
    ),
    kept(
        "the last entries cut off and the log signed anew",
        Key,
        Closed,
        Closed,
        |log| {
            log.resign(|leaves| {
                let mut open = 0_i32;
                let mut ends = Vec::new();
                for (at, leaf) in leaves.iter().enumerate() {
                    open += match read(leaf)["type"].as_str().unwrap() {
                        "req.intent" => 1,
                        "req.outcome" => -1,
                        _ => 0,
                    };
                    ends.extend((open == 0).then_some(at));
                }
                let end = *ends
                    .iter()
                    .rev()
                    .find(|&&end| end + 20 < leaves.len())
                    .unwrap();
                let entry = read(&leaves[end]);
                leaves.truncate(end + 1);
                leaves.push(
                    format!(
                        "{{\"type\":\"shutdown\",\"ts\":{},\"boot\":{},\"n\":{}}}",
                        entry["ts"],
                        entry["boot"],
                        entry["n"].as_u64().unwrap() + 1
                    )
                    .into_bytes(),
                );
            });
            let (_, end) = forge::spot(&log.leaves());
            log.edit("content/00000000", |volume| volume.truncate(end as usize));
        },
    ),
];

/// How long the first sealed body is; the next one is as long.
fn first_body(log: &Tampered<'_>) -> usize {
    let leaves = log.leaves();
    let mut lengths = leaves
        .iter()
        .filter_map(|leaf| read(leaf)["body"][0]["len"].as_u64());
    let (first, next) = (lengths.next().unwrap(), lengths.next().unwrap());
    assert_eq!(first, next);
    usize::try_from(first).unwrap()
}

/// Somebody else's key under the log's name.
const STRANGER: &str =
    "PRIVATE+KEY+gw1.agency.example/audit+abeddf64+AQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ";

impl Found {
    fn cell(self) -> &'static str {
        match self {
            Rejects(_) => "rejects",
            Says(_) => "says so",
            Unseen => "–",
        }
    }
}

/// The tamperings as the documentation shows them.
pub(super) fn table(cases: &[Case]) -> String {
    let mut table = String::from(
        "| what was done | with | `audit verify` | `verify.py` | Go | crates | with a kept checkpoint |\n|---|---|---|---|---|---|---|\n",
    );
    for case in cases {
        let [ours, python, go, crates] = case.found.map(Found::cell);
        let with = match case.needs {
            Disk => "the disk",
            Key => "the key",
        };
        let kept = if case.kept.is_some() {
            "all reject"
        } else {
            ""
        };
        writeln!(
            table,
            "| {} | {with} | {ours} | {python} | {go} | {crates} | {kept} |",
            case.name
        )
        .unwrap();
    }
    table
}
