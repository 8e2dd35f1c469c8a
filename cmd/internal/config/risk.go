package config

import (
	"net"
	"net/url"
	"strings"
)

// Risk is a setting that works and leaves something open.
type Risk struct {
	What string // is open, and to whom
	Fix  string // what to do
}

// QueueRisks are what leaves a shared queue open to others than the agents. Who
// reaches it can see all tasks and hold them up, and, unless records are sealed,
// have originals removed. None of them has the address's password in it.
func (c Config) QueueRisks() []Risk {
	if c.QueueURL == "" {
		return nil
	}
	var open, clear []string
	for part := range strings.SplitSeq(string(c.QueueURL), ",") {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil { // was looked at when it was read
			continue
		}
		if u.User == nil || u.User.Username() == "" {
			open = append(open, u.Host)
		}
		if u.Scheme != "tls" && !loopback(u.Hostname()) {
			clear = append(clear, u.Host)
		}
	}
	var risks []Risk
	if len(open) > 0 {
		risks = append(risks, Risk{
			"QUEUE_URL has no user and password for " + strings.Join(open, ", ") + ": whoever reaches it sees and changes the tasks of all agents",
			"give NATS a user, and write tls://USER:PASSWORD@HOST:4222 (docs/fleet.md)",
		})
	}
	if len(clear) > 0 {
		risks = append(risks, Risk{
			"QUEUE_URL is without TLS for " + strings.Join(clear, ", ") + ": whoever is on the way reads and changes what agents tell each other, passwords too",
			"give NATS a certificate, and write tls:// in place of nats:// (docs/fleet.md)",
		})
	}
	if c.SecretKey == "" {
		risks = append(risks, Risk{
			"QUEUE_URL is set and VIDEO_WORKER_SECRET_KEY is not: tasks that others have written cannot be told from those of agents",
			"set it to the same 32 characters (openssl rand -hex 16) on all agents, while all are stopped (docs/fleet.md)",
		})
	}
	return risks
}

// loopback reports whether a host is this one.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
