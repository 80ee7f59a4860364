// Command verifier checks the public part of a Portcullis audit log with the Go project's own code for
// transparency logs, golang.org/x/mod/sumdb/note and sumdb/tlog: the checkpoint's signature, every tile of
// every level, every entry's inclusion, and consistency with an older checkpoint.
//
//	verifier [-since CHECKPOINT] LOG VKEY
//
// It sees what the tree holds, and no more: neither sealed bodies nor key files, neither the write-ahead log
// nor what the entries say to each other.
//
// Exit: 0 it verifies, 1 it does not, 2 it could not be checked.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
	// How many hashes are asked for at once: every request checks the tiles that it reads anew.
	chunk = 1 << 14
)

func main() {
	since := flag.String("since", "", "a `checkpoint` that was kept: the log must go on from it")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: verifier [-since CHECKPOINT] LOG VKEY")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	verifier, err := note.NewVerifier(flag.Arg(1))
	if err != nil {
		fmt.Fprintln(os.Stderr, "could not be checked: the verifier key:", err)
		os.Exit(2)
	}
	said, err := verify(flag.Arg(0), verifier, *since)
	var unusable unusable
	if errors.As(err, &unusable) {
		fmt.Fprintln(os.Stderr, "could not be checked:", err)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "does not verify:", err)
		os.Exit(1)
	}
	fmt.Println(said)
}

// unusable is a kept checkpoint that nothing can be compared with.
type unusable struct{ error }

func (u unusable) Error() string { return "the kept checkpoint: " + u.error.Error() }

func verify(folder string, verifier note.Verifier, since string) (string, error) {
	tree, err := checkpoint(filepath.Join(folder, "checkpoint"), verifier)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	hashes, err := authenticated(folder, tree)
	if err != nil {
		return "", err
	}
	if err := entries(folder, tree, hashes); err != nil {
		return "", err
	}
	said := fmt.Sprintf("%s signed %d entries, root %v: tiles and inclusion hold", verifier.Name(), tree.N, tree.Hash)
	if since != "" {
		old, err := checkpoint(since, verifier)
		if err != nil {
			return "", unusable{err}
		}
		if err := consistent(tree, old, hashes); err != nil {
			return "", fmt.Errorf("checkpoint: %w", err)
		}
		said += fmt.Sprintf("; it goes on from %d entries", old.N)
	}
	return said, nil
}

// checkpoint opens a signed note and reads the tree that it signs.
func checkpoint(file string, verifier note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	data, err := os.ReadFile(file)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tree, errors.New("not a checkpoint of this log")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil || strconv.FormatInt(tree.N, 10) != lines[1] || tree.N < 0 {
		return tree, errors.New("not a tree size")
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || copy(tree.Hash[:], root) != tlog.HashSize || len(root) != tlog.HashSize {
		return tree, errors.New("not a root hash")
	}
	return tree, nil
}

// stored is every hash of the tree, by its stored index, each of them proved to be under the signed root.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		found = append(found, s[index])
	}
	return found, nil
}

func authenticated(folder string, tree tlog.Tree) (stored, error) {
	if tree.N == 0 {
		empty, err := tlog.TreeHash(0, stored(nil))
		if err == nil && empty != tree.Hash {
			err = errors.New("checkpoint: signs another root than the empty tree's")
		}
		return nil, err
	}
	reader := tlog.TileHashReader(tree, &tiles{folder})
	count := tlog.StoredHashCount(tree.N)
	all := make(stored, 0, count)
	for first := int64(0); first < count; first += chunk {
		var indexes []int64
		for index := first; index < count && index < first+chunk; index++ {
			indexes = append(indexes, index)
		}
		hashes, err := reader.ReadHashes(indexes)
		if err != nil {
			return nil, err
		}
		all = append(all, hashes...)
	}
	return all, nil
}

// tiles reads tiles of the C2SP layout. It is tlog's own, but for the height, which C2SP fixes and leaves out.
type tiles struct{ folder string }

func (t *tiles) Height() int { return height }

func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, stored, err := t.read(tile)
		if err != nil {
			return nil, err
		}
		if len(data) != stored.W*tlog.HashSize {
			return nil, fmt.Errorf("%s: has another length than it must", path(stored))
		}
		all = append(all, data[:tile.W*tlog.HashSize])
	}
	return all, nil
}

// read falls back to the full tile where a partial one is gone, as C2SP lets the log do, and says which it was.
func (t *tiles) read(tile tlog.Tile) ([]byte, tlog.Tile, error) {
	data, err := os.ReadFile(filepath.Join(t.folder, path(tile)))
	if errors.Is(err, os.ErrNotExist) && tile.W < width {
		full := tile
		full.W = width
		if data, err := os.ReadFile(filepath.Join(t.folder, path(full))); err == nil {
			return data, full, nil
		}
	}
	return data, tile, err
}

func path(tile tlog.Tile) string {
	rest := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	if entries := strings.TrimPrefix(rest, "data/"); entries != rest {
		return "tile/entries/" + entries
	}
	return "tile/" + rest
}

// entries reads every bundle and proves each entry to be in the tree.
func entries(folder string, tree tlog.Tree, hashes stored) error {
	reader := &tiles{folder}
	for n := int64(0); n*width < tree.N; n++ {
		tile := tlog.Tile{H: height, L: -1, N: n, W: width}
		if left := tree.N - n*width; left < width {
			tile.W = int(left)
		}
		data, from, err := reader.read(tile)
		if err != nil {
			return err
		}
		at := 0
		for i := 0; i < tile.W; i++ {
			index := n*width + int64(i)
			if len(data) < at+2 || len(data) < at+2+int(binary.BigEndian.Uint16(data[at:])) {
				return fmt.Errorf("entry %d, %s at byte %d: ends too early", index, path(from), at)
			}
			leaf := data[at+2 : at+2+int(binary.BigEndian.Uint16(data[at:]))]
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			if err == nil {
				err = tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(leaf))
			}
			if err != nil {
				return fmt.Errorf("entry %d, %s at byte %d: %w", index, path(from), at, err)
			}
			at += 2 + len(leaf)
		}
		if from.W == tile.W && at != len(data) {
			return fmt.Errorf("%s at byte %d: is too long", path(from), at)
		}
	}
	return nil
}

// consistent proves that the tree goes on from an older one.
func consistent(tree, old tlog.Tree, hashes stored) error {
	switch {
	case old.N > tree.N:
		return fmt.Errorf("the log was rolled back: %d entries were seen, and there are %d", old.N, tree.N)
	case old.N == tree.N && old.Hash != tree.Hash:
		return errors.New("another history than was seen: two roots for one size")
	case old.N == tree.N || old.N == 0:
		return nil
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err == nil {
		err = tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
	}
	if err != nil {
		return fmt.Errorf("another history than was seen at %d entries: %w", old.N, err)
	}
	return nil
}
