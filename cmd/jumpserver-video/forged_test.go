package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/jumpserver-video/jumpserver-video/coreapi/loopback"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

const fleetKey = "of-this-fleet-32-characters-long"

// startNATS starts a server, which runs until the test ends.
func startNATS(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// reserve reserves a loopback address until the test ends.
func reserve(t *testing.T, ports int) *loopback.Address {
	t.Helper()
	at, err := loopback.Reserve(ports)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { at.Close() })
	return at
}

// TestForgedWorkRemovesNobodysRecording: an attacker with access to NATS, but without the key,
// writes a task that would delete the only recording of another session.
func TestForgedWorkRemovesNobodysRecording(t *testing.T) {
	t.Parallel()
	const done, victim = "eeeeeeee-1111-4111-8111-111111111111", "eeeeeeee-2222-4222-8222-222222222222"
	l := newFixture(t, "4.10.13")
	s := startNATS(t, &server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, JetStream: true, StoreDir: t.TempDir()})
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server does not start")
	}
	l.env["QUEUE_URL"], l.env["VIDEO_WORKER_SECRET_KEY"], l.env["ORIGINALS"] = s.ClientURL(), fleetKey, "delete"
	l.put(done)
	original := filepath.Join(l.replay(), sessionDay, victim+".replay.gz")
	data, err := os.ReadFile(sample(t, "tiny/v3/*/*.replay.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(original, data, 0o644); err != nil { // of a session that core does not know
		t.Fatal(err)
	}
	l.start()
	view := func(id string) (v task.View) {
		out, _ := l.command("tasks", "show", id, "--json")
		_ = json.Unmarshal([]byte(out), &v) // empty if there is no such task
		return v
	}
	l.until("done", func() bool { return view(done).State == queue.StateDone && view(victim).State == queue.StateSkipped })
	if log := l.agent.Log(); !strings.Contains(log, "no user and password for 127.0.0.1") {
		t.Errorf("the log does not warn of the queue:\n%s", log)
	}

	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), "tasks")
	if err != nil {
		t.Fatal(err)
	}
	record := func(id string) []byte {
		entry, err := kv.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return entry.Value()
	}
	var mine, theirs map[string]any
	if err := json.Unmarshal(record(done), &mine); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(record(victim), &theirs); err != nil {
		t.Fatal(err)
	}
	// The forged record says about one recording what was done with the other.
	mine["source"], mine["fingerprint"], mine["state"] = theirs["source"], theirs["fingerprint"], "retiring"
	if journal, ok := mine["data"].(map[string]any); ok {
		journal["fingerprint"], journal["reached"] = theirs["fingerprint"], "retiring"
	}
	forge := func(id string, change func(map[string]any)) {
		change(mine)
		data, err := json.Marshal(mine)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Put(t.Context(), id, data); err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range []func(map[string]any){
		func(m map[string]any) {}, // with the seal of the original record
		func(m map[string]any) { delete(m, "seal") },
		func(m map[string]any) { m["state"] = "queued" },
	} {
		for _, id := range []string{done, victim} {
			forge(id, func(m map[string]any) { change(m); m["id"] = id })
			l.until("refused", func() bool { return view(id).Reason == task.ClassForged })
		}
	}
	waittest.During(t, 3*time.Second, "the recording is kept", func() bool {
		have, err := os.ReadFile(original)
		return err == nil && bytes.Equal(have, data)
	}, func() any { return view(victim) })
	if served := l.served(done); served != "mp4" {
		t.Errorf("core serves %s", served)
	}
	if out, code := l.command("tasks", "show", victim); code != 0 || !regexp.MustCompile(`(?ms)^reason +record_forged: .*^error +.*no valid seal`).MatchString(out) {
		t.Errorf("shown:\n%s", out)
	}

	// The next start finds the recording again, and a retry removes the converted task.
	l.stop()
	l.start()
	l.until("found again", func() bool { v := view(victim); return v.State == queue.StateSkipped && v.Reason == task.ClassSession })
	if v := view(done); v.Reason != task.ClassForged {
		t.Errorf("a task without a recording: %+v", v)
	}
	if out, code := l.command("tasks", "retry", "--reason", "record_forged"); code != 0 || !strings.Contains(out, "1 task is") {
		t.Errorf("cleared: %d %s", code, out)
	}
	if v := view(done); v.ID != "" {
		t.Errorf("the task still exists: %+v", v)
	}
	if bytes.HasSuffix(record(victim), []byte(`}`)) != true || !bytes.Contains(record(victim), []byte(`,"seal":"`)) {
		t.Errorf("not sealed: %s", record(victim))
	}
}

// TestNATSAsTheDocsSetItUp: three servers with the configuration in docs/fleet.md serve agents
// with the password and TLS, and refuse all others.
func TestNATSAsTheDocsSetItUp(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```nats\n(.*?)```").FindSubmatch(doc)
	if m == nil {
		t.Fatal("docs/fleet.md has no configuration of NATS")
	}
	dir := t.TempDir()
	at := reserve(t, 6)
	cert, key := writeCertificate(t, dir, at.Host)
	clients, routes := at.Ports[:3], at.Ports[3:]
	var urls []string
	var plain string
	for i := range 3 {
		replace := []string{
			"server_name: nats-1", fmt.Sprintf("server_name: nats-%d", i+1), "0.0.0.0:4222", fmt.Sprintf("%s:%d", at.Host, clients[i]),
			"0.0.0.0:6222", fmt.Sprintf("%s:%d", at.Host, routes[i]), "/var/lib/nats", filepath.Join(dir, fmt.Sprint("store", i)),
			"/etc/nats/cert.pem", cert, "/etc/nats/key.pem", key, "/etc/nats/ca.pem", cert,
		}
		for k := range 3 {
			replace = append(replace, fmt.Sprintf("nats-%d:6222", k+1), fmt.Sprintf("%s:%d", at.Host, routes[k]))
		}
		file := filepath.Join(dir, fmt.Sprint("nats", i, ".conf"))
		if err := os.WriteFile(file, []byte(strings.NewReplacer(replace...).Replace(string(m[1]))), 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := server.ProcessConfigFile(file)
		if err != nil {
			t.Fatal(err)
		}
		o.NoSigs = true
		startNATS(t, o)
		urls = append(urls, fmt.Sprintf("tls://jumpserver-video:PASSWORD@%s:%d", at.Host, clients[i]))
		plain = fmt.Sprintf("nats://%s:%d", at.Host, clients[i])
	}
	if !strings.Contains(string(doc), "QUEUE_URL="+strings.NewReplacer(
		fmt.Sprint(at.Host, ":", clients[0]), "nats-1:4222", fmt.Sprint(at.Host, ":", clients[1]), "nats-2:4222", fmt.Sprint(at.Host, ":", clients[2]), "nats-3:4222",
	).Replace(strings.Join(urls, ","))) {
		t.Error("docs/fleet.md has another QUEUE_URL")
	}

	const session = "eeeeeeee-1111-4111-8111-111111111111"
	l := newFixture(t, "4.10.13")
	l.env["QUEUE_URL"], l.env["VIDEO_WORKER_SECRET_KEY"], l.env["SSL_CERT_FILE"] = strings.Join(urls, ","), fleetKey, cert
	l.put(session)
	l.start()
	l.until("replaced", func() bool { return l.served(session) == "mp4" })
	if log := l.agent.Log(); strings.Contains(log, "the shared queue is insecure") || strings.Contains(log, "PASSWORD") {
		t.Errorf("the log:\n%s", log)
	}
	if out, _ := l.command("doctor"); strings.Contains(out, "QUEUE_URL") || strings.Contains(out, "PASSWORD") {
		t.Errorf("the doctor:\n%s", out)
	}
	for what, options := range map[string][]nats.Option{
		"no password": {nats.RootCAs(cert)}, "a wrong password": {nats.RootCAs(cert), nats.UserInfo("jumpserver-video", "guess")}, "the password of routes": {nats.RootCAs(cert), nats.UserInfo("route", "ROUTE_PASSWORD")},
		"a certificate that nobody vouches for": {nats.UserInfo("jumpserver-video", "PASSWORD")},
	} {
		if conn, err := nats.Connect(plain, options...); err == nil {
			conn.Close()
			t.Errorf("connected with %s", what)
		}
	}
	conn, err := nats.Connect(plain, nats.RootCAs(cert), nats.UserInfo("jumpserver-video", "PASSWORD"))
	if err != nil {
		t.Fatal(err)
	}
	if !conn.TLSRequired() {
		t.Error("a connection without TLS is accepted")
	}
	conn.Close()
}
