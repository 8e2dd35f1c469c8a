package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// report returns the health report of the agent on this host.
func (d *Doctor) report(ctx context.Context) (report health.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c := d.Config
	answer, err := taskapi.Local(c.BindHost, int(c.Port), string(c.StatusToken), c.TLSCert).Get(ctx, "/video-worker/health/")
	if err != nil {
		return report, err
	}
	defer answer.Body.Close()
	return report, json.NewDecoder(answer.Body).Decode(&report)
}

// agent checks whether an agent runs on this host, whether it is healthy, and
// whether it has seen a proxy.
func (d *Doctor) agent(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c := d.Config
	client := taskapi.Local(c.BindHost, int(c.Port), string(c.StatusToken), c.TLSCert)
	_, address, _ := strings.Cut(client.Base, "://")
	answer, err := client.Get(ctx, "/video-worker/health/")
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return []Finding{warn(Agent, i18n.T("doctor.fix_start"), i18n.T("doctor.no_agent", "address", address))}
	case err != nil:
		return []Finding{warn(Agent, i18n.T("doctor.fix_start"), i18n.T("doctor.no_agent_error", "address", address, "error", say(err)))}
	}
	defer answer.Body.Close()
	var report health.Report
	known := json.NewDecoder(answer.Body).Decode(&report) == nil
	switch {
	case answer.StatusCode == http.StatusOK && known:
		found := good(Agent, i18n.T("doctor.agent_ok", "address", address))
		if failing := unwell(report); failing != "" {
			found = warn(Agent, remedy(report), i18n.T("doctor.agent_but", "address", address, "reasons", failing))
		}
		return append([]Finding{found}, d.proxied(ctx, client)...)
	case answer.StatusCode == http.StatusServiceUnavailable && known:
		found := bad(Agent, remedy(report), i18n.T("doctor.agent_unwell", "address", address, "reasons", unwell(report)))
		return append([]Finding{found}, d.proxied(ctx, client)...)
	}
	return []Finding{bad(Agent, i18n.T("doctor.fix_port"), i18n.T("doctor.other_agent", "address", address, "status", answer.Status))}
}

// remedy returns the fix for an unhealthy agent: that of the first failing part that
// has one, or else a reference to the other findings.
func remedy(report health.Report) i18n.Text {
	for _, c := range report.Conditions.Failing() {
		if fix := c.Remedy(); !fix.IsZero() && fix.String() != "" {
			return fix
		}
	}
	return i18n.T("doctor.fix_above")
}

// refusal returns why core refuses the running agent. Core says that only to the
// agent itself. It returns false if no agent runs, or if core accepts the agent.
func (d *Doctor) refusal(ctx context.Context) (Finding, bool) {
	report, err := d.report(ctx)
	core := report.Conditions.Of(health.Core)
	if err != nil || core.OK || core.Detail == "" {
		return Finding{}, false
	}
	name := d.Config.Name
	if name == "" {
		name = report.Name
	}
	switch core.Kind {
	case "bad_token":
		return bad(Registration, i18n.T("doctor.fix_bad_token"), i18n.T("doctor.bad_token")), true
	case "registration_closed":
		return bad(Registration, i18n.T("doctor.fix_registration_closed"), i18n.T("doctor.registration_closed")), true
	case "registration_refused":
		return bad(Registration, i18n.T("doctor.fix_registration_refused"), i18n.T("doctor.registration_refused")), true
	case "name_taken":
		return bad(Registration, i18n.T("doctor.fix_name_taken"), i18n.T("doctor.name_taken", "name", name)), true
	case "disabled", "forbidden":
		return bad(Registration, i18n.T("doctor.fix_inactive"), i18n.T("doctor.disabled", "name", name)), true
	}
	return bad(Registration, i18n.T("doctor.fix_agent_core"), i18n.T("doctor.agent_core", "error", core.Detail)), true
}

// unwell returns what is wrong with an agent; "" if nothing is. Agents of earlier
// releases send only reasons, without conditions.
func unwell(report health.Report) string {
	reasons := report.Reasons
	if report.Conditions != nil {
		reasons = nil
		for _, c := range report.Conditions.Failing() {
			reason := c.String()
			if c.Part == health.Core && !c.OK && c.Detail != "" {
				reason += ": " + c.Detail
			}
			reasons = append(reasons, reason)
		}
	}
	return strings.Join(reasons, "; ")
}

// proxied warns of a proxy on this host if there is no token. The agent recognized
// this proxy by what it adds to requests. Another proxy may add nothing, and its
// clients would then look like processes of this host.
func (d *Doctor) proxied(ctx context.Context, client *taskapi.Client) []Finding {
	seen, err := client.Proxied(ctx)
	if err != nil || seen.Requests == 0 {
		return nil // agents of earlier releases do not report this
	}
	return []Finding{warn(Agent, i18n.T("doctor.fix_proxied"),
		i18n.T("doctor.proxied", "n", seen.Requests, "host", strconv.Quote(seen.Host), "time", i18n.Moment(seen.Last), "why", seen.Why))}
}
