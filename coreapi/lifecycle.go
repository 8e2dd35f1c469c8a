package coreapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// Event is an event of a session's recording, shown in the session's activity log.
type Event string

// The events that a worker sends. For a converted recording: ConvertStart,
// ConvertSuccess, UploadStart, UploadSuccess.
const (
	ConvertStart   Event = "replay_convert_start"
	ConvertSuccess Event = "replay_convert_success"
	ConvertFailure Event = "replay_convert_failure"
	UploadStart    Event = "replay_upload_start"
	UploadSuccess  Event = "replay_upload_success"
	UploadFailure  Event = "replay_upload_failure"
)

// maxReason limits a reason to one readable line of the activity log.
const maxReason = 200

// Lifecycle adds an event to the session's activity log. Core shows the reason for
// failures only; "" omits it where core allows that.
//
// Core adds a row for each request, so the request is repeated only if it cannot
// have reached core. [ErrAmbiguous] means that it may have reached core: the caller
// treats the event as sent. [ErrUnsupported] comes from core before v3.10.4, which
// has no such log.
func (c *Client) Lifecycle(ctx context.Context, id string, event Event, reason string) error {
	in := struct {
		Event  Event  `json:"event"`
		Reason string `json:"reason,omitempty"`
	}{event, cleanReason(event, reason)}
	return c.session(ctx, id, call{
		op: "send event " + string(event), method: http.MethodPost, path: "lifecycle_log/", in: in, once: true,
		refine: func(e *Error, _ *answer) {
			// This code means that core does not know the session; without it, the
			// URL does not exist.
			if errors.Is(e.Kind, ErrNotFound) && e.Code != "object_does_not_exist" {
				e.Kind = ErrUnsupported
			}
		},
	})
}

// cleanReason returns a reason that core stores completely: one line without
// commas, which break the stored text in v3.10. Where core would print "None" for
// an absent reason, it is not empty.
func cleanReason(event Event, reason string) string {
	reason = strings.Join(strings.Fields(strings.ReplaceAll(strings.ToValidUTF8(reason, "?"), ",", " ")), " ")
	if r := []rune(reason); len(r) > maxReason {
		reason = string(r[:maxReason-1]) + "…"
	}
	if reason == "" && (event == ConvertFailure || event == UploadFailure) {
		return "unknown reason"
	}
	return reason
}
