package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
)

// compose has the keys of compose's schema that the file may use, with their types. A
// key with another name or type is an error.
type compose struct {
	Services map[string]service
	Networks map[string]struct {
		Name     string
		External bool
	}
}

type service struct {
	Image         string
	ContainerName string `yaml:"container_name"`
	Hostname      string
	Restart       string
	StopGrace     time.Duration `yaml:"stop_grace_period"`
	EnvFile       []string      `yaml:"env_file"`
	Environment   map[string]string
	CapDrop       []string `yaml:"cap_drop"`
	CapAdd        []string `yaml:"cap_add"`
	SecurityOpt   []string `yaml:"security_opt"`
	ReadOnly      bool     `yaml:"read_only"`
	Tmpfs         []string
	Ulimits       map[string]int
	CPUs          float64 `yaml:"cpus"`
	Expose        []string
	Volumes       []string
	Healthcheck   struct {
		Test        string
		Interval    time.Duration
		Timeout     time.Duration
		Retries     int
		StartPeriod time.Duration `yaml:"start_period"`
	}
	Networks []string
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../packaging", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestComposeIsADropInForVideoWorkers(t *testing.T) {
	var c compose
	d := yaml.NewDecoder(strings.NewReader(read(t, "docker-compose-video.yml")))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	video, ok := c.Services["video"]
	if !ok || len(c.Services) != 1 {
		t.Fatalf("services: %v", c.Services)
	}
	if video.ContainerName != "jms_video" || video.Restart != "always" || video.CPUs != 2 || !slices.Equal(video.Expose, []string{"9000"}) || video.Image == "" {
		t.Errorf("%+v", video)
	}
	const data = "${VOLUME_DIR:-/data/jumpserver}/video/data:/opt/video-worker/data"
	if !slices.Contains(video.Volumes, data) {
		t.Errorf("volumes: %q", video.Volumes)
	}
	for _, v := range video.Volumes {
		target := v[strings.LastIndex(v, ":")+1:]
		if target != video.Environment["DATA_DIR"] && target != video.Environment["REPLAY_DIR"] {
			t.Errorf("nothing uses %s", v)
		}
	}
	if want := []string{"${CONFIG_FILE:-/opt/jumpserver/config/config.txt}"}; !slices.Equal(video.EnvFile, want) {
		t.Errorf("env_file: %q: Video-Worker gets all of JumpServer's settings", video.EnvFile)
	}
	for name := range video.Environment {
		if !slices.Contains(config.Names(), name) {
			t.Errorf("%s is no setting", name)
		}
	}
	if video.Environment["BIND_HOST"] != "0.0.0.0" || video.Environment["HTTPD_PORT"] != "9000" {
		t.Errorf("listens at %s:%s", video.Environment["BIND_HOST"], video.Environment["HTTPD_PORT"])
	}
	h := video.Healthcheck
	if h.Interval != 10*time.Second || h.Timeout != 5*time.Second || h.Retries != 3 || h.StartPeriod != 10*time.Second ||
		!strings.Contains(h.Test, ":9000/video-worker/health/") {
		t.Errorf("health check: %+v", h)
	}
	for _, n := range video.Networks {
		if _, ok := c.Networks[n]; !ok {
			t.Errorf("network %s is not defined", n)
		}
	}
	// $${…} is for the container's shell.
	text := strings.ReplaceAll(read(t, "docker-compose-video.yml"), "$$", "")
	for _, v := range regexp.MustCompile(`\$\{[^}]*\}?`).FindAllString(text, -1) {
		if !regexp.MustCompile(`^\$\{[A-Z_]+:-[^{}]+\}$`).MatchString(v) {
			t.Errorf("%s: a variable needs a default", v)
		}
	}
}

// instructions returns those of a Dockerfile's last stage, with continued lines joined.
func instructions(t *testing.T) map[string]string {
	t.Helper()
	last := map[string]string{}
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.Join(strings.Fields(line), " "), " ")
		switch {
		case name == "" || strings.HasPrefix(name, "#"):
		case name == "FROM":
			last = map[string]string{name: rest}
		default:
			last[name] = rest
		}
	}
	return last
}

// TestBothImagesAreRunAlike: the image of the Dockerfile and the image of releases have the
// same settings.
func TestBothImagesAreRunAlike(t *testing.T) {
	var image struct {
		Env, Entrypoint, Cmd []string
		WorkingDir           string
		StopSignal           string
		ExposedPorts         map[string]struct{}
		Healthcheck          struct {
			Test                           []string
			Interval, Timeout, StartPeriod time.Duration
			Retries                        int
		}
	}
	d := json.NewDecoder(strings.NewReader(read(t, "image/config.json")))
	d.DisallowUnknownFields()
	if err := d.Decode(&image); err != nil {
		t.Fatal(err)
	}
	list := func(words []string) string {
		text, err := json.Marshal(words)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), `","`, `", "`)
	}
	h := image.Healthcheck
	want := map[string]string{
		"FROM": "scratch", "COPY": "--from=build /rootfs /",
		"ENV": strings.Join(image.Env, " "), "WORKDIR": image.WorkingDir, "STOPSIGNAL": image.StopSignal,
		"EXPOSE": strings.TrimSuffix(slices.Collect(maps.Keys(image.ExposedPorts))[0], "/tcp"), "ENTRYPOINT": list(image.Entrypoint), "CMD": list(image.Cmd),
		"HEALTHCHECK": fmt.Sprintf("--interval=%s --timeout=%s --retries=%d --start-period=%s CMD %s", h.Interval, h.Timeout, h.Retries, h.StartPeriod, list(h.Test[1:])),
	}
	if diff := cmp.Diff(want, instructions(t)); diff != "" {
		t.Errorf("config.json (-) and Dockerfile (+) differ:\n%s", diff)
	}
	if image.Entrypoint[0] != "/usr/bin/jumpserver-video" || !slices.Equal(image.Cmd, []string{"agent"}) || h.Test[0] != "CMD" {
		t.Errorf("%+v", image)
	}
}

func TestTheUnitAllowsWhatPrioritiesNeed(t *testing.T) {
	unit := read(t, "../jumpserver-video.service")
	for _, want := range []string{"Type=notify", "WatchdogSec=", "LimitCORE=0", "SystemCallErrorNumber=EPERM", "RequiresMountsFor=", "KillMode=mixed"} {
		if !strings.Contains(unit, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
	for _, no := range []string{"~@resources", "ProcSubset=pid", "PrivateNetwork=yes"} {
		if strings.Contains(unit, no) {
			t.Errorf("%s: the governor or the encoder cannot work with this", no)
		}
	}
}

// TestUserAndFoldersAreOneStory: the unit, sysusers, tmpfiles and the scripts name the same
// user and folder.
func TestUserAndFoldersAreOneStory(t *testing.T) {
	for name, want := range map[string][]string{
		"../jumpserver-video.service": {"User=jumpserver-video\n", "Group=jumpserver-video\n", "/etc/jumpserver-video/config.txt"},
		"sysusers.conf":               {"u jumpserver-video - "},
		"tmpfiles.conf":               {"/opt/video-worker/data 0750 jumpserver-video jumpserver-video"},
		"scripts/postinstall":         {"/opt/video-worker/data", "/etc/jumpserver-video/config.txt"},
	} {
		text := read(t, name)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q", name, w)
			}
		}
	}
	var content map[string]any
	if err := yaml.NewDecoder(bytes.NewReader([]byte(read(t, "nfpm.yaml")))).Decode(&content); err != nil {
		t.Error(err)
	}
}
