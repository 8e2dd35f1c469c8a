package nfs

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// asJumpServer is set in the process of this test that runs in the guest js. It is the cores
// of all sites, and a NATS server for two agents.
const asJumpServer = "NFS_TEST_JUMPSERVER"

const token = "bootstrap"

// site is a JumpServer in the guest js, with a volume of its own: tests on different sites
// can run at once.
type site struct {
	*fixture
	name string
	port int // of core; the next one is for requests of the test
}

// sites returns the names and ports of all sites.
func sites() []*site { return []*site{{name: "main", port: 8080}, {name: "other", port: 8090}} }

func (s *site) media() string  { return "/srv/js/" + s.name }
func (s *site) replay() string { return s.media() + "/replay" }

// controlURL returns the URL of a request of the test to the site; see serve.
func (s *site) controlURL(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", s.port+1, path)
}

// control makes a request of the test, which must succeed.
func (s *site) control(t *testing.T, method, path string) string {
	t.Helper()
	body, status := s.js.request(t, method, s.controlURL(path))
	if status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, status, body)
	}
	return body
}

// serveJumpServer serves until it fails.
func serveJumpServer() error {
	nats, err := server.NewServer(&server.Options{ServerName: "js", Host: "0.0.0.0", Port: 4222, JetStream: true, StoreDir: "/srv/js/nats"})
	if err != nil {
		return err
	}
	nats.Start()
	failed := make(chan error)
	for _, s := range sites() {
		go func() { failed <- s.serve() }()
	}
	return <-failed
}

// serve runs the site's core.
func (s *site) serve() error {
	core, err := devcore.Start(devcore.Options{
		Version: "4.10.13", MediaDir: s.media(), Addr: fmt.Sprintf("0.0.0.0:%d", s.port), BootstrapToken: token, Registration: devcore.RegistrationOn,
	})
	if err != nil {
		return err
	}
	// Requests of the test: a session that has just ended, and what core got.
	mux := http.NewServeMux()
	mux.HandleFunc("POST /session/{id}", func(_ http.ResponseWriter, r *http.Request) {
		now := time.Now().UTC()
		core.AddSession(devcore.Session{
			ID: r.PathValue("id"), User: "Test(test)", Asset: "RDP", Account: "test(test)", Protocol: "rdp", TerminalType: "lion",
			Start: now.Add(-6 * time.Second), End: now, Finished: true,
		})
	})
	mux.HandleFunc("POST /recording/{id}", func(w http.ResponseWriter, r *http.Request) {
		if err := s.receive(r.PathValue("id")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("GET /uploads/{id}", func(w http.ResponseWriter, r *http.Request) {
		n := 0
		for _, request := range core.Requests() {
			if request.Method == http.MethodPost && strings.Contains(request.Path, r.PathValue("id")+"/replay") {
				n++
			}
		}
		fmt.Fprint(w, n)
	})
	mux.HandleFunc("GET /served/{id}", func(w http.ResponseWriter, r *http.Request) {
		served, err := core.Served(r.Context(), r.PathValue("id"))
		originals, _ := filepath.Glob(filepath.Join(s.replay(), "*", r.PathValue("id")+".replay.gz"))
		_ = json.NewEncoder(w).Encode(map[string]any{"type": served.Type, "error": fmt.Sprint(err), "originals": len(originals)})
	})
	return http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", s.port+1), mux) //nolint:gosec // only for the test
}

// today returns the folder of sessions that end now.
func today() string { return time.Now().UTC().Add(-6 * time.Second).Format(time.DateOnly) }

// writeRecording writes a recording of some seconds: random boxes on a small screen, which
// slow hosts can convert quickly.
func writeRecording(file string) error {
	var b strings.Builder
	z := gzip.NewWriter(&b)
	put := func(op string, args ...any) {
		fmt.Fprintf(z, "%d.%s", len(op), op)
		for _, a := range args {
			text := fmt.Sprint(a)
			fmt.Fprintf(z, ",%d.%s", len(text), text)
		}
		fmt.Fprint(z, ";")
	}
	r := rand.New(rand.NewPCG(1, 1))
	put("size", 0, 320, 240)
	for i := range 26 {
		for range 12 {
			put("rect", 0, r.IntN(300), r.IntN(220), 10+r.IntN(60), 10+r.IntN(60))
			put("cfill", 14, 0, r.IntN(256), r.IntN(256), r.IntN(256), 255)
		}
		put("sync", 1000+i*200)
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(b.String()), 0o644) //nolint:gosec // for core in the guest
}

// startJumpServer starts nfsd and the cores in the guest.
func (l *fixture) startJumpServer() {
	for _, s := range []*site{l.main, l.other} {
		l.js.sh(l.t, "mkdir -p %s", s.replay())
		s.export(l.t, squash)
	}
	l.js.sh(l.t, `mkdir -p /srv/js/nats; mount -t nfsd nfsd /proc/fs/nfsd 2>/dev/null || true
systemd-run -q --unit=jumpserver -E %s=1 /host/nfs.test; systemctl start nfs-server`, asJumpServer)
	for _, s := range []*site{l.main, l.other} {
		waittest.Within(l.t, time.Minute, "core of "+s.name, func() bool {
			_, status := l.js.request(l.t, http.MethodGet, s.controlURL("/uploads/none"))
			return status == http.StatusOK
		})
	}
}

// Ways to export a volume.
const (
	squash     = "rw,sync,no_subtree_check,all_squash,anonuid=0,anongid=0"
	rootSquash = "rw,sync,no_subtree_check,root_squash"
	readOnly   = "ro,sync,no_subtree_check,all_squash,anonuid=0,anongid=0"
)

// export exports the site's volume to all hosts; "" = to no host.
func (s *site) export(t *testing.T, options string) {
	t.Helper()
	line := ""
	if options != "" {
		line = s.media() + " 10.9.0.0/24(" + options + ")"
	}
	s.js.sh(t, "mkdir -p /etc/exports.d; echo '%s' >/etc/exports.d/%s.exports; exportfs -ra; exportfs -f", line, s.name)
}

// plant does the same as core when Lion uploads a recording, and returns the session.
func (s *site) plant(t *testing.T) string {
	t.Helper()
	id := uuid.NewString()
	s.end(t, id)
	s.control(t, http.MethodPost, "/recording/"+id)
	return id
}

// receive stores a recording as core does, on the server's own disk. If it is the first of the
// day, it creates the day's folder with mode 0755.
func (s *site) receive(id string) error {
	day := filepath.Join(s.replay(), today())
	if err := os.Mkdir(day, 0o755); err != nil && !errors.Is(err, os.ErrExist) { //nolint:gosec // as core does
		return err
	}
	content, err := os.ReadFile("/host/recording.gz")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(day, id+".replay.gz"), content, 0o644) //nolint:gosec // as core does
}

// end tells core of a session that has just ended.
func (s *site) end(t *testing.T, id string) {
	t.Helper()
	s.control(t, http.MethodPost, "/session/"+id)
}

// uploads returns what core got for a session.
func (s *site) uploads(t *testing.T, id string) string {
	t.Helper()
	return s.control(t, http.MethodGet, "/uploads/"+id)
}

// isReplaced reports whether core serves the MP4, with the time of its original, and the
// original is in the trash.
func (s *site) isReplaced(t *testing.T, id string) bool {
	t.Helper()
	out := s.control(t, http.MethodGet, "/served/"+id)
	return strings.Contains(out, `"type":"mp4"`) && strings.Contains(out, `"originals":0`)
}
