package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
)

// writeCertificate creates a self-signed certificate for a name.
func writeCertificate(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(name); ip != nil {
		template.DNSNames, template.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTheAgentSpeaksHTTPS(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	m := newManager(t, l)
	cert, key := writeCertificate(t, t.TempDir(), "video.example.test")
	l.env["HTTPD_TLS_CERT"], l.env["HTTPD_TLS_KEY"] = cert, key
	l.start()
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "video.example.test"}}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	url := "https://" + l.agent.Addr()
	l.until("healthy", func() bool {
		resp, err := client.Get(url + "/video-worker/health/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	l.until("the watchdog fed", func() bool { return m.count("WATCHDOG=1") >= 2 })
	lion, err := liontest.Start(t.Context(), liontest.Parts, liontest.Options{
		Core: l.core.URL, Worker: url, Token: "boot-secret", Name: "secure", Dir: filepath.Join(l.dir, "lion"), Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lion.Close)
	const id = "eeeeeeee-1111-4111-8111-111111111111"
	l.recorded(lion, id, sample(t, "multipart/v4/*/*"))
	l.ended(lion, id)
	l.until("served", func() bool { return l.served(id) == "mp4" })
	if out, code := l.command("tasks", "--json"); code != 0 || len(out) < 10 {
		t.Errorf("tasks: %d %s", code, out)
	}
	l.env["HTTPD_TLS_CERT"], l.env["HTTPD_TLS_KEY"] = "", ""
	if out, code := l.command("tasks", "--json"); code == 0 {
		t.Errorf("tasks without TLS: %d %s", code, out)
	}
}

func TestARenewedCertificateIsNoticed(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, "old.example.test")
	c, err := newCertificate(cert, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	name := func() string {
		c.looked = time.Time{}
		got, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Leaf.DNSNames[0]
	}
	if name() != "old.example.test" {
		t.Error(name())
	}
	writeCertificate(t, dir, "new.example.test")
	later := time.Now().Add(time.Second)
	_ = os.Chtimes(cert, later, later)
	if name() != "new.example.test" {
		t.Error(name())
	}
	if err := os.WriteFile(key, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if name() != "new.example.test" {
		t.Error("a broken renewal is used")
	}
	if _, err := newCertificate(cert, key, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a broken key is accepted")
	}
}
