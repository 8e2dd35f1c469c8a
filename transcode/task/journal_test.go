package task

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
)

func TestJournalGoesOnOrBeginsAnew(t *testing.T) {
	events := map[coreapi.Event]EventState{coreapi.ConvertStart: EventSent}
	working := Journal{Fingerprint: "a", Events: events, Tries: 2}
	for name, tc := range map[string]struct {
		journal Journal
		source  string
		want    Journal
	}{
		"the same source":             {working, "a", working},
		"changed while at work":       {working, "b", Journal{Fingerprint: "b", Events: events}},
		"another one after the first": {Journal{Fingerprint: "a", Events: events, Marked: true}, "b", Journal{Fingerprint: "b"}},
		"uploaded as it is, and found": {Journal{Fingerprint: "a", Ended: true, Fallback: true, Events: map[coreapi.Event]EventState{
			coreapi.ConvertStart: EventSent, coreapi.UploadStart: EventSent,
		}}, "b", Journal{Fingerprint: "b", Events: events}},
		"retried after it failed": {Journal{Fingerprint: "a", Events: events, Ended: true}, "a", Journal{Fingerprint: "a"}},
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
