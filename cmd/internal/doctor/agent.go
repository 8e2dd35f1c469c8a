package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// agent asks whether an agent runs on this host, how it is, and whether it has
// seen a proxy.
func (d *Doctor) agent(ctx context.Context) []Finding {
	const check = "agent"
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c := d.Config
	client := taskapi.Local(c.BindHost, int(c.Port), string(c.StatusToken), c.TLSCert)
	_, address, _ := strings.Cut(client.Base, "://")
	answer, err := client.Get(ctx, "/video-worker/health/")
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return []Finding{warn(check, "systemctl start jumpserver-video", "none answers at %s", address)}
	case err != nil:
		return []Finding{warn(check, "systemctl start jumpserver-video", "none answers at %s: %v", address, err)}
	}
	defer answer.Body.Close()
	var report health.Report
	known := json.NewDecoder(answer.Body).Decode(&report) == nil
	switch {
	case answer.StatusCode == http.StatusOK && known:
		found := good(check, "runs at %s and is well", address)
		if failing := unwell(report); failing != "" {
			found = warn(check, "mend the problems above; it goes on by itself", "runs at %s; %s", address, failing)
		}
		return append([]Finding{found}, d.proxied(ctx, client)...)
	case answer.StatusCode == http.StatusServiceUnavailable && known:
		found := warn(check, "mend the problems above; it goes on by itself", "runs at %s and is not well: %s", address, unwell(report))
		return append([]Finding{found}, d.proxied(ctx, client)...)
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

// proxied warns of a proxy on this host while there is no token: what one such
// proxy shows of itself the next may not, and then everybody is this host.
func (d *Doctor) proxied(ctx context.Context, client *taskapi.Client) []Finding {
	seen, err := client.Proxied(ctx)
	if err != nil || seen.Requests == 0 {
		return nil // an agent of an earlier release does not tell
	}
	return []Finding{warn("agent", "set STATUS_TOKEN (openssl rand -hex 16)",
		"a proxy on this host passes requests on to it; %d were refused, the last for %q at %s: it was %s",
		seen.Requests, seen.Host, seen.Last.Local().Format(time.DateTime), seen.Why)}
}
