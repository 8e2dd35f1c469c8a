package queue

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/jumpserver-video/jumpserver-video/coreapi/loopback"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// reserve returns a loopback address of this host, reserved until the test ends.
func reserve(t *testing.T, ports int) *loopback.Address {
	t.Helper()
	at, err := loopback.Reserve(ports)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { at.Close() })
	return at
}

// natsAt starts a NATS server without a cluster.
func natsAt(t *testing.T, host string, port int) *server.Server {
	t.Helper()
	return startNATS(t, &server.Options{Host: host, Port: port, StoreDir: t.TempDir()})
}

func startNATS(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	o.NoSigs, o.NoLog, o.JetStream = true, true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	t.Cleanup(func() { stopServer(s) })
	return s
}

// cluster has the addresses of three servers; each is started separately.
type cluster struct {
	t      *testing.T
	at     *loopback.Address // three ports for clients, then three for routes
	routes []*url.URL
}

// newCluster starts the first running servers of a cluster of three.
func newCluster(t *testing.T, running int) (c *cluster, urls string) {
	t.Helper()
	c = &cluster{t: t, at: reserve(t, 6)}
	for i := range 3 {
		c.routes = append(c.routes, &url.URL{Scheme: "nats", Host: c.at.HostPort(3 + i)})
	}
	for i := range running {
		c.start(i)
	}
	return c, fmt.Sprintf("nats://%s,nats://%s", c.at.HostPort(0), c.at.HostPort(1))
}

func (c *cluster) start(i int) *server.Server {
	c.t.Helper()
	return startNATS(c.t, &server.Options{
		ServerName: fmt.Sprint("n", i), Host: c.at.Host, Port: c.at.Ports[i], StoreDir: c.t.TempDir(), Routes: c.routes,
		Cluster: server.ClusterOpts{Name: "test", Host: c.at.Host, Port: c.at.Ports[3+i]},
	})
}

// js returns a client of the server that is independent of the queue.
func js(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	client, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (q *Queue) copies(t *testing.T) int {
	t.Helper()
	status, err := q.kv.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status.Config().Replicas
}

// TestASharedQueueNeedNotBeThere: a queue opens while its server is unreachable, and
// works as soon as the server is there.
func TestASharedQueueNeedNotBeThere(t *testing.T) {
	t.Parallel()
	at := reserve(t, 1)
	q := open(t, Options{URL: "nats://" + at.HostPort(0), Owner: "early"})
	waittest.Until(t, "trouble reported", func() bool { return errors.Is(q.Trouble(), ErrUnreached) })
	if _, err := q.List(t.Context()); !errors.Is(err, ErrUnreached) {
		t.Errorf("its tasks: %v", err)
	}
	idle(t, q)
	s := natsAt(t, at.Host, at.Ports[0])
	submit(t, q, 1, "x")
	if q.copies(t) != 1 {
		t.Errorf("%d copies on one server", q.copies(t))
	}
	release(t, lease(t, q), done)
	if err := q.Trouble(); err != nil {
		t.Error(err)
	}
	s.Shutdown()
	waittest.Until(t, "trouble reported again", func() bool { return errors.Is(q.Trouble(), ErrUnreached) })
	if tasks, err := q.List(t.Context()); err != nil || len(tasks) != 1 {
		t.Errorf("the tasks as last seen: %v, %v", tasks, err)
	}
}

// TestAClusterThatIsNotCompleteIsWaitedFor: the tasks are not stored on fewer servers
// instead.
func TestAClusterThatIsNotCompleteIsWaitedFor(t *testing.T) {
	t.Parallel()
	c, url := newCluster(t, 2)
	q := open(t, Options{URL: url, Owner: "a"})
	waittest.During(t, 3*time.Second, "it waits for the third server", func() bool { return errors.Is(q.Trouble(), ErrUnreached) }, func() any { return q.Trouble() })
	c.start(2)
	waittest.Until(t, "reached", func() bool { _, err := q.List(t.Context()); return err == nil })
	submit(t, q, 1, "x")
	if n := q.copies(t); n != 3 {
		t.Errorf("%d copies", n)
	}
}

// TestOneCopyBecomesThree when the server has become part of a cluster.
func TestOneCopyBecomesThree(t *testing.T) {
	t.Parallel()
	_, url := newCluster(t, 3)
	client := js(t, url)
	waittest.Until(t, "a bucket on one server", func() bool {
		_, err := client.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bucketName, History: 1, Storage: jetstream.FileStorage, Replicas: 1})
		return err == nil
	})
	q := open(t, Options{URL: url, Owner: "a"})
	submit(t, q, 1, "x")
	if n := q.copies(t); n != 3 {
		t.Errorf("%d copies", n)
	}
}

// TestAWatchThatEndsIsBegunAgain: the server refuses a new watch for a while, and tasks
// are created and removed meanwhile.
func TestAWatchThatEndsIsBegunAgain(t *testing.T) {
	t.Parallel()
	url := natsURL(t)
	client := js(t, url)
	stream, err := client.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "KV_" + bucketName, Subjects: []string{"$KV." + bucketName + ".>"}, MaxMsgsPerSubject: 1, MaxConsumers: 1,
		Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true, AllowDirect: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	q := open(t, Options{URL: url, Owner: "a"})
	for n := range 3 {
		submit(t, q, n, "x")
	}
	waittest.Until(t, "all seen", func() bool { tasks, err := q.List(t.Context()); return err == nil && len(tasks) == 3 })

	for name := range stream.ConsumerNames(t.Context()).Name() {
		if err := stream.DeleteConsumer(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "thief"}); err != nil {
		t.Fatal(err)
	}
	kv, err := client.KeyValue(t.Context(), bucketName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), id(4), []byte(`{"id":"`+id(4)+`","state":"queued"}`)); err != nil {
		t.Fatal(err)
	}
	if err := kv.Purge(t.Context(), id(0)); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "trouble reported", func() bool { return errors.Is(q.Trouble(), ErrUnreached) })
	if err := stream.DeleteConsumer(t.Context(), "thief"); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "seen what has happened", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		_, there := q.view[id(4)]
		_, gone := q.view[id(0)]
		return there && !gone && len(q.view) == 3
	})
}

// TestAQueueThatIsRemovedIsTold: Gone reports it, so that all recordings can be
// submitted again.
func TestAQueueThatIsRemovedIsTold(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "queue")
	own := open(t, Options{Dir: dir})
	url := natsURL(t)
	shared := open(t, Options{URL: url, Owner: "a"})
	submit(t, own, 1, "x")
	submit(t, shared, 1, "x")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := js(t, url).DeleteKeyValue(t.Context(), bucketName); err != nil {
		t.Fatal(err)
	}
	for _, q := range []*Queue{own, shared} {
		select {
		case err := <-q.Gone():
			if !errors.Is(err, ErrRemoved) || !errors.Is(q.Trouble(), ErrRemoved) {
				t.Errorf("%v, %v", err, q.Trouble())
			}
		case <-time.After(60 * time.Second):
			t.Fatal("Gone does not report it")
		}
	}
}

// lossy forwards connections to a server. While lose is set, it closes the connection
// instead of forwarding the server's next response.
type lossy struct {
	net.Listener
	to   string
	lose atomic.Bool
}

func newLossy(t *testing.T, to string) *lossy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &lossy{Listener: listener, to: to}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { l.pass(client) })
		}
	})
	t.Cleanup(func() { listener.Close(); conns.Wait() })
	return l
}

func (l *lossy) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(server, client); server.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil || l.lose.CompareAndSwap(true, false) {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestAWriteWhoseAnswerIsLostHasHappened: the writer detects that its write succeeded,
// and keeps the task.
func TestAWriteWhoseAnswerIsLostHasHappened(t *testing.T) {
	t.Parallel()
	l := newLossy(t, natsServer(t).Addr().String())
	q := open(t, Options{URL: "nats://" + l.Addr().String(), Owner: "a", Lease: time.Minute})
	l.lose.Store(true)
	if _, fresh := submit(t, q, 1, "x"); !fresh {
		t.Error("the queue took its own write for that of another agent")
	}
	l.lose.Store(true)
	held := lease(t, q)
	l.lose.Store(true)
	if err := held.Update(func(task *Task) { task.State = StateRendering }); err != nil {
		t.Error(err)
	}
	l.lose.Store(true)
	release(t, held, done)
	if task, err := q.Get(t.Context(), id(1)); err != nil || task.State != StateDone || task.Takeovers != 0 {
		t.Errorf("%+v, %v", task, err)
	}
	if l.lose.Load() {
		t.Error("no response was lost")
	}
}
