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

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
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
		Short: "Verify MP4s against the signed ledger of replacements",
		Long: `Verify MP4s against the signed ledger of replacements: since when each exists, from
which recording it was made, what was compared, and where the original is. It
changes nothing.

  jumpserver-video verify                                    the ledger itself
  jumpserver-video verify 0b9d5f1e                           one session
  jumpserver-video verify 2024-04-23                         one day
  jumpserver-video verify --export worker-1.jsonl            for an auditor
  jumpserver-video verify --ledger worker-1.jsonl --key worker-1.pub *.mp4

The first four are for the agent's host. The last needs only the given files: use
--ledger and --key once for each agent of a fleet. An argument that exists as a
file or folder is taken as one. Days, and folders of a day, are also searched for
missing MP4s. A session is given by its id, or by at least the first four
characters of it, if no other id in the ledger begins with them.

Keys in a ledger are not trusted. Without --key, the public keys beside the ledger
are trusted, NAME.pub for NAME.jsonl: anybody who gives you a ledger can forge them.

` + verifyCodeHelp,
		Args: usageArgs(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error { return a.verify(c.Context(), opt, args) },
	}
	c.Flags().StringArrayVar(&opt.ledgers, "ledger", nil, "ledger of an agent, or the folder with it (default: that below DATA_DIR)")
	c.Flags().StringArrayVar(&opt.keys, "key", nil, "file with the public key of a ledger; only these keys are trusted")
	c.Flags().StringArrayVar(&opt.heads, "head", nil, "hash of an entry that was recorded elsewhere, and that the ledger must contain")
	c.Flags().StringVar(&opt.export, "export", "", "copy the ledger to this file, and its public key beside it (.pub)")
	c.Flags().BoolVar(&opt.json, "json", false, "print JSON")
	return c
}

// verified is the result of verify.
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
		fmt.Fprintln(a.err, a.lang.T("cli.verify_exported", "file", opt.export, "keys", publicFileOf(opt.export)))
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

// verdictError means that something differs from the ledger.
type verdictError struct {
	code int
	text i18n.Text
}

func (e *verdictError) Error() string   { return e.text.String() }
func (e *verdictError) said() i18n.Text { return e.text }

// outcome returns the error with which the process ends: the worst of all findings.
func outcome(books []*book, all []finding) error {
	count := map[int]int{}
	for _, f := range all {
		count[f.Status.code()]++
	}
	faults := 0
	for _, b := range books {
		faults += len(b.Faults)
	}
	of := i18n.T("cli.verify_mp4s", "n", len(all))
	verdict := func(code int, key string) error {
		return &verdictError{code, i18n.T(key, "count", count[code], "of", of)}
	}
	switch {
	case count[exitChanged] > 0:
		return verdict(exitChanged, "cli.verify_changed")
	case faults > 0:
		return verdict(exitLedger, "cli.verify_ledger")
	case count[exitNotInLedger] > 0:
		return verdict(exitNotInLedger, "cli.verify_not_in")
	case count[exitFiles] > 0:
		return verdict(exitFiles, "cli.verify_unread")
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

// publicFileOf returns the file with the public keys beside an exported ledger.
func publicFileOf(file string) string {
	return strings.TrimSuffix(file, filepath.Ext(file)) + ".pub"
}

// replaceFile writes a file atomically.
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

// containsAny reports whether a text contains one of the words. If there are many words, it
// always returns true.
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

// printable returns untrusted text without characters that control a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x200e && r <= 0x202e {
			return '\uFFFD'
		}
		return r
	}, s)
}
