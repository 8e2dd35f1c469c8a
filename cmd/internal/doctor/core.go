package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
)

// skew is the largest accepted difference between clocks. Core does not compare
// clocks, but the ages of files decide when a recording is complete.
const skew = 30 * time.Second

// core checks the connection to core, its clock, the registration, and the storage
// in core's settings.
func (d *Doctor) core(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, 3*d.patience())
	defer cancel()
	reach := d.reach(ctx)
	if reach[0].Level == Bad {
		return reach
	}
	client, err := coreapi.New(coreapi.Options{
		BaseURL: d.Config.CoreURL(), Insecure: bool(d.Config.IgnoreVerifyCerts), Log: quiet, UserAgent: d.UserAgent, RetryMax: 1,
	})
	if err != nil {
		return []Finding{bad(Core, i18n.T("doctor.fix_core_host"), raw(err))}
	}
	defer client.Close()
	registered := d.registration(ctx, client)
	all := slices.Concat(reach, []Finding{registered})
	if registered.Level != OK {
		return all
	}
	all = append(all, d.storage(ctx, client))
	return append(all, d.storages(ctx, client)...)
}

// storages warns of several buckets. An original in the bucket of another component
// is invisible to this agent, and core plays it instead of the MP4.
func (d *Doctor) storages(ctx context.Context, client *coreapi.Client) []Finding {
	all, err := client.ReplayStorages(ctx)
	if err != nil {
		return nil // some roles are not allowed to list them
	}
	var names []string
	for _, s := range all {
		if s.Type != coreapi.TypeServer && s.Type != "null" && s.Type != "sftp" {
			names = append(names, fmt.Sprintf("%s (%s)", s.Name, s.Type))
		}
	}
	if len(names) < 2 {
		return nil
	}
	return []Finding{warn(Storages, i18n.T("doctor.fix_storages"), i18n.T("doctor.storages", "n", len(names), "names", strings.Join(names, ", ")))}
}

// reach checks whether core responds.
func (d *Doctor) reach(ctx context.Context) []Finding {
	url := d.Config.CoreURL()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/users/profile/", nil)
	if err != nil {
		return []Finding{bad(Core, i18n.T("doctor.fix_core_host"), raw(err))}
	}
	client := &http.Client{
		Timeout: d.patience(),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: bool(d.Config.IgnoreVerifyCerts)}}, //nolint:gosec // the administrator's choice
	}
	answer, err := client.Do(request)
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return []Finding{bad(Core, i18n.T("doctor.fix_core_certificate"), raw(err))}
	case err != nil:
		return []Finding{bad(Core, i18n.T("doctor.fix_core_reach", "url", url), raw(err))}
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return []Finding{bad(Core, i18n.T("doctor.fix_core_redirects", "to", answer.Header.Get("Location")), i18n.T("doctor.core_redirects", "url", url))}
	case answer.StatusCode >= 500:
		return []Finding{bad(Core, i18n.T("doctor.fix_core_trouble"), i18n.T("doctor.core_trouble", "url", url, "status", answer.Status))}
	case answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusForbidden:
		return []Finding{bad(Core, i18n.T("doctor.fix_core_other"), i18n.T("doctor.core_other", "url", url, "status", answer.Status))}
	}
	all := []Finding{good(Core, i18n.T("doctor.core_ok", "url", url))}
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return all
	}
	if off := time.Since(date); off.Abs() > skew {
		return append(all, warn(Clock, i18n.T("doctor.fix_clock"), i18n.T("doctor.clock", "span", i18n.Seconds(off.Abs().Seconds()))))
	}
	return append(all, good(Clock, i18n.T("doctor.clock_ok")))
}

func (d *Doctor) registration(ctx context.Context, client *coreapi.Client) Finding {
	keys := coreapi.KeyFile{Dir: d.Config.Dir("keys")}
	key, err := keys.Load()
	if errors.Is(err, coreapi.ErrNoKey) {
		if d.Config.BootstrapToken == "" {
			return bad(Registration, i18n.T("doctor.fix_no_bootstrap"), i18n.T("doctor.no_bootstrap"))
		}
		if found, ok := d.refusal(ctx); ok {
			return found
		}
		return warn(Registration, i18n.T("doctor.fix_unregistered"), i18n.T("doctor.unregistered", "path", keys.Path()))
	}
	if err != nil {
		return bad(Registration, i18n.T("doctor.fix_key", "path", keys.Path()), raw(err))
	}
	client.SetKey(key)
	profile, err := client.Profile(ctx)
	switch {
	case errors.Is(err, coreapi.ErrUnauthorized):
		if found, ok := d.refusal(ctx); ok {
			return found
		}
		return bad(Registration, i18n.T("doctor.fix_key_refused"), i18n.T("doctor.key_refused", "path", keys.Path()))
	case errors.Is(err, coreapi.ErrForbidden), err == nil && !profile.IsValid:
		return bad(Registration, i18n.T("doctor.fix_inactive"), i18n.T("doctor.inactive", "path", keys.Path()))
	case err != nil:
		return bad(Registration, i18n.T("doctor.fix_core_log"), raw(err))
	}
	return good(Registration, i18n.T("doctor.registered", "name", profile.Name))
}
