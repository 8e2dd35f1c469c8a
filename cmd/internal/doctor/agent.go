package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
)

// agent asks whether an agent runs on this host, and how it is.
func (d *Doctor) agent(ctx context.Context) []Finding {
	const check = "agent"
	host, scheme := d.Config.BindHost, "http"
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	if d.Config.TLSCert != "" {
		scheme = "https"
	}
	address := net.JoinHostPort(host, strconv.Itoa(int(d.Config.Port)))
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/video-worker/health/", nil)
	if err != nil {
		return []Finding{bad(check, "set BIND_HOST to an address of this host", "%v", err)}
	}
	// It is this host: no proxy, and the certificate may be for any name.
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
	}}
	answer, err := client.Do(request)
	if err != nil {
		return []Finding{warn(check, "systemctl start jumpserver-video", "none answers at %s", address)}
	}
	defer answer.Body.Close()
	var report health.Report
	known := json.NewDecoder(answer.Body).Decode(&report) == nil
	switch {
	case answer.StatusCode == http.StatusOK && known:
		if failing := unwell(report); failing != "" {
			return []Finding{warn(check, "mend the problems above; it goes on by itself", "runs at %s; %s", address, failing)}
		}
		return []Finding{good(check, "runs at %s and is well", address)}
	case answer.StatusCode == http.StatusServiceUnavailable && known:
		return []Finding{warn(check, "mend the problems above; it goes on by itself", "runs at %s and is not well: %s", address, unwell(report))}
	}
	return []Finding{bad(check, "set another HTTPD_PORT, or stop what listens there (ss -ltnp)", "something else answers at %s: %s", address, answer.Status)}
}

// unwell names what is wrong with an agent, and is empty when nothing is. An
// agent of an earlier release gives reasons only.
func unwell(report health.Report) string {
	reasons := report.Reasons
	if report.Conditions != nil {
		reasons = nil
		for _, c := range report.Conditions.Failing() {
			reasons = append(reasons, c.String())
		}
	}
	return strings.Join(reasons, "; ")
}
