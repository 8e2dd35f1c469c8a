package coreapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLifecycleEventsAreSentOnce(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(*testing.T, http.ResponseWriter)
		want    error
		sent    int32
	}{
		{"answer lost", cut, ErrAmbiguous, 1},
		{"core fails after the deed", func(_ *testing.T, w http.ResponseWriter) { reply(w, 500, "") }, ErrAmbiguous, 1},
		{"proxy loses the answer", func(_ *testing.T, w http.ResponseWriter) { reply(w, 504, "") }, ErrAmbiguous, 1},
		{"refused", func(_ *testing.T, w http.ResponseWriter) { reply(w, 400, `{"reason":["x"]}`) }, ErrBadForm, 1},
		{"no such session", func(_ *testing.T, w http.ResponseWriter) { reply(w, 404, `{"code":"object_does_not_exist"}`) }, ErrNotFound, 1},
		{"no such call", func(_ *testing.T, w http.ResponseWriter) { reply(w, 404, "<html>") }, ErrUnsupported, 1},
		{"throttled before the deed", func(_ *testing.T, w http.ResponseWriter) { reply(w, 429, "") }, nil, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int32
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if n.Add(1) == 1 {
					tt.trouble(t, w)
					return
				}
				reply(w, 200, `{"msg":"ok","id":"1"}`)
			})
			if err := c.Lifecycle(t.Context(), testSession, UploadStart, ""); !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
			if n.Load() != tt.sent {
				t.Errorf("sent %d times", n.Load())
			}
		})
	}
}

func TestLifecycleIsRepeatedWhileCoreCannotBeReached(t *testing.T) {
	var dials, n atomic.Int32
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { n.Add(1); reply(w, 200, `{}`) })
	dial := c.fresh.DialContext
	c.fresh.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) <= 2 {
			return nil, errors.New("connection refused")
		}
		return dial(ctx, network, addr)
	}
	if err := c.Lifecycle(t.Context(), testSession, ConvertStart, ""); err != nil {
		t.Error(err)
	}
	if n.Load() != 1 || dials.Load() != 3 {
		t.Errorf("%d requests, %d dials", n.Load(), dials.Load())
	}
}

func TestLifecycleToAnUnreachableCoreIsNotAmbiguous(t *testing.T) {
	c := clientFor(t, "http://127.0.0.1:1")
	c.SetKey(testKey)
	err := c.Lifecycle(t.Context(), testSession, ConvertStart, "")
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrAmbiguous) {
		t.Errorf("got %v", err)
	}
}

func TestLifecycleReasonsAreWhatCoreStoresWell(t *testing.T) {
	var got map[string]any
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { got = decode(t, r.Body); reply(w, 200, `{}`) })
	for _, tt := range []struct {
		event  Event
		reason string
		want   map[string]any
	}{
		{ConvertStart, "", map[string]any{"event": "replay_convert_start"}},
		{ConvertStart, " \n", map[string]any{"event": "replay_convert_start"}},
		{ConvertFailure, "", map[string]any{"event": "replay_convert_failure", "reason": "unknown reason"}},
		{ConvertFailure, "cut at 00:12, part 3,4\nof \xff5", map[string]any{"event": "replay_convert_failure", "reason": "cut at 00:12 part 3 4 of ?5"}},
		{UploadFailure, ",", map[string]any{"event": "replay_upload_failure", "reason": "unknown reason"}},
		{UploadFailure, strings.Repeat("é", 300), map[string]any{"event": "replay_upload_failure", "reason": strings.Repeat("é", 199) + "…"}},
	} {
		if err := c.Lifecycle(t.Context(), testSession, tt.event, tt.reason); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Error(diff)
		}
	}
}
