package storagetest

import (
	"io"
	"net/http"
	"strings"
)

// ByName is a transport that sends requests for every host below a domain to one
// server, as name servers do for buckets that are part of the host name.
type ByName struct {
	Domain string
	Server *Server
	Next   http.RoundTripper
	// Refuse, if set, is the response for the domain itself: the bucket is not
	// accepted as part of the path. Refused counts these responses.
	Refuse  Fault
	Refused int
}

// RoundTrip implements [http.RoundTripper].
func (b *ByName) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == b.Domain && b.Refuse.Status > 0 {
		b.Refused++
		return &http.Response{
			StatusCode: b.Refuse.Status, Header: b.Refuse.Header, Body: io.NopCloser(strings.NewReader(b.Refuse.Body)),
			Request: r, ProtoMajor: 1, ProtoMinor: 1,
		}, nil
	}
	to := r.Clone(r.Context())
	if to.Host == "" {
		to.Host = r.URL.Host
	}
	to.URL.Host = b.Server.URL.Host
	return b.Next.RoundTrip(to)
}
