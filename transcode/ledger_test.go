package transcode_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// book is a ledger in memory that can be set to fail.
type book struct {
	entries []ledger.Entry
	fails   int
}

func (b *book) Append(e ledger.Entry) error {
	if b.fails > 0 {
		b.fails--
		return errors.New("the ledger's disk fails")
	}
	b.entries = append(b.entries, e)
	return nil
}

// TestReplacementsAreNoted: the ledger has which MP4 replaced which recording, and where the
// recording is now.
func TestReplacementsAreNoted(t *testing.T) {
	t.Parallel()
	for policy, want := range map[cleanup.Policy]ledger.Fate{
		cleanup.PolicyTrash: ledger.FateTrash, cleanup.PolicyDelete: ledger.FateDeleted, cleanup.PolicyKeep: ledger.FateKept,
	} {
		s := newJumpServer(t, "4.10.13", false)
		source := s.plan().Source
		film := s.film(2, "somebody's")
		s.write(mp4, film)
		a := s.uploadAgent(policy, nil)
		b := &book{fails: 1}
		a.pool.Ledger = b
		if err := a.offer(t.Context()); err != nil {
			t.Fatal(err)
		}
		v, err := a.settle(t.Context())
		if err != nil || v.State != queue.StateDone {
			t.Fatalf("%+v, %v", v, err)
		}
		data, err := os.ReadFile(filepath.Join(s.replay(), mp4))
		if err != nil {
			t.Fatal(err)
		}
		if len(b.entries) < 1 || len(b.entries) > 2 {
			t.Fatalf("%+v", b.entries)
		}
		e := b.entries[len(b.entries)-1]
		if e.Kind != ledger.KindReplaced || e.Session != session || e.MP4.SHA256 != hexSum(data) || e.MP4.Path != mp4 || e.Source.SHA256 != source ||
			e.Compared != ledger.ComparedDrawn || e.Original != want || e.MP4.Pictures == "" || e.MP4.Frames == 0 {
			t.Errorf("%s: %+v, %+v, %+v", policy, e, e.MP4, e.Source)
		}
		if (policy == cleanup.PolicyTrash) != (len(e.Originals) == 1 && strings.HasSuffix(e.Originals[0], s.path)) {
			t.Errorf("%s: originals %v", policy, e.Originals)
		}
	}
}

// TestAnMP4ThatMakesWayIsNoted: the ledger has where an MP4 is now that was replaced.
func TestAnMP4ThatMakesWayIsNoted(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	film := s.film(2, "somebody's")
	s.write(mp4, film)
	a := s.uploadAgent(cleanup.PolicyTrash, nil)
	b := &book{}
	a.pool.Ledger = b
	if err := a.offer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, err := a.settle(t.Context()); err != nil || v.State != queue.StateDone {
		t.Fatalf("%+v, %v", v, err)
	}
	if len(b.entries) != 2 || b.entries[0].Kind != ledger.KindMovedAside || b.entries[0].MP4.SHA256 != hexSum(film) || !s.exists(b.entries[0].Originals[0]) {
		t.Errorf("%+v", b.entries)
	}
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
