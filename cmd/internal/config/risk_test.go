package config

import (
	"strings"
	"testing"
)

// TestWhatLeavesASharedQueueOpen: each address is checked. Addresses of this host need no
// TLS.
func TestWhatLeavesASharedQueueOpen(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef"
	for _, tc := range []struct{ url, key, want string }{
		{"", "", ""},
		{"tls://user:pass@nats-1:4222", key, ""},
		{"tls://token@nats-1:4222", key, ""},
		{"nats://user:pass@127.0.0.1:4222", key, ""},
		{"nats://user:pass@localhost", key, ""},
		{"nats://user:pass@[::1]:4222", key, ""},
		{"tls://user:pass@nats-1:4222", "", "VIDEO_WORKER_SECRET_KEY"},
		{"nats://127.0.0.1:4222", key, "no user and password for 127.0.0.1:4222"},
		{"tls://nats-1:4222", key, "no user and password for nats-1:4222"},
		{"tls://:pass@nats-1:4222", key, "no user and password for nats-1:4222"},
		{"nats://user:pass@nats-1:4222", key, "without TLS for nats-1:4222"},
		{"nats://user:pass@127.0.0.1.evil.example", key, "without TLS for 127.0.0.1.evil.example"},
		{"tls://user:pass@nats-1, nats://user:pass@nats-2,tls://nats-3", key, "no user and password for nats-3;without TLS for nats-2"},
		{"nats://nats-1", "", "no user and password for nats-1;without TLS for nats-1;VIDEO_WORKER_SECRET_KEY"},
	} {
		risks := Config{QueueURL: QueueURL(tc.url), SecretKey: SealKey(tc.key)}.QueueRisks()
		want := strings.FieldsFunc(tc.want, func(r rune) bool { return r == ';' })
		if len(risks) != len(want) {
			t.Errorf("%s: %+v, want %q", tc.url, risks, want)
			continue
		}
		for i, r := range risks {
			if what := r.What.String(); !strings.Contains(what, want[i]) || r.Fix.IsZero() || strings.Contains(what, "pass@") {
				t.Errorf("%s: %+v, want %q", tc.url, r, want[i])
			}
		}
	}
}
