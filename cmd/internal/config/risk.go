package config

import (
	"net"
	"net/url"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
)

// Risk is a setting that works, but is insecure.
type Risk struct {
	What i18n.Text // what is open, and to whom
	Fix  i18n.Text // what to do
}

// QueueRisks returns what makes a shared queue accessible to others than the agents. Others
// could read and delay all tasks and, unless records are sealed, have originals removed.
// The texts do not contain passwords.
func (c Config) QueueRisks() []Risk {
	if c.QueueURL == "" {
		return nil
	}
	var open, clear []string
	for part := range strings.SplitSeq(string(c.QueueURL), ",") {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil { // impossible: the settings were checked
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
		risks = append(risks, Risk{i18n.T("doctor.queue_open", "hosts", strings.Join(open, ", ")), i18n.T("doctor.fix_queue_open")})
	}
	if len(clear) > 0 {
		risks = append(risks, Risk{i18n.T("doctor.queue_clear", "hosts", strings.Join(clear, ", ")), i18n.T("doctor.fix_queue_clear")})
	}
	if c.SecretKey == "" {
		risks = append(risks, Risk{i18n.T("doctor.queue_unsealed"), i18n.T("doctor.fix_queue_unsealed")})
	}
	return risks
}

// loopback reports whether a host is this host.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
