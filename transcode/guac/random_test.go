package guac

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io/fs"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac/guactest"
)

// randomScripts returns the archive of random scripts, with their pictures and
// sounds, by seed, or the folder in RANDOM_SCRIPTS.
func randomScripts(t *testing.T) fs.FS {
	t.Helper()
	if dir := os.Getenv("RANDOM_SCRIPTS"); dir != "" {
		return os.DirFS(dir)
	}
	z, err := zip.OpenReader(referenceDir + "random.zip")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.Close() })
	return z
}

// TestRandomScripts compares pictures and sounds of random scripts with those of
// the reference player: make reference-random makes new ones.
func TestRandomScripts(t *testing.T) {
	all := randomScripts(t)
	names, err := fs.Glob(all, "*.txt")
	if err != nil || len(names) < 200 && os.Getenv("RANDOM_SCRIPTS") == "" {
		t.Fatal(len(names), err)
	}
	for _, name := range names {
		seed := strings.TrimSuffix(name, ".txt")
		t.Run(seed, func(t *testing.T) {
			text, err := fs.ReadFile(all, name)
			if err != nil {
				t.Fatal(err)
			}
			picture, err := fs.ReadFile(all, seed+".png")
			if err != nil {
				t.Fatal(err)
			}
			img, err := png.Decode(bytes.NewReader(picture))
			if err != nil {
				t.Fatal(err)
			}
			want := image.NewRGBA(img.Bounds())
			draw.Draw(want, want.Rect, img, image.Point{}, draw.Src)
			dump := []byte(dumpOf(t, string(text)))
			got := displayAt(t, dump, time.Hour, want.Rect)
			if err := comparisonOf(t, string(text)).check(got, want); err != nil {
				t.Error(err)
				keepPictures(t, seed+".png", got, want)
			}
			compareSound(t, all, seed, dump)
		})
	}
}

// heard is what was played in a format: frames, and the sum of all samples.
type heard struct {
	Samples int `json:"samples"`
	Sum     int `json:"sum"`
}

// compareSound compares the sound of a script with that of the reference player.
func compareSound(t *testing.T, all fs.FS, seed string, dump []byte) {
	t.Helper()
	want := map[string]heard{}
	data, err := fs.ReadFile(all, seed+".json")
	if err == nil {
		err = json.Unmarshal(data, &want)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	a := &album{}
	if _, err := Play(t.Context(), []Part{dumpPart(t, dump)}, Options{}, a, nil); err != nil {
		t.Fatal(err)
	}
	got := map[string]heard{}
	for _, c := range a.sound {
		format := fmt.Sprintf("%dx%d", c.Rate, c.Channels)
		h := got[format]
		h.Samples += len(c.PCM) / 2 / c.Channels
		for i := 0; i < len(c.PCM); i += 2 {
			h.Sum += int(int16(binary.LittleEndian.Uint16(c.PCM[i:])))
		}
		got[format] = h
	}
	if !maps.Equal(got, want) {
		t.Errorf("heard %v, want %v", got, want)
	}
}

// TestRandomScriptsAreRandom: different seeds give different scripts, the same seed
// the same script, and all kinds of instructions occur.
func TestRandomScriptsAreRandom(t *testing.T) {
	missing := map[string]bool{}
	for opcode := range strings.FieldsSeq("size rect cfill lfill cstroke start line arc curve close clip push pop reset transform distort move shade dispose " +
		"copy transfer img blob end cursor mouse set audio sync") {
		missing[opcode] = true
	}
	seen := map[string]bool{}
	for seed := range uint64(200) {
		text := guactest.Random(seed)
		if seen[text] || text != guactest.Random(seed) {
			t.Errorf("seed %d gives nothing of its own, or not always", seed)
		}
		seen[text] = true
		for line := range strings.Lines(text) {
			opcode, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			delete(missing, opcode)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no script has %v", missing)
	}
}
