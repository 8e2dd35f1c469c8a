package task

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
)

func TestJournalContinuesOrBeginsAnew(t *testing.T) {
	events := map[coreapi.Event]EventState{coreapi.ConvertStart: EventSent}
	working := Journal{Fingerprint: "a", Events: events, Tries: 2}
	for name, tc := range map[string]struct {
		journal Journal
		source  string
		want    Journal
	}{
		"the same source":             {working, "a", working},
		"changed while in progress":   {working, "b", Journal{Fingerprint: "b", Events: events}},
		"another one after the first": {Journal{Fingerprint: "a", Events: events, Reached: ReachedMarked}, "b", Journal{Fingerprint: "b"}},
		"uploaded as it is, and found": {Journal{Fingerprint: "a", Reached: ReachedFailedAsIs, Events: map[coreapi.Event]EventState{
			coreapi.ConvertStart: EventSent, coreapi.UploadStart: EventSent,
		}}, "b", Journal{Fingerprint: "b", Events: events}},
		"retried after it failed": {Journal{Fingerprint: "a", Events: events, Reached: ReachedFailed}, "a", Journal{Fingerprint: "a"}},
		"the first time":          {Journal{}, "a", Journal{Fingerprint: "a"}},
	} {
		if d := cmp.Diff(tc.want, tc.journal.For(tc.source)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if got := JournalOf([]byte("{not json")); got.Fingerprint != "" {
		t.Errorf("%+v", got)
	}
}

// TestJournalsOfTheFirstAgentsAreRead: after an upgrade, what was confirmed or sent to
// core before must not be repeated.
func TestJournalsOfTheFirstAgentsAreRead(t *testing.T) {
	for flags, want := range map[string]Milestone{
		``:                                 ReachedNothing,
		`"reconciled":true`:                ReachedNothing,
		`"confirmed":true`:                 ReachedConfirmed,
		`"fallback":true`:                  ReachedAsIs,
		`"ended":true`:                     ReachedFailed,
		`"confirmed":true,"retiring":true`: ReachedRetiring,
		`"confirmed":true,"retiring":true,"marked":true`:              ReachedMarked,
		`"fallback":true,"ended":true`:                                ReachedFailedAsIs,
		`"confirmed":true,"retiring":true,"marked":true,"ended":true`: ReachedFailed,
		`"reached":"retiring"`:                                        ReachedRetiring,
	} {
		text := `{"fingerprint":"a","video":{"size":1}}`
		if flags != "" {
			text = `{"fingerprint":"a","video":{"size":1},` + flags + `}`
		}
		j := JournalOf([]byte(text))
		if j.Reached != want || j.Video.InPlace != (flags == `"reconciled":true`) {
			t.Errorf("%s: %+v, %+v", flags, j, j.Video)
		}
		if again := JournalOf(Encode(j)); again.Reached != want {
			t.Errorf("%s: written and read again: %+v", flags, again)
		}
	}
}
