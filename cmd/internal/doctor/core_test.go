package doctor

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// beside runs an agent's registration with core, and its health endpoint, until core
// has refused it.
func beside(t *testing.T, d *Doctor, name, token string) {
	t.Helper()
	client, err := coreapi.New(coreapi.Options{BaseURL: d.Config.CoreURL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	refused := make(chan struct{}, 100)
	c := &coreapi.Component{Client: client, Registrar: &coreapi.Registrar{
		Client: client, Name: name, Token: token, Keys: coreapi.KeyFile{Dir: d.Config.Dir("keys")}, Failed: func(error) { refused <- struct{}{} },
	}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	fine := func() error { return nil }
	sources := health.Sources{Core: c.State, Queue: fine, Volume: func() watcher.Status { return watcher.Status{Available: true} }, Storage: fine, Takes: fine, Spool: fine, FFmpeg: fine}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		report := health.NewReport(c.State().Name, sources.Conditions())
		if report.Status == health.Failing {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(report)
	}))
	t.Cleanup(s.Close)
	d.Config.Port = config.Port(s.Listener.Addr().(*net.TCPAddr).Port)
	select {
	case <-refused:
	case <-time.After(20 * time.Second):
		t.Fatal("core has not refused the agent")
	}
}

// TestTheDoctorKnowsWhyCoreRefusesTheAgent: the doctor gets the refusal from the
// agent on this host. Each refusal has its own message and fix.
func TestTheDoctorKnowsWhyCoreRefusesTheAgent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, version, token, agent, detail, fix string }{
		{"a wrong token", "3.10.9", "wrong", "", "does not accept BOOTSTRAP_TOKEN", "copy BOOTSTRAP_TOKEN from JumpServer's config.txt"},
		{"registration switched off", "3.10.9", "boot", "", "registration is switched off", "SECURITY_SERVICE_ACCOUNT_REGISTRATION=True"},
		{"a wrong token, or registration closed", "4.10.13", "wrong", "", "five minutes in which core accepts new components are over", "compare BOOTSTRAP_TOKEN"},
		{"a name that is taken", "4.10.13", "boot", "worker-1", "already has a component or a user with the name worker-1", "delete the old component"},
		{"an account that was disabled", "4.10.13", "boot", "disabled", "(worker-1) is disabled", "activate the account"},
		{"an account that was disabled, in v3", "3.10.9", "boot", "disabled", "is not active", "activate the account"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, core := patient(t)
			if err := core.SetVersion(tt.version); err != nil {
				t.Fatal(err)
			}
			core.SetRegistration(devcore.RegistrationOn)
			d.Config.BootstrapToken = config.Secret(tt.token)
			if tt.agent == "disabled" {
				if err := core.DisableUser("worker-1"); err != nil {
					t.Fatal(err)
				}
				d.Config.Name, tt.agent = "worker-1", "worker-1"
			} else {
				d.Config.DataDir, d.Config.Name = t.TempDir(), tt.agent
			}
			if strings.HasSuffix(tt.name, "off") {
				core.SetRegistration(devcore.RegistrationOff)
			}
			beside(t, d, tt.agent, tt.token)
			all := d.Examine(t.Context())
			found := of(all, string(Registration))
			if len(found) != 1 || found[0].Level != Bad || !strings.Contains(found[0].Detail.String(), tt.detail) || !strings.Contains(found[0].Fix.String(), tt.fix) {
				t.Errorf("registration: %+v", found)
			}
			agent := of(all, string(Agent))
			if len(agent) != 1 || agent[0].Level != Bad || !strings.Contains(agent[0].Detail.String(), "not registered with core: ") || Healthy(all) {
				t.Errorf("agent: %+v", agent)
			}
		})
	}
}

// TestTheDoctorNamesWhatIsWrongWithABucket uses the responses of real servers.
func TestTheDoctorNamesWhatIsWrongWithABucket(t *testing.T) {
	t.Parallel()
	const elsewhere = `<Error><Code>AccessDenied</Code><Message>The bucket you are attempting to access must be addressed using the specified endpoint. ` +
		`Please send all future requests to this endpoint.</Message><Bucket>replays</Bucket><Endpoint>oss-cn-shanghai.aliyuncs.com</Endpoint></Error>`
	const malformed = `<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region is wrong; expecting 'cn-site-1'.` +
		`</Message><Region>cn-site-1</Region></Error>`
	code := func(c string) string { return "<Error><Code>" + c + "</Code><Message>no</Message></Error>" }
	for _, tt := range []struct {
		name, kind, bucket, region string
		status                     int
		answer, detail, fix        string
	}{
		{"a bucket of OSS in another region", "oss", "replays", "", 403, elsewhere, "use oss-cn-shanghai.aliyuncs.com", "set the endpoint that the error names"},
		{"rights at OSS", "oss", "replays", "", 403, code("AccessDenied"), "is not allowed to list", "rights to list"},
		{"a bucket's name with a folder, at OSS", "oss", "replays/jms", "", 400, code("InvalidBucketName"), "storages do not accept a bucket with that name", "write only the bucket's name"},
		{"a bucket's name that OSS refuses", "oss", "replays", "", 400, code("InvalidBucketName"), "storages do not accept a bucket with that name", "write only the bucket's name"},
		{"a bucket's name with a folder", "s3", "replays/jms", "", 400, code("InvalidBucketName"), "storages do not accept a bucket with that name", "write only the bucket's name"},
		{"a bucket's name in capitals, at OBS", "obs", "replays", "", 400, code("InvalidBucketName"), "storages do not accept a bucket with that name", "write only the bucket's name"},
		{"MinIO with a region, and another STORAGE_REGION", "s3", "replays", "us-east-2", 400, malformed, "another region than STORAGE_REGION=us-east-2", "or delete the line"},
		{"MinIO that takes no region at all", "s3", "replays", "", 400, malformed, "signed for another region", "MINIO_REGION"},
		{"no such bucket", "s3", "replays", "", 404, code("NoSuchBucket"), "there is no such bucket", "correct its name"},
		{"a wrong key", "s3", "replays", "", 403, code("InvalidAccessKeyId"), "does not accept the access key", "correct access key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, core := patient(t)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.answer))
			}))
			t.Cleanup(s.Close)
			d.Config.StorageRegion = tt.region
			stores(t, core, map[string]any{"TYPE": tt.kind, "BUCKET": tt.bucket, "ACCESS_KEY": "AK", "SECRET_KEY": "SK-not-told", "ENDPOINT": s.URL})
			storageIs(t, d, tt.detail, tt.fix)
		})
	}
	t.Run("an endpoint inside of the provider's network", func(t *testing.T) {
		t.Parallel()
		d, core := patient(t)
		d.Patience = 2 * time.Second
		stores(t, core, map[string]any{"TYPE": "oss", "BUCKET": "replays", "ACCESS_KEY": "AK", "SECRET_KEY": "SK-not-told", "ENDPOINT": "http://oss-cn-hangzhou-internal.localhost:1"})
		storageIs(t, d, "internal to the provider's network", "without -internal")
	})
}

func storageIs(t *testing.T, d *Doctor, detail, fix string) {
	t.Helper()
	all := d.Examine(t.Context())
	found := of(all, string(Storage))
	if len(found) != 1 || found[0].Level != Bad || !strings.Contains(found[0].Detail.String(), detail) || !strings.Contains(found[0].Fix.String(), fix) || Healthy(all) {
		t.Errorf("%+v", found)
	}
	for _, f := range found {
		if strings.Contains(f.Detail.String(), "SK-not-told") {
			t.Errorf("a secret: %s", f.Detail)
		}
	}
}
