package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// verifyOptions are the flags of verify.
type verifyOptions struct {
	ledgers, keys, heads []string
	export               string
	json                 bool
}

func (a *app) verifyCommand() *cobra.Command {
	var opt verifyOptions
	c := &cobra.Command{
		Use:   "verify [S.replay.mp4 | SESSION | YYYY-MM-DD | FOLDER]...",
		Short: "Show that MP4s are what recordings were replaced by, from the signed ledger",
		Long: `Show that MP4s are what recordings were replaced by, from the signed ledger:
since when, made from which recording, what was compared, where the original
went. It changes nothing.

  jumpserver-video verify                                    the ledger itself
  jumpserver-video verify 0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e70    a session
  jumpserver-video verify 2024-04-23                         a day
  jumpserver-video verify --export worker-1.jsonl            for an auditor
  jumpserver-video verify --ledger worker-1.jsonl --key worker-1.pub *.mp4

The first four are for the agent's host. The last needs nothing but the files
named: give --ledger and --key once for each agent of a fleet. What exists as
a file or folder is taken for one; days and folders of a day are also searched
for MP4s that are missing.

Keys in a ledger are not believed. Without --key the public keys beside the
ledger are, NAME.pub for NAME.jsonl: whoever gives you a ledger can make those.

` + verifyCodeHelp,
		Args: usageArgs(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error { return a.verify(c.Context(), opt, args) },
	}
	c.Flags().StringArrayVar(&opt.ledgers, "ledger", nil, "ledger of an agent, or the folder with it (default: that below DATA_DIR)")
	c.Flags().StringArrayVar(&opt.keys, "key", nil, "file with the public key of a ledger; only these are believed")
	c.Flags().StringArrayVar(&opt.heads, "head", nil, "hash of an entry that was noted elsewhere and must be there")
	c.Flags().StringVar(&opt.export, "export", "", "copy the ledger to this file, and its public key beside it (.pub)")
	c.Flags().BoolVar(&opt.json, "json", false, "print JSON")
	return c
}

// verified is what verify found.
type verified struct {
	Ledgers []*book   `json:"ledgers"`
	MP4s    []finding `json:"mp4s"`
}

func (a *app) verify(ctx context.Context, opt verifyOptions, args []string) error {
	books, err := a.openBooks(opt)
	if err != nil {
		return err
	}
	defer books.close()
	if err := books.findHeads(opt.heads); err != nil {
		return err
	}
	if opt.export != "" {
		if err := books.export(opt.export); err != nil {
			return err
		}
		fmt.Fprintf(a.err, "exported to %s and %s\n", opt.export, publicFileOf(opt.export))
	}
	all, err := (&inspection{app: a, books: books}).run(ctx, args)
	if err != nil {
		return err
	}
	books.takeFaults()
	if opt.json {
		err = a.printJSON(verified{books.all, all})
	} else {
		err = a.printVerified(verified{books.all, all})
	}
	if err != nil {
		return err
	}
	return outcome(books.all, all)
}

// verdictError says that something is not as the ledger says.
type verdictError struct {
	code int
	text string
}

func (e *verdictError) Error() string { return e.text }

// outcome is the error that the process ends with: of several the worst.
func outcome(books []*book, all []finding) error {
	count := map[int]int{}
	for _, f := range all {
		count[f.Status.code()]++
	}
	faults := 0
	for _, b := range books {
		faults += len(b.Faults)
	}
	of := plural(len(all), "MP4", "MP4s")
	switch {
	case count[exitChanged] > 0:
		return &verdictError{exitChanged, fmt.Sprintf("%d of %s changed, forged or missing", count[exitChanged], of)}
	case faults > 0:
		return &verdictError{exitLedger, "the ledger does not verify"}
	case count[exitNotInLedger] > 0:
		return &verdictError{exitNotInLedger, fmt.Sprintf("%d of %s not in the ledger", count[exitNotInLedger], of)}
	case count[exitFiles] > 0:
		return &verdictError{exitFiles, fmt.Sprintf("%d of %s could not be looked at", count[exitFiles], of)}
	}
	return nil
}

// export copies the ledgers to a file, and their public keys to one beside it.
func (b *books) export(file string) error {
	var text []io.Reader
	var keys strings.Builder
	for _, book := range b.all {
		text = append(text, book.audited.Text())
		for _, key := range book.keys {
			if line := key.String() + "\n"; !strings.Contains(keys.String(), line) {
				keys.WriteString(line)
			}
		}
	}
	if err := replaceFile(file, io.MultiReader(text...)); err != nil {
		return err
	}
	return replaceFile(publicFileOf(file), strings.NewReader(keys.String()))
}

// publicFileOf is the file with the public keys beside an exported ledger.
func publicFileOf(file string) string {
	return strings.TrimSuffix(file, filepath.Ext(file)) + ".pub"
}

// replaceFile writes a file whole or not at all.
func replaceFile(file string, text io.Reader) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".export-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, text)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// containsAny reports whether a text has one of some words in it; with many
// words it always says so.
func containsAny(text []byte, words []string) bool {
	if len(words) > 20 {
		return true
	}
	for _, word := range words {
		if bytes.Contains(text, []byte(word)) {
			return true
		}
	}
	return false
}

// printable is a foreign text as it may be shown on a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x200e && r <= 0x202e {
			return '\uFFFD'
		}
		return r
	}, s)
}
