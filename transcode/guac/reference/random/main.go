// Command random writes random scripts for the reference player, and archives them
// with the pictures that the player made: see testdata/reference/README.md.
//
//	random -seeds 1:300 FOLDER
//	random -pack ARCHIVE FOLDER
package main

import (
	"archive/zip"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac/guactest"
)

func main() {
	log.SetFlags(0)
	seeds := flag.String("seeds", "1:300", "the first and the last seed")
	pack := flag.String("pack", "", "the archive to write of a folder's files, instead")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: random [-seeds FIRST:LAST | -pack ARCHIVE] FOLDER")
	}
	work := func() error { return write(*seeds, flag.Arg(0)) }
	if *pack != "" {
		work = func() error { return archive(*pack, flag.Arg(0)) }
	}
	if err := work(); err != nil {
		log.Fatal(err)
	}
}

// write writes a script for each seed.
func write(seeds, dir string) error {
	var first, last uint64
	if _, err := fmt.Sscanf(seeds, "%d:%d", &first, &last); err != nil {
		return fmt.Errorf("seeds %q: %w", seeds, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for seed := first; seed <= last; seed++ {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d.txt", seed)), []byte(guactest.Random(seed)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// archive writes a folder's files, in the order of their names, into a reproducible
// ZIP archive.
func archive(path, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	z := zip.NewWriter(out)
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		w, err := z.Create(entry.Name())
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return out.Close()
}
