package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	maxStore     = 4 << 30  // bytes that the embedded queue may take on disk
	maxMemory    = 64 << 20 // bytes that JetStream's memory storage may take
	startTimeout = 30 * time.Second
)

// embedded starts a NATS server inside the process, without a port, and connects to it.
func embedded(dir string, log *slog.Logger) (*server.Server, *nats.Conn, error) {
	s, err := server.NewServer(&server.Options{
		ServerName: "jumpserver-video", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: dir, SyncAlways: true, JetStreamMaxStore: maxStore, JetStreamMaxMemory: maxMemory,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("queue: %w", err)
	}
	s.SetLoggerV2(natsLog{log.With("from", "queue")}, false, false, false)
	go s.Start()
	if !s.ReadyForConnections(startTimeout) {
		stopServer(s)
		return nil, nil, fmt.Errorf("queue: the embedded NATS server did not start within %s", startTimeout)
	}
	conn, err := nats.Connect("", nats.InProcessServer(s), nats.Name("jumpserver-video"), nats.MaxReconnects(-1))
	if err != nil {
		stopServer(s)
		return nil, nil, fmt.Errorf("queue: %w", err)
	}
	return s, conn, nil
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// openEmbedded opens the queue in dir, and creates it if needed. A folder that cannot be
// used is moved aside, because all tasks can be found again.
func openEmbedded(ctx context.Context, dir string, log *slog.Logger) (*server.Server, *nats.Conn, jetstream.KeyValue, error) {
	for attempt := 0; ; attempt++ {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, nil, nil, fmt.Errorf("queue: %w", err)
		}
		s, conn, err := embedded(dir, log)
		if err == nil {
			var kv jetstream.KeyValue
			if kv, err = bucket(ctx, conn, 1); err == nil {
				return s, conn, kv, nil
			}
			conn.Close()
			stopServer(s)
		}
		if attempt > 0 || ctx.Err() != nil {
			return nil, nil, nil, err
		}
		aside := dir + ".broken-" + time.Now().UTC().Format("20060102T150405")
		log.Error("cannot use the queue's folder; moving it aside and creating a new queue", "error", err, "aside", aside)
		if err := os.Rename(dir, aside); err != nil {
			return nil, nil, nil, fmt.Errorf("queue: %w", err)
		}
	}
}

// bucket opens the bucket of tasks. If it does not exist, bucket creates it with copies
// on that number of servers.
func bucket(ctx context.Context, conn *nats.Conn, replicas int) (jetstream.KeyValue, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	kv, err := js.KeyValue(ctx, bucketName)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: bucketName, Description: "tasks of jumpserver-video", History: 1, Storage: jetstream.FileStorage, Replicas: replicas,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return kv, nil
}

const bucketName = "tasks"

// natsLog passes the server's messages to the agent's logger at lower levels, because
// they only help to investigate a problem.
type natsLog struct{ log *slog.Logger }

func (n natsLog) Noticef(f string, v ...any) { n.log.Debug(fmt.Sprintf(f, v...)) }
func (n natsLog) Warnf(f string, v ...any)   { n.log.Debug(fmt.Sprintf(f, v...)) }
func (n natsLog) Errorf(f string, v ...any)  { n.log.Warn(fmt.Sprintf(f, v...)) }
func (n natsLog) Fatalf(f string, v ...any)  { n.log.Error(fmt.Sprintf(f, v...)) }
func (n natsLog) Debugf(f string, v ...any)  {}
func (n natsLog) Tracef(f string, v ...any)  {}
