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

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/open"
)

// skew is how far clocks may differ. Core does not compare them; ages of
// files, which decide when a recording is complete, do.
const skew = 30 * time.Second

// core looks at the way to core, at its clock, our registration, and the
// storage that core tells components to use.
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
		return []Finding{bad("core", "set CORE_HOST to http://HOST:PORT or https://HOST", "%v", err)}
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

// storages warns of several buckets: an original in one that is not this
// component's is played by core in place of the MP4, and cannot be seen from here.
func (d *Doctor) storages(ctx context.Context, client *coreapi.Client) []Finding {
	all, err := client.ReplayStorages(ctx)
	if err != nil {
		return nil // some roles may not list them
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
	return []Finding{warn("replay storages", "give all components one replay storage in JumpServer: this agent sees the one of its own component only (docs/storage.md)",
		"core has %d buckets: %s; an original in another than this component's is played in place of its MP4", len(names), strings.Join(names, ", "))}
}

// reach asks core for anything at all.
func (d *Doctor) reach(ctx context.Context) []Finding {
	url := d.Config.CoreURL()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/users/profile/", nil)
	if err != nil {
		return []Finding{bad("core", "set CORE_HOST to http://HOST:PORT or https://HOST", "%v", err)}
	}
	client := &http.Client{
		Timeout: d.patience(),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: bool(d.Config.IgnoreVerifyCerts)}}, //nolint:gosec // as the administrator says
	}
	answer, err := client.Do(request)
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return []Finding{bad("core", "install the authority of core's certificate on this host, or set IGNORE_VERIFY_CERTS=true", "%v", err)}
	case err != nil:
		return []Finding{bad("core", "see that CORE_HOST is right and that no firewall is in between: curl -v "+url, "%v", err)}
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return []Finding{bad("core", "set CORE_HOST to the scheme and host of "+answer.Header.Get("Location"), "%s redirects", url)}
	case answer.StatusCode >= 500:
		return []Finding{bad("core", "look at core's log; it, or the proxy before it, is in trouble", "%s answers %s", url, answer.Status)}
	case answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusForbidden:
		return []Finding{bad("core", "let CORE_HOST name JumpServer itself", "%s does not answer as core does: %s", url, answer.Status)}
	}
	all := []Finding{good("core", "%s answers", url)}
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return all
	}
	if off := time.Since(date); off.Abs() > skew {
		return append(all, warn("clock", "keep the clocks with NTP on both hosts (timedatectl set-ntp true)", "differs from core's by %s", off.Round(time.Second)))
	}
	return append(all, good("clock", "as core's"))
}

func (d *Doctor) registration(ctx context.Context, client *coreapi.Client) Finding {
	const check = "registration"
	keys := coreapi.KeyFile{Dir: d.Config.Dir("keys")}
	key, err := keys.Load()
	if errors.Is(err, coreapi.ErrNoKey) {
		if d.Config.BootstrapToken == "" {
			return bad(check, "set BOOTSTRAP_TOKEN to the one in JumpServer's config.txt", "there is no access key yet and no BOOTSTRAP_TOKEN to get one with")
		}
		return warn(check, "start the agent: it registers by itself", "not registered yet (no key in %s)", keys.Path())
	}
	if err != nil {
		return bad(check, "let the agent's user read it: chown jumpserver-video "+keys.Path(), "%v", err)
	}
	client.SetKey(key)
	profile, err := client.Profile(ctx)
	switch {
	case errors.Is(err, coreapi.ErrUnauthorized):
		return bad(check, "start the agent, which registers anew; if it cannot, its log says what core wants",
			"core does not accept the key in %s any more: the component was deleted or disabled", keys.Path())
	case errors.Is(err, coreapi.ErrForbidden), err == nil && !profile.IsValid:
		return bad(check, "activate the account of this component in JumpServer, or delete the component: the agent registers anew then",
			"the account of the key in %s is not active", keys.Path())
	case err != nil:
		return bad(check, "look at core's log", "%v", err)
	}
	return good(check, "core knows us as %s", profile.Name)
}

// storage tries to list the bucket that core is set to, if it is one.
func (d *Doctor) storage(ctx context.Context, client *coreapi.Client) Finding {
	const check = "replay storage"
	settings, err := client.TerminalConfig(ctx)
	if err != nil {
		return bad(check, "look at core's log", "core does not tell its settings: %v", err)
	}
	c, err := storage.Parse(settings.ReplayStorage)
	if err != nil {
		return bad(check, "mend the storage in JumpServer, System settings, Storage", "%v", err)
	}
	switch target := c.Target(); {
	case target == storage.TargetNowhere:
		return bad(check, "choose another replay storage for this component in JumpServer", "it is null, which keeps nothing: no MP4 can be published")
	case target == storage.TargetServer && d.Config.ReplayDir == "":
		return bad(check, "mount core's media folder and set REPLAY_DIR to its folder replay",
			"core keeps replays in its own storage and REPLAY_DIR is empty: that core has an MP4 could not be checked, so none is made")
	case target == storage.TargetServer:
		return good(check, "%s", c.Kind)
	}
	bucket, err := open.Storage(c, storage.Options{Region: d.Config.StorageRegion, UserAgent: d.UserAgent})
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, d.patience())
		defer cancel()
		_, err = bucket.List(ctx, storage.Query{Max: 1})
	}
	if err != nil {
		return bad(check, "test the storage in JumpServer and see that this host reaches it", "%s: %v", c.Place(), err)
	}
	return good(check, "%s can be listed", c.Place())
}
